package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

var stopped = []models.InstanceStatus{models.InstanceStopped}

func TestMoveWritesWhatBelongsToTheState(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		i := storetest.Instance(t, st)
		stale := *i
		deadline, yes, machine := noon.Add(time.Hour), true, "m-1"
		change := store.InstanceChange{
			At: noon, Cause: models.Cause{Kind: models.CauseUser, Text: "ann started it"}, Reason: "why", Deadline: &deadline,
			WasOnline: &yes, Ec2InstanceID: &machine, SetupAt: &noon,
		}
		must(t, st.Instances.Move(ctx, i.ID, stopped, models.InstanceRequested, change))
		change.Apply(i, models.InstanceRequested)
		got, err := st.Instances.Get(ctx, i.ID)
		must(t, err)
		i.UpdatedAt = got.UpdatedAt
		equal(t, *got, *i)

		stale.Hostname = "renamed" // somebody saves what he read before the move
		must(t, st.Instances.Save(ctx, &stale))
		got, err = st.Instances.Get(ctx, i.ID)
		must(t, err)
		i.Hostname, i.UpdatedAt = "renamed", got.UpdatedAt
		equal(t, *got, *i)

		err = st.Instances.Move(ctx, i.ID, stopped, models.InstanceRequested, change)
		refused(t, err, models.CodeConflict, "Instance renamed is requested now, so it cannot become requested.")
		err = st.Instances.Move(ctx, i.ID, []models.InstanceStatus{models.InstanceRequested}, models.InstanceOnline, change)
		refused(t, err, models.CodeInternal, "")

		must(t, st.Instances.Move(ctx, i.ID, []models.InstanceStatus{models.InstanceRequested}, models.InstancePending, store.InstanceChange{At: noon, ClearSetup: true}))
		force := true
		must(t, st.Instances.Patch(ctx, i.ID, store.InstanceChange{ForceStop: &force}))
		got, err = st.Instances.Get(ctx, i.ID)
		must(t, err)
		if got.StatusReason != "" || got.StatusDeadline != nil || got.SetupAt != nil || !got.ForceStop || !got.WasOnline || got.Status != models.InstancePending {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMoveIsWonByOne(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		st, other := storetest.OpenURL(t, url), storetest.OpenURL(t, url)
		for range 10 {
			i := storetest.Instance(t, st)
			var won atomic.Int32
			together(8, func(n int) {
				handle := []*store.Store{st, other}[n%2]
				err := handle.Instances.Move(t.Context(), i.ID, stopped, models.InstanceRequested, store.InstanceChange{At: noon})
				if err == nil {
					won.Add(1)
				} else {
					refused(t, err, models.CodeConflict, "")
				}
			})
			equal(t, won.Load(), int32(1))
		}
	})
}

func TestSeenAndAgent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, layer := t.Context(), storetest.Layer(t, st)
		seen := map[models.InstanceID]time.Time{"unknown": noon}
		for range 5 {
			i := storetest.Instance(t, st, func(i *models.Instance) { i.StackID, i.LayerIDs = layer.StackID, []models.LayerID{layer.ID} })
			seen[i.ID] = noon
		}
		must(t, st.Instances.Seen(ctx, "one", seen))
		for id := range seen {
			seen[id] = noon.Add(-time.Hour)
		}
		must(t, st.Instances.Seen(ctx, "one", seen))
		must(t, st.Instances.Seen(ctx, "one", nil))
		list, err := st.Instances.InLayer(ctx, layer.ID)
		must(t, err)
		equal(t, len(list), 5)
		for _, i := range list {
			if i.AgentSeenAt == nil || !i.AgentSeenAt.Equal(noon) {
				t.Errorf("seen at %v, want %v", i.AgentSeenAt, noon)
			}
		}

		id, later := list[0].ID, noon.Add(time.Minute)
		must(t, st.Instances.SetAgent(ctx, id, store.AgentFacts{Key: []byte("key"), BootID: "b1", PrivateIP: "10.0.0.1"}))
		must(t, st.Instances.SetAgent(ctx, id, store.AgentFacts{AgentVersion: "2", Os: &models.ReportedOs{Family: "debian"}, SeenAt: &later}))
		i, err := st.Instances.Get(ctx, id)
		must(t, err)
		if string(i.AgentKey) != "key" || i.BootID != "b1" || i.PrivateIP != "10.0.0.1" || i.ReportedAgentVersion != "2" || i.ReportedOs.Family != "debian" || !i.AgentSeenAt.Equal(later) {
			t.Errorf("got %+v", i)
		}
		must(t, st.Instances.SetMachine(ctx, id, store.Machine{Ec2InstanceID: "m"}))
		i, err = st.Instances.Get(ctx, id)
		must(t, err)
		equal(t, []string{i.Ec2InstanceID, i.PrivateIP}, []string{"m", ""})
	})
}

