package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"opsyard/engine/healing"
	"opsyard/models"
	"opsyard/models/store"
)

// keepHealings is how long it can be told what became of a lost instance.
const keepHealings = 90 * 24 * time.Hour

// healer is what healing keeps between two looks: what is lost with it is
// gathered again.
type healer struct {
	nudge chan struct{}

	mu       sync.Mutex
	calls    map[models.InstanceID]call
	evidence map[models.InstanceID]*models.HealingEvidence
	asked    map[question]chan models.HealingProbe
}

func newHealer() *healer {
	return &healer{
		nudge:    make(chan struct{}, 1),
		calls:    map[models.InstanceID]call{},
		evidence: map[models.InstanceID]*models.HealingEvidence{},
		asked:    map[question]chan models.HealingProbe{},
	}
}

// heal looks once at what is lost: it ends the entries of what is not lost any
// more, asks for second opinions where they are needed, and does what
// engine/healing decides.
func (e *Engine) heal(ctx context.Context) error {
	ctx = models.AsEngine(ctx)
	open, err := e.store.Healings.Open(ctx)
	if err != nil {
		return err
	}
	lost, err := e.store.Instances.WithStatus(ctx, models.InstanceConnectionLost)
	if err != nil {
		return fmt.Errorf("list lost instances: %w", err)
	}
	e.healer.hear(lost, e.Clock())
	errs := []error{e.endHealings(ctx, open, lost), e.takeBack(ctx, lost)}
	if len(lost) == 0 {
		return errors.Join(errs...)
	}
	patients, err := e.patients(ctx, lost)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	verdicts := e.times.Healing.Decide(e.Clock(), patients.fleet)
	if e.secondOpinions(ctx, patients, verdicts) {
		verdicts = e.times.Healing.Decide(e.Clock(), patients.fleet)
	}
	return errors.Join(append(errs, e.carryOut(ctx, patients, verdicts, open))...)
}

// patients are the lost instances and what is known about them.
type patients struct {
	rows  map[models.InstanceID]*models.Instance
	fleet healing.Fleet
}

// patients gathers what healing decides by.
func (e *Engine) patients(ctx context.Context, lost []models.Instance) (*patients, error) {
	p := &patients{rows: map[models.InstanceID]*models.Instance{}, fleet: healing.Fleet{Lifted: map[models.StackID]time.Time{}, Layers: map[models.LayerID]healing.Layer{}}}
	ids := make([]models.InstanceID, len(lost))
	for n := range lost {
		ids[n] = lost[n].ID
		p.rows[ids[n]] = &lost[n]
	}
	healed, err := e.store.Healings.Last(ctx, ids)
	if err != nil {
		return nil, err
	}
	people, err := e.people(ctx)
	if err != nil {
		return nil, err
	}
	e.healer.mu.Lock()
	for n := range lost {
		i := &lost[n]
		p.fleet.Lost = append(p.fleet.Lost, healing.Instance{
			ID: i.ID, Stack: i.StackID, Hostname: i.Hostname, Layers: i.LayerIDs, Registered: i.Registered() || i.InfrastructureClass == models.InfrastructureOnPremises, KeepsDisk: i.KeepsDisk(),
			LostAt: i.StatusSince, HeardAt: deref(i.AgentSeenAt), CalledAt: e.healer.calls[i.ID].at, HealedAt: healed[i.ID], Person: people[i.ID], Evidence: e.healer.evidence[i.ID],
		})
	}
	e.healer.mu.Unlock()
	return p, e.surroundings(ctx, p)
}

