package agent

import (
	"context"
	"sync"

	"opsyard/agent/probe"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// probes are the questions of a session that are being answered.
type probes struct {
	wg   sync.WaitGroup
	slot chan struct{}
}

// probesAtOnce bounds the questions that are answered at a time; of more, the
// server asks somebody else.
const probesAtOnce = 4

func newProbes() *probes { return &probes{slot: make(chan struct{}, probesAtOnce)} }

// answer tries to reach a machine for the server, beside what else the session does.
func (p *probes) answer(ctx context.Context, l *session.Link, question protocol.Probe) {
	if !question.Plausible() {
		return
	}
	select {
	case p.slot <- struct{}{}:
	default:
		return
	}
	p.wg.Go(func() {
		defer func() { <-p.slot }()
		alive, detail := probe.Reach(ctx, question.Address, question.Ports...)
		if ctx.Err() == nil { // else nobody waits for it
			_ = l.Send(protocol.ProbeResult{ID: question.ID, Alive: alive, Detail: detail})
		}
	})
}
