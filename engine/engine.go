// Package engine is the application: every change of state is one of its
// verbs, whoever asks for it. A verb checks the permission, decides, and writes
// its rows, its audit entry and its timeline entry in one transaction. Nothing
// remote happens inside a transaction; machines and agents follow the rows.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"opsyard/engine/compute"
	"opsyard/engine/dispatch"
	"opsyard/engine/healing"
	"opsyard/engine/jobs"
	"opsyard/engine/notify"
	"opsyard/engine/pubsub"
	"opsyard/engine/service"
	"opsyard/engine/syslog"
	"opsyard/models"
	"opsyard/models/store"
)

// Logs is what the engine needs of the log stream.
type Logs interface {
	// Finish says that a command's log ends with chunk lastSeq; the stream
	// packs it when that chunk is stored.
	Finish(ctx context.Context, command models.CommandID, lastSeq int64) error
}

// Config joins the engine to the rest of the program.
type Config struct {
	Store *store.Store
	Hub   *pubsub.Hub
	Logs  Logs
	Log   *slog.Logger
	Now   func() time.Time // nil: the machine's clock
	// Providers make machines. Without any, the engine can be asked for users,
	// keys and the like, but is never started: for commands beside a server.
	Providers map[string]compute.Provider
	// DefaultProvider makes the machines of stacks that do not name one.
	DefaultProvider string
	// Cookbooks are the built-in ones, a tar.gz archive.
	Cookbooks []byte
	// AgentURL is the server's address as this host sees it; providers make it
	// reachable for their machines.
	AgentURL string
	// PublicURL is the address that people and their hosts use; AgentURL when
	// it is empty.
	PublicURL string
	// Version is the server's own, which is the agents' too.
	Version string
	// Server is the name of this server among those that share the database; the
	// host's when it is empty.
	Server string
	Limits Limits
	Times  Times
	// Notifier delivers notifications; nil: one without mail, for addresses of
	// the internet.
	Notifier *notify.Sender
	// Prometheus answers the queries of alarms; nil where there is none.
	Prometheus Prometheus

	// AuditSyslog is where the audit is sent, too; nil for nowhere.
	AuditSyslog *syslog.Receiver

	// FastPasswords makes password hashes cheap, for tests only.
	FastPasswords bool
}

// Times are the engine's patience; zero values mean the defaults.
type Times struct {
	Boot     time.Duration // from a running machine to its agent's first call
	Silence  time.Duration // of an agent until connection_lost (OpsWorks: about 5 min)
	Offline  time.Duration // of an agent until the console says so
	Command  time.Duration // one command's recipes
	Stop     time.Duration // for the machine to stop, after the Shutdown recipes
	Reboot   time.Duration
	Reminder time.Duration // between sweeps
	Gather   time.Duration // changes of who is online, before a Configure tells of them
	Between  time.Duration // two such Configures of a stack, at the least
	Repeat   time.Duration // in which the same thing may happen to an instance three times
	Healing  healing.Rules // of lost instances
	// Minute is how often agents measure, and the minute of load-based scaling:
	// whole seconds, which tests make fewer.
	Minute time.Duration
	// KeepMetrics is how long each minute is kept; hours are kept for 15 days.
	KeepMetrics time.Duration
	Retry       time.Duration // of a notification that was not taken, the first time
	Chat        time.Duration // between two messages to a chat
	Mail        time.Duration // between two mails to the same addresses
	// ShellIdle and ShellAbsolute end shells in the browser; KeepShells is how
	// long their recordings are kept.
	ShellIdle, ShellAbsolute, KeepShells time.Duration
}

// WithDefaults fills what is zero.
func (t Times) WithDefaults() Times {
	fill := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	fill(&t.Boot, 15*time.Minute)
	fill(&t.Silence, 5*time.Minute)
	fill(&t.Offline, 45*time.Second)
	fill(&t.Command, time.Hour)
	fill(&t.Stop, 30*time.Second)
	fill(&t.Reboot, 10*time.Minute)
	fill(&t.Reminder, 5*time.Second)
	fill(&t.Gather, 200*time.Millisecond)
	fill(&t.Between, time.Second)
	fill(&t.Repeat, 10*time.Minute)
	fill(&t.Healing.Listen, t.Silence)
	fill(&t.Healing.Calling, t.Offline)
	t.Healing = t.Healing.WithDefaults()
	fill(&t.Minute, time.Minute)
	fill(&t.KeepMetrics, 8*24*time.Hour)
	fill(&t.Retry, 5*time.Second)
	fill(&t.Chat, time.Second)
	fill(&t.Mail, 30*time.Second)
	fill(&t.ShellIdle, models.ShellIdle)
	fill(&t.ShellAbsolute, models.ShellAbsolute)
	fill(&t.KeepShells, 90*24*time.Hour)
	return t
}

