package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/pubsub"
	"opsyard/engine/service"
	"opsyard/models"
)

// Times of metrics.
const (
	// lateMetrics is how long after its end a minute is still taken: an agent
	// keeps what it measured while the server was away.
	lateMetrics = 17 * time.Minute
	// keepMetricHours is a day more than the longest chart.
	keepMetricHours = 15 * 24 * time.Hour
	// pruneRounds bounds one round of pruning.
	pruneRounds = 50
)

// TopicMetrics is where it is told that an instance has new figures; see
// NewestMetrics.
func TopicMetrics(id models.InstanceID) string { return "metrics:" + string(id) }

// metrics gathers what agents measure and writes it every moment in few
// statements; then it averages over layers, rolls up and prunes.
type metrics struct {
	service.Base
	e *Engine

	mu     sync.Mutex
	fresh  map[minuteOf]models.MetricValues // not stored yet
	newest map[models.InstanceID]reading
	layers map[int64]time.Time // minutes to be averaged over layers, and when
	count  uint64
}

type minuteOf struct {
	id models.InstanceID
	at int64
}

// reading is what an agent measured last.
type reading struct {
	sample models.MetricSample
	length time.Duration
}

func (r reading) end() time.Time { return r.sample.At.Add(r.length) }

func newMetrics(e *Engine) *metrics {
	return &metrics{
		Base: service.Base{Log: e.Log, Now: e.Now}, e: e,
		fresh: map[minuteOf]models.MetricValues{}, newest: map[models.InstanceID]reading{}, layers: map[int64]time.Time{},
	}
}

func (m *metrics) start(ctx context.Context) error {
	// What came before a restart may not have been averaged.
	m.mu.Lock()
	now, minute := m.Clock(), m.e.times.Minute
	for n := range 3 {
		m.average(now.Add(-time.Duration(n+1)*minute), now)
	}
	m.mu.Unlock()
	err := m.Every(ctx, "store metrics", min(max(minute/30, 20*time.Millisecond), 2*time.Second), nil, m.runOnce)
	if err != nil {
		return err
	}
	return m.Every(ctx, "roll up metrics", max(minute, time.Second), nil, m.keep)
}

// stop ends the loops and stores what has come.
func (m *metrics) stop(ctx context.Context) error {
	m.Stop()
	return m.flush(ctx)
}

// RecordMetrics takes what an agent has measured. Whole minutes are written, in
// batches; shorter times are for whoever watches now.
func (e *Engine) RecordMetrics(id models.InstanceID, said protocol.Metrics) {
	e.metrics.record(id, said)
}

func (m *metrics) record(id models.InstanceID, said protocol.Metrics) {
	now, minute := m.Clock(), m.e.times.Minute
	length := time.Duration(said.Seconds) * time.Second
	if length < time.Second || length > minute {
		return // asked for by another server, before this one was configured anew
	}
	at := said.At
	if at.Before(now.Add(-lateMetrics-length)) || at.After(now.Add(length)) {
		at = now.Add(-length) // its clock is wrong
	}
	values := models.UnknownMetrics()
	copy(values[:], said.Values)
	r := reading{models.MetricSample{InstanceID: id, At: floor(at, length), Values: values.Plausible()}, length}
	m.take(r, now)
	m.e.hub.Publish(TopicMetrics(id), pubsub.Message{Kind: "metrics", ID: string(id)})
}

func (m *metrics) take(r reading, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	id := r.sample.InstanceID
	if r.end().After(m.newest[id].end()) {
		m.newest[id] = r
	}
	if r.length == m.e.times.Minute {
		m.fresh[minuteOf{id, r.sample.At.Unix()}] = r.sample.Values
		m.average(r.sample.At, now)
	}
}

// average asks for the averages of a minute, when its figures have come in:
// agents take a sixth of a minute to send them.
func (m *metrics) average(at, now time.Time) {
	minute := m.e.times.Minute
	key := floor(at, minute).Unix()
	if _, asked := m.layers[key]; asked {
		return
	}
	due := floor(at, minute).Add(minute)
	if now.After(due) {
		due = now
	}
	m.layers[key] = due.Add(minute / 4)
}

// floor is the last multiple of a whole number of seconds.
func floor(at time.Time, length time.Duration) time.Time {
	seconds := max(int64(length/time.Second), 1)
	return time.Unix(at.Unix()/seconds*seconds, 0).UTC()
}

