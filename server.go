package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"opsyard/cookbooks"
	"opsyard/engine"
	"opsyard/engine/compute"
	"opsyard/engine/logstream"
	"opsyard/engine/logstream/blob"
	"opsyard/engine/pubsub"
	"opsyard/handlers"
	"opsyard/handlers/agentapi"
	"opsyard/handlers/awsapi"
	"opsyard/models/store"
	"opsyard/web"
)

// server is everything joined: one value that serves until its context ends.
type server struct {
	flags     serveFlags
	log       *slog.Logger
	lock      *os.File // held while the data directory is ours
	store     *store.Store
	logs      *logstream.Logs
	engine    *engine.Engine
	console   *handlers.Handlers
	agents    *agentapi.API
	aws       *awsapi.API
	providers map[string]compute.Provider
	listener  net.Listener
	admin     net.Listener
	// tell says how a long preparation goes on, where the log does not.
	tell func(sentence string)
}

// slowPrepare is how long machines are prepared in silence.
const slowPrepare = 3 * time.Second

// newServer opens and joins everything, and listens; serve does the rest.
// Times may be zero; tests shorten them.
func newServer(ctx context.Context, f serveFlags, log *slog.Logger, times engine.Times) (_ *server, err error) {
	s := &server{flags: f, log: log, tell: func(string) {}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err = f.checkRetention(); err != nil {
		return nil, err
	}
	if times.KeepMetrics == 0 {
		times.KeepMetrics = f.MetricsRetention
	}
	if times.KeepShells == 0 {
		times.KeepShells = f.ShellRetention
	}
	if err = f.makeData(); err != nil {
		return nil, err
	}
	if s.lock, err = f.lock(ctx); err != nil {
		return nil, err
	}
	if s.store, err = f.open(ctx, log); err != nil {
		return nil, err
	}
	if err = s.listen(ctx); err != nil {
		return nil, err
	}
	blobs, err := blob.OpenDir(f.logStore())
	if err != nil {
		return nil, err
	}
	s.logs = logstream.New(logstream.Config{Store: s.store.Logs, Blobs: blobs, Log: log})
	var preferred string
	if s.providers, preferred, err = f.makeProviders(ctx, log); err != nil {
		return nil, err
	}
	asked, err := f.askPrometheus()
	if err != nil {
		return nil, err
	}
	hub := pubsub.NewHub()
	notifier, err := f.sender(log)
	if err != nil {
		return nil, err
	}
	receiver, err := f.auditReceiver()
	if err != nil {
		return nil, err
	}
	if s.engine, err = engine.New(ctx, engine.Config{
		Store: s.store, Hub: hub, Logs: s.logs, Log: log, Providers: s.providers, DefaultProvider: preferred,
		Cookbooks: cookbooks.Archive(), AgentURL: s.localURL(), PublicURL: s.publicURL(), Version: version, Limits: f.limits(), Times: times, Prometheus: asked,
		Notifier: notifier, AuditSyslog: receiver,
	}); err != nil {
		return nil, err
	}
	log.InfoContext(ctx, "machines of new stacks", slog.String("provider", preferred), slog.String("data", f.Data))
	s.agents = agentapi.New(s.engine, s.logs, log, f.agentDirectory())
	s.aws = awsapi.New(awsapi.Config{Engine: s.engine, Store: s.store, Logs: s.logs, Log: log, PublicURL: s.publicURL()})
	console := handlers.Config{
		Engine: s.engine, Store: s.store, Logs: s.logs, Hub: hub, Log: log, PublicURL: f.PublicURL, Version: version, Dev: f.Dev,
	}
	provider, err := f.provider(s.publicURL())
	if err != nil {
		return nil, err
	}
	if provider != nil {
		console.OIDC = provider
	}
	s.console, err = handlers.New(console)
	return s, err
}

func (s *server) listen(ctx context.Context) error {
	var how net.ListenConfig
	var err error
	if s.listener, err = how.Listen(ctx, "tcp", s.flags.Listen); err != nil {
		return fmt.Errorf("--listen %s does not work: %w", s.flags.Listen, plain(err))
	}
	if s.flags.AdminListen == "" {
		return nil
	}
	if s.admin, err = how.Listen(ctx, "tcp", s.flags.AdminListen); err != nil {
		return fmt.Errorf("--admin-listen %s does not work (choose another, or '' for none): %w", s.flags.AdminListen, plain(err))
	}
	return nil
}

// plain is what a failed listen says beside its address, which we say ourselves.
func plain(err error) error {
	var address *net.AddrError
	var call *os.SyscallError
	switch {
	case errors.As(err, &address):
		return fmt.Errorf("%s; write HOST:PORT", address.Err)
	case errors.As(err, &call):
		return call.Err
	}
	return err
}

// localURL is the address of the server as this host sees it.
func (s *server) localURL() string {
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// publicURL is the address that people use.
func (s *server) publicURL() string {
	if s.flags.PublicURL != "" {
		return s.flags.PublicURL
	}
	return s.localURL()
}

// serve runs until ctx ends, then stops everything in order: first whoever
// asks for changes, then those who make them, the database last.
func (s *server) serve(ctx context.Context) error {
	return s.serveWith(ctx, func(context.Context, *http.ServeMux) error { return nil })
}

// serveWith is serve with more routes.
func (s *server) serveWith(ctx context.Context, more func(context.Context, *http.ServeMux) error) error {
	defer s.close()
	proxies, err := web.ParseProxies(s.flags.TrustedProxies)
	if err != nil {
		return fmt.Errorf("--trusted-proxies: %w", err)
	}
	mux := s.routes()
	if err := more(ctx, mux); err != nil {
		return err
	}
	if err := s.logs.Start(ctx); err != nil {
		return err
	}
	if err := s.engine.Start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var serving sync.WaitGroup
	errs := make(chan error, 2)
	run := func(listener net.Listener, handler http.Handler, onStop func()) {
		serving.Go(func() {
			defer cancel()
			errs <- (&web.Server{Handler: handler, Log: s.log, OnStop: onStop}).Serve(ctx, listener)
		})
	}
	run(s.listener, proxies.Believe(s.secured(mux)), func() { s.console.Stop(); s.agents.Stop() })
	if s.admin != nil {
		run(s.admin, s.adminHandler(), nil)
	}
	serving.Go(func() { s.prepare(ctx) })
	serving.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// prepare readies what new machines need, so that the first start does not
// wait for it. It says so when that takes long: an image is made once per host.
func (s *server) prepare(ctx context.Context) {
	name := s.engine.Providers()[0]
	p, ok := s.providers[name].(interface{ Prepare(context.Context) error })
	if !ok {
		return
	}
	began := time.Now()
	slow := time.AfterFunc(slowPrepare, func() {
		s.tell("the root file system of the machines is being made; this takes a minute or two, once on this host")
	})
	err := p.Prepare(ctx)
	told := !slow.Stop()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.WarnContext(ctx, "prepare machines; the first start will try again", slog.String("provider", name), slog.Any("error", err))
	case told:
		s.tell(fmt.Sprintf("the root file system is ready after %s", time.Since(began).Round(time.Second)))
	}
}

// close releases what is open; it may be called at any stage, and twice.
func (s *server) close() {
	for _, l := range []net.Listener{s.listener, s.admin} {
		if l != nil {
			_ = l.Close() // serving has closed it already
		}
	}
	if s.agents != nil {
		s.agents.Stop()
	}
	if s.engine != nil {
		s.engine.Stop()
		s.engine = nil
	}
	if s.logs != nil {
		s.logs.Stop()
	}
	for name, p := range s.providers {
		if err := p.Close(); err != nil {
			s.log.Error("close provider", slog.String("provider", name), slog.Any("error", err))
		}
	}
	s.providers = nil
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Error("close the database", slog.Any("error", err))
		}
		s.store = nil
	}
	if s.lock != nil {
		_ = s.lock.Close() // and lets go of the lock
	}
}

