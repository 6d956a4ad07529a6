package store_test

import (
	"slices"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestSchedulesAndThresholds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		i := storetest.Instance(t, st)
		schedule := models.WeeklySchedule{0: 1<<24 - 1, 6: 1 << 23}
		must(t, st.Instances.SetSchedule(ctx, i.ID, schedule, "Asia/Kolkata"))
		must(t, st.Instances.Save(ctx, i)) // who read it before does not bring the old one back
		got, err := st.Instances.Get(ctx, i.ID)
		must(t, err)
		equal(t, []any{got.Schedule, got.ScheduleZone, got.ScheduleRevision}, []any{schedule, "Asia/Kolkata", int64(1)})
		refused(t, st.Instances.SetSchedule(ctx, "none", schedule, ""), models.CodeNotFound, "Unable to find instance with ID none")

		one := storetest.Layer(t, st)
		two := storetest.Layer(t, st, func(l *models.Layer) { l.StackID = one.StackID })
		_, err = st.LoadBasedAutoScaling.Get(ctx, one.ID)
		refused(t, err, models.CodeNotFound, "Unable to find load-based auto scaling of layer with ID "+string(one.ID))
		for _, l := range []*models.Layer{one, two} {
			row := models.NewLoadBasedAutoScaling(l)
			row.UpScaling.Alarms = []string{"a"}
			must(t, st.LoadBasedAutoScaling.Save(ctx, &row))
			row.Enable, row.DownScaling.CPUThreshold = true, nil
			must(t, st.LoadBasedAutoScaling.Save(ctx, &row))
		}
		list, err := st.LoadBasedAutoScaling.OfLayers(ctx, []models.LayerID{two.ID, "none", one.ID, two.ID})
		must(t, err)
		equal(t, []models.LayerID{list[0].LayerID, list[1].LayerID}, []models.LayerID{two.ID, one.ID})
		equal(t, []any{len(list), list[0].Enable, *list[0].UpScaling.CPUThreshold, list[0].DownScaling.CPUThreshold == nil, list[0].UpScaling.Alarms[0]}, []any{2, true, 80.0, true, "a"})
		stray := models.NewLoadBasedAutoScaling(&models.Layer{ID: "none", StackID: one.StackID})
		refused(t, st.LoadBasedAutoScaling.Save(ctx, &stray), models.CodeNotFound, "Unable to find layer with ID none")

		must(t, st.Layers.Delete(ctx, one.ID))
		must(t, st.Stacks.Delete(ctx, one.StackID))
		list, err = st.LoadBasedAutoScaling.OfLayers(ctx, []models.LayerID{one.ID, two.ID})
		must(t, err)
		equal(t, len(list), 0)
	})
}

func TestFirings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		i, other := storetest.Instance(t, st), storetest.Instance(t, st)
		at := func(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }
		fire := func(of *models.Instance, slot, now float64, revision int64, want bool) {
			t.Helper()
			first, err := st.ScheduleFirings.Fire(ctx, &models.ScheduleFiring{InstanceID: of.ID, StackID: of.StackID, SlotStart: at(slot), Revision: revision, At: at(now)})
			must(t, err)
			equal(t, first, want)
		}
		slots := func(want ...float64) {
			t.Helper()
			list, err := st.ScheduleFirings.OfInstance(ctx, i.ID, 100)
			must(t, err)
			var got, times []time.Time
			for _, f := range list {
				got = append(got, f.SlotStart)
			}
			for _, slot := range want {
				times = append(times, at(slot))
			}
			equal(t, got, times)
		}
		const moment = 1.0 / 60
		fire(i, 0, 0, 1, true)
		fire(i, 0, 1, 1, false) // another server, or this one after a restart
		fire(i, 8, 8, 1, true)
		fire(i, 8, 8, 1, false)
		fire(other, 8, 8, 1, true)
		fire(other, 0, 8-moment, 1, false) // its clock is a minute behind
		near, err := st.ScheduleFirings.Ahead(ctx, &models.ScheduleFiring{InstanceID: other.ID, SlotStart: at(0), Revision: 1, At: at(8 - moment)})
		must(t, err)
		equal(t, near, false)
		slots(8, 0)

		fire(other, 32, 34, 1, true)
		fire(i, 32, 34, 1, true) // its clock is a day ahead
		slots(32, 8, 0)
		fire(i, 8, 10, 1, false) // and is set right
		present := &models.ScheduleFiring{InstanceID: i.ID, StackID: i.StackID, SlotStart: at(8), Revision: 1, At: at(10)}
		ahead, err := st.ScheduleFirings.Ahead(ctx, present)
		must(t, err)
		equal(t, ahead, true)
		must(t, st.ScheduleFirings.ForgetFrom(ctx, present))
		ahead, err = st.ScheduleFirings.Ahead(ctx, present)
		must(t, err)
		equal(t, ahead, false)
		fire(i, 8, 10, 1, true) // the present counts again
		fire(i, 8, 10, 1, false)
		slots(8, 0)
		fire(i, 24, 24, 1, true)
		fire(i, 32, 32, 1, true) // that day has come
		fire(i, 32, 32, 1, false)
		slots(32, 24, 8, 0)
		fire(i, 32, 33, 2, true) // another schedule
		fire(i, 56, 58, 1, false)
		fire(other, 32, 34, 1, false) // each instance for itself
	})
}