func (m *metrics) runOnce(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // one round is short, and figures are there once
	if err := m.flush(ctx); err != nil {
		return err
	}
	return m.averageLayers(ctx)
}

// flush writes what has gathered; what cannot be written is kept for the next
// round, unless newer figures have taken its place.
func (m *metrics) flush(ctx context.Context) error {
	m.mu.Lock()
	taken := m.fresh
	m.fresh = make(map[minuteOf]models.MetricValues, len(taken))
	m.mu.Unlock()
	if len(taken) == 0 {
		return nil
	}
	samples := make([]models.MetricSample, 0, len(taken))
	for of, values := range taken {
		samples = append(samples, models.MetricSample{InstanceID: of.id, At: time.Unix(of.at, 0).UTC(), Values: values})
	}
	err := m.e.store.Metrics.Append(ctx, samples)
	if err != nil {
		m.putBack(taken)
	}
	return err
}

func (m *metrics) putBack(taken map[minuteOf]models.MetricValues) {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest := m.Clock().Add(-lateMetrics).Unix()
	for of, values := range taken {
		if _, newer := m.fresh[of]; !newer && of.at >= oldest {
			m.fresh[of] = values
		}
	}
}

// averageLayers makes the averages that are due, the oldest first.
func (m *metrics) averageLayers(ctx context.Context) error {
	now := m.Clock()
	var due []int64
	m.mu.Lock()
	for at, when := range m.layers {
		if !now.Before(when) {
			due = append(due, at)
			delete(m.layers, at)
		}
	}
	m.mu.Unlock()
	slices.Sort(due)
	for n, at := range due {
		if err := m.e.store.Metrics.AverageLayers(ctx, time.Unix(at, 0)); err != nil {
			m.putBackLayers(due[n:], now)
			return err
		}
	}
	return nil
}

// putBackLayers keeps minutes that could not be averaged for the next round:
// nothing else would ask for them again.
func (m *metrics) putBackLayers(due []int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, at := range due {
		if _, asked := m.layers[at]; !asked {
			m.layers[at] = now
		}
	}
}

// keep makes the hours and removes what is too old, also of what is remembered.
func (m *metrics) keep(ctx context.Context) error {
	now := m.Clock()
	m.mu.Lock()
	for id, r := range m.newest {
		if now.Sub(r.end()) > lateMetrics {
			delete(m.newest, id)
		}
	}
	m.mu.Unlock()
	for more := true; more; {
		var err error
		if more, err = m.e.store.Metrics.RollUp(ctx, now.Add(-lateMetrics)); err != nil {
			return err
		}
	}
	more := true
	for n := 0; more && n < pruneRounds; n++ {
		var err error
		if more, err = m.e.store.Metrics.Prune(ctx, now.Add(-m.e.times.KeepMetrics), now.Add(-keepMetricHours)); err != nil {
			return err
		}
	}
	return nil
}

// MetricsSeconds is how often agents are to send what they measure.
func (e *Engine) MetricsSeconds() int { return int(e.times.Minute / time.Second) }

// watchedMetrics is how many measurements of a minute somebody who watches sees.
const watchedMetrics = 6

// WatchInstanceMetrics asks the agents of instances for figures every ten
// seconds for the next minute. A page calls it again while it is open, and
// subscribes to TopicMetrics. Agents that are away, or connected to another
// process, send none.
func (e *Engine) WatchInstanceMetrics(ctx context.Context, ids ...models.InstanceID) error {
	instances, err := e.store.Instances.ByIDs(ctx, ids)
	if err != nil {
		return err
	}
	asked := map[models.StackID]bool{}
	for _, i := range instances {
		if asked[i.StackID] {
			continue
		}
		if _, err := e.Authorize(ctx, i.StackID, "DescribeMetrics"); err != nil {
			return hide(err, "instance", i.ID)
		}
		asked[i.StackID] = true
	}
	for _, id := range ids {
		e.dispatcher.Ask(id, protocol.WatchMetrics{Seconds: max(e.MetricsSeconds()/watchedMetrics, 1)})
	}
	return nil
}

// NewestMetrics is what an instance's agent measured last, and over how long,
// if it has told this process within the last minutes. Who asks has been let
// see the instance.
func (e *Engine) NewestMetrics(id models.InstanceID) (sample models.MetricSample, length time.Duration, ok bool) {
	e.metrics.mu.Lock()
	defer e.metrics.mu.Unlock()
	r, ok := e.metrics.newest[id]
	return r.sample, r.length, ok
}

