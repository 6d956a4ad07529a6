package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"opsyard/engine/load"
	"opsyard/models"
)

// scaledLayer is a layer that follows its load, with all that a decision takes.
type scaledLayer struct {
	layer    *models.Layer
	config   models.LoadBasedAutoScaling
	last     *models.ScalingEvent
	members  []models.Instance
	running  int
	rules    load.Rules
	minutes  []load.Minute
	alarms   map[string]load.Alarm
	fleet    load.Fleet
	at       time.Time // when it was looked at
	decision load.Decision
}

// scaleLayers lets layers of one stack follow their load.
func (e *Engine) scaleLayers(ctx context.Context, rules []models.LoadBasedAutoScaling) error {
	layers, err := e.lookAtLayers(ctx, rules)
	errs := []error{err}
	for _, l := range layers {
		if !l.decision.Acts() {
			continue
		}
		if err := e.scale(ctx, l); err != nil {
			errs = append(errs, fmt.Errorf("scale layer %s: %w", l.layer.Name, err))
		}
	}
	return errors.Join(errs...)
}

// lookAtLayers decides about layers of one stack. An instance of several stays
// while any other of them does not want fewer; one that could not be looked at
// counts as such.
func (e *Engine) lookAtLayers(ctx context.Context, rules []models.LoadBasedAutoScaling) ([]*scaledLayer, error) {
	var layers []*scaledLayer
	var errs []error
	needing := map[models.LayerID]bool{}
	for _, c := range rules {
		l, err := e.lookAtLoad(ctx, c)
		if err != nil {
			errs = append(errs, fmt.Errorf("look at the load of layer %s: %w", c.LayerID, err))
			needing[c.LayerID] = true
			continue
		}
		needing[c.LayerID] = l.decision.Wants != models.ScaleDown
		layers = append(layers, l)
	}
	for _, l := range layers {
		if l.decision.Wants == models.ScaleDown {
			l.leave(needing)
		}
	}
	return layers, errors.Join(errs...)
}

// leave decides anew, without the instances that other layers need: chosen and
// then spared, one of them would stand before an idle one in every minute.
func (l *scaledLayer) leave(needing map[models.LayerID]bool) {
	needed := map[models.InstanceID]bool{}
	for _, i := range l.members {
		needed[i.ID] = slices.ContainsFunc(i.LayerIDs, func(id models.LayerID) bool { return needing[id] })
	}
	for n := range l.fleet.LoadBased {
		i := &l.fleet.LoadBased[n]
		i.Needed = needed[i.ID]
	}
	l.decide()
}

func (l *scaledLayer) decide() {
	var event load.Event
	if l.last != nil {
		event = load.Event{Direction: l.last.Direction, At: l.last.At}
	}
	l.decision = load.Decide(l.rules, l.minutes, l.alarms, l.fleet, event, l.at)
}

// lookAtLoad gathers what a decision about a layer takes, and decides as if no
// other layer had its instances.
func (e *Engine) lookAtLoad(ctx context.Context, c models.LoadBasedAutoScaling) (*scaledLayer, error) {
	l := &scaledLayer{config: c, rules: e.rules(&c), at: e.Clock()}
	var err error
	if l.layer, err = e.store.Layers.Get(ctx, c.LayerID); err != nil {
		return nil, err
	}
	if l.members, err = e.store.Instances.InLayer(ctx, c.LayerID); err != nil {
		return nil, err
	}
	open, err := e.store.Intents.OpenInStack(ctx, c.StackID)
	if err != nil {
		return nil, err
	}
	pauses, err := e.store.Intents.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	l.fleet = fleetOf(l.members, open, pauses)
	last, err := e.store.ScalingEvents.Newest(ctx, c.LayerID, 1)
	if err != nil {
		return nil, err
	}
	if len(last) > 0 {
		l.last = &last[0]
	}
	from, to := l.rules.Window(l.at)
	if l.minutes, err = e.layerMinutes(ctx, c.LayerID, from, to); err != nil {
		return nil, err
	}
	if l.alarms, err = e.alarmStates(ctx, &c); err != nil {
		return nil, err
	}
	for _, i := range l.members {
		if i.Status == models.InstanceOnline {
			l.running++
		}
	}
	l.decide()
	return l, nil
}

