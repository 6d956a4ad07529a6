// Package healing decides what becomes of instances whose agent is lost. It
// knows nothing but what it is told: the fleet, the evidence and the time. The
// engine gathers those, and does what was decided.
//
// OpsWorks restarted whatever was silent. Here a machine is restarted only when
// nobody reaches it, a few at a time, and not at all when so many agents vanish
// together that it is more likely the network, or this server.
package healing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"opsyard/models"
)

// Rules bound what healing may do; zero values mean the defaults.
type Rules struct {
	// Settle is how long a loss lies before the first action, so that the loss
	// of many is seen as one, and an agent that lives is heard in between.
	Settle time.Duration
	// Fresh is how old evidence may be; getting it takes some seconds.
	Fresh time.Duration
	// Between two heals of a layer; Share of a layer may be healed in a Window,
	// and one instance in any case.
	Between time.Duration
	Window  time.Duration
	Share   float64
	// FreezeShare: when more of the agents than this, and at least two, vanish
	// within Together, neither they are healed nor what vanishes within Spread
	// before or after them.
	FreezeShare float64
	Together    time.Duration
	Spread      time.Duration
	// Listen is how long the server must have been up before an agent's
	// silence says anything.
	Listen time.Duration
	// Calling is how long an agent that calls after its loss keeps healing away.
	Calling time.Duration
}

// The defaults of Rules.
const (
	Settle      = 45 * time.Second
	Fresh       = 30 * time.Second
	Between     = 10 * time.Minute
	Window      = time.Hour
	Share       = 0.2
	FreezeShare = 0.3
	Together    = 5 * time.Minute
	Spread      = time.Hour
	Listen      = 5 * time.Minute
	Calling     = 45 * time.Second
)

// WrongFor is how long a heal that was wrong makes its layers more careful.
const WrongFor = 24 * time.Hour

// WithDefaults fills what is zero.
func (r Rules) WithDefaults() Rules {
	return Rules{
		Settle: cmp.Or(r.Settle, Settle), Fresh: cmp.Or(r.Fresh, Fresh),
		Between: cmp.Or(r.Between, Between), Window: cmp.Or(r.Window, Window), Share: cmp.Or(r.Share, Share),
		FreezeShare: cmp.Or(r.FreezeShare, FreezeShare), Together: cmp.Or(r.Together, Together), Spread: cmp.Or(r.Spread, Spread),
		Listen: cmp.Or(r.Listen, Listen), Calling: cmp.Or(r.Calling, Calling),
	}
}

// Fleet is what there is to know.
type Fleet struct {
	Since  time.Time // when this server began to listen to agents
	Layers map[models.LayerID]Layer
	// Lifted is until when a person lets a stack's healing act in spite of a freeze.
	Lifted map[models.StackID]time.Time
	// Agents counts those that should be heard, the lost ones among them.
	Agents map[models.StackID]int
	Lost   []Instance
	// Quiet are agents that are silent too, but not long enough to be lost.
	Quiet []Quiet
	Heals []Heal // as far back as WrongFor
}

// Layer is what healing needs of a layer.
type Layer struct {
	Name string
	Mode models.HealingMode
	Size int // instances with a machine
}

// Instance is one in connection_lost.
type Instance struct {
	ID         models.InstanceID
	Stack      models.StackID
	Hostname   string
	Layers     []models.LayerID
	Registered bool // its machine was brought by somebody else
	KeepsDisk  bool
	LostAt     time.Time // when it became connection_lost
	HeardAt    time.Time // zero: never
	CalledAt   time.Time // when this server last noticed a call after the loss, zero: never
	HealedAt   time.Time // last, zero: never
	// Person is what somebody wants of the instance at the moment, as a
	// sentence; healing stands back.
	Person   string
	Evidence *models.HealingEvidence // nil: not looked yet
}

// gone is when the agent was last there.
func (i *Instance) gone() time.Time {
	if i.HeardAt.IsZero() {
		return i.LostAt
	}
	return i.HeardAt
}

// Quiet is an agent that has not been heard since a time.
type Quiet struct {
	Stack models.StackID
	Since time.Time
}

// Heal is one that was done.
type Heal struct {
	Layers  []models.LayerID
	At      time.Time
	WrongAt time.Time // zero: nobody complained
}

// Verdict is what becomes of one lost instance now.
type Verdict struct {
	ID       models.InstanceID
	Decision models.HealingDecision
	Sentence string // what a person reads
	// Because is the reason of a heal, as the cause of what follows.
	Because string
	// Probe says that evidence is needed to decide.
	Probe bool
}

