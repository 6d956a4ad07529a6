package healing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"opsyard/models"
)

// A thousand fleets, each with hours of faults of its own: machines that end or
// hang, agents that die, lines that are cut between some and not others, whole
// networks and this server that go away, and people who step in.
func TestHistories(t *testing.T) {
	t.Parallel()
	seeds, heals := 1000, 0
	if testing.Short() { // under the race detector, which has nothing to find here
		seeds = 100
	}
	for seed := range seeds {
		h := newHistory(t, uint64(seed))
		h.run()
		heals += h.done
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if heals < seeds {
		t.Errorf("only %d heals in all: the histories do not try enough", heals)
	}
}

// box is a machine as it really is, and what the server knows of it.
type box struct {
	Instance
	runs, hangs, agent       bool
	cut                      bool // between the agent and the server
	hiddenServer, hiddenPeer bool // probes do not reach it from there
	returns                  bool // its agent comes up after a heal
	lost, noPeers            bool
	doubt                    bool
	back                     time.Time // of a heal under way
}

type history struct {
	t      *testing.T
	rng    *rand.Rand
	now    time.Time
	fleet  Fleet
	boxes  []*box
	down   bool // this server is away from everybody
	rules  Rules
	healed []Heal
	done   int
	byID   map[models.InstanceID]*box
	ice    map[models.InstanceID]bool // what frozen found at this time
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, rng: rand.New(rand.NewPCG(seed, 5)), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), rules: Rules{}.WithDefaults()}
	h.byID, h.ice = map[models.InstanceID]*box{}, map[models.InstanceID]bool{}
	h.fleet = Fleet{Since: h.now, Layers: map[models.LayerID]Layer{}, Lifted: map[models.StackID]time.Time{}, Agents: map[models.StackID]int{}}
	for s := range 1 + h.rng.IntN(3) {
		stack := models.StackID(fmt.Sprint("s", s))
		var layers []models.LayerID
		for l := range 1 + h.rng.IntN(3) {
			id := models.LayerID(fmt.Sprint(stack, "l", l))
			h.fleet.Layers[id] = Layer{Name: string(id), Mode: pick(h.rng, models.HealingHeal, models.HealingHeal, models.HealingHeal, models.HealingNotify, models.HealingOff)}
			layers = append(layers, id)
		}
		for n := range 1 + h.rng.IntN(12) {
			b := &box{runs: true, agent: true, returns: h.rng.IntN(10) > 0}
			b.Instance = Instance{ID: models.InstanceID(fmt.Sprint(stack, "i", n)), Stack: stack, Hostname: fmt.Sprint("web", n), Registered: h.rng.IntN(15) == 0, HeardAt: h.now}
			b.Layers = []models.LayerID{layers[h.rng.IntN(len(layers))]}
			if other := layers[h.rng.IntN(len(layers))]; other != b.Layers[0] && h.rng.IntN(4) == 0 {
				b.Layers = append(b.Layers, other)
			}
			h.boxes = append(h.boxes, b)
			h.byID[b.ID] = b
		}
	}
	return h
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

const (
	faults = 3 * time.Hour  // with faults
	calm   = 40 * time.Hour // without, at the most
)

func (h *history) run() {
	end := h.now.Add(faults)
	for h.now.Before(end) && !h.t.Failed() {
		h.fault()
		h.step(time.Duration(5+h.rng.IntN(50)) * time.Second)
	}
	h.repair()
	for end := h.now.Add(calm); h.now.Before(end) && !h.t.Failed(); {
		for stack := range h.fleet.Agents {
			h.fleet.Lifted[stack] = h.now.Add(time.Hour) // a person looks after it
		}
		h.step(5 * time.Minute)
		if !h.waits() {
			break
		}
	}
	h.handled()
}

// fault breaks or mends something, now and then.
func (h *history) fault() {
	if h.rng.IntN(6) > 0 {
		return
	}
	b := h.boxes[h.rng.IntN(len(h.boxes))]
	switch h.rng.IntN(14) {
	case 0, 1:
		b.runs = false
	case 2:
		b.hangs = true
	case 3:
		b.agent = false
	case 4:
		b.cut = !b.cut
	case 5:
		b.hiddenServer = !b.hiddenServer
	case 6:
		b.hiddenPeer = !b.hiddenPeer
	case 7:
		b.noPeers = !b.noPeers
	case 8:
		b.doubt = !b.doubt
	case 9:
		b.Person = pick(h.rng, "", "Ada wants it stopped.")
	case 10: // a switch fails
		if h.rng.IntN(4) == 0 {
			cut := h.rng.IntN(2) == 0
			for _, other := range h.boxes {
				if other.Stack == b.Stack && h.rng.IntN(2) == 0 {
					other.cut = cut
				}
			}
		}
	case 11:
		if h.rng.IntN(4) == 0 {
			h.down = !h.down
		}
	case 12: // this server starts again
		if h.rng.IntN(4) == 0 {
			h.fleet.Since = h.now
		}
	case 13:
		if len(h.healed) > 0 {
			h.healed[h.rng.IntN(len(h.healed))].WrongAt = h.now
		}
	}
}