func (e *Engine) rules(c *models.LoadBasedAutoScaling) load.Rules {
	return load.Rules{Up: c.UpScaling, Down: c.DownScaling, Minute: e.times.Minute}
}

func (e *Engine) layerMinutes(ctx context.Context, id models.LayerID, from, to time.Time) ([]load.Minute, error) {
	samples, err := e.store.Metrics.LayerMinutes(ctx, id, from, to)
	if err != nil {
		return nil, err
	}
	minutes := make([]load.Minute, len(samples))
	for n := range samples {
		v := &samples[n].Values
		minutes[n] = load.Minute{At: samples[n].At, CPU: v.CPU(), Memory: v.Memory(), Load: v.Load()}
	}
	return minutes, nil
}

// alarmStates are the states of the alarms that a layer's rules name.
func (e *Engine) alarmStates(ctx context.Context, c *models.LoadBasedAutoScaling) (map[string]load.Alarm, error) {
	names := scalingAlarms(c)
	if len(names) == 0 {
		return nil, nil
	}
	list, err := e.store.Alarms.InStack(ctx, c.StackID)
	states := map[string]load.Alarm{}
	for _, a := range list {
		if names[a.Name] {
			states[a.Name] = load.Alarm{State: a.State, Since: a.StateSince}
		}
	}
	return states, err
}

// fleetOf is what a decision needs to know of a layer's instances. One of which
// somebody else wants something, or whose scaling is paused, is left alone.
func fleetOf(members []models.Instance, open []models.Intent, pauses []models.IntentPause) load.Fleet {
	held := map[models.InstanceID]bool{}
	for _, p := range pauses {
		if p.Author == models.ByLoad {
			held[p.InstanceID] = true
		}
	}
	for _, n := range open {
		if n.Author != models.ByLoad {
			held[n.InstanceID] = true
		}
	}
	f := load.Fleet{Zones: map[string]int{}}
	for _, i := range members {
		if i.Status.HasMachine() || i.Status == models.InstanceRequested {
			f.Zones[i.AvailabilityZone]++
		}
		if i.AutoScalingType == models.ScalingLoad && !i.Registered() {
			f.LoadBased = append(f.LoadBased, load.Instance{ID: i.ID, Zone: i.AvailabilityZone, Status: i.Status, Since: i.StatusSince, Held: held[i.ID]})
		}
	}
	return f
}

// scale does what was decided: wishes for the instances, an entry in the
// history with the figures, and one in the timeline. When the rules or the
// history have changed since, the next round decides again.
func (e *Engine) scale(ctx context.Context, l *scaledLayer) error {
	direction, want := l.decision.Direction(), models.WantOnline
	if direction == models.ScaleDown {
		want = models.WantStopped
	}
	cause := models.Cause{Kind: models.CauseLoad, Text: "layer " + l.layer.Name + " follows its load: " + l.decision.Why, Actor: autoScaling}
	return e.tx(ctx, func(t *tx) error {
		if same, err := t.sameScaling(ctx, l); err != nil || !same {
			return err
		}
		event := models.ScalingEvent{
			LayerID: l.layer.ID, StackID: l.layer.StackID, At: e.Clock(), Direction: direction, Sentence: l.decision.Sentence, Running: l.running,
			CPU: known(l.decision.Newest.CPU), Memory: known(l.decision.Newest.Memory), Load: known(l.decision.Newest.Load),
		}
		for _, id := range append(l.decision.Start, l.decision.Stop...) {
			i, err := t.Instances.GetForUpdate(ctx, id)
			if err != nil {
				return err
			}
			was := i.Status
			if err := t.intend(ctx, i, models.ByLoad, want, cause); err != nil {
				return err
			}
			if i.Status == was {
				continue // refused: its intent says why
			}
			event.Instances, event.Hostnames = append(event.Instances, id), append(event.Hostnames, i.Hostname)
		}
		if len(event.Instances) == 0 {
			return nil
		}
		if err := t.ScalingEvents.Append(ctx, &event); err != nil {
			return err
		}
		e.Log.InfoContext(ctx, "scale by load", slog.String("layer", l.layer.Name), slog.String("direction", string(direction)), slog.Any("instances", event.Hostnames), slog.String("why", event.Sentence))
		t.tellStack(event.StackID)
		t.tell(TopicStack(event.StackID), "scaling", string(event.LayerID))
		return t.event(ctx, models.StackEvent{StackID: event.StackID, Kind: "scaling", Tone: "running", Text: scaledText(l.layer, &event), Cause: cause})
	})
}