// Decide judges every lost instance, those that were lost first before the
// others. Verdicts of one call count against the budgets of the same call.
func (r Rules) Decide(now time.Time, f Fleet) []Verdict {
	j := judge{rules: r.WithDefaults(), now: now, fleet: f, heals: slices.Clone(f.Heals)}
	j.together = j.groups()
	lost := slices.Clone(f.Lost)
	slices.SortFunc(lost, func(a, b Instance) int {
		return cmp.Or(a.LostAt.Compare(b.LostAt), strings.Compare(string(a.ID), string(b.ID)))
	})
	verdicts := make([]Verdict, len(lost))
	for n := range lost {
		verdicts[n] = j.verdict(&lost[n])
	}
	return verdicts
}

// judge is one call of Decide.
type judge struct {
	rules    Rules
	now      time.Time
	fleet    Fleet
	heals    []Heal
	together groups
}

func (j *judge) verdict(i *Instance) Verdict {
	for _, rule := range []func(*Instance) (models.HealingDecision, string, bool){
		j.notOurs, j.personFirst, j.calls, j.notAgain, j.freeze, j.settle, j.evidence, j.notify, j.budget,
	} {
		if decision, sentence, probe := rule(i); decision != "" {
			return Verdict{ID: i.ID, Decision: decision, Sentence: sentence, Probe: probe}
		}
	}
	j.heals = append(j.heals, Heal{Layers: i.Layers, At: j.now})
	why := j.dead(i)
	return Verdict{
		ID: i.ID, Decision: models.DecisionHeal, Sentence: fmt.Sprintf("%s It is %s.", why, deed(i)),
		Because: "its " + strings.TrimSuffix(strings.TrimPrefix(why, "Its "), "."),
	}
}

// deed is what healing does (OpsWorks: "Using Auto Healing").
func deed(i *Instance) string {
	if i.KeepsDisk {
		return "stopped and started again, with its disk"
	}
	return "replaced by a new machine"
}

// mode is the most careful one of the instance's layers: one that is off means
// no healing (OpsWorks: "Using Auto Healing").
func (j *judge) mode(i *Instance) (models.HealingMode, string) {
	mode, from := models.HealingHeal, ""
	if len(i.Layers) == 0 {
		return models.HealingOff, ""
	}
	for _, id := range i.Layers {
		l := j.fleet.Layers[id]
		if slices.Index(models.HealingModes, l.Mode) < slices.Index(models.HealingModes, mode) {
			mode, from = l.Mode, l.Name
		}
	}
	return mode, from
}

func (j *judge) notOurs(i *Instance) (models.HealingDecision, string, bool) {
	if i.Registered {
		return models.DecisionOff, "Its machine was registered, not made from here: no provider of this server can restart it, so it is not healed.", false
	}
	switch mode, from := j.mode(i); {
	case mode != models.HealingOff:
		return "", "", false
	case from == "":
		return models.DecisionOff, "It is in no layer, so it is not healed.", false
	default:
		return models.DecisionOff, fmt.Sprintf("Auto healing is off in layer %s, so it is not healed.", from), false
	}
}

func (j *judge) personFirst(i *Instance) (models.HealingDecision, string, bool) {
	if i.Person == "" {
		return "", "", false
	}
	return models.DecisionWait, i.Person + " Healing stands back.", false
}

// calls keeps healing from what is heard although it counts as lost: another
// server noted the loss, by its own clock or its own view of the machines.
func (j *judge) calls(i *Instance) (models.HealingDecision, string, bool) {
	if i.CalledAt.IsZero() || j.now.Sub(i.CalledAt) >= j.rules.Calling {
		return "", "", false
	}
	return models.DecisionWait, fmt.Sprintf("Its agent called at %s, after it was lost. If it goes on, the instance is back.", clock(i.CalledAt)), false
}

// notAgain keeps healing from going in circles: what did not bring the agent
// back once will not the next time (OpsWorks heals again only after the agent
// has been seen).
func (j *judge) notAgain(i *Instance) (models.HealingDecision, string, bool) {
	switch {
	case i.HeardAt.IsZero():
		return models.DecisionNotify, "Its agent has never called, so a restart would change nothing that is known to work. Look at its console output.", false
	case !i.HealedAt.IsZero() && !i.HeardAt.After(i.HealedAt):
		return models.DecisionNotify, fmt.Sprintf("It was healed at %s, and its agent has not called since. It is not healed again before that.", clock(i.HealedAt)), false
	}
	return "", "", false
}

func (j *judge) freeze(i *Instance) (models.HealingDecision, string, bool) {
	why := j.together.why(j.rules, i.Stack, i.gone())
	if why == "" || j.now.Before(j.fleet.Lifted[i.Stack]) {
		return "", "", false
	}
	return models.DecisionFrozen, why, false
}