// repair ends what is not the machines' own.
func (h *history) repair() {
	h.down = false
	for _, b := range h.boxes {
		b.cut, b.hiddenServer, b.hiddenPeer, b.noPeers, b.doubt, b.Person = false, false, false, false, false, ""
	}
}

func (b *box) listens() bool { return b.runs && !b.hangs }

// step lets time pass and the server look once.
func (h *history) step(d time.Duration) {
	h.now = h.now.Add(d)
	clear(h.ice)
	for _, b := range h.boxes {
		h.live(b)
	}
	h.gather()
	verdicts := h.rules.Decide(h.now, h.fleet)
	asked := false
	for _, v := range verdicts {
		if v.Probe {
			h.box(v.ID).Evidence, asked = h.probe(h.box(v.ID)), true
		}
	}
	if asked {
		h.gather()
		verdicts = h.rules.Decide(h.now, h.fleet)
	}
	h.complete(verdicts)
	for _, v := range verdicts {
		h.check(v)
	}
	for _, v := range verdicts {
		if v.Decision == models.DecisionHeal {
			h.heal(h.box(v.ID))
		}
	}
}

// live is what happens to a box by itself.
func (h *history) live(b *box) {
	if !b.back.IsZero() {
		if h.now.Before(b.back) {
			return
		}
		b.back, b.runs, b.hangs, b.agent = time.Time{}, true, false, b.returns
		if !b.returns {
			b.lost, b.LostAt = true, h.now // its machine ended while it booted
			b.runs = false
		}
	}
	if b.listens() && b.agent && !b.cut && !h.down {
		b.HeardAt, b.lost, b.Evidence = h.now, false, nil
		return
	}
	if !b.lost && (!b.runs && !h.down || h.now.Sub(b.HeardAt) > 5*time.Minute) {
		b.lost, b.LostAt = true, h.now
	}
}

// gather tells the fleet what the server can know.
func (h *history) gather() {
	h.fleet.Lost, h.fleet.Quiet, h.fleet.Heals = h.fleet.Lost[:0], h.fleet.Quiet[:0], h.healed
	clear(h.fleet.Agents)
	size := map[models.LayerID]int{}
	for _, b := range h.boxes {
		h.fleet.Agents[b.Stack] += 0
		for _, l := range b.Layers {
			size[l]++
		}
		if !b.back.IsZero() {
			continue
		}
		h.fleet.Agents[b.Stack]++
		switch {
		case b.lost:
			h.fleet.Lost = append(h.fleet.Lost, b.Instance)
		case h.now.Sub(b.HeardAt) > 45*time.Second:
			h.fleet.Quiet = append(h.fleet.Quiet, Quiet{b.Stack, b.HeardAt})
		}
	}
	for id, l := range h.fleet.Layers {
		l.Size = size[id]
		h.fleet.Layers[id] = l
	}
	h.rng.Shuffle(len(h.fleet.Lost), func(a, b int) {
		h.fleet.Lost[a], h.fleet.Lost[b] = h.fleet.Lost[b], h.fleet.Lost[a]
	})
}

func (h *history) box(id models.InstanceID) *box {
	return h.byID[id]
}

// reachable tells whether anybody who can be asked would reach the machine.
func (h *history) reachable(b *box) bool {
	return b.listens() && (!h.down && !b.hiddenServer || !b.noPeers && !h.down && !b.hiddenPeer)
}

func (h *history) probe(b *box) *models.HealingEvidence {
	e := &models.HealingEvidence{At: h.now, Machine: "stopped", Reason: "killed"}
	if b.runs {
		e.Machine = "running"
	}
	if b.doubt {
		e.Machine, e.Doubt = "", "its API does not answer"
	}
	e.Probes = append(e.Probes, models.HealingProbe{Alive: b.listens() && !h.down && !b.hiddenServer, Detail: "port 22"})
	if !b.noPeers && !h.down {
		for n := range 3 {
			e.Probes = append(e.Probes, models.HealingProbe{From: fmt.Sprint("peer", n), Alive: b.listens() && !b.hiddenPeer && n == 1})
		}
	}
	return e
}

// complete: every lost instance has one verdict, and a sentence.
func (h *history) complete(verdicts []Verdict) {
	if len(verdicts) != len(h.fleet.Lost) {
		h.t.Fatalf("%d verdicts on %d lost instances", len(verdicts), len(h.fleet.Lost))
	}
	for n, v := range verdicts {
		if v.Decision == "" || v.Sentence == "" {
			h.t.Errorf("%s has no verdict: %+v", v.ID, v)
		}
		if slices.IndexFunc(verdicts, func(o Verdict) bool { return o.ID == v.ID }) != n {
			h.t.Errorf("%s has two verdicts", v.ID)
		}
	}
}

