package simulated

import (
	"context"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"opsyard/agent/metrics"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// Disk is what a simulated machine keeps while it is off. It is owned by the
// agent while that runs.
type Disk struct {
	Seed       []byte `json:"seed"` // of the key
	InstanceID string `json:"instance_id"`

	finished []protocol.Done // the last few
	plays    []*play         // accepted and not confirmed; the first without a Done is the current one
}

// keepFinished is how many ends a simulated agent remembers.
const keepFinished = 20

// Config describes an agent. Server, Token or an enrolled Disk, and Host are needed.
type Config struct {
	Server string
	Token  string
	Host   string
	Script *Script
	Disk   *Disk
	BootID string
	// Facts is sent with the host and boot id filled in; nil is a small Debian.
	Facts *protocol.Facts
	// HTTP is shared by all agents of a process; the default is a common one.
	HTTP *http.Transport
	// Enrolled is called when the disk has got an identity.
	Enrolled func(Disk)
	// Received is called with every command that comes for the first time.
	Received func(protocol.Run)
}

var (
	sharedTransport = http.DefaultTransport.(*http.Transport).Clone()
	smallDebian     = protocol.Facts{
		AgentVersion: "simulated", OSFamily: "debian", OSName: "Debian GNU/Linux", OSVersion: "12",
		Kernel: "6.1.0", Arch: "x86_64", CPUs: 2, MemoryBytes: 2 << 30,
	}
)

// Agent is a simulated agent; it is used for one Run, with three goroutines.
type Agent struct {
	cfg  Config
	wake chan struct{} // one slot
	pace *metrics.Pacer

	mu      sync.Mutex // guards the disk too
	link    *session.Link
	answers []any // to be said by the worker
}

// New makes an agent; it starts nothing.
func New(cfg Config) *Agent {
	if cfg.Script == nil {
		cfg.Script = &Script{}
	}
	if cfg.Disk == nil {
		cfg.Disk = &Disk{}
	}
	if cfg.Facts == nil {
		cfg.Facts = &smallDebian
	}
	if cfg.HTTP == nil {
		cfg.HTTP = sharedTransport
	}
	a := &Agent{cfg: cfg, wake: make(chan struct{}, 1)}
	a.pace = metrics.NewPacer(func() func() protocol.Figures { return a.figures })
	return a
}

// Run boots and works until ctx ends, as when the power goes.
func (a *Agent) Run(ctx context.Context) {
	chance := a.cfg.Script.chance(a.cfg.Host, "boot")
	if !sleep(ctx, vary(chance, a.cfg.Script.Boot, 0.5)) {
		return
	}
	a.recover()
	var worker sync.WaitGroup
	worker.Go(func() { a.work(ctx) })
	defer worker.Wait()
	for failures := 0; ctx.Err() == nil; failures++ {
		welcome, err := a.session(ctx)
		if _, refused := errors.AsType[*session.RefusedError](err); welcome && !refused {
			failures = 0
		}
		most := min(time.Second<<min(failures, 10), protocol.MaxBackoff)
		sleep(ctx, rand.N(most))
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// recover tells the truth about what the loss of power cut.
func (a *Agent) recover() {
	for _, p := range a.cfg.Disk.plays {
		p.on = nil
		if p.done == nil && p.begun() {
			p.finish(protocol.Failed, "The machine restarted while the command ran.", time.Now())
		}
	}
}

func (a *Agent) facts() protocol.Facts {
	f := *a.cfg.Facts
	f.Hostname, f.BootID = a.cfg.Host, a.cfg.BootID
	return f
}

func (a *Agent) enrol(ctx context.Context) error {
	d := a.cfg.Disk
	if d.InstanceID != "" {
		return nil
	}
	if d.Seed == nil {
		_, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		d.Seed = private.Seed()
	}
	key := ed25519.NewKeyFromSeed(d.Seed).Public().(ed25519.PublicKey)
	request := protocol.EnrollRequest{Token: a.cfg.Token, PublicKey: key, Facts: a.facts()}
	response, err := session.Enrol(ctx, &http.Client{Transport: a.cfg.HTTP}, a.cfg.Server, request)
	if err != nil {
		return err
	}
	d.InstanceID = response.InstanceID
	if a.cfg.Enrolled != nil {
		a.cfg.Enrolled(Disk{Seed: d.Seed, InstanceID: d.InstanceID})
	}
	return nil
}

// session is one dial and what follows; it tells whether it was welcomed.
func (a *Agent) session(ctx context.Context) (welcome bool, err error) {
	if err := a.enrol(ctx); err != nil {
		return false, err
	}
	l, err := session.Dial(ctx, a.cfg.Server, a.cfg.HTTP)
	if err != nil {
		return false, err
	}
	pinging, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var pings sync.WaitGroup
	pings.Go(func() { l.KeepAlive(pinging) })
	defer pings.Wait()
	defer cancel()
	defer l.Close() // first: power that goes says no goodbye
	defer context.AfterFunc(ctx, l.Close)()
	private := ed25519.NewKeyFromSeed(a.cfg.Disk.Seed)
	err = l.ShakeHands(a.hello(), func(nonce []byte) []byte {
		return ed25519.Sign(private, protocol.SignedText(nonce, a.cfg.Disk.InstanceID))
	})
	if err != nil {
		return false, err
	}
	a.pace.Welcome(time.Now(), l.SkewLeast, l.SkewMost, l.MetricsSeconds)
	a.connect(l)
	defer a.connect(nil)
	for {
		message, err := l.Receive()
		if err != nil {
			return true, err
		}
		a.handle(message)
	}
}

func (a *Agent) hello() protocol.Hello {
	hello := protocol.Hello{InstanceID: a.cfg.Disk.InstanceID, AgentTime: time.Now(), Facts: a.facts()}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.cfg.Disk.plays {
		hello.Unfinished = append(hello.Unfinished, p.run.CommandID)
	}
	return hello
}

func (a *Agent) connect(l *session.Link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.link = l
	a.nudge()
}

func (a *Agent) nudge() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Cut breaks the line; the agent comes back.
func (a *Agent) Cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link != nil {
		a.link.Close()
	}
}

func (a *Agent) handle(message any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.nudge()
	switch m := message.(type) {
	case protocol.Run:
		a.accept(m)
	case protocol.Cancel:
		a.cancel(m)
	case protocol.LogStored:
		if p := a.find(m.CommandID); p != nil {
			p.stored(m.Seq)
		}
	case protocol.DoneStored:
		a.confirm(m.CommandID)
	case protocol.Accounts:
		a.answers = append(a.answers, protocol.AccountsApplied{Revision: m.Revision})
	case protocol.WatchMetrics:
		a.pace.Watch(time.Now(), m.Seconds)
	}
}

func (a *Agent) find(id string) *play {
	i := slices.IndexFunc(a.cfg.Disk.plays, func(p *play) bool { return p.run.CommandID == id })
	if i < 0 {
		return nil
	}
	return a.cfg.Disk.plays[i]
}

func (a *Agent) accept(run protocol.Run) {
	for _, d := range a.cfg.Disk.finished {
		if d.CommandID == run.CommandID {
			a.answers = append(a.answers, d)
			return
		}
	}
	p := a.find(run.CommandID)
	if p == nil {
		a.cfg.Disk.plays = append(a.cfg.Disk.plays, &play{run: run, due: time.Now().Add(a.cfg.Script.Lag), recipe: -1})
		if a.cfg.Received != nil {
			a.cfg.Received(run)
		}
		return
	}
	p.on = nil // say it all again
}

func (a *Agent) cancel(m protocol.Cancel) {
	p := a.find(m.CommandID)
	if p == nil {
		p = &play{run: protocol.Run{CommandID: m.CommandID}, recipe: -1}
		a.cfg.Disk.plays = append(a.cfg.Disk.plays, p)
	}
	if p.done == nil {
		p.finish(protocol.Canceled, m.Reason, time.Now())
	}
	p.said = false
}

// confirm forgets a command; its log may still be on its way.
func (a *Agent) confirm(id string) {
	p := a.find(id)
	if p == nil || p.done == nil {
		return
	}
	d := a.cfg.Disk
	if d.finished = append(d.finished, *p.done); len(d.finished) > keepFinished {
		d.finished = slices.Clone(d.finished[1:])
	}
	p.confirmed = true
}