// sameScaling locks the layer's rules and tells whether they and the last event
// are those of the decision.
func (t *tx) sameScaling(ctx context.Context, l *scaledLayer) (bool, error) {
	config, err := t.LoadBasedAutoScaling.GetForUpdate(ctx, l.layer.ID)
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	last, err := t.ScalingEvents.Newest(ctx, l.layer.ID, 1)
	if err != nil || !config.Enable || !config.UpdatedAt.Equal(l.config.UpdatedAt) {
		return false, err
	}
	if l.last == nil {
		return len(last) == 0, nil
	}
	return len(last) > 0 && last[0].ID == l.last.ID, nil
}

func scaledText(l *models.Layer, e *models.ScalingEvent) string {
	verb := "starts"
	if e.Direction == models.ScaleDown {
		verb = "stops"
	}
	return fmt.Sprintf("%s scales %s: it %s %s", l.Name, e.Direction, verb, listed(e.Hostnames))
}

func listed(names []string) string {
	if n := len(names); n > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), n-3)
	}
	return strings.Join(names, ", ")
}

// known is a figure as a row keeps it.
func known(v float64) *float64 {
	if v != v {
		return nil
	}
	return &v
}

// LoadNow is how a layer stands to its rules at this moment, for pages.
type LoadNow struct {
	Decision load.Decision
	Running  int // instances of all types
}

// LoadNow looks at a layer's rules, as the next round will, and does nothing.
func (e *Engine) LoadNow(ctx context.Context, id models.LayerID) (LoadNow, error) {
	config, err := e.scalingOf(ctx, id, "DescribeLoadBasedAutoScaling")
	if err != nil {
		return LoadNow{}, err
	}
	others, err := e.sharedWith(ctx, id)
	if err != nil {
		return LoadNow{}, err
	}
	layers, err := e.lookAtLayers(ctx, append(others, config))
	for _, l := range layers {
		if l.layer.ID == id {
			return LoadNow{Decision: l.decision, Running: l.running}, nil
		}
	}
	return LoadNow{}, err
}

// sharedWith are the rules of other layers that follow their load and have
// load-based instances of a layer.
func (e *Engine) sharedWith(ctx context.Context, id models.LayerID) ([]models.LoadBasedAutoScaling, error) {
	members, err := e.store.Instances.InLayer(ctx, id)
	if err != nil {
		return nil, err
	}
	var layers []models.LayerID
	for _, i := range members {
		if i.AutoScalingType == models.ScalingLoad {
			layers = append(layers, i.LayerIDs...)
		}
	}
	list, err := e.store.LoadBasedAutoScaling.OfLayers(ctx, layers)
	return slices.DeleteFunc(list, func(c models.LoadBasedAutoScaling) bool { return !c.Enable || c.LayerID == id }), err
}

// scalingOf reads a layer's rules for somebody who may see the stack; without
// any, the defaults.
func (e *Engine) scalingOf(ctx context.Context, id models.LayerID, action models.Action) (models.LoadBasedAutoScaling, error) {
	layer, _, err := e.layerFor(ctx, id, action)
	if err != nil {
		return models.LoadBasedAutoScaling{}, err
	}
	config, err := e.store.LoadBasedAutoScaling.Get(ctx, id)
	switch {
	case err == nil:
		return *config, nil
	case models.CodeOf(err) == models.CodeNotFound:
		return models.NewLoadBasedAutoScaling(layer), nil
	}
	return models.LoadBasedAutoScaling{}, err
}