// Engine owns the verbs and the loops behind them.
type Engine struct {
	service.Base
	store      *store.Store
	hub        *pubsub.Hub
	logs       Logs
	providers  map[string]compute.Provider
	defaultBy  string
	agentURL   string
	publicURL  string
	version    string
	server     string
	limits     Limits
	times      Times
	jobs       *jobs.Queue
	dispatcher *dispatch.Dispatcher
	contents   *contents
	recipes    map[string]bool // of the built-in cookbooks
	acks       *acknowledger
	metrics    *metrics
	membership *membership
	notifier   *notify.Sender
	courier    *courier
	hearers    subscriptions // of events
	signIns    *throttle
	codes      *throttle // six digits are guessed sooner than a password, and who confirms is signed in already
	// credentials slows requests whose keys and tokens are not good.
	credentials *throttle
	// relyingParty is for passkeys; nil where browsers offer none.
	relyingParty *webauthn.WebAuthn
	passwords    passwordHash
	keyUse       *keyUse
	healer       *healer
	schedules    *schedules
	accounts     *accounts
	attention    attention
	minutes      minutely
	queryTimes   queryTimes // only followLoad touches them
	shells       *shells
	prometheus   Prometheus
	lastPrune    time.Time // under contents.mu
	refusals     *refusals
	auditFeed    *auditFeed
}

// New builds an engine over an open store; Start runs its loops.
func New(ctx context.Context, c Config) (*Engine, error) {
	if _, ok := c.Providers[c.DefaultProvider]; !ok && len(c.Providers) > 0 {
		return nil, fmt.Errorf("there is no compute provider %q", c.DefaultProvider)
	}
	e := &Engine{
		Base:  service.Base{Log: c.Log, Now: c.Now},
		store: c.Store, hub: c.Hub, logs: c.Logs, providers: c.Providers, defaultBy: c.DefaultProvider,
		agentURL: c.AgentURL, publicURL: cmp.Or(c.PublicURL, c.AgentURL), version: cmp.Or(c.Version, "dev"), limits: c.Limits, times: c.Times.WithDefaults(), passwords: newPasswordHash(c.FastPasswords), keyUse: newKeyUse(), schedules: newSchedules(),
	}
	e.prometheus = c.Prometheus
	e.signIns, e.codes = newThrottle(e.Clock, tryEvery), newThrottle(e.Clock, codeEvery)
	e.credentials = newThrottle(e.Clock, tryEvery)
	e.relyingParty = newRelyingParty(e.publicURL, c.Log)
	e.refusals = newRefusals()
	e.auditFeed = newAuditFeed(e, c.AuditSyslog)
	e.healer = newHealer()
	e.accounts = newAccounts()
	e.contents = newContents(c.Store, e.Clock)
	e.recipes = recipesIn(c.Cookbooks)
	var err error
	if e.contents.cookbooks, err = e.contents.put(ctx, c.Cookbooks); err != nil {
		return nil, err
	}
	e.dispatcher = dispatch.New(c.Log, c.Now, c.Store.Commands, e.buildRuns)
	e.acks = newAcknowledger(e)
	e.metrics = newMetrics(e)
	e.shells = newShells()
	if e.server = c.Server; e.server == "" {
		e.server, _ = os.Hostname() // nameless, it is told from others all the same
	}
	e.membership = newMembership(e)
	if e.notifier = c.Notifier; e.notifier == nil {
		e.notifier = notify.New(notify.Config{Log: c.Log, Now: c.Now, Version: e.version})
	}
	e.courier = newCourier(e)
	queue, err := jobs.New(ctx, jobs.Config{
		DB: c.Store.SQL(), Dialect: c.Store.Dialect(), Log: c.Log,
		Reconcile: e.reconcile, Sweep: e.sweep, SweepEvery: e.times.Reminder,
	})
	if err != nil {
		return nil, err
	}
	e.jobs = queue
	return e, nil
}

