package engine

import (
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
	evidence map[models.InstanceID]*models.HealingEvidence
	asked    map[question]chan models.HealingProbe
}

func newHealer() *healer {
	return &healer{
		nudge:    make(chan struct{}, 1),
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
	errs := []error{e.endHealings(ctx, open, lost)}
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
			LostAt: i.StatusSince, HeardAt: deref(i.AgentSeenAt), HealedAt: healed[i.ID], Person: people[i.ID], Evidence: e.healer.evidence[i.ID],
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
	var frozen []models.Healing
	for _, v := range verdicts {
		i, entry := p.rows[v.ID], entries[v.ID]
		if entry != nil && entry.LostAt.Equal(i.StatusSince) && (entry.Decision == models.DecisionHeal || entry.Decision == v.Decision && entry.Sentence == v.Sentence) {
			continue // said already
		}
		next := e.entryOf(i, v)
		var err error
		switch {
		case v.Decision == models.DecisionFrozen && entry == nil:
			frozen = append(frozen, next)
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
	return errors.Join(append(errs, e.freeze(ctx, frozen, open))...)
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
			if err != nil || e.dispatcher.Connected(i.ID) || len(done) > heals {
				return err // it is back, or the budget has changed: the next look decides
			}
		}
		if err := t.note(ctx, i, &next); err != nil {
			return err
		}
		return t.act(ctx, i, &next, because)
	})
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil // deleted meanwhile
	}
	return err
}

// note makes next the open entry. An entry that only waited becomes the next
// one; what was decided before stays in the history.
func (t *tx) note(ctx context.Context, i *models.Instance, next *models.Healing) error {
	open, err := t.Healings.OpenOf(ctx, i.ID)
	if err != nil {
		return err
	}
	for _, h := range open {
		if h.Decision == models.DecisionWait || h.Decision == next.Decision {
			err = t.Healings.Drop(ctx, h.ID)
		} else {
			err = t.Healings.End(ctx, "It was decided anew.", next.At, h.ID)
		}
		if err != nil {
			return err
		}
		if h.Decision == next.Decision && h.LostAt.Equal(next.LostAt) {
			next.At = h.At // the same for other reasons, since then
		}
	}
	t.tellInstance(i.StackID, i.ID)
	return t.Healings.Create(ctx, *next)
}

// healingActor is who heals, as OpsWorks' events name it.
const healingActor = "auto-healing"

// alertHealing is the type of alerts about instances that are lost and not healed.
const alertHealing = "AutoHealing"

// act begins a heal, and tells the timeline of what people should know.
func (t *tx) act(ctx context.Context, i *models.Instance, h *models.Healing, because string) error {
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
	if !h.At.Equal(t.e.Clock()) && h.Decision != models.DecisionHeal && time.Duration(0) < t.e.Clock().Sub(h.At) {
		return nil // told when it was first decided
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

// freeze notes instances that are not healed because so many are gone: one
// entry each, and one line in the timeline of a stack.
func (e *Engine) freeze(ctx context.Context, frozen, open []models.Healing) error {
	if len(frozen) == 0 {
		return nil
	}
	told := map[models.StackID]bool{}
	for _, h := range open {
		told[h.StackID] = told[h.StackID] || h.Decision == models.DecisionFrozen
	}
	return e.tx(ctx, func(t *tx) error {
		if err := t.Healings.Create(ctx, frozen...); err != nil {
			return err
		}
		for _, h := range frozen {
			if told[h.StackID] {
				continue
			}
			told[h.StackID] = true
			t.tellStack(h.StackID)
			err := t.event(ctx, models.StackEvent{
				StackID: h.StackID, Kind: "change", Tone: "warn", Text: "Auto healing is frozen",
				Cause: models.Cause{Kind: models.CauseHealing, Actor: healingActor, Text: h.Sentence},
			})
			if err != nil {
				return err
			}
			i, err := t.Instances.Get(ctx, h.InstanceID)
			if err != nil {
				return err
			}
			if err := t.alert(ctx, i, alertHealing, h.Sentence); err != nil {
				return err
			}
		}
		return nil
	})
}
