package store_test

import (
	"fmt"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// The pages' reads mean the same on both databases.
func TestReadsOfPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		web := storetest.Layer(t, st, func(l *models.Layer) { l.Shortname = "web" })
		jobs := storetest.Layer(t, st, func(l *models.Layer) { l.StackID = web.StackID })
		stack := web.StackID
		var ids []models.InstanceID
		for n, host := range []string{"web10", "web2", "web1"} {
			i := storetest.Instance(t, st, func(i *models.Instance) {
				i.StackID, i.LayerIDs, i.Hostname, i.Status = stack, []models.LayerID{web.ID}, host, models.InstanceOnline
				if n == 0 {
					i.LayerIDs, i.Status, i.AutoScalingType = append(i.LayerIDs, jobs.ID), models.InstanceSetupFailed, models.ScalingTimer
				}
			})
			ids = append(ids, i.ID)
		}
		storetest.Instance(t, st) // of another stack

		counts, err := st.Instances.CountsByLayer(ctx, stack)
		must(t, err)
		equal(t, fmt.Sprint(counts[web.ID], counts[jobs.ID]), "map[online:2 setup_failed:1] map[setup_failed:1]")
		cells, err := st.Instances.Cells(ctx, []models.LayerID{web.ID})
		must(t, err)
		equal(t, []string{cells[0].Hostname, cells[1].Hostname, cells[2].Hostname}, []string{"web1", "web2", "web10"})
		bad, err := st.Instances.InStatus(ctx, stack, 5, models.InstanceSetupFailed, models.InstanceConnectionLost)
		must(t, err)
		equal(t, len(bad) == 1 && bad[0].ID == ids[0] && !bad[0].StatusSince.IsZero(), true)
		n, err := st.Instances.Count247(ctx, stack, models.InstanceOnline, models.InstanceSetupFailed)
		must(t, err)
		equal(t, n, 2)
		names, err := st.Instances.FirstLayers(ctx, ids)
		must(t, err)
		equal(t, names[ids[0]]+names[ids[2]], "webweb")
		for _, sort := range []string{"", "status", "since", "seen"} {
			page, total, err := st.Instances.Page(ctx, stack, store.InstanceFilter{Sort: sort, Descending: true, Search: "web"}, 2, 0)
			must(t, err)
			equal(t, fmt.Sprint(len(page), total), "2 3")
		}
		page, _, err := st.Instances.Page(ctx, stack, store.InstanceFilter{}, 3, 0)
		must(t, err)
		equal(t, page[1].Hostname+" "+page[2].Hostname, "web2 web10")

		d := storetest.Deployment(t, st, func(d *models.Deployment) { d.StackID, d.CommandName, d.Commands = stack, models.CommandConfigure, 3 })
		commands := storetest.Commands(t, st, d, ids...)
		must(t, st.Commands.Move(ctx, commands[2].ID, pending, models.CommandSent, store.CommandChange{At: noon}))
		must(t, st.Commands.Move(ctx, commands[2].ID, sent, models.CommandFailed, store.CommandChange{At: noon, Message: "no space", Failure: "no space here"}))
		first, err := st.Commands.Page(ctx, d.ID, store.CommandFilter{}, 2, 0)
		must(t, err)
		equal(t, len(first) == 2 && first[0].ID == commands[2].ID, true)
		groups, n, err := st.Commands.FailureGroups(ctx, d.ID, 5)
		must(t, err)
		equal(t, fmt.Sprint(groups, n), "[{no space here no space 1}] 1")
		alike, err := st.Commands.FailedWith(ctx, d.ID, "no space here", 5)
		must(t, err)
		equal(t, len(alike), 1)
		failed, err := st.Commands.InstancesWith(ctx, d.ID, models.CommandFailed, models.CommandExpired)
		must(t, err)
		equal(t, fmt.Sprint(failed), fmt.Sprint(ids[2:]))
		steps, err := st.Commands.Steps(ctx, []models.CommandID{commands[0].ID})
		must(t, err)
		equal(t, len(steps), 0)

		must(t, st.Deployments.Finish(ctx, d.ID, models.DeploymentFailed, d.CreatedAt.Add(time.Minute)))
		recent, err := st.Deployments.RecentFailures(ctx, stack, d.CreatedAt.Add(-time.Hour), 3)
		must(t, err)
		equal(t, len(recent), 1)
		good := storetest.Deployment(t, st, func(d *models.Deployment) { d.StackID, d.CommandName, d.Commands = stack, models.CommandConfigure, 3 })
		must(t, st.Deployments.Finish(ctx, good.ID, models.DeploymentSuccessful, good.CreatedAt.Add(time.Minute)))
		if recent, err = st.Deployments.RecentFailures(ctx, stack, d.CreatedAt.Add(-time.Hour), 3); err != nil || len(recent) != 0 {
			t.Errorf("a failure that a later run made good is still told: %v %v", recent, err)
		}
		next := storetest.Deployment(t, st, func(d *models.Deployment) {
			d.StackID, d.CommandName, d.UserID = stack, models.CommandConfigure, "u"
		})
		usual, err := st.Deployments.Usual(ctx, next)
		must(t, err)
		equal(t, usual, time.Minute)
		for want, f := range map[int]store.DeploymentFilter{
			3: {}, 1: {Status: models.DeploymentRunning, Asked: true}, 2: {Commands: []models.CommandName{models.CommandConfigure}, ByEngine: true}, 0: {AppID: "none"},
		} {
			_, total, err := st.Deployments.Page(ctx, stack, f, 1, 0)
			must(t, err)
			equal(t, total, want)
		}

		e := models.StackEvent{StackID: stack, Kind: "instance", Text: "web1 is online", At: noon}
		must(t, st.Events.Append(ctx, &e))
		for kind, want := range map[string]int{"": 1, "instance": 1, "change": 0} {
			list, err := st.Events.Timeline(ctx, stack, kind, noon.Add(-time.Hour), 9)
			must(t, err)
			equal(t, len(list), want)
		}
		same, err := st.Events.ByIDs(ctx, []int64{e.ID, 0})
		must(t, err)
		equal(t, len(same), 1)
	})
}