// routes are what the listener serves.
func (s *server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/agent/", s.agents)
	mux.Handle("POST /{$}", s.aws)
	mux.Handle(awsapi.LogPattern, s.aws.LogHandler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", s.console)
	return mux
}

// secured gives every answer the headers of web.SecurityHeaders: those of the
// APIs and of what is not there, too.
func (s *server) secured(next http.Handler) http.Handler {
	return web.SecurityHeaders(strings.HasPrefix(s.flags.PublicURL, "https://"))(next)
}

// ready tells whether the server can do its work now.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.store.SQL().PingContext(ctx); err != nil {
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	if err := s.logs.Ready(ctx); err != nil {
		http.Error(w, "logs cannot be stored", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// adminHandler is for operators: metrics and profiles, on loopback by default.
func (s *server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return mux
}

// logStore is the directory of finished logs.
func (f *serveFlags) logStore() string {
	if f.LogStore != "" {
		return f.LogStore
	}
	return filepath.Join(f.Data, "logs")
}

// agentDirectory is where the agent programs lie: beside this one.
func (f *serveFlags) agentDirectory() string {
	self, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(self)
}

// leastRetention is what the chart of a day needs, and whoever looks into what
// happened yesterday.
const leastRetention = 24 * time.Hour

func (f *serveFlags) checkRetention() error {
	if f.MetricsRetention != 0 && f.MetricsRetention < leastRetention {
		return fmt.Errorf("--metrics-retention %s is too short: the chart of a day needs %s", f.MetricsRetention, leastRetention)
	}
	if f.ShellRetention < 0 || f.ShellRetention > 0 && f.ShellRetention < leastRetention {
		return fmt.Errorf("--shell-retention %s is too short: who looks for a recording the next day needs %s", f.ShellRetention, leastRetention)
	}
	return nil
}

func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--public-url %q is not an http or https address", text)
	}
	return nil
}
