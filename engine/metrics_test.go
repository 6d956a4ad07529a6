package engine

import (
	"context"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// machineAt are the figures of a machine that is so busy.
func machineAt(cpu float32) protocol.Figures {
	f := make(protocol.Figures, models.MetricCount)
	f[models.MetricCPUIdle.Index()] = 100 - cpu
	f[models.MetricMemoryTotal.Index()] = 1000
	return f
}

// settle writes what has been recorded and averages it, without waiting for
// what may still come.
func (m *metrics) settle(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	for at := range m.layers {
		m.layers[at] = time.Time{}
	}
	m.mu.Unlock()
	if err := m.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func lastPoint(t *testing.T, l models.MetricLine) models.MetricPoint {
	t.Helper()
	if len(l.Points) == 0 {
		t.Fatalf("%s of %s has no points", l.Metric, l.Name)
	}
	return l.Points[len(l.Points)-1]
}

func TestMetricsFromAgentsToCharts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		one, two, other := w.online(w.web), w.online(w.web), w.online(w.lb)
		minute := floor(w.engine.Clock(), time.Minute).Add(-2 * time.Minute)
		for id, cpu := range map[models.InstanceID]float32{one.ID: 20, two.ID: 60, other.ID: 90} {
			w.engine.RecordMetrics(id, protocol.Metrics{At: minute, Seconds: 60, Values: machineAt(cpu)})
			w.engine.RecordMetrics(id, protocol.Metrics{At: minute, Seconds: 60, Values: machineAt(cpu)}) // said again
		}
		w.engine.metrics.settle(t)
		cpu := []models.Metric{models.MetricCPUIdle}
		for name, c := range map[string]struct {
			query models.MetricQuery
			want  []float64
		}{
			"Stack":    {models.MetricQuery{Stack: w.stack.ID, Metrics: cpu, Range: models.Range1Hour}, []float64{10, 60}},
			"Layer":    {models.MetricQuery{Layer: w.web.ID, Metrics: cpu, Range: models.Range24Hours}, []float64{60, 80, 40}},
			"Instance": {models.MetricQuery{Instance: one.ID, Metrics: cpu, Range: models.Range2Weeks}, []float64{80}},
		} {
			s := must(w.engine.MetricSeries(w.ctx, c.query))(t)
			if len(s.Lines) != len(c.want) || s.To.Sub(s.From) < c.query.Range.Length() {
				t.Fatalf("%s: %+v", name, s)
			}
			for n, want := range c.want {
				p := lastPoint(t, s.Lines[n])
				if p.Value != want || p.At.After(minute) || minute.Sub(p.At) >= s.Step {
					t.Errorf("%s: line %s ends with %v", name, s.Lines[n].Name, p)
				}
			}
		}
		if s := must(w.engine.MetricSeries(w.ctx, models.MetricQuery{Instance: one.ID, Range: models.Range1Hour}))(t); len(s.Lines) != models.MetricCount {
			t.Errorf("all metrics are %d lines", len(s.Lines))
		}
	})
}