func deref(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// people tells where somebody wants something that healing must not cross: a
// stop, a restart of their own, or that healing pauses.
func (e *Engine) people(ctx context.Context) (map[models.InstanceID]string, error) {
	said := map[models.InstanceID]string{}
	open, err := e.store.Intents.Open(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range open {
		if n.Author == models.ByUser && n.Want != models.WantOnline {
			said[n.InstanceID] = fmt.Sprintf("%s wants it %s.", n.Who(), n.Want)
		}
	}
	pauses, err := e.store.Intents.Pauses(ctx)
	for _, p := range pauses {
		if p.Author == models.ByHealing {
			said[p.InstanceID] = p.Reason
		}
	}
	return said, err
}

// surroundings adds what is not about one instance: layers, who else is silent,
// and what healing has done lately.
func (e *Engine) surroundings(ctx context.Context, p *patients) error {
	f, now := &p.fleet, e.Clock()
	f.Since = e.attention.since(now, max(e.times.Offline, 10*e.times.Reminder))
	var layers []models.LayerID
	for _, i := range f.Lost {
		layers = append(layers, i.Layers...)
	}
	slices.Sort(layers)
	layers = slices.Compact(layers)
	rows, err := e.store.Layers.ByIDs(ctx, layers)
	if err != nil {
		return fmt.Errorf("read the layers of lost instances: %w", err)
	}
	sizes, err := e.store.Healings.Sizes(ctx, layers)
	if err != nil {
		return err
	}
	for n := range rows {
		l := &rows[n]
		f.Layers[l.ID] = healing.Layer{Name: l.Name, Mode: l.HealingMode(), Size: sizes[l.ID]}
	}
	if f.Heals, err = healsDone(ctx, e.store, now); err != nil {
		return err
	}
	return e.roundabout(ctx, f, now)
}

// roundabout tells how many agents there are, and which others are silent.
func (e *Engine) roundabout(ctx context.Context, f *healing.Fleet, now time.Time) (err error) {
	if f.Agents, err = e.store.Healings.Agents(ctx); err != nil {
		return err
	}
	lifts, err := e.store.Healings.Lifts(ctx, now)
	if err != nil {
		return err
	}
	for stack, l := range lifts {
		f.Lifted[stack] = l.Until
	}
	silent, err := e.store.Instances.Silent(ctx, now.Add(-e.times.Offline),
		models.InstanceOnline, models.InstanceRunningSetup, models.InstanceSetupFailed, models.InstanceRegistered, models.InstanceAssigning)
	if err != nil {
		return fmt.Errorf("list silent agents: %w", err)
	}
	for n := range silent {
		if i := &silent[n]; !e.dispatcher.Connected(i.ID) {
			f.Quiet = append(f.Quiet, healing.Quiet{Stack: i.StackID, Since: lastHeard(i)})
		}
	}
	return nil
}

func healsDone(ctx context.Context, st *store.Store, now time.Time) ([]healing.Heal, error) {
	done, err := st.Healings.Done(ctx, now.Add(-healing.WrongFor))
	heals := make([]healing.Heal, len(done))
	for n, h := range done {
		heals[n] = healing.Heal{Layers: h.LayerIDs, At: h.At, WrongAt: deref(h.WrongAt)}
	}
	return heals, err
}

// carryOut writes what was decided, and begins the heals.
func (e *Engine) carryOut(ctx context.Context, p *patients, verdicts []healing.Verdict, open []models.Healing) error {
	entries := map[models.InstanceID]*models.Healing{}
	for n := range open {
		entries[open[n].InstanceID] = &open[n]
	}
	var errs []error
	frozen := map[models.StackID][]models.Healing{}
	for _, v := range verdicts {
		i, entry := p.rows[v.ID], entries[v.ID]
		if entry != nil && entry.LostAt.Equal(i.StatusSince) && saidAlready(entry, v) {
			continue
		}
		next := e.entryOf(i, v)
		var err error
		switch {
		case v.Decision == models.DecisionFrozen:
			frozen[i.StackID] = append(frozen[i.StackID], next)
		case v.Probe && entry != nil:
			// what was decided stands until the answers are here
		default:
			err = e.decide(ctx, i, next, v.Because, len(p.fleet.Heals))
		}
		if err != nil {
			e.Log.ErrorContext(ctx, "heal an instance", slog.String("instance", string(i.ID)), slog.Any("error", err))
			errs = append(errs, err)
		}
	}
	for stack, list := range frozen {
		errs = append(errs, e.freeze(ctx, stack, list))
	}
	return errors.Join(errs...)
}

// saidAlready tells whether the open entry about a loss says what was decided.
// How many are gone together changes with each that follows; a freeze is not
// written anew for that.
func saidAlready(entry *models.Healing, v healing.Verdict) bool {
	switch entry.Decision {
	case models.DecisionHeal:
		return true
	case models.DecisionFrozen:
		return v.Decision == models.DecisionFrozen
	}
	return entry.Decision == v.Decision && entry.Sentence == v.Sentence
}

func (e *Engine) entryOf(i *models.Instance, v healing.Verdict) models.Healing {
	h := models.Healing{
		ID: models.NewID[models.HealingID](), StackID: i.StackID, InstanceID: i.ID, Hostname: i.Hostname, LayerIDs: i.LayerIDs,
		LostAt: i.StatusSince, Decision: v.Decision, Sentence: v.Sentence, At: e.Clock(),
	}
	e.healer.mu.Lock()
	defer e.healer.mu.Unlock()
	if known := e.healer.evidence[i.ID]; known != nil && !known.At.Before(i.StatusSince) {
		h.Evidence = *known
	}
	return h
}

// decide makes next the open entry about an instance that is still lost, and
// begins the heal if it is one. heals is how many were known when it was
// decided: of two servers that decide at once, one acts.
func (e *Engine) decide(ctx context.Context, seen *models.Instance, next models.Healing, because string, heals int) error {
	err := e.tx(ctx, func(t *tx) error {
		if _, err := t.Stacks.GetForUpdate(ctx, seen.StackID); err != nil {
			return err
		}
		i, err := t.Instances.GetForUpdate(ctx, seen.ID)
		if err != nil {
			return err
		}
		if i.Status != models.InstanceConnectionLost || !i.StatusSince.Equal(seen.StatusSince) {
			return nil
		}
		if next.Decision == models.DecisionHeal {
			done, err := healsDone(ctx, t.Store, e.Clock())
			called := !deref(i.AgentSeenAt).Equal(deref(seen.AgentSeenAt))
			if err != nil || called || e.dispatcher.Connected(i.ID) || len(done) > heals || e.stale(&next.Evidence) {
				return err // it may be back, or the budget has changed: the next look decides
			}
		}
		said, err := t.note(ctx, i, &next)
		if err != nil {
			return err
		}
		return t.act(ctx, i, &next, because, said)
	})
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil // deleted meanwhile
	}
	return err
}

// stale tells that evidence has aged between the decision and the deed, as it
// does when the server was suspended in between.
func (e *Engine) stale(evidence *models.HealingEvidence) bool {
	return e.Clock().Sub(evidence.At) > 2*e.times.Healing.WithDefaults().Fresh+opinionLimit
}

// note makes next the open entry, and tells whether it had been decided so
// before, for whatever reasons.
func (t *tx) note(ctx context.Context, i *models.Instance, next *models.Healing) (said bool, err error) {
	open, err := t.Healings.OpenOf(ctx, i.ID)
	if err != nil {
		return false, err
	}
	for _, h := range open {
		if h.Decision == next.Decision {
			if h.LostAt.Equal(next.LostAt) {
				next.At, said = h.At, true
			}
			err = t.Healings.Drop(ctx, h.ID)
		} else {
			err = t.giveWay(ctx, &h, next)
		}
		if err != nil {
			return false, err
		}
	}
	if next.Decision != models.DecisionHeal && !said {
		if said, err = t.saidBefore(ctx, next); err != nil {
			return false, err
		}
	}
	t.tellInstance(i.StackID, i.ID)
	return said, t.Healings.Create(ctx, *next)
}

// saidBefore takes up an earlier entry about the same loss with the same
// decision. A machine that answers now and then is told once, and has one entry
// for each decision.
func (t *tx) saidBefore(ctx context.Context, next *models.Healing) (bool, error) {
	first, err := t.Healings.TakeUp(ctx, next)
	if err != nil || first == nil {
		return false, err
	}
	next.ID, next.At = first.ID, first.At
	return true, nil
}

// giveWay ends an open entry before the next one. One that only waited becomes
// the next; what was decided before stays in the history.
func (t *tx) giveWay(ctx context.Context, h, next *models.Healing) error {
	if h.Decision == models.DecisionWait {
		return t.Healings.Drop(ctx, h.ID)
	}
	return t.Healings.End(ctx, "It was decided anew.", next.At, h.ID)
}

// healingActor is who heals, as OpsWorks' events name it.
const healingActor = "auto-healing"

// alertHealing is the type of alerts about instances that are lost and not healed.
const alertHealing = "AutoHealing"

// act begins a heal, and tells the timeline of what people should know, unless
// it was said before.
func (t *tx) act(ctx context.Context, i *models.Instance, h *models.Healing, because string, said bool) error {
	var text string
	tone := "warn"
	cause := models.Cause{Kind: models.CauseHealing, Actor: healingActor, InstanceID: i.ID, Text: h.Sentence}
	switch h.Decision {
	case models.DecisionHeal:
		text, tone, cause.Text = i.Hostname+" is healed", "running", because
	case models.DecisionAlive:
		text = i.Hostname + " is not restarted"
	case models.DecisionNotify:
		text = i.Hostname + " needs somebody to look at it"
	default:
		return nil
	}
	if said {
		return nil
	}
	cause, err := t.because(ctx, cause, i.ID)
	if err != nil {
		return err
	}
	if err := t.event(ctx, models.StackEvent{StackID: i.StackID, Kind: "instance", Tone: tone, InstanceID: i.ID, Text: text, Cause: cause}); err != nil {
		return err
	}
	if h.Decision != models.DecisionHeal {
		return t.alert(ctx, i, alertHealing, h.Sentence)
	}
	t.e.Log.InfoContext(ctx, "heal", slog.String("instance", string(i.ID)), slog.String("hostname", i.Hostname), slog.String("because", because))
	return t.intend(ctx, i, models.ByHealing, models.WantRestarted, cause)
}

// freeze notes instances of a stack that are not healed because so many are
// gone: one entry each. The timeline and the notifications have it once, when
// the first of the stack is frozen.
func (e *Engine) freeze(ctx context.Context, stack models.StackID, frozen []models.Healing) error {
	err := e.tx(ctx, func(t *tx) error {
		// The lock keeps apart two servers that see the same.
		if _, err := t.Stacks.GetForUpdate(ctx, stack); err != nil {
			return err
		}
		open, err := t.Healings.OpenInStack(ctx, stack)
		if err != nil {
			return err
		}
		news, first, err := t.newlyFrozen(ctx, frozen, open)
		if err != nil || len(news) == 0 {
			return err
		}
		t.tellStack(stack)
		if err := t.Healings.Create(ctx, news...); err != nil {
			return err
		}
		if slices.ContainsFunc(open, func(h models.Healing) bool { return h.Decision == models.DecisionFrozen }) {
			return nil
		}
		return t.tellFreeze(ctx, first, news[0].Sentence)
	})
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil // deleted meanwhile
	}
	return err
}

