package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"opsyard/agent/facts"
	"opsyard/agent/identity"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
	"opsyard/agent/shell"
)

// errNotEnrolled: there is neither an identity nor a token.
var errNotEnrolled = errors.New("the agent has no identity and no token: create a token on the server and start the agent with it")

// runSession keeps a session open for ever: after any failure it comes back.
func (a *Agent) runSession(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		welcome, err := a.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if session.RefusedAs(err, protocol.RefusedDeregistered) {
			a.removeAccounts(ctx)
			return errors.Join(ErrDeregistered, identity.Remove(a.cfg.DataDir))
		}
		if _, refused := errors.AsType[*session.RefusedError](err); welcome && !refused {
			failures = 0 // a line that broke is tried again soon
		}
		wait := a.backoff(failures)
		failures++
		a.log.WarnContext(ctx, "no session with the server", slog.String("server", a.cfg.Server), slog.Any("error", err), slog.Duration("retry_in", wait))
		a.pause(ctx, wait)
	}
	return nil
}

// backoff grows with the failures to protocol.MaxBackoff, with full jitter, so
// that a thousand agents do not come back in one moment.
func (a *Agent) backoff(failures int) time.Duration {
	most := protocol.MaxBackoff
	if d := a.cfg.Backoff << min(failures, 20); d > 0 && d < most {
		most = d
	}
	return rand.N(most) + time.Millisecond
}

// pause waits, but not when asked to retry nor when the machine's addresses
// change: a network that is back is tried at once.
func (a *Agent) pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	look := time.NewTicker(2 * time.Second)
	defer look.Stop()
	before := addresses()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-a.retry:
			return
		case <-look.C:
			if addresses() != before {
				return
			}
		}
	}
}

func addresses() string {
	all, _ := net.InterfaceAddrs()
	b := new(strings.Builder)
	for _, addr := range all {
		b.WriteString(addr.String() + " ")
	}
	return b.String()
}