func TestMetricsAreAskedForByWhoMaySee(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	i := w.instance(w.web)
	stranger := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: "stranger", Name: "stranger"})
	for name, q := range map[string]models.MetricQuery{
		"Stack": {Stack: w.stack.ID}, "Layer": {Layer: w.web.ID}, "Instance": {Instance: i.ID},
	} {
		q.Range = models.Range1Hour
		if _, err := w.engine.MetricSeries(stranger, q); models.CodeOf(err) != models.CodeNotFound {
			t.Errorf("%s: a stranger is told %v", name, err)
		}
	}
	if err := w.engine.WatchInstanceMetrics(stranger, i.ID); models.CodeOf(err) != models.CodeNotFound {
		t.Errorf("a stranger who watches is told %v", err)
	}
	for name, q := range map[string]models.MetricQuery{
		"NoRange": {Stack: w.stack.ID}, "NoSubject": {Range: models.Range1Hour}, "NoMetric": {Stack: w.stack.ID, Range: models.Range1Hour, Metrics: []models.Metric{"cpu"}},
	} {
		if _, err := w.engine.MetricSeries(w.ctx, q); models.CodeOf(err) != models.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Short measurements are told to those who watch, and not written.
func TestMetricsWatched(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	i := w.instance(w.web)
	w.start(i)
	if err := w.engine.WatchInstanceMetrics(w.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	w.eventually("the agent is asked", func() bool { return w.links[i.ID].watched() == 10 })
	watch := w.engine.hub.Subscribe(TopicMetrics(i.ID))
	defer watch.Close()
	began := floor(w.engine.Clock(), 10*time.Second).Add(-10 * time.Second)
	w.engine.RecordMetrics(i.ID, protocol.Metrics{At: began, Seconds: 10, Values: machineAt(30)})
	if m := <-watch.C; m != (pubsub.Message{Topic: TopicMetrics(i.ID), Kind: "metrics", ID: string(i.ID)}) {
		t.Errorf("got %+v", m)
	}
	// A whole minute that ended before does not replace it.
	w.engine.RecordMetrics(i.ID, protocol.Metrics{At: began.Add(-2 * time.Minute), Seconds: 60, Values: machineAt(50)})
	sample, length, ok := w.engine.NewestMetrics(i.ID)
	if !ok || length != 10*time.Second || sample.Values.CPU() != 30 || !sample.At.Equal(began) {
		t.Errorf("the newest is %+v of %v", sample, length)
	}
	w.engine.metrics.settle(t)
	s := must(w.engine.MetricSeries(w.ctx, models.MetricQuery{Instance: i.ID, Metrics: []models.Metric{models.MetricCPUIdle}, Range: models.Range1Hour}))(t)
	if len(s.Lines[0].Points) != 1 || s.Lines[0].Points[0].Value != 50 {
		t.Errorf("written are %+v", s.Lines[0].Points)
	}
}

// An agent is not believed everything.
func TestMetricsOfDoubt(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	e, now := w.engine, w.engine.Clock()
	for _, m := range []protocol.Metrics{{Seconds: 0}, {Seconds: -5}, {Seconds: 61, At: now}} {
		e.RecordMetrics("i", m)
	}
	if _, _, ok := e.NewestMetrics("i"); ok {
		t.Error("a senseless length was taken")
	}
	long := append(machineAt(20), 1, 2, 3)
	long[models.MetricProcs.Index()], long[models.MetricCPUUser.Index()] = -4, 250
	for id, at := range map[models.InstanceID]time.Time{"past": now.Add(-24 * time.Hour), "future": now.Add(time.Hour)} {
		e.RecordMetrics(id, protocol.Metrics{At: at, Seconds: 60, Values: long})
		sample, _, ok := e.NewestMetrics(id)
		if age := e.Clock().Sub(sample.At); !ok || age < time.Minute || age > 2*time.Minute+5*time.Second {
			t.Errorf("%s: taken as of %v", id, sample.At)
		}
		v := sample.Values
		if v.CPU() != 20 || v.Get(models.MetricProcs) == v.Get(models.MetricProcs) || v.Get(models.MetricCPUUser) == v.Get(models.MetricCPUUser) {
			t.Errorf("%s: believed %v", id, v)
		}
	}
	e.RecordMetrics("few", protocol.Metrics{At: now.Add(-time.Minute), Seconds: 60, Values: protocol.Figures{75}})
	if sample, _, _ := e.NewestMetrics("few"); sample.Values.CPU() != 25 || sample.Values.Memory() == sample.Values.Memory() {
		t.Errorf("of few figures: %v", sample.Values)
	}
}

// What was recorded last is there after a restart, and its layer's average.
func TestMetricsOutliveARestart(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	i := w.online(w.web)
	minute := floor(w.engine.Clock(), time.Minute).Add(-2 * time.Minute)
	w.engine.RecordMetrics(i.ID, protocol.Metrics{At: minute, Seconds: 60, Values: machineAt(70)})
	w.reboot()
	w.engine.metrics.settle(t)
	got := must(w.store.Metrics.LayerMinutes(w.ctx, w.web.ID, minute, minute.Add(time.Minute)))(t)
	if len(got) != 1 || got[0].Values.CPU() != 70 {
		t.Errorf("got %+v", got)
	}
}

// A minute that could not be averaged is averaged in a later round.
func TestAveragesOutliveAFailure(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	i := w.online(w.web)
	now := w.engine.Clock()
	first := floor(now, time.Minute).Add(-3 * time.Minute)
	for n := range 2 {
		w.engine.RecordMetrics(i.ID, protocol.Metrics{At: first.Add(time.Duration(n) * time.Minute), Seconds: 60, Values: machineAt(70)})
	}
	m := w.engine.metrics
	m.Stop() // no other round comes between
	m.mu.Lock()
	for at := range m.layers {
		m.layers[at] = time.Time{}
	}
	m.mu.Unlock()
	if err := m.flush(w.ctx); err != nil {
		t.Fatal(err)
	}
	broken, breaks := context.WithCancel(w.ctx)
	breaks()
	if err := m.averageLayers(broken); err == nil {
		t.Fatal("the database answers")
	}
	if err := m.averageLayers(w.ctx); err != nil {
		t.Fatal(err)
	}
	if got := must(w.store.Metrics.LayerMinutes(w.ctx, w.web.ID, first, now))(t); len(got) != 2 {
		t.Errorf("%d minutes are averaged", len(got))
	}
}

// Old minutes go; hours stay longer.
func TestMetricsAreKeptForATime(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	now := w.engine.Clock()
	old := floor(now.Add(-9*24*time.Hour), time.Hour)
	samples := []models.MetricSample{{InstanceID: "i", At: old}, {InstanceID: "i", At: now.Add(-time.Hour)}}
	if err := w.store.Metrics.Append(w.ctx, samples); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.metrics.keep(w.ctx); err != nil {
		t.Fatal(err)
	}
	series := func(from time.Time, step time.Duration) int {
		return len(must(w.store.Metrics.Series(w.ctx, []models.InstanceID{"i"}, []models.Metric{models.MetricProcs}, from, now, step))(t)["i"][models.MetricProcs])
	}
	if series(old, time.Minute) != 1 || series(old, time.Hour) != 2 {
		t.Errorf("there are %d minutes and %d hours", series(old, time.Minute), series(old, time.Hour))
	}
}

// watched is how often the agent was last asked to measure, in seconds.
func (l *fakeLink) watched() (seconds int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.sent {
		if watch, ok := m.(protocol.WatchMetrics); ok {
			seconds = watch.Seconds
		}
	}
	return seconds
}