// newlyFrozen leaves those that are still lost and not noted as frozen yet, and
// the instance of the first; what was open about them ends.
func (t *tx) newlyFrozen(ctx context.Context, frozen, open []models.Healing) (news []models.Healing, first *models.Instance, err error) {
	ids, before := make([]models.InstanceID, len(frozen)), map[models.InstanceID][]models.Healing{}
	for n := range frozen {
		ids[n] = frozen[n].InstanceID
	}
	for _, h := range open {
		before[h.InstanceID] = append(before[h.InstanceID], h)
	}
	rows, err := t.Instances.Some(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	lost := make(map[models.InstanceID]*models.Instance, len(rows))
	for n := range rows {
		lost[rows[n].ID] = &rows[n]
	}
	for _, next := range frozen {
		i := lost[next.InstanceID]
		if i == nil || i.Status != models.InstanceConnectionLost || !i.StatusSince.Equal(next.LostAt) {
			continue
		}
		if slices.ContainsFunc(before[i.ID], func(h models.Healing) bool {
			return h.Decision == models.DecisionFrozen && h.LostAt.Equal(next.LostAt)
		}) {
			continue
		}
		for _, h := range before[i.ID] {
			if err := t.giveWay(ctx, &h, &next); err != nil {
				return nil, nil, err
			}
		}
		first = cmp.Or(first, i)
		news = append(news, next)
	}
	return news, first, nil
}

// tellFreeze tells people that a stack's healing is frozen.
func (t *tx) tellFreeze(ctx context.Context, i *models.Instance, sentence string) error {
	err := t.event(ctx, models.StackEvent{
		StackID: i.StackID, Kind: "change", Tone: "warn", Text: "Auto healing is frozen",
		Cause: models.Cause{Kind: models.CauseHealing, Actor: healingActor, Text: sentence},
	})
	if err != nil {
		return err
	}
	return t.alert(ctx, i, alertHealing, sentence)
}
