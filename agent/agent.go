// Package agent is the worker on a machine: it enrols once, keeps one session
// with the server, runs the commands it is sent one after the other, each in a
// supervisor process of its own, and ships their output until it is stored.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"opsyard/agent/accounts"
	"opsyard/agent/content"
	"opsyard/agent/facts"
	"opsyard/agent/identity"
	"opsyard/agent/metrics"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
	"opsyard/agent/spool"
)

// Config is what an agent needs to know. Server and DataDir must be given.
type Config struct {
	// Server is the server's address, http://… or https://….
	Server string
	// Token enrols the machine the first time, and again if the server does
	// not know the kept identity and this token is another one.
	Token   string
	DataDir string
	Version string
	// Supervise is the command line that, with a directory added, runs
	// agent/supervise.Run on it; the default is this program's own "supervise".
	Supervise []string
	Log       *slog.Logger
	Now       func() time.Time
	// Backoff is the first back-off between dials; the default is a second.
	Backoff time.Duration
	// Host is told at enrolment and in each session instead of what the machine
	// says of itself; what is empty is not.
	Host Host
	// ShellHome is where shells of the agent's own user begin; empty is that
	// user's home.
	ShellHome string
	// Reboot restarts the host; the default asks systemd, which answers at once.
	Reboot func() error
	// Accounts is the system whose users those become who may log in; the
	// default is none.
	Accounts accounts.Host
	// HTTP makes the connections; the default goes through the proxy that the
	// environment names.
	HTTP *http.Transport
}

// Host is what whoever installs an agent knows better than the machine.
type Host struct {
	Hostname, PrivateIP, PublicIP string
	// InfrastructureClass is "ec2" for a machine of that cloud that registers
	// itself.
	InfrastructureClass string
}

// ErrDeregistered ends Run: the host has left its stack for good, and the
// agent's identity has been removed.
var ErrDeregistered = errors.New("the host was deregistered: no server needs this agent any more")

func (c *Config) fill() error {
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the server's address %q is not valid: it begins with http:// or https://", c.Server)
	}
	if c.DataDir == "" {
		return errors.New("the agent needs a data directory")
	}
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		return err
	}
	if len(c.Supervise) == 0 {
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		c.Supervise = []string{program, "supervise"}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Backoff == 0 {
		c.Backoff = time.Second
	}
	if c.Reboot == nil {
		c.Reboot = func() error { return exec.CommandContext(context.Background(), "systemctl", "reboot").Run() }
	}
	if c.HTTP == nil {
		c.HTTP = http.DefaultTransport.(*http.Transport).Clone()
	}
	return nil
}

// Agent is one agent; it is used for one Run.
type Agent struct {
	cfg      Config
	log      *slog.Logger
	client   *http.Client
	content  *content.Store
	retry    chan struct{} // one slot: dial now
	work     chan struct{} // one slot: a command came or was canceled
	ship     chan struct{} // one slot: something to cut, send or forget
	probes   *probes
	accounts *wantedAccounts
	measure  chan struct{} // one slot: what to measure has changed
	reader   *metrics.Reader
	pacer    *metrics.Pacer

	mu      sync.Mutex
	id      *identity.Identity
	token   string
	spool   *spool.Spool
	tracks  []*track // the spool's held commands, in order
	refused map[string]protocol.Done
	link    *session.Link // the session, or nil
	changed chan struct{} // closed when link changes
	running string        // the command that runs
	bootID  string
}

// New checks the configuration; it starts nothing.
func New(cfg Config) (*Agent, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	reader := metrics.New(metrics.Source{})
	return &Agent{
		cfg:      cfg,
		log:      cfg.Log,
		client:   &http.Client{Transport: cfg.HTTP},
		token:    cfg.Token,
		retry:    make(chan struct{}, 1),
		work:     make(chan struct{}, 1),
		ship:     make(chan struct{}, 1),
		probes:   newProbes(),
		accounts: newWantedAccounts(),
		measure:  make(chan struct{}, 1),
		reader:   reader,
		pacer:    metrics.NewPacer(reader.Window),
		changed:  make(chan struct{}),
		refused:  map[string]protocol.Done{},
		bootID:   facts.BootID(),
	}, nil
}

// Run works until ctx ends, which is no error, the disk cannot be used, or the
// host is deregistered.
// Commands that run go on without it; the next Run takes them up.
func (a *Agent) Run(ctx context.Context) error {
	unlock, err := a.open()
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var loops sync.WaitGroup
	for name, loop := range map[string]func(context.Context) error{
		"session":  a.runSession,
		"commands": a.runCommands,
		"shipping": a.runShipping,
		"speaking": a.runSpeaking,
		"accounts": a.runAccounts,
	} {
		loops.Go(func() {
			a.log.DebugContext(ctx, "loop begins", slog.String("loop", name))
			if err := loop(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s loop: %w", name, err))
			}
			a.log.DebugContext(ctx, "loop ends", slog.String("loop", name))
		})
	}
	loops.Wait()
	a.cfg.HTTP.CloseIdleConnections()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// open takes the data directory for this process alone and reads what is there.
func (a *Agent) open() (unlock func(), err error) {
	if err := os.MkdirAll(a.cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(a.cfg.DataDir, "agent.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if !lockSoon(lock) {
		lock.Close()
		return nil, fmt.Errorf("another agent uses the data directory %s", a.cfg.DataDir)
	}
	if a.id, err = identity.Load(a.cfg.DataDir); err == nil {
		if a.content, err = content.Open(filepath.Join(a.cfg.DataDir, "content")); err == nil {
			a.spool, err = spool.Open(a.cfg.DataDir)
		}
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	for _, c := range a.spool.Held() {
		a.tracks = append(a.tracks, newTrack(c))
	}
	return func() {
		for _, t := range a.tracks {
			t.close()
		}
		_ = a.spool.Close()                                // all of it is on disk already
		_ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) // a child that was just forked has the file open as well
		lock.Close()
	}, nil
}

// lockSoon waits a little: a child that an agent forked just before it was killed
// has its files open until it runs its program.
func lockSoon(f *os.File) bool {
	for end := time.Now().Add(lockWait); ; time.Sleep(lockWait / 50) {
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

const lockWait = time.Second

// Retry dials at once if the agent waits between two dials; a new token, if
// not empty, replaces the one it has.
func (a *Agent) Retry(token string) {
	if token != "" {
		a.mu.Lock()
		a.token = token
		a.mu.Unlock()
	}
	nudge(a.retry)
}

// nudge fills a one-slot channel.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// send passes a message to the server if there is a session. What must reach
// the server is said again in the next session, so a failure needs no care here.
func (a *Agent) send(message any) {
	a.mu.Lock()
	l := a.link
	a.mu.Unlock()
	if l != nil {
		_ = l.Send(message) // a line that broke says so to its reader
	}
}

func (a *Agent) setLink(l *session.Link) {
	a.mu.Lock()
	a.link = l
	close(a.changed)
	a.changed = make(chan struct{})
	a.mu.Unlock()
	nudge(a.ship)
}

// currentLink returns the session, or nil, and a channel that is closed when
// that changes.
func (a *Agent) currentLink() (*session.Link, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link, a.changed
}
