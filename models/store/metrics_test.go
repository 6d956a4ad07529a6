package store_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

var midnight = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// busy is a machine that is so busy, and of which no load is known.
func busy(cpu float32) models.MetricValues {
	v := models.UnknownMetrics()
	v.Set(models.MetricCPUIdle, float64(100-cpu))
	v.Set(models.MetricMemoryTotal, 2<<20)
	v.Set(models.MetricMemoryUsed, 1<<20)
	v.Set(models.MetricProcs, 120)
	return v
}

// minutes makes samples of n minutes that begin at from, as busy as cpu says.
func minutes(id models.InstanceID, from time.Time, n int, cpu func(n int) float32) []models.MetricSample {
	samples := make([]models.MetricSample, n)
	for k := range samples {
		samples[k] = models.MetricSample{InstanceID: id, At: from.Add(time.Duration(k) * time.Minute), Values: busy(cpu(k))}
	}
	return samples
}

func steady(cpu float32) func(int) float32 { return func(int) float32 { return cpu } }

func TestMetricsByStep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		must(t, st.Metrics.Append(ctx, nil))
		must(t, st.Metrics.Append(ctx, minutes("a", midnight, 63, func(n int) float32 { return float32(n) })))
		must(t, st.Metrics.Append(ctx, minutes("b", midnight.Add(2*time.Minute), 1, steady(50))))
		must(t, st.Metrics.Append(ctx, minutes("b", midnight.Add(2*time.Minute), 1, steady(60)))) // once more
		must(t, st.Metrics.Append(ctx, minutes("c", midnight, 10, steady(99))))
		asked := []models.Metric{models.MetricCPUIdle, models.MetricLoad1, models.MetricProcs}
		got, err := st.Metrics.Series(ctx, []models.InstanceID{"a", "b", "nobody"}, asked, midnight, midnight.Add(5*time.Minute), 2*time.Minute)
		must(t, err)
		point := func(minute int, value float64) models.MetricPoint {
			return models.MetricPoint{At: midnight.Add(time.Duration(minute) * time.Minute), Value: value}
		}
		equal(t, got, map[models.InstanceID]map[models.Metric][]models.MetricPoint{
			"a": {
				models.MetricCPUIdle: {point(0, 99.5), point(2, 97.5), point(4, 96)},
				models.MetricProcs:   {point(0, 120), point(2, 120), point(4, 120)},
			},
			"b": {models.MetricCPUIdle: {point(2, 40)}, models.MetricProcs: {point(2, 120)}},
		})
		_, err = st.Metrics.Series(ctx, []models.InstanceID{"a"}, []models.Metric{"procs; --"}, midnight, midnight, time.Minute)
		refused(t, err, models.CodeInvalid, "")
	})
}

func TestMetricsOfLayers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		layer := storetest.Layer(t, st)
		in := func(status models.InstanceStatus) func(*models.Instance) {
			return func(i *models.Instance) {
				i.StackID, i.LayerIDs, i.Status = layer.StackID, []models.LayerID{layer.ID}, status
			}
		}
		one, two, elsewhere := storetest.Instance(t, st, in(models.InstanceOnline)), storetest.Instance(t, st, in(models.InstanceOnline)), storetest.Instance(t, st)
		for _, status := range models.InstanceStatuses {
			if status != models.InstanceOnline { // it has an agent perhaps, but no share of the load
				idle := storetest.Instance(t, st, in(status))
				must(t, st.Metrics.Append(ctx, minutes(idle.ID, midnight, 4, steady(5))))
			}
		}
		must(t, st.Metrics.Append(ctx, append(minutes(one.ID, midnight, 3, steady(20)), minutes(elsewhere.ID, midnight, 3, steady(90))...)))
		must(t, st.Metrics.AverageLayers(ctx, midnight))
		must(t, st.Metrics.Append(ctx, minutes(two.ID, midnight, 2, steady(60)))) // late
		for n := range 4 {
			must(t, st.Metrics.AverageLayers(ctx, midnight.Add(time.Duration(n)*time.Minute)))
		}
		got, err := st.Metrics.LayerMinutes(ctx, layer.ID, midnight, midnight.Add(3*time.Minute))
		must(t, err)
		equal(t, len(got), 3)
		for n, cpu := range []float64{40, 40, 20} {
			equal(t, got[n].At, midnight.Add(time.Duration(n)*time.Minute))
			equal(t, got[n].Values.CPU(), cpu)
			equal(t, got[n].Values.Memory(), 50.0)
			equal(t, math.IsNaN(got[n].Values.Load()), true)
		}
		series, err := st.Metrics.LayerSeries(ctx, []models.LayerID{layer.ID}, []models.Metric{models.MetricCPUIdle}, midnight, midnight.Add(time.Hour), time.Hour)
		must(t, err)
		equal(t, fmt.Sprint(series[layer.ID][models.MetricCPUIdle]), fmt.Sprint([]models.MetricPoint{{At: midnight, Value: 200.0 / 3}}))
	})
}