func TestLayersOfInstances(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, a := t.Context(), storetest.Layer(t, st)
		b := storetest.Layer(t, st, func(l *models.Layer) { l.StackID = a.StackID })
		i := storetest.Instance(t, st, func(i *models.Instance) { i.StackID, i.LayerIDs = a.StackID, []models.LayerID{b.ID, a.ID} })
		members := func(l *models.Layer) int {
			n, err := st.Layers.InstanceCount(ctx, l.ID)
			must(t, err)
			list, err := st.Instances.InLayer(ctx, l.ID)
			must(t, err)
			equal(t, len(list), n)
			return n
		}
		equal(t, []int{members(a), members(b)}, []int{1, 1})
		refused(t, st.Layers.Delete(ctx, a.ID), models.CodeInvalid, "")
		i.LayerIDs = []models.LayerID{b.ID}
		must(t, st.Instances.Save(ctx, i))
		equal(t, []int{members(a), members(b)}, []int{0, 1})
		must(t, st.Layers.Delete(ctx, a.ID))
		must(t, st.Instances.Delete(ctx, i.ID))
		equal(t, members(b), 0)
		must(t, st.Layers.Delete(ctx, b.ID))
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, layer := t.Context(), storetest.Layer(t, st)
		for n := range 25 {
			storetest.Instance(t, st, func(i *models.Instance) {
				i.StackID, i.Hostname, i.LayerIDs = layer.StackID, fmt.Sprintf("web%02d", n), []models.LayerID{layer.ID}
				if n%5 == 0 {
					i.Status = models.InstanceOnline
				}
			})
		}
		storetest.Instance(t, st, func(i *models.Instance) { i.Status = models.InstanceOnline }) // in another stack
		for _, c := range []struct {
			filter        store.InstanceFilter
			limit, offset int
			first         string
			n, total      int
		}{
			{store.InstanceFilter{}, 10, 20, "web20", 5, 25},
			{store.InstanceFilter{LayerID: layer.ID}, 3, 0, "web00", 3, 25},
			{store.InstanceFilter{LayerID: "none"}, 3, 0, "", 0, 0},
			{store.InstanceFilter{Statuses: []models.InstanceStatus{models.InstanceOnline}}, 10, 1, "web05", 4, 5},
			{store.InstanceFilter{Search: "WEB1"}, 100, 0, "web10", 10, 10},
			{store.InstanceFilter{Search: "%"}, 100, 0, "", 0, 0},
			{store.InstanceFilter{Search: "web_1"}, 100, 0, "", 0, 0},
		} {
			list, total, err := st.Instances.Page(ctx, layer.StackID, c.filter, c.limit, c.offset)
			must(t, err)
			if len(list) != c.n || total != c.total || c.n > 0 && list[0].Hostname != c.first {
				t.Errorf("%+v: got %d of %d", c, len(list), total)
			}
		}
		online, err := st.Instances.Online(ctx, layer.StackID)
		must(t, err)
		equal(t, len(online), 5)
		all, err := st.Instances.WithStatus(ctx, models.InstanceOnline)
		must(t, err)
		equal(t, len(all), 6)
		seen := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		gone := storetest.Instance(t, st, func(i *models.Instance) {
			i.Status, i.StatusSince, i.AgentSeenAt = models.InstanceConnectionLost, seen.Add(time.Minute), &seen
		})
		lost, err := st.Instances.LostSince(ctx)
		must(t, err)
		equal(t, lost, []models.Instance{{ID: gone.ID, StackID: gone.StackID, StatusSince: seen.Add(time.Minute), AgentSeenAt: &seen, InfrastructureClass: gone.InfrastructureClass}})
		hosts, err := st.Instances.Hostnames(ctx, layer.StackID)
		must(t, err)
		equal(t, len(hosts), 25)
		sums, err := st.Stacks.Summaries(ctx, []models.StackID{layer.StackID, "none"})
		must(t, err)
		equal(t, sums[layer.StackID], store.StackSummary{Layers: 1, Instances: 25, ByStatus: map[models.InstanceStatus]int{
			models.InstanceOnline: 5, models.InstanceStopped: 20,
		}})
		equal(t, sums["none"].Instances, 0)
	})
}

func TestDeletingAStackLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		fill := func() models.StackID {
			i := storetest.Instance(t, st)
			storetest.App(t, st, func(a *models.App) { a.StackID = i.StackID })
			d := storetest.Deployment(t, st, func(d *models.Deployment) { d.StackID = i.StackID })
			c := storetest.Commands(t, st, d, i.ID)[0]
			u := storetest.User(t, st)
			must(t, st.Permissions.Set(ctx, models.Permission{StackID: i.StackID, UserID: u.ID, Level: models.LevelShow}))
			must(t, st.Events.Append(ctx, &models.StackEvent{StackID: i.StackID, Kind: "instance", Text: "x"}))
			must(t, st.ServiceErrors.Create(ctx, &models.ServiceError{ID: models.NewID[models.ServiceErrorID](), StackID: i.StackID, InstanceID: i.ID, Type: "t", Message: "m"}))
			must(t, st.EnrollTokens.Create(ctx, &models.EnrollToken{Hash: string(i.ID), StackID: i.StackID, ExpiresAt: noon}))
			must(t, st.Logs.Append(ctx, []models.LogChunk{{CommandID: c.ID, Seq: 1, At: noon, Data: []byte("x")}}, nil))
			must(t, st.Audit.Append(ctx, &models.AuditEntry{StackID: i.StackID, Action: "CreateStack", ActorKind: models.ActorUser}))
			return i.StackID
		}
		rows := func() map[string]int {
			counts := map[string]int{}
			for _, table := range []string{"stacks", "layers", "instances", "instance_layers", "apps", "deployments", "commands", "permissions",
				"stack_events", "service_errors", "enroll_tokens", "log_chunks", "log_steps", "counters", "audit_entries", "users"} {
				var n int
				must(t, st.SQL().QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n))
				counts[table] = n
			}
			return counts
		}
		fill()
		before := rows()
		id := fill()
		must(t, st.Stacks.Delete(ctx, id))
		before["users"]++
		before["audit_entries"]++
		equal(t, rows(), before)
		refused(t, st.Stacks.Delete(ctx, id), models.CodeNotFound, "")
	})
}

// What is made while its stack or layer is being deleted is either deleted with
// it or refused.
func TestNothingJoinsWhatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, st, other := t.Context(), storetest.OpenURL(t, url), storetest.OpenURL(t, url)
		for range 5 {
			layer := storetest.Layer(t, st)
			together(4, func(n int) {
				var err error
				switch n {
				case 0:
					err = other.Stacks.Delete(ctx, layer.StackID)
				case 1:
					err = st.Apps.Create(ctx, &models.App{ID: models.NewID[models.AppID](), StackID: layer.StackID, Name: "a", Shortname: "a", Type: models.AppOther})
				case 2:
					err = st.Instances.Create(ctx, &models.Instance{ID: models.NewID[models.InstanceID](), StackID: layer.StackID, Hostname: "h",
						Status: models.InstanceStopped, LayerIDs: []models.LayerID{layer.ID}})
				case 3:
					err = st.Deployments.Create(ctx, &models.Deployment{ID: models.NewID[models.DeploymentID](), StackID: layer.StackID, Status: models.DeploymentRunning})
				}
				if err != nil {
					refused(t, err, models.CodeNotFound, "")
				}
			})
		}
		for _, table := range []string{"stacks", "layers", "apps", "instances", "instance_layers", "deployments", "counters"} {
			var n int
			must(t, st.SQL().QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&n))
			if n != 0 {
				t.Errorf("%d %s were left behind", n, table)
			}
		}
	})
}
