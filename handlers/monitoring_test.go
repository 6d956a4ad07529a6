package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/static"
	"opsyard/views"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// fakeMetrics is the engine's part of the pages of charts, over the real store.
type fakeMetrics struct {
	mu      sync.Mutex
	watched map[models.InstanceID]int
	live    map[models.InstanceID]models.MetricSample
}

// MetricSeries reads what the store has.
func (f *fakeEngine) MetricSeries(ctx context.Context, q models.MetricQuery) (*models.MetricSeries, error) {
	step := q.Range.Step(time.Minute)
	to := time.Now().UTC().Truncate(step).Add(step)
	s := &models.MetricSeries{From: to.Add(-q.Range.Length()), To: to, Step: step}
	metrics := q.Metrics
	if len(metrics) == 0 {
		metrics = models.Metrics
	}
	layers := []models.LayerID{q.Layer}
	if q.Stack != "" {
		layers = nil
		of, err := f.store.Layers.InStack(ctx, q.Stack)
		if err != nil {
			return nil, err
		}
		for _, l := range of {
			layers = append(layers, l.ID)
		}
	}
	averages, err := f.store.Metrics.LayerSeries(ctx, layers, metrics, s.From, s.To, s.Step)
	if err != nil {
		return nil, err
	}
	for id, of := range averages {
		for m, points := range of {
			s.Lines = append(s.Lines, models.MetricLine{LayerID: id, Metric: m, Points: points})
		}
	}
	var ids []models.InstanceID
	switch {
	case q.Instance != "":
		ids = []models.InstanceID{q.Instance}
	case q.Layer != "":
		instances, err := f.store.Instances.InLayer(ctx, q.Layer)
		if err != nil {
			return nil, err
		}
		for _, i := range instances {
			ids = append(ids, i.ID)
		}
	}
	lines, err := f.store.Metrics.Series(ctx, ids, metrics, s.From, s.To, s.Step)
	for id, of := range lines {
		for m, points := range of {
			s.Lines = append(s.Lines, models.MetricLine{InstanceID: id, Metric: m, Points: points})
		}
	}
	return s, err
}

// WatchInstanceMetrics remembers who is watched.
func (f *fakeEngine) WatchInstanceMetrics(_ context.Context, ids ...models.InstanceID) error {
	f.metrics.mu.Lock()
	defer f.metrics.mu.Unlock()
	if f.metrics.watched == nil {
		f.metrics.watched = map[models.InstanceID]int{}
	}
	for _, id := range ids {
		f.metrics.watched[id]++
	}
	return nil
}

// watches is how often an agent was asked for more figures.
func (f *fakeEngine) watches(id models.InstanceID) int {
	f.metrics.mu.Lock()
	defer f.metrics.mu.Unlock()
	return f.metrics.watched[id]
}

// NewestMetrics is what measured has told.
func (f *fakeEngine) NewestMetrics(id models.InstanceID) (models.MetricSample, time.Duration, bool) {
	f.metrics.mu.Lock()
	defer f.metrics.mu.Unlock()
	s, ok := f.metrics.live[id]
	return s, 10 * time.Second, ok
}

// measured is a point between the minutes.
func (f *fakeEngine) measured(s models.MetricSample) {
	f.metrics.mu.Lock()
	if f.metrics.live == nil {
		f.metrics.live = map[models.InstanceID]models.MetricSample{}
	}
	f.metrics.live[s.InstanceID] = s
	f.metrics.mu.Unlock()
	f.hub.Publish(engine.TopicMetrics(s.InstanceID), pubsub.Message{Kind: "metrics", ID: string(s.InstanceID)})
}

// work is how a machine does: busy is its CPU in percent.
func work(busy, used, load float64, procs int) models.MetricValues {
	v := models.UnknownMetrics()
	const total = 4 << 20
	for m, value := range map[models.Metric]float64{
		models.MetricCPUIdle: 100 - busy, models.MetricCPUUser: busy * .6, models.MetricCPUSystem: busy * .25, models.MetricCPUNice: busy * .03,
		models.MetricCPUWaitIO: busy * .1, models.MetricCPUSteal: busy * .02,
		models.MetricMemoryTotal: total, models.MetricMemoryUsed: total * used, models.MetricMemoryBuffers: total * .04, models.MetricMemoryCached: total * .2,
		models.MetricMemoryFree: total * (.76 - used), models.MetricMemorySwap: 48 << 10,
		models.MetricLoad1: load, models.MetricLoad5: load * .9, models.MetricLoad15: load * .8, models.MetricProcs: float64(procs),
	} {
		v.Set(m, value)
	}
	return v
}

// wave is a figure that goes up and down, the same in each test.
func wave(n, of int) float64 {
	x := float64(n)
	return 50 + 28*math.Sin(x/9+float64(of)) + 12*math.Sin(x/2.3+float64(of)*2) + 6*math.Sin(x*1.7)
}