// Hours are rolled up once they have ended; charts over weeks are the same
// before and after, and stay when the minutes have been removed.
func TestMetricsRollUpAndPrune(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		more, err := st.Metrics.RollUp(ctx, midnight.Add(time.Hour))
		must(t, err)
		equal(t, more, false)
		const minutesThere = 2*60 + 30 // and an hour's gap before the last half hour
		must(t, st.Metrics.Append(ctx, minutes("a", midnight, 120, func(n int) float32 { return float32(n / 60 * 10) })))
		must(t, st.Metrics.Append(ctx, minutes("a", midnight.Add(3*time.Hour), 30, steady(80))))
		weeks := func() string {
			series, err := st.Metrics.Series(ctx, []models.InstanceID{"a"}, []models.Metric{models.MetricCPUIdle}, midnight.Add(-24*time.Hour), midnight.Add(24*time.Hour), time.Hour)
			must(t, err)
			return fmt.Sprint(series)
		}
		before, rolled := weeks(), 0
		for now := midnight; now.Before(midnight.Add(4 * time.Hour)); now = now.Add(10 * time.Minute) {
			for {
				more, err := st.Metrics.RollUp(ctx, now)
				must(t, err)
				if !more {
					break
				}
				rolled++
			}
			equal(t, weeks(), before)
		}
		equal(t, rolled, 2)
		until, err := st.Metrics.RolledUp(ctx)
		must(t, err)
		equal(t, until, midnight.Add(2*time.Hour))
		more, err = st.Metrics.Prune(ctx, midnight.Add(2*time.Hour), midnight)
		must(t, err)
		equal(t, more, false)
		equal(t, weeks(), before)
		left, err := st.Metrics.Series(ctx, []models.InstanceID{"a"}, []models.Metric{models.MetricProcs}, midnight, midnight.Add(4*time.Hour), time.Minute)
		must(t, err)
		equal(t, len(left["a"][models.MetricProcs]), minutesThere-120)
		_, err = st.Metrics.Prune(ctx, midnight, midnight.Add(24*time.Hour))
		must(t, err)
		until, err = st.Metrics.RolledUp(ctx)
		must(t, err)
		equal(t, until.IsZero(), true)
	})
}

// A chart finds each of its times and rows by their key.
func TestMetricsAreFoundByTheirKey(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	var plan []struct{ Detail string }
	must(t, st.Gorm().Raw("EXPLAIN QUERY PLAN "+store.SeriesQuery(), 0, 9, 9, 60, 60, []string{"a", "b"}).Scan(&plan).Error)
	text := fmt.Sprint(plan)
	holds(t, text, "SEARCH m USING PRIMARY KEY (at=? AND of_id=?)")
	holds(t, text, "SEARCH n USING PRIMARY KEY (at>? AND at<?)")
	lacks(t, text, "SCAN m")
}

// Much is removed in parts.
func TestMetricsPruneInParts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		must(t, st.Metrics.Append(ctx, minutes("a", midnight, 2500, steady(1))))
		rounds := 0
		for more := true; more; rounds++ {
			var err error
			more, err = st.Metrics.Prune(ctx, midnight.Add(2400*time.Minute), midnight)
			must(t, err)
		}
		equal(t, rounds, 3)
		left, err := st.Metrics.Series(ctx, []models.InstanceID{"a"}, []models.Metric{models.MetricProcs}, midnight, midnight.Add(2500*time.Minute), time.Minute)
		must(t, err)
		equal(t, len(left["a"][models.MetricProcs]), 100)
	})
}