// check compares a verdict with what is really so.
func (h *history) check(v Verdict) {
	b := h.box(v.ID)
	allowed := h.wanted(b) && !h.frozen(b)
	switch v.Decision {
	case models.DecisionHeal:
		if h.reachable(b) && b.Evidence.At.Equal(h.now) {
			h.t.Errorf("%s is healed, but could be reached", v.ID)
		}
		if b.Evidence.Reached() != nil || h.now.Sub(b.Evidence.At) > Fresh {
			h.t.Errorf("%s is healed by %+v at %s", v.ID, b.Evidence, h.now)
		}
		if !allowed || !b.HeardAt.After(b.HealedAt) {
			h.t.Errorf("%s is healed, which nobody allowed", v.ID)
		}
		if h.exhausted(b) {
			h.t.Errorf("%s is healed beyond the budget", v.ID)
		}
		h.healed = append(h.healed, Heal{Layers: b.Layers, At: h.now})
	case models.DecisionWait:
		excused := b.Person != "" || b.doubt || h.now.Before(b.LostAt.Add(Settle)) || h.now.Before(h.fleet.Since.Add(Listen)) || h.exhausted(b)
		if !excused && !b.Evidence.At.Before(h.now) {
			h.t.Errorf("%s waits for nothing: %s", v.ID, v.Sentence)
		}
	case models.DecisionFrozen:
		if !h.frozen(b) {
			h.t.Errorf("%s is frozen without need: %s", v.ID, v.Sentence)
		}
	}
}

// wanted: the layers want it healed, and no person something else.
func (h *history) wanted(b *box) bool {
	for _, l := range b.Layers {
		if h.fleet.Layers[l].Mode != models.HealingHeal {
			return false
		}
	}
	return !b.Registered && b.Person == ""
}

// frozen counts anew, the slow way.
func (h *history) frozen(b *box) bool {
	if h.now.Before(h.fleet.Lifted[b.Stack]) {
		return false
	}
	if known, ok := h.ice[b.ID]; ok {
		return known
	}
	burst := func(of func(*box) bool) bool {
		var gone []time.Time
		total := 0
		for _, o := range h.boxes {
			if !of(o) || !o.back.IsZero() {
				continue
			}
			total++
			if o.lost || h.now.Sub(o.HeardAt) > 45*time.Second {
				gone = append(gone, o.HeardAt)
			}
		}
		for _, from := range gone {
			n, last := 0, from
			for _, at := range gone {
				if !at.Before(from) && at.Sub(from) <= Together {
					n++
					if at.After(last) {
						last = at
					}
				}
			}
			if n >= 2 && 10*n > 3*total && from.Sub(b.HeardAt) <= time.Hour && b.HeardAt.Sub(last) <= time.Hour {
				return true
			}
		}
		return false
	}
	h.ice[b.ID] = burst(func(o *box) bool { return o.Stack == b.Stack }) || burst(func(*box) bool { return true })
	return h.ice[b.ID]
}

// exhausted tells whether a layer of the box has had its heals.
func (h *history) exhausted(b *box) bool {
	for _, l := range b.Layers {
		between, window, recent := Between, Window, 0
		for _, d := range h.healed {
			if slices.Contains(d.Layers, l) && !d.WrongAt.IsZero() && h.now.Sub(d.WrongAt) < WrongFor {
				between, window = 2*Between, 2*Window
			}
		}
		for _, d := range h.healed {
			if !slices.Contains(d.Layers, l) {
				continue
			}
			if h.now.Sub(d.At) < between {
				return true
			}
			if h.now.Sub(d.At) < window {
				recent++
			}
		}
		if recent >= 1 && 5*recent >= h.fleet.Layers[l].Size-h.fleet.Layers[l].Size%5 {
			return true
		}
	}
	return false
}

func (h *history) heal(b *box) {
	h.done++
	b.HealedAt, b.back, b.lost, b.Evidence = h.now, h.now.Add(2*time.Minute), false, nil
	b.returns = b.returns || h.rng.IntN(2) == 0
}

// waits tells whether something is dead that is to be healed yet.
func (h *history) waits() bool {
	for _, b := range h.boxes {
		if !b.back.IsZero() || h.wanted(b) && !b.listens() && b.HeardAt.After(b.HealedAt) {
			return true
		}
	}
	return false
}

// handled: when all is calm, whatever is dead has been healed or is reported.
func (h *history) handled() {
	h.gather()
	for _, v := range h.rules.Decide(h.now, h.fleet) {
		b := h.box(v.ID)
		if h.wanted(b) && !b.listens() && v.Decision != models.DecisionNotify {
			h.t.Errorf("%s is dead and still %s: %s", v.ID, v.Decision, v.Sentence)
		}
	}
}
