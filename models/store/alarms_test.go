package store_test

import (
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func newAlarm(stack models.StackID, name string, change ...func(*models.Alarm)) *models.Alarm {
	a := &models.Alarm{ID: models.NewID[models.AlarmID](), StackID: stack, Name: name, Metric: models.MetricCPU, Threshold: 80, Minutes: 3, Of: 5, StateSince: noon, CreatedAt: noon, UpdatedAt: noon}
	for _, f := range change {
		f(a)
	}
	a.Normalize()
	return a
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		i := storetest.Instance(t, st)
		layer := i.LayerIDs[0]
		busy := newAlarm(i.StackID, "busy", func(a *models.Alarm) { a.LayerID = layer })
		must(t, st.Alarms.Create(ctx, busy))
		must(t, st.Alarms.Create(ctx, newAlarm(i.StackID, "Busy"))) // upper and lower case differ
		must(t, st.Alarms.Create(ctx, newAlarm(i.StackID, "one", func(a *models.Alarm) { a.InstanceID = i.ID })))
		refused(t, st.Alarms.Create(ctx, newAlarm(i.StackID, "busy")), models.CodeInvalid, "Name: the stack has an alarm busy already.")
		refused(t, st.Alarms.Create(ctx, newAlarm("none", "x")), models.CodeNotFound, "Unable to find stack with ID none")

		value := 91.5
		on := models.AlarmChange{AlarmID: busy.ID, StackID: i.StackID, At: noon, From: models.AlarmInsufficient, To: models.AlarmOn, Reason: "It is hot.", Value: &value}
		changed, err := st.Alarms.Change(ctx, &on)
		must(t, err)
		again := on
		again.ID = 0
		twice, err := st.Alarms.Change(ctx, &again) // another server was faster
		must(t, err)
		equal(t, []bool{changed, twice}, []bool{true, false})

		busy.Threshold = 70
		must(t, st.Alarms.Save(ctx, busy)) // who read it before does not bring the old state back
		must(t, st.Alarms.Looked(ctx, busy.ID, noon.Add(time.Minute), nil, "Still."))
		got, err := st.Alarms.GetForUpdate(ctx, busy.ID)
		must(t, err)
		equal(t, []any{got.Threshold, got.State, got.StateSince, got.StateReason, got.Value == nil, *got.LookedAt, got.Of}, []any{70.0, models.AlarmOn, noon, "Still.", true, noon.Add(time.Minute), 5})
		history, err := st.Alarms.History(ctx, busy.ID, 10)
		must(t, err)
		equal(t, []any{len(history), history[0].To, *history[0].Value}, []any{1, models.AlarmOn, 91.5})
		since, err := st.Alarms.ChangesSince(ctx, i.StackID, noon.Add(time.Second))
		must(t, err)
		equal(t, len(since), 0)

		must(t, st.Alarms.Prune(ctx, noon.Add(time.Hour)))
		history, err = st.Alarms.History(ctx, busy.ID, 10)
		must(t, err)
		equal(t, len(history), 0)
		must(t, st.Instances.Delete(ctx, i.ID)) // takes its alarm along
		must(t, st.Layers.Delete(ctx, layer))
		list, err := st.Alarms.InStack(ctx, i.StackID)
		must(t, err)
		equal(t, []any{len(list), list[0].Name}, []any{1, "Busy"})
		must(t, st.Alarms.Delete(ctx, list[0].ID))
		refused(t, st.Alarms.Delete(ctx, list[0].ID), models.CodeNotFound, "Unable to find alarm with ID "+string(list[0].ID))
		must(t, st.Stacks.Delete(ctx, i.StackID))
		all, err := st.Alarms.List(ctx)
		must(t, err)
		equal(t, len(all), 0)
	})
}

func TestScalingEvents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		l := storetest.Layer(t, st)
		config := models.NewLoadBasedAutoScaling(l)
		must(t, st.LoadBasedAutoScaling.Save(ctx, &config))
		none, err := st.LoadBasedAutoScaling.Enabled(ctx)
		must(t, err)
		config.Enable = true
		must(t, st.LoadBasedAutoScaling.Save(ctx, &config))
		one, err := st.LoadBasedAutoScaling.Enabled(ctx)
		must(t, err)
		locked, err := st.LoadBasedAutoScaling.GetForUpdate(ctx, l.ID)
		must(t, err)
		equal(t, []any{len(none), len(one), locked.Enable}, []any{0, 1, true})

		cpu := 93.5
		for n, direction := range []models.ScalingDirection{models.ScaleUp, models.ScaleDown} {
			must(t, st.ScalingEvents.Append(ctx, &models.ScalingEvent{
				LayerID: l.ID, StackID: l.StackID, At: noon.Add(time.Duration(n) * time.Hour), Direction: direction,
				Instances: []models.InstanceID{"a"}, Hostnames: []string{"web2"}, Sentence: "CPU was above 80 %.", CPU: &cpu, Running: 2,
			}))
		}
		newest, err := st.ScalingEvents.Newest(ctx, l.ID, 1)
		must(t, err)
		equal(t, []any{len(newest), newest[0].Direction, newest[0].Hostnames[0], *newest[0].CPU, newest[0].Memory == nil, newest[0].Running}, []any{1, models.ScaleDown, "web2", 93.5, true, 2})
		must(t, st.ScalingEvents.Prune(ctx, noon.Add(time.Minute)))
		since, err := st.ScalingEvents.Since(ctx, l.StackID, noon)
		must(t, err)
		equal(t, []any{len(since), since[0].Direction}, []any{1, models.ScaleDown})
		must(t, st.Layers.Delete(ctx, l.ID))
		since, err = st.ScalingEvents.Since(ctx, l.StackID, noon)
		must(t, err)
		equal(t, len(since), 0)
	})
}