// session is one dial and all that follows from it. It tells whether the
// server had welcomed the agent.
func (a *Agent) session(ctx context.Context) (welcome bool, err error) {
	if err := a.enrol(ctx, false); err != nil {
		return false, err
	}
	l, err := session.Dial(ctx, a.cfg.Server, a.cfg.HTTP)
	if err != nil {
		return false, a.maybeEnrolAgain(ctx, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var pings sync.WaitGroup
	pings.Go(func() { l.KeepAlive(ctx) })
	defer pings.Wait()
	defer a.probes.wg.Wait()
	shells := shell.Serve(ctx, shell.Config{Send: l.Send, Log: a.log, Home: a.cfg.ShellHome})
	defer shells.Close()
	defer cancel()
	if err := l.ShakeHands(a.hello(), a.id.Sign); err != nil {
		return false, a.maybeEnrolAgain(ctx, err)
	}
	a.log.InfoContext(ctx, "session with the server", slog.String("server", a.cfg.Server), slog.String("instance_id", a.id.InstanceID))
	a.announce(l)
	a.welcomed(l)
	defer a.setLink(nil)
	for {
		message, err := l.Receive()
		if err != nil {
			return true, a.maybeEnrolAgain(ctx, err)
		}
		if !shells.Handle(message) {
			a.handle(ctx, l, message)
		}
	}
}

// maybeEnrolAgain takes a new token's chance when the server does not know
// the identity.
func (a *Agent) maybeEnrolAgain(ctx context.Context, err error) error {
	if !session.RefusedAs(err, protocol.RefusedIdentity) {
		return err
	}
	a.mu.Lock()
	fresh := a.token != "" && !a.id.From(a.token)
	a.mu.Unlock()
	if !fresh {
		return err
	}
	if enrolErr := a.enrol(ctx, true); enrolErr != nil {
		return enrolErr
	}
	nudge(a.retry)
	return errors.New("enrolled again")
}

// enrol exchanges the token for an identity, unless there is one.
func (a *Agent) enrol(ctx context.Context, again bool) error {
	a.mu.Lock()
	id, token := a.id, a.token
	a.mu.Unlock()
	if id != nil && id.InstanceID != "" && !again {
		return nil
	}
	if token == "" {
		return errNotEnrolled
	}
	if id == nil || !id.From(token) {
		// The key is kept before it is used: if the answer is lost, the token
		// is only good for this key.
		var err error
		if id, err = a.newKey(token, again); err != nil {
			return err
		}
	}
	request := protocol.EnrollRequest{Token: token, PublicKey: id.PublicKey(), Facts: a.facts(), InfrastructureClass: a.cfg.Host.InfrastructureClass}
	response, err := session.Enrol(ctx, a.client, a.cfg.Server, request)
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	enrolled := *id
	enrolled.InstanceID, enrolled.Hostname = response.InstanceID, response.Hostname
	if err := enrolled.Save(a.cfg.DataDir); err != nil {
		return err
	}
	a.mu.Lock()
	a.id = &enrolled
	a.mu.Unlock()
	a.log.InfoContext(ctx, "enrolled", slog.String("instance_id", enrolled.InstanceID), slog.String("hostname", enrolled.Hostname))
	return nil
}

// newKey makes a key for the token and, unless it would overwrite an identity
// that may still be good, keeps it.
func (a *Agent) newKey(token string, again bool) (*identity.Identity, error) {
	id, err := identity.New(token)
	if err != nil || again {
		return id, err
	}
	if err := id.Save(a.cfg.DataDir); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.id = id
	a.mu.Unlock()
	return id, nil
}

// hello names what the agent holds.
func (a *Agent) hello() protocol.Hello {
	hello := protocol.Hello{InstanceID: a.id.InstanceID, AgentTime: a.cfg.Now(), Facts: a.facts(), Shells: true}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tracks {
		hello.Unfinished = append(hello.Unfinished, t.id())
	}
	return hello
}

func (a *Agent) facts() protocol.Facts {
	f, host := facts.Collect(a.cfg.Server, a.cfg.Version), a.cfg.Host
	f.Hostname = cmp.Or(host.Hostname, f.Hostname)
	f.PrivateIP, f.PublicIP = cmp.Or(host.PrivateIP, f.PrivateIP), cmp.Or(host.PublicIP, f.PublicIP)
	return f
}

// announce says again what an earlier session may have swallowed.
func (a *Agent) announce(l *session.Link) {
	a.mu.Lock()
	var messages []any
	for _, t := range a.tracks {
		messages = append(messages, protocol.Accepted{CommandID: t.id(), At: t.cmd.AcceptedAt})
		if p, ok := t.cmd.Process(); ok {
			messages = append(messages, protocol.Started{CommandID: t.id(), At: p.Started})
		}
	}
	for _, d := range a.refused {
		messages = append(messages, d)
	}
	a.mu.Unlock()
	for _, m := range messages {
		if l.Send(m) != nil {
			return
		}
	}
}

// handle does what a message asks for.
func (a *Agent) handle(ctx context.Context, l *session.Link, message any) {
	var answer any
	switch m := message.(type) {
	case protocol.Run:
		answer = a.accept(ctx, m)
	case protocol.Cancel:
		answer = a.cancel(ctx, m)
	case protocol.Accounts:
		a.wantAccounts(m)
	case protocol.Probe:
		a.probes.answer(ctx, l, m)
	case protocol.LogStored:
		a.logStored(l, m)
	case protocol.DoneStored:
		a.doneStored(m)
	case protocol.WatchMetrics:
		a.watchMetrics(m)
	default:
		a.log.WarnContext(ctx, "the server sent a message that is not for agents", slog.String("type", fmt.Sprintf("%T", m)))
	}
	if answer != nil {
		_ = l.Send(answer) // a line that broke says so to its reader
	}
}