// seedMetrics writes figures of every instance that is online for a time, with
// a hole in the middle.
func seedMetrics(t *testing.T, f *fleet, back time.Duration) {
	t.Helper()
	now := f.now.UTC().Truncate(time.Minute)
	minutes := int(back / time.Minute)
	for n := range minutes {
		if n > minutes/2 && n < minutes/2+minutes/12 {
			continue // the server was away
		}
		at := now.Add(time.Duration(n-minutes+1) * time.Minute)
		var samples []models.MetricSample
		for k, i := range f.instances {
			if i.Status == models.InstanceOnline && at.After(i.StatusSince) {
				busy := min(max(wave(n, k), 1), 97)
				samples = append(samples, models.MetricSample{InstanceID: i.ID, At: at, Values: work(busy, .3+busy/400, busy/40, 110+k+n%7)})
			}
		}
		f.must(f.store.Metrics.Append(f.ctx, samples))
		f.must(f.store.Metrics.AverageLayers(f.ctx, at))
	}
	healed := f.host("php-3")
	for n, text := range []string{"php-3 is stopping", "php-3 is requested"} {
		f.must(f.store.Events.Append(f.ctx, &models.StackEvent{
			StackID: f.stack.ID, At: f.now.Add(-25*time.Minute + time.Duration(n)*time.Minute), Kind: "instance", Text: text, InstanceID: healed.ID,
			Cause: models.Cause{Kind: models.CauseHealing, Actor: "auto-healing", Text: "its agent was silent for 5 min and nothing reached it"},
		}))
	}
}

func measuredShop(t *testing.T) (*console, *fleet) {
	t.Helper()
	c := setup(t)
	f := seedFleet(t, c.store, c.h.Now(), 40)
	seedMetrics(t, f, time.Hour)
	return c, f
}

func TestMonitoringPages(t *testing.T) {
	t.Parallel()
	c, f := measuredShop(t)
	ana := c.as("ana")
	ana.get(f.at("/monitoring")).want(t, http.StatusOK, `data-chart="cpu-`+string(f.layers[1].ID), "Reports", "is the busiest of 6 layers", "auto healing",
		`aria-label="CPU of PHP app: last `, "Figures as a table", `href="/stacks/`+string(f.stack.ID)+`/monitoring?range=8h"`)
	layer := ana.get(views.LayerHref(f.stack.ID, f.layers[1].ID) + "/monitoring?range=8h")
	layer.want(t, http.StatusOK, "Average", "over 10 instances", ">php-3<", `aria-current="true">8 h`, "Without figures in this time: php-11 (running_setup) and php-12 (stopped).")
	if n := strings.Count(layer.body, "auto healing"); n != 1 {
		t.Errorf("the moves of one healing are marked %d times, want once", n)
	}
	ana.get(views.MonitoringHref(f.host("php-3").ID)).want(t, http.StatusOK, "waiting for disk", "GiB", "15 min", "php-3 is stopping", `"unit":"GiB","max":4`)
	ana.get(views.MonitoringHref(f.host("worker-7").ID)).want(t, http.StatusOK, "Nothing was measured in this time", "Its agent has not been heard since 07:54.", "range=24h")
	ana.get(f.at("/layers")).want(t, http.StatusOK, `class="spark"`, `aria-label="CPU of PHP app: last `)
	ana.get(views.InstanceHref(f.host("php-3").ID)).want(t, http.StatusOK, `href="`+views.MonitoringHref(f.host("php-3").ID)+`"`)
}

func TestMonitoringFigures(t *testing.T) {
	t.Parallel()
	c, f := measuredShop(t)
	var got views.ChartData
	answer := c.as("ana").get(f.at("/monitoring/data?range=1h"))
	if err := json.Unmarshal([]byte(answer.body), &got); err != nil {
		t.Fatalf("%v in %.200s", err, answer.body)
	}
	cpu := got.Charts["cpu-"+string(f.layers[5].ID)]
	if len(cpu.Series) != 1 || len(cpu.Series[0].Values) != got.Points || got.Points != 60 || got.Step != 60 {
		t.Fatalf("got %d points of %d s, and %+v", got.Points, got.Step, cpu)
	}
	if !strings.Contains(answer.body, "null") {
		t.Error("the hole is not in the figures")
	}
	if cpu.Max != 100 {
		t.Errorf("CPU ends at %v, want 100", cpu.Max)
	}
	if len(got.Marks) < 2 {
		t.Errorf("got marks %+v, want the deployments and the healing of the last hour", got.Marks)
	}
}