// AllNewestMetrics is what each agent measured last in a whole minute or less,
// for the operator of the installation.
func (e *Engine) AllNewestMetrics() []models.MetricSample {
	e.metrics.mu.Lock()
	defer e.metrics.mu.Unlock()
	all := make([]models.MetricSample, 0, len(e.metrics.newest))
	for _, r := range e.metrics.newest {
		all = append(all, r.sample)
	}
	return all
}

// MetricsReceived is how many measurements this process has taken.
func (e *Engine) MetricsReceived() uint64 {
	e.metrics.mu.Lock()
	defer e.metrics.mu.Unlock()
	return e.metrics.count
}

// metricLines is for how many instances one chart has lines.
const metricLines = 50

// MetricSeries reads the figures of a chart: of a stack's layers, of a layer
// and its instances, or of an instance.
func (e *Engine) MetricSeries(ctx context.Context, q models.MetricQuery) (*models.MetricSeries, error) {
	if q.Range.Length() == 0 {
		return nil, models.InvalidField("Range", "Range: must be 1h, 8h, 24h, 1w or 2w.")
	}
	for _, m := range q.Metrics {
		if m.Index() < 0 {
			return nil, models.InvalidField("Metrics", "Metrics: %q is not a metric.", m)
		}
	}
	if len(q.Metrics) == 0 {
		q.Metrics = models.Metrics
	}
	layers, instances, err := e.chartOf(ctx, q)
	if err != nil {
		return nil, err
	}
	now, step := e.Clock(), q.Range.Step(e.times.Minute)
	s := &models.MetricSeries{From: floor(now.Add(-q.Range.Length()), step), To: now, Step: step}
	if len(instances) > metricLines {
		s.Left = len(instances) - metricLines
		instances = instances[:metricLines]
	}
	return s, errors.Join(e.layerLines(ctx, s, layers, q.Metrics), e.instanceLines(ctx, s, instances, q.Metrics))
}

// chartOf are the layers and instances that a query is about.
func (e *Engine) chartOf(ctx context.Context, q models.MetricQuery) (layers []models.Layer, instances []models.Instance, err error) {
	switch {
	case q.Instance != "":
		i, err := e.instanceFor(ctx, q.Instance, "DescribeMetrics")
		if err != nil {
			return nil, nil, err
		}
		return nil, []models.Instance{*i}, nil
	case q.Layer != "":
		l, _, err := e.layerFor(ctx, q.Layer, "DescribeMetrics")
		if err != nil {
			return nil, nil, err
		}
		instances, err = e.store.Instances.InLayer(ctx, l.ID)
		return []models.Layer{*l}, instances, err
	case q.Stack != "":
		if _, err := e.Authorize(ctx, q.Stack, "DescribeMetrics"); err != nil {
			return nil, nil, err
		}
		layers, err = e.store.Layers.InStack(ctx, q.Stack)
		return layers, nil, err
	}
	return nil, nil, models.Invalid("Metrics are of a stack, a layer or an instance: name one.")
}

func (e *Engine) layerLines(ctx context.Context, s *models.MetricSeries, layers []models.Layer, metrics []models.Metric) error {
	ids := make([]models.LayerID, len(layers))
	for n := range layers {
		ids[n] = layers[n].ID
	}
	points, err := e.store.Metrics.LayerSeries(ctx, ids, metrics, s.From, s.To, s.Step)
	for _, m := range metrics {
		for _, l := range layers {
			s.Lines = append(s.Lines, models.MetricLine{LayerID: l.ID, Name: l.Name, Metric: m, Points: points[l.ID][m]})
		}
	}
	return err
}

func (e *Engine) instanceLines(ctx context.Context, s *models.MetricSeries, instances []models.Instance, metrics []models.Metric) error {
	ids := make([]models.InstanceID, len(instances))
	for n := range instances {
		ids[n] = instances[n].ID
	}
	points, err := e.store.Metrics.Series(ctx, ids, metrics, s.From, s.To, s.Step)
	for _, m := range metrics {
		for _, i := range instances {
			s.Lines = append(s.Lines, models.MetricLine{InstanceID: i.ID, Name: i.Hostname, Metric: m, Points: points[i.ID][m]})
		}
	}
	return err
}
