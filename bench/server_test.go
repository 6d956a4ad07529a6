package bench

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
	"opsyard/cookbooks"
	"opsyard/engine"
	"opsyard/engine/compute"
	"opsyard/engine/compute/sim"
	"opsyard/engine/logstream"
	"opsyard/engine/logstream/blob"
	"opsyard/engine/pubsub"
	"opsyard/handlers"
	"opsyard/handlers/agentapi"
	"opsyard/handlers/awsapi"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/web"
)

// server is the program's server with its data in a temporary directory, and
// somebody who is signed in.
type server struct {
	ctx     context.Context // as an administrator
	url     string
	store   *store.Store
	logs    *logstream.Logs
	engine  *engine.Engine
	console *handlers.Handlers
	aws     *awsapi.API
	cookie  string
	stop    func()

	machines compute.Provider
	dir      string
	provider makeProvider
	name     string        // of the provider
	ahead    time.Duration // of its clock before ours
	close    func()        // stop without the removal of the data
}

const password = "a good long password"

// makeProvider opens a provider with its data below a directory.
type makeProvider func(dir string, log *slog.Logger) (compute.Provider, error)

// serve starts a server on SQLite whose machines are simulated.
func serve(tb testing.TB, script simulated.Script, received func(protocol.Run)) *server {
	tb.Helper()
	return serveOn(tb, "sim", func(dir string, log *slog.Logger) (compute.Provider, error) {
		return sim.New(sim.Config{Dir: filepath.Join(dir, "sim"), Script: script, Received: received, Log: log})
	})
}

// serveOn starts a server on SQLite with a provider of machines.
func serveOn(tb testing.TB, name string, provider makeProvider) *server {
	tb.Helper()
	dir, err := os.MkdirTemp("", "opsyard-bench")
	check(tb, err)
	s := &server{dir: dir, provider: provider, name: name}
	s.open(tb, fmt.Sprint("127.0.0.1:", agenttest.FreePort(tb)))
	s.stop = func() {
		s.close()
		_ = os.RemoveAll(dir)
	}
	s.signIn(tb)
	return s
}

// restart ends the server and starts it again at the same address, as if it
// had been away for a while.
func (s *server) restart(tb testing.TB, away time.Duration) {
	tb.Helper()
	s.close()
	s.ahead += away
	s.open(tb, strings.TrimPrefix(s.url, "http://"))
}

// open starts the server over its data.
func (s *server) open(tb testing.TB, address string) {
	tb.Helper()
	dir := s.dir
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx = models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Name: "bench", Admin: true})
	box, err := store.LoadSecretBox(filepath.Join(dir, "secret.key"))
	check(tb, err)
	s.store, err = store.Open(ctx, store.Config{URL: "sqlite:" + filepath.Join(dir, "opsyard.db"), Secrets: box, Log: log})
	check(tb, err)
	blobs, err := blob.OpenDir(filepath.Join(dir, "logs"))
	check(tb, err)
	s.logs = logstream.New(logstream.Config{Store: s.store.Logs, Blobs: blobs, Log: log})
	s.machines, err = s.provider(dir, log)
	check(tb, err)
	listener := agenttest.ListenAgain(tb, address)
	s.url = "http://" + listener.Addr().String()
	hub := pubsub.NewHub()
	s.engine, err = engine.New(ctx, engine.Config{
		Now:   func() time.Time { return time.Now().Add(s.ahead).UTC().Truncate(time.Microsecond) },
		Store: s.store, Hub: hub, Logs: s.logs, Log: log, Providers: map[string]compute.Provider{s.name: s.machines}, DefaultProvider: s.name,
		Cookbooks: cookbooks.Archive(), AgentURL: s.url,
	})
	check(tb, err)
	agents := agentapi.New(s.engine, s.logs, log, dir)
	s.console, err = handlers.New(handlers.Config{Engine: s.engine, Store: s.store, Logs: s.logs, Hub: hub, Log: log, Version: "bench"})
	check(tb, err)
	s.aws = awsapi.New(awsapi.Config{Engine: s.engine, Store: s.store, Log: log, PublicURL: s.url})
	mux := http.NewServeMux()
	mux.Handle("/agent/", agents)
	mux.Handle("POST /{$}", s.aws)
	mux.Handle("/", s.console)
	check(tb, s.logs.Start(ctx))
	check(tb, s.engine.Start(ctx))
	served := make(chan error, 1)
	go func() {
		served <- (&web.Server{Handler: mux, Log: log, OnStop: func() { s.console.Stop(); agents.Stop() }}).Serve(ctx, listener)
	}()
	s.close = func() {
		_ = s.machines.Close()
		cancel()
		<-served
		s.engine.Stop()
		s.logs.Stop()
		_ = s.store.Close()
	}
}

func (s *server) signIn(tb testing.TB) {
	tb.Helper()
	token, err := s.engine.NewSetupToken(s.ctx)
	check(tb, err)
	_, err = s.engine.FirstRun(s.ctx, token, "ana", password)
	check(tb, err)
	in, err := s.engine.SignIn(s.ctx, "ana", password, models.Browser{Addr: "127.0.0.1", UserAgent: "bench"})
	check(tb, err)
	s.cookie = in.Cookie
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// until waits for a condition, and fails when it does not come true in time.
func until(tb testing.TB, what string, limit time.Duration, holds func() bool) {
	tb.Helper()
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			tb.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