// Charts are drawn by the script, follow the cursor together, and a point that
// an agent sends reaches them without a reload.
func TestBrowserLivePoint(t *testing.T) {
	t.Parallel()
	c, f := measuredShop(t)
	php := f.host("php-3")
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+views.MonitoringHref(php.ID)), chromedp.WaitVisible(`.live[data-state="live"]`), chromedp.WaitVisible(`[data-drawn="5"] canvas`))
	if n := c.engine.watches(php.ID); n != 1 {
		t.Errorf("the agent was asked %d times for more figures, want once", n)
	}
	b.eval(`window.same = true`)
	at := c.h.Now().Add(5 * time.Second)
	c.engine.measured(models.MetricSample{InstanceID: php.ID, At: at, Values: work(88, .5, 3.75, 333)})
	b.do(chromedp.WaitVisible(fmt.Sprintf(`[data-latest="%d"]`, at.Unix())))
	figure := func(key string) any {
		return b.eval(fmt.Sprintf(`[...document.querySelectorAll('[data-chart="%s-%s"] [data-readout]')].map(e => e.textContent).join()`, key, php.ID))
	}
	if got := figure("procs"); got != "333" {
		t.Errorf("after a live point: %v processes, want 333", got)
	}
	if got := figure("cpu"); got != "53 %,22 %,2.64 %,8.8 %,1.76 %,12 %" {
		t.Errorf("after a live point: CPU %v", got)
	}
	if got := figure("memory"); got != "2 GiB,0.16 GiB,0.8 GiB,1.04 GiB" {
		t.Errorf("after a live point: memory %v", got)
	}
	if b.eval(`window.same`) != true {
		t.Error("the page was loaded again")
	}
	spot, ok := b.eval(`(() => { const box = document.querySelector('.u-over').getBoundingClientRect(), data = JSON.parse(document.getElementById('chart-data').textContent);
		return [box.left + box.width * (data.marks[0].at - data.from) / (data.to - data.from), box.top + 60]; })()`).([]any)
	if !ok {
		t.Fatal("there is no chart")
	}
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, spot[0].(float64), spot[1].(float64)),
		chromedp.WaitReady(`[data-chart^="cpu"] [data-when]:not(:empty)`), chromedp.WaitReady(`[data-chart^="procs"] [data-when]:not(:empty)`))
	tips := `[...document.querySelectorAll('.chart-tip:not([hidden])')].map(e => e.textContent.slice(6)).join()`
	if got := b.eval(tips); got != "#5 deploy storefront" {
		t.Errorf("pointing at a mark says %v, want what it is, once", got)
	}
}

// What the module of charts promises to other pages: thresholds can be dragged,
// the newest value is read out, and a hole is no zero.
func TestBrowserChartModule(t *testing.T) {
	t.Parallel()
	c, f := measuredShop(t)
	b := openTab(t)
	b.signIn(c.url)
	b.do(chromedp.Navigate(c.url+f.at("/monitoring")), chromedp.WaitReady("[data-drawn]"))
	b.eval(`(async () => {
		const { draw } = await import('` + static.Path("js/chart.js") + `');
		const box = document.createElement('div'), value = document.createElement('b');
		document.querySelector('main').prepend(box);
		window.moves = [];
		window.chart = await draw(box, {
			data: [[0, 60, 120, 180], [10, null, 30, null]], series: [{ label: 'CPU', kind: 'area' }], max: 100, height: 200, readouts: [value],
			thresholds: [{ value: 80, label: 'up', tone: 'warn', drag: true }, { value: 30, label: 'down', tone: 'run' }],
			onThreshold: (n, v, done) => moves.push([n, Math.round(v), done]),
		});
		window.readout = () => value.textContent;
		document.body.dataset.ready = 'yes';
	})().catch(e => { document.body.dataset.ready = e })`)
	b.do(chromedp.WaitReady(`body[data-ready="yes"]`))
	if got := b.eval(`readout()`); got != "30" {
		t.Errorf("the readout says %v, want the newest known value 30", got)
	}
	got := b.eval(`(() => {
		const over = chart.plot.over, box = over.getBoundingClientRect();
		const at = v => ({ clientX: box.left + 20, clientY: box.top + chart.plot.valToPos(v, 'y'), pointerId: 1, bubbles: true });
		over.setPointerCapture = () => {};
		over.dispatchEvent(new PointerEvent('pointerdown', at(30)));
		over.dispatchEvent(new PointerEvent('pointermove', at(40)));
		const still = moves.length;
		over.dispatchEvent(new PointerEvent('pointerup', at(40)));
		over.dispatchEvent(new PointerEvent('pointerdown', at(80)));
		over.dispatchEvent(new PointerEvent('pointermove', at(70)));
		over.dispatchEvent(new PointerEvent('pointerup', at(60)));
		return JSON.stringify([still, ...moves]);
	})()`)
	if want := `[0,[0,70,false],[0,60,true]]`; got != want {
		t.Errorf("dragging: got %v, want %v", got, want)
	}
	b.eval(`chart.push(240, [50]); chart.push(200, [1])`)
	if got := b.eval(`[readout(), chart.from, chart.to, chart.real[0].length].join()`); got != "50,60,240,4" {
		t.Errorf("after a push: got %v, want 50,60,240,4", got)
	}
	b.eval(`chart.destroy()`)
}
