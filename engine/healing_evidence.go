package engine

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"opsyard/agent/probe"
	"opsyard/agent/protocol"
	"opsyard/engine/compute"
	"opsyard/engine/healing"
	"opsyard/models"
)

// How a second opinion is got.
const (
	// opinionsAtOnce bounds how many instances are looked at in a round.
	opinionsAtOnce = 20
	// peersAsked is how many other agents try to reach a machine.
	peersAsked = 3
	// peerPatience is how long a peer may take beyond its own limit.
	peerPatience = probe.Limit + 2*time.Second
	// opinionLimit is how long a provider may take.
	opinionLimit = 15 * time.Second
)

// probePorts are tried on a silent machine: those that machines and their
// firewalls most often let in. Each answer counts, a refusal too.
var probePorts = []int{22, 80, 443, 3389}

// question is one to a peer; the answer counts only if it is the peer's own.
type question struct {
	id   string
	peer models.InstanceID
}

// secondOpinions gathers evidence where a verdict asks for it, and tells
// whether there is any that is new.
func (e *Engine) secondOpinions(ctx context.Context, p *patients, verdicts []healing.Verdict) bool {
	var need []*models.Instance
	for _, v := range verdicts {
		if v.Probe && len(need) < opinionsAtOnce {
			need = append(need, p.rows[v.ID])
		}
	}
	var wg sync.WaitGroup
	for _, i := range need {
		wg.Go(func() {
			evidence := e.secondOpinion(ctx, i)
			e.healer.mu.Lock()
			e.healer.evidence[i.ID] = evidence
			e.healer.mu.Unlock()
		})
	}
	wg.Wait()
	e.healer.mu.Lock()
	defer e.healer.mu.Unlock()
	for n := range p.fleet.Lost {
		p.fleet.Lost[n].Evidence = e.healer.evidence[p.fleet.Lost[n].ID]
	}
	return len(need) > 0
}

// secondOpinion asks the provider, tries from here, and lets peers try.
func (e *Engine) secondOpinion(ctx context.Context, i *models.Instance) *models.HealingEvidence {
	ctx, cancel := context.WithTimeout(ctx, opinionLimit)
	defer cancel()
	evidence := &models.HealingEvidence{At: e.Clock()}
	machine, caps, err := e.describe(ctx, i)
	if err != nil {
		evidence.Doubt = sentenceOf(err)
		return evidence
	}
	evidence.Machine, evidence.Reason = string(machine.State), machine.Reason
	if evidence.Ended() || !caps.OwnIP || caps.Simulated {
		return evidence // whatever answers at its addresses is not this machine
	}
	results := make(chan models.HealingProbe, 1+peersAsked)
	var wg sync.WaitGroup
	if address := cmp.Or(machine.PublicIP, machine.PrivateIP, i.PublicIP, i.PrivateIP); address != "" {
		wg.Go(func() {
			alive, detail := probe.Reach(ctx, address, probePorts...)
			results <- models.HealingProbe{Alive: alive, Detail: detail}
		})
	}
	if address := cmp.Or(machine.PrivateIP, i.PrivateIP); address != "" {
		for _, peer := range e.peersOf(ctx, i) {
			wg.Go(func() {
				if result, ok := e.askPeer(ctx, &peer, address); ok {
					results <- result
				}
			})
		}
	}
	wg.Wait()
	close(results)
	for r := range results {
		evidence.Probes = append(evidence.Probes, r)
	}
	slices.SortFunc(evidence.Probes, func(a, b models.HealingProbe) int { return strings.Compare(a.From, b.From) })
	return evidence
}

func (e *Engine) describe(ctx context.Context, i *models.Instance) (compute.Machine, compute.Caps, error) {
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return compute.Machine{}, compute.Caps{}, err
	}
	p, err := e.provider(stack)
	if err != nil {
		return compute.Machine{}, compute.Caps{}, err
	}
	machines, err := p.Describe(ctx, string(i.ID))
	if err != nil {
		return compute.Machine{}, p.Caps(), err
	}
	if len(machines) == 0 {
		return compute.Machine{State: compute.Terminated}, p.Caps(), nil
	}
	return machines[0], p.Caps(), nil
}

// peersOf picks some instances of the stack whose agents are here to be asked.
func (e *Engine) peersOf(ctx context.Context, i *models.Instance) []models.Instance {
	all, err := e.store.Instances.InStack(ctx, i.StackID)
	if err != nil {
		return nil
	}
	peers := slices.DeleteFunc(all, func(p models.Instance) bool {
		return p.ID == i.ID || p.Status != models.InstanceOnline || !e.dispatcher.Connected(p.ID)
	})
	rand.Shuffle(len(peers), func(a, b int) { peers[a], peers[b] = peers[b], peers[a] })
	return peers[:min(len(peers), peersAsked)]
}

// askPeer lets a peer try to reach an address; not ok if it does not answer,
// which says nothing about the address.
func (e *Engine) askPeer(ctx context.Context, peer *models.Instance, address string) (result models.HealingProbe, ok bool) {
	q := question{id: models.NewID[string](), peer: peer.ID}
	answer := make(chan models.HealingProbe, 1)
	e.healer.mu.Lock()
	e.healer.asked[q] = answer
	e.healer.mu.Unlock()
	defer func() {
		e.healer.mu.Lock()
		delete(e.healer.asked, q)
		e.healer.mu.Unlock()
	}()
	if !e.dispatcher.Ask(peer.ID, protocol.Probe{ID: q.id, Address: address, Ports: probePorts}) {
		return result, false
	}
	ctx, cancel := context.WithTimeout(ctx, peerPatience)
	defer cancel()
	select {
	case result = <-answer:
		result.From = peer.Hostname
		return result, true
	case <-ctx.Done():
		return result, false
	}
}

// ProbeAnswered takes what an agent says of another machine. Only the agent
// that was asked is listened to, and only once.
func (e *Engine) ProbeAnswered(id models.InstanceID, r protocol.ProbeResult) {
	q := question{id: r.ID, peer: id}
	e.healer.mu.Lock()
	answer := e.healer.asked[q]
	delete(e.healer.asked, q)
	e.healer.mu.Unlock()
	if answer != nil {
		answer <- models.HealingProbe{Alive: r.Alive, Detail: r.Detail}
	}
}
