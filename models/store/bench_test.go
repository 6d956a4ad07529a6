package store_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func benchEach(b *testing.B, f func(b *testing.B, st *store.Store)) {
	b.Run(store.SQLite, func(b *testing.B) { f(b, storetest.Open(b)) })
	b.Run(store.Postgres, func(b *testing.B) { f(b, storetest.OpenPostgres(b)) })
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*rows), "µs/row")
}

const fleet = 1600

func fleetIDs() []models.InstanceID {
	ids := make([]models.InstanceID, fleet)
	for n := range ids {
		ids[n] = models.InstanceID(fmt.Sprintf("instance-%d", n))
	}
	return ids
}

// One Configure for a fleet: create its commands, lease them, end them with the
// next one.
func BenchmarkFanOut(b *testing.B) {
	benchEach(b, func(b *testing.B, st *store.Store) {
		ctx, ids := b.Context(), fleetIDs()
		stack := storetest.Stack(b, st).ID
		runList := []models.RunItem{{Recipe: "haproxy::configure", BuiltIn: true, Layer: "lb"}, {Recipe: "own::configure", Layer: "lb"}}
		var create, supersede, leased time.Duration
		for b.Loop() {
			d := deployment(b, st, stack, models.CommandConfigure)
			list := make([]models.Command, fleet)
			for n, id := range ids {
				list[n] = models.Command{ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: stack, InstanceID: id,
					Hostname: "web", Type: models.CommandConfigure, Status: models.CommandPending, RunList: runList, TimeoutSeconds: 600}
			}
			at := time.Now()
			_, err := st.Commands.SupersedeConfigures(ctx, stack, ids, at)
			must(b, err)
			supersede += time.Since(at)
			at = time.Now()
			must(b, st.Commands.Create(ctx, list))
			create += time.Since(at)
			at = time.Now()
			got, err := st.Commands.Lease(ctx, ids, at, at.Add(time.Minute))
			must(b, err)
			equal(b, len(got), fleet)
			leased += time.Since(at)
			b.StopTimer()
			change(b, st, "UPDATE commands SET status = 'pending' WHERE status = 'sent'")
			b.StartTimer()
		}
		rows := float64(b.N * fleet)
		b.ReportMetric(float64(supersede.Microseconds())/rows, "µs/superseded")
		b.ReportMetric(float64(create.Microseconds())/rows, "µs/created")
		b.ReportMetric(float64(leased.Microseconds())/rows, "µs/leased")
	})
}

func BenchmarkSeen(b *testing.B) {
	benchEach(b, func(b *testing.B, st *store.Store) {
		layer := storetest.Layer(b, st)
		seen := map[models.InstanceID]time.Time{}
		must(b, st.Tx(b.Context(), func(tx *store.Store) error {
			for range fleet {
				i := storetest.Instance(b, tx, func(i *models.Instance) { i.StackID, i.LayerIDs = layer.StackID, []models.LayerID{layer.ID} })
				seen[i.ID] = noon
			}
			return nil
		}))
		for n := 0; b.Loop(); n++ {
			for id := range seen {
				seen[id] = noon.Add(time.Duration(n) * time.Second)
			}
			must(b, st.Instances.Seen(b.Context(), "one", seen))
		}
		perRow(b, fleet)
	})
}

func BenchmarkMove(b *testing.B) {
	benchEach(b, func(b *testing.B, st *store.Store) {
		c := storetest.Commands(b, st, storetest.Deployment(b, st), "i")[0]
		for b.Loop() {
			must(b, st.Commands.Move(b.Context(), c.ID, pending, models.CommandSent, store.CommandChange{At: noon}))
			must(b, st.Commands.Move(b.Context(), c.ID, sent, models.CommandPending, store.CommandChange{At: noon}))
		}
		perRow(b, 2)
	})
}

// What 10,000 instances that send a minute of metrics cost: their rows in parts
// of two seconds, the averages of 200 layers, the roll-up of an hour, and a chart of it. It is time of this process's processors.
func BenchmarkMetrics(b *testing.B) {
	benchEach(b, func(b *testing.B, st *store.Store) {
		const instances, layers, part = 10_000, 200, 333
		ctx := b.Context()
		storeFleet(b, st, instances, layers)
		all := make([]models.MetricSample, instances)
		for n := range all {
			all[n] = models.MetricSample{InstanceID: models.InstanceID(fmt.Sprintf("instance-%d", n)), Values: busy(float32(n%9700) / 97)}
		}
		var appended, averaged, rolled, pruned time.Duration
		rounds := 0
		at := midnight
		for b.Loop() {
			for range 60 {
				for n := range all {
					all[n].At = at
				}
				began := cpuTime()
				for list := all; len(list) > 0; list = list[min(part, len(list)):] {
					must(b, st.Metrics.Append(ctx, list[:min(part, len(list))]))
				}
				appended += cpuTime() - began
				began = cpuTime()
				must(b, st.Metrics.AverageLayers(ctx, at))
				averaged += cpuTime() - began
				at = at.Add(time.Minute)
			}
			began := cpuTime()
			_, err := st.Metrics.RollUp(ctx, at)
			must(b, err)
			rolled += cpuTime() - began
			began = cpuTime()
			for more := true; more; {
				more, err = st.Metrics.Prune(ctx, at.Add(-30*time.Minute), midnight)
				must(b, err)
			}
			pruned += cpuTime() - began
			rounds++
		}
		rows := float64(rounds * 60 * instances)
		b.ReportMetric(float64(appended.Microseconds())/rows, "µs/row")
		b.ReportMetric(float64(averaged.Milliseconds())/float64(rounds*60), "ms/average")
		b.ReportMetric(float64(rolled.Milliseconds())/float64(rounds), "ms/roll-up")
		b.ReportMetric(float64(pruned.Microseconds())/rows*2, "µs/pruned")
		began := cpuTime()
		_, err := st.Metrics.Series(ctx, []models.InstanceID{"instance-7"}, models.Metrics, midnight, at, time.Minute)
		must(b, err)
		b.ReportMetric(float64((cpuTime()-began).Microseconds())/1000, "ms/chart-hour")
	})
}

// storeFleet stores online instances of one stack, instance-0 and so on, in layers.
func storeFleet(b *testing.B, st *store.Store, instances, layers int) {
	b.Helper()
	stack := storetest.Stack(b, st).ID
	must(b, st.Tx(b.Context(), func(tx *store.Store) error {
		var ids []models.LayerID
		for range layers {
			ids = append(ids, storetest.Layer(b, tx, func(l *models.Layer) { l.StackID = stack }).ID)
		}
		for n := range instances {
			storetest.Instance(b, tx, func(i *models.Instance) {
				i.ID, i.StackID, i.LayerIDs, i.Status = models.InstanceID(fmt.Sprintf("instance-%d", n)), stack, []models.LayerID{ids[n%layers]}, models.InstanceOnline
			})
		}
		return nil
	}))
}

// cpuTime is what the processors have done for this process.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