func TestUsersByARN(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		ann := storetest.User(t, st, func(u *models.User) { u.Admin, u.SSHUsername = true, "ann" })
		bob := storetest.User(t, st)
		storetest.User(t, st) // that two have no name on instances is no clash
		list, err := st.Users.ByARNs(ctx, []string{bob.IamUserArn, ann.IamUserArn, bob.IamUserArn})
		must(t, err)
		equal(t, []models.UserID{list[0].ID, list[1].ID}, []models.UserID{bob.ID, ann.ID})
		_, err = st.Users.ByARNs(ctx, []string{"arn:x", ann.IamUserArn, "arn:y"})
		refused(t, err, models.CodeNotFound, "Unable to find user with ARN arn:x, arn:y")
		bob.SSHUsername = "ann"
		refused(t, st.Users.Save(ctx, bob), models.CodeInvalid, `Ssh username: "ann" is another user's.`)
		admins, err := st.Users.LockAdmins(ctx)
		must(t, err)
		equal(t, []any{len(admins), admins[0].ID}, []any{1, ann.ID})
	})
}

func TestWhatDeploymentsLeave(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		d := storetest.Deployment(t, st)
		commands := storetest.Commands(t, st, d, "i2", "i1", "i3")
		instances, err := st.Deployments.InstancesOf(ctx, []models.DeploymentID{d.ID, "none"})
		must(t, err)
		equal(t, instances[d.ID], []models.InstanceID{"i2", "i1", "i3"})
		must(t, st.Logs.Append(ctx, []models.LogChunk{
			{CommandID: commands[0].ID, Seq: 1, Bytes: 3, Data: []byte("x"), At: noon},
			{CommandID: commands[1].ID, Seq: 1, Data: []byte{}, At: noon}, // steps alone are no log
		}, nil))
		must(t, st.Logs.Pack(ctx, models.LogBlob{CommandID: commands[2].ID, Key: "k", Bytes: 5, LastSeq: 1, SHA256: "s", Index: []byte{1}, CreatedAt: noon}))
		have, err := st.Logs.Of(ctx, []models.CommandID{commands[0].ID, commands[1].ID, commands[2].ID})
		must(t, err)
		equal(t, have, map[models.CommandID]bool{commands[0].ID: true, commands[2].ID: true})
	})
}

// Servers with one secret key make the same signatures, of one purpose each.
func TestMAC(t *testing.T) {
	t.Parallel()
	one, two := storetest.Open(t), storetest.Open(t)
	if !slices.Equal(one.MAC("a", "b"), two.MAC("a", "b")) {
		t.Error("two servers differ")
	}
	for _, other := range [][]byte{one.MAC("a", "c"), one.MAC("c", "b"), one.MAC("ab", "")} {
		if slices.Equal(one.MAC("a", "b"), other) {
			t.Error("another message has the same signature")
		}
	}
}