func (j *judge) settle(i *Instance) (models.HealingDecision, string, bool) {
	at := i.LostAt.Add(j.rules.Settle)
	if !j.now.Before(at) {
		return "", "", false
	}
	return models.DecisionWait, fmt.Sprintf("It was lost a moment ago. From %s on it is looked at whether its machine is really gone.", clock(at)), false
}

// evidence asks for a second opinion, and lets every machine live that anybody
// reaches.
func (j *judge) evidence(i *Instance) (models.HealingDecision, string, bool) {
	e := i.Evidence
	if e == nil || j.now.Sub(e.At) > j.rules.Fresh || e.At.Before(i.LostAt) {
		return models.DecisionWait, "Its provider and its peers are being asked whether its machine lives.", true
	}
	if p := e.Reached(); p != nil {
		return models.DecisionAlive, fmt.Sprintf("Its agent is silent, but its machine lives: %s. It is not restarted.", who(p)), false
	}
	switch {
	case e.Doubt != "":
		return models.DecisionWait, fmt.Sprintf("Its provider does not say whether its machine runs: %s.", strings.TrimRight(e.Doubt, ".")), false
	case e.Ended():
		return "", "", false
	case e.Machine != "running":
		return models.DecisionWait, fmt.Sprintf("Its provider says that its machine is %s.", e.Machine), false
	case len(e.Probes) == 0:
		return models.DecisionNotify, "Its provider says that its machine runs, and there is nobody who could try to reach it. A person must decide.", false
	}
	if at := j.fleet.Since.Add(j.rules.Listen); j.now.Before(at) {
		return models.DecisionWait, fmt.Sprintf("This server has been up for a short time only. From %s on the agent's silence counts.", clock(at)), false
	}
	return "", "", false
}

func (j *judge) notify(i *Instance) (models.HealingDecision, string, bool) {
	mode, from := j.mode(i)
	if mode != models.HealingNotify {
		return "", "", false
	}
	return models.DecisionNotify, fmt.Sprintf("%s Layer %s only reports; otherwise it would be %s.", j.dead(i), from, deed(i)), false
}

func (j *judge) budget(i *Instance) (models.HealingDecision, string, bool) {
	var until time.Time
	var layer models.LayerID
	for _, id := range i.Layers {
		if at := j.nextHeal(id); at.After(until) {
			until, layer = at, id
		}
	}
	if !j.now.Before(until) {
		return "", "", false
	}
	return models.DecisionWait, fmt.Sprintf("%s Layer %s has used up what may be healed at a time; the next turn is at %s.", j.dead(i), j.fleet.Layers[layer].Name, clock(until)), false
}

// nextHeal is when the layer's budget allows a heal.
func (j *judge) nextHeal(id models.LayerID) time.Time {
	var at []time.Time
	between, window := j.rules.Between, j.rules.Window
	for _, h := range j.heals {
		if !slices.Contains(h.Layers, id) {
			continue
		}
		at = append(at, h.At)
		if !h.WrongAt.IsZero() && j.now.Sub(h.WrongAt) < WrongFor {
			between, window = 2*j.rules.Between, 2*j.rules.Window
		}
	}
	if len(at) == 0 {
		return time.Time{}
	}
	slices.SortFunc(at, time.Time.Compare)
	next := at[len(at)-1].Add(between)
	if most := j.rules.most(j.fleet.Layers[id].Size); len(at) >= most {
		if free := at[len(at)-most].Add(window); free.After(next) {
			next = free
		}
	}
	return next
}

// most is how many of a layer may be healed in a Window.
func (r Rules) most(size int) int { return max(1, int(float64(size)*r.Share)) }

// dead says why the machine counts as gone.
func (j *judge) dead(i *Instance) string {
	e := i.Evidence
	if e.Ended() {
		reason := ""
		if e.Reason != "" && e.Reason != e.Machine {
			reason = " (" + e.Reason + ")"
		}
		return fmt.Sprintf("Its agent is silent, and its provider says that its machine is %s%s.", e.Machine, reason)
	}
	from := make([]string, len(e.Probes))
	for n, p := range e.Probes {
		from[n] = cmp.Or(p.From, "this server")
	}
	if len(from) == 1 {
		return fmt.Sprintf("Its agent is silent, and %s does not reach its machine.", from[0])
	}
	return fmt.Sprintf("Its agent is silent, and neither %s nor %s reaches its machine.", strings.Join(from[:len(from)-1], ", "), from[len(from)-1])
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// who tells who reached the machine.
func who(p *models.HealingProbe) string {
	words := cmp.Or(p.From, "this server") + " reaches it"
	if p.Detail != "" {
		words += " (" + p.Detail + ")"
	}
	return words
}