// Start adopts the machines that run and starts the loops.
func (e *Engine) Start(ctx context.Context) error {
	ctx = models.AsEngine(ctx)
	if err := e.adopt(ctx); err != nil {
		return err
	}
	if err := e.dispatcher.Start(ctx); err != nil {
		return err
	}
	if err := e.acks.start(ctx); err != nil {
		return err
	}
	if err := e.metrics.start(ctx); err != nil {
		return err
	}
	if err := e.membership.start(ctx); err != nil {
		return err
	}
	if err := e.courier.start(ctx); err != nil {
		return err
	}
	if err := e.auditFeed.start(ctx); err != nil {
		return err
	}
	if err := e.Every(ctx, "count refused attempts", refusedPeriod, nil, func(ctx context.Context) error {
		e.tellOfRefusals(ctx, e.Clock())
		return nil
	}); err != nil {
		return err
	}
	for name, provider := range e.providers {
		if err := e.Go(ctx, func(ctx context.Context) { e.watchMachines(ctx, name, provider) }); err != nil {
			return err
		}
	}
	if err := e.Every(ctx, "note the use of access keys", noteRound, e.keyUse.nudge, e.noteKeyUse); err != nil {
		return err
	}
	if err := e.Every(ctx, "follow schedules", lookAtSchedules, e.schedules.nudge, e.followSchedules); err != nil {
		return err
	}
	if err := e.Every(ctx, "look after shells", shellRound, nil, e.lookAfterShells); err != nil {
		return err
	}
	if err := e.Every(ctx, "heal lost instances", e.times.Reminder, e.healer.nudge, e.heal); err != nil {
		return err
	}
	if err := e.Every(ctx, "tell agents who may log in", tellAccounts, e.accounts.nudge, e.tellAccounts); err != nil {
		return err
	}
	if err := e.Every(ctx, "follow the load", e.times.Reminder, nil, e.followLoad); err != nil {
		return err
	}
	err := e.Every(ctx, "watch agents", e.lookForSilence(), nil, e.watchAgents)
	return errors.Join(err, e.jobs.Start(ctx))
}

// Stop ends the loops; what was under way is taken up by the next Start.
func (e *Engine) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.jobs.Stop(ctx); err != nil {
		e.Log.ErrorContext(ctx, "stop the engine", slog.Any("error", err))
	}
	e.Base.Stop()
	e.tellOfRefusals(ctx, e.Clock().Add(refusedPeriod))
	e.auditFeed.stop(ctx)
	e.courier.Stop()
	e.notifier.Close()
	e.membership.Stop()
	e.acks.Stop()
	if err := e.metrics.stop(ctx); err != nil {
		e.Log.ErrorContext(ctx, "store the last metrics", slog.Any("error", err))
	}
	e.dispatcher.Stop()
}

// Dispatcher is where agents' sessions connect.
func (e *Engine) Dispatcher() *dispatch.Dispatcher { return e.dispatcher }

// Times are the engine's patience, for pages that explain it.
func (e *Engine) Times() Times { return e.times }

// Providers names the compute providers, the default one first.
func (e *Engine) Providers() []string {
	names := []string{e.defaultBy}
	for name := range e.providers {
		if name != e.defaultBy {
			names = append(names, name)
		}
	}
	return names
}

func (e *Engine) provider(stack *models.Stack) (compute.Provider, error) {
	p, ok := e.providers[stack.Provider]
	if !ok {
		return nil, models.Invalid("The stack's machines are made by %q, which this server does not offer.", stack.Provider)
	}
	return p, nil
}

// adopt lets each provider take up the machines of an earlier process and
// clean up what belongs to nobody.
func (e *Engine) adopt(ctx context.Context) error {
	stacks, err := e.store.Stacks.List(ctx)
	if err != nil {
		return fmt.Errorf("list stacks: %w", err)
	}
	known := map[string][]string{}
	for _, s := range stacks {
		instances, err := e.store.Instances.InStack(ctx, s.ID)
		if err != nil {
			return fmt.Errorf("list instances: %w", err)
		}
		for _, i := range instances {
			known[s.Provider] = append(known[s.Provider], string(i.ID))
		}
	}
	for name, p := range e.providers {
		if err := p.Reconcile(ctx, known[name]); err != nil {
			return fmt.Errorf("take up the machines of provider %s: %w", name, err)
		}
	}
	return nil
}
