package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/engine/alarm"
	"opsyard/engine/prometheus"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// loaded is a layer with one instance that is always on and two load-based
// ones, on two servers, with a clock and figures of the test.
type loaded struct {
	t          *testing.T
	ctx        context.Context
	clock      *hand
	one, two   *Engine
	layer      *models.Layer
	always     *models.Instance
	early, odd *models.Instance // load-based; early has been stopped for longer
}

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func newLoaded(t *testing.T, url string) *loaded {
	t.Helper()
	w := &loaded{t: t, clock: &hand{}}
	w.clock.set(monday)
	w.ctx = models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	w.one, w.two = replica(t, url, w.clock.now), replica(t, url, w.clock.now)
	stack := storetest.Stack(t, w.one.store, func(s *models.Stack) { s.Provider = "sim" })
	w.layer = storetest.Layer(t, w.one.store, func(l *models.Layer) { l.StackID, l.Name, l.Shortname = stack.ID, "Web", "web" })
	w.always = w.instance("web1", models.ScalingNone, models.InstanceOnline, 0)
	w.early = w.instance("web2", models.ScalingLoad, models.InstanceStopped, -2*time.Hour)
	w.odd = w.instance("web3", models.ScalingLoad, models.InstanceStopped, -time.Hour)
	w.set(func(c *models.LoadBasedAutoScaling) {
		c.Enable = true
		c.UpScaling.ThresholdsWaitTime, c.UpScaling.IgnoreMetricsTime = 2, 2
		c.DownScaling.ThresholdsWaitTime, c.DownScaling.IgnoreMetricsTime = 3, 2
	})
	return w
}

func (w *loaded) instance(hostname, kind string, status models.InstanceStatus, since time.Duration) *models.Instance {
	w.t.Helper()
	return storetest.Instance(w.t, w.one.store, func(i *models.Instance) {
		i.StackID, i.LayerIDs, i.Hostname, i.AutoScalingType = w.layer.StackID, []models.LayerID{w.layer.ID}, hostname, kind
		i.Status, i.StatusSince, i.RootDeviceType = status, monday.Add(since), models.RootDeviceEBS
	})
}

func (w *loaded) set(change func(*models.LoadBasedAutoScaling)) {
	w.t.Helper()
	if err := w.one.SetLoadBasedAutoScaling(w.ctx, w.layer.ID, func(c *models.LoadBasedAutoScaling) error { change(c); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// measured stores a minute in which the instance that is always on is as busy as
// said.
func (w *loaded) measured(at time.Time, cpu float64) {
	w.t.Helper()
	v := models.UnknownMetrics()
	v.Set(models.MetricCPUIdle, 100-cpu)
	v.Set(models.MetricMemoryTotal, 1000)
	v.Set(models.MetricMemoryUsed, 400)
	err := errors.Join(
		w.one.store.Metrics.Append(w.ctx, []models.MetricSample{{InstanceID: w.always.ID, At: at, Values: v}}),
		w.one.store.Metrics.AverageLayers(w.ctx, at))
	if err != nil {
		w.t.Fatal(err)
	}
}

// minutes lets minutes go by, so busy, and both servers look after each.
func (w *loaded) minutes(cpu ...float64) {
	w.t.Helper()
	for _, busy := range cpu {
		at := w.clock.now().Truncate(time.Minute)
		w.measured(at, busy)
		w.clock.set(at.Add(90 * time.Second))
		for _, e := range []*Engine{w.one, w.two, w.one} {
			if err := e.followLoad(w.ctx); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// becomes moves an instance on, as machines and agents would.
func (w *loaded) becomes(i *models.Instance, path ...models.InstanceStatus) {
	w.t.Helper()
	for _, to := range path {
		current := must(w.one.store.Instances.Get(w.ctx, i.ID))(w.t)
		if err := w.one.tx(models.AsEngine(w.ctx), func(t *tx) error {
			return t.move(w.ctx, current, to, models.Cause{Kind: models.CauseStart}, store.InstanceChange{})
		}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *loaded) statuses() string {
	w.t.Helper()
	var list []string
	for _, i := range must(w.one.store.Instances.InLayer(w.ctx, w.layer.ID))(w.t) {
		list = append(list, string(i.Status))
	}
	return strings.Join(list, " ")
}

func (w *loaded) expect(statuses string, events int) {
	w.t.Helper()
	if got := w.statuses(); got != statuses {
		w.t.Errorf("the instances are %s, not %s", got, statuses)
	}
	if n := len(must(w.one.store.ScalingEvents.Newest(w.ctx, w.layer.ID, 100))(w.t)); n != events {
		w.t.Errorf("%d events, not %d", n, events)
	}
}

func TestLoadStartsAndStops(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newLoaded(t, url)
		w.minutes(95)
		w.expect("online stopped stopped", 0)
		w.minutes(97)
		w.expect("online requested stopped", 1)
		event := must(w.one.store.ScalingEvents.Newest(w.ctx, w.layer.ID, 1))(t)[0]
		if event.Direction != models.ScaleUp || event.Hostnames[0] != "web2" || math.Round(*event.CPU) != 97 || *event.Memory != 40 || event.Load != nil || event.Running != 1 ||
			event.Sentence != "CPU was above 80 % for 2 min, 97 % in the last. 1 instance to start." {
			t.Errorf("the history says %+v", event)
		}
		intents := must(w.one.store.Intents.OfInstance(w.ctx, w.early.ID, 5))(t)
		if len(intents) != 1 || intents[0].Author != models.ByLoad || intents[0].Want != models.WantOnline || intents[0].Actor != "auto-scaling" || intents[0].Cause.Kind != models.CauseLoad {
			t.Errorf("what is wanted: %+v", intents)
		}
		w.minutes(99, 99, 99) // two are ignored, the third is one of the next two
		w.expect("online requested stopped", 1)
		w.becomes(w.early, models.InstancePending, models.InstanceBooting, models.InstanceRunningSetup, models.InstanceOnline)
		w.minutes(99)
		w.expect("online online requested", 2)
		w.becomes(w.odd, models.InstancePending, models.InstanceBooting, models.InstanceRunningSetup, models.InstanceOnline)
		w.minutes(99, 99, 99, 99)
		w.expect("online online online", 2) // no more are prepared
		w.minutes(5, 5, 29)
		w.expect("online online stopping", 3) // the newest
		w.minutes(5, 5, 5, 5)
		w.expect("online online stopping", 3)
		w.minutes(5)
		w.expect("online stopping stopping", 4)
		w.minutes(5, 5, 5, 5, 5, 5)
		w.expect("online stopping stopping", 4) // never one that is always on
		text := ""
		for _, ev := range must(w.one.store.Events.InStack(w.ctx, w.layer.StackID, 0, 100))(t) {
			text += ev.Text + "; "
		}
		if !strings.Contains(text, "Web scales up: it starts web2; ") || !strings.Contains(text, "Web scales down: it stops web3; ") {
			t.Errorf("the timeline says %s", text)
		}
	})
}

func TestLoadIsNotFollowed(t *testing.T) {
	t.Parallel()
	hot := []float64{99, 99, 99, 99}
	for name, prepare := range map[string]func(*loaded){
		"when it is off": func(w *loaded) { w.set(func(c *models.LoadBasedAutoScaling) { c.Enable = false }) },
		"while an alarm has no data": func(w *loaded) {
			must(w.one.CreateAlarm(w.ctx, models.Alarm{StackID: w.layer.StackID, Name: "queue", Metric: models.MetricLoad1, Threshold: 3}))(w.t)
			w.set(func(c *models.LoadBasedAutoScaling) { c.UpScaling.Alarms = []string{"queue"} })
		},
		"by who is held by others": func(w *loaded) {
			for _, i := range []*models.Instance{w.early, w.odd} {
				if err := w.one.store.Intents.Create(w.ctx, &models.Intent{ID: models.NewID[models.IntentID](), StackID: i.StackID, InstanceID: i.ID, Author: models.ByUser, Want: models.WantStopped, State: models.IntentOpen, CreatedAt: monday}); err != nil {
					w.t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLoaded(t, storetest.SQLiteURL(t))
			prepare(w)
			w.minutes(hot...)
			w.expect("online stopped stopped", 0)
		})
	}
}

// shared makes an online instance, the newest, of the layer and of another one
// that follows its load too and never wants fewer.
func (w *loaded) shared() (*models.Instance, *models.Layer) {
	w.t.Helper()
	other := storetest.Layer(w.t, w.one.store, func(l *models.Layer) { l.StackID = w.layer.StackID })
	i := storetest.Instance(w.t, w.one.store, func(i *models.Instance) {
		i.StackID, i.LayerIDs, i.Hostname, i.AutoScalingType = w.layer.StackID, []models.LayerID{w.layer.ID, other.ID}, "web4", models.ScalingLoad
		i.Status, i.StatusSince = models.InstanceOnline, monday
	})
	if err := w.one.SetLoadBasedAutoScaling(w.ctx, other.ID, func(c *models.LoadBasedAutoScaling) error {
		c.Enable, c.DownScaling.CPUThreshold = true, nil
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return i, other
}

// An instance of two layers that follow their load stays as long as one of
// them does not ask for fewer. The page says so too.
func TestSharedInstanceStays(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	_, other := w.shared()
	check := func(want string) {
		t.Helper()
		w.minutes(5, 5, 5)
		w.expect(want, strings.Count(want, "terminating"))
	}
	check("online stopped stopped online")
	if now := must(w.one.LoadNow(w.ctx, w.layer.ID))(t); now.Decision.Wants != models.ScaleDown || now.Decision.Acts() || now.Running != 2 {
		t.Errorf("now: %+v", now)
	}
	if err := w.one.SetLoadBasedAutoScaling(w.ctx, other.ID, func(c *models.LoadBasedAutoScaling) error { c.Enable = false; return nil }); err != nil {
		t.Fatal(err)
	}
	check("online stopped stopped terminating")
}

// An instance that stays for another layer does not stand before an idle one.
func TestSharedInstanceShieldsNoOther(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	w.shared()
	w.instance("web5", models.ScalingLoad, models.InstanceOnline, -time.Hour)
	w.minutes(5, 5, 5)
	w.expect("online stopped stopped online stopping", 1)
}

// A layer that could not be looked at may need its instances.
func TestALayerThatCannotBeLookedAtKeepsItsInstances(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	shared, other := w.shared()
	w.minutes(5, 5, 5)
	if _, err := w.one.store.SQL().ExecContext(w.ctx, "DELETE FROM layers WHERE id = ?", other.ID); err != nil {
		t.Fatal(err)
	}
	rules := must(w.one.store.LoadBasedAutoScaling.Enabled(w.ctx))(t)
	layers, err := w.one.lookAtLayers(models.AsEngine(w.ctx), rules)
	if err == nil || len(layers) != 1 || layers[0].layer.ID != w.layer.ID {
		t.Fatalf("looked at %d layers: %v", len(layers), err)
	}
	if d := layers[0].decision; d.Wants != models.ScaleDown || d.Acts() {
		t.Errorf("%s is scaled: %+v", shared.Hostname, d)
	}
}

func TestScalingIsTried(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	w.set(func(c *models.LoadBasedAutoScaling) { c.Enable = false })
	w.minutes(slices.Concat(slices.Repeat([]float64{50}, 5), slices.Repeat([]float64{90}, 7), slices.Repeat([]float64{10}, 12))...)
	test := must(w.one.TestScaling(w.ctx, w.layer.ID, nil))(t)
	if test.Added != 2 || test.Removed != 2 || test.Flaps != 1 || test.Prepared != 2 || test.Measured != 24 || len(test.Minutes) != 24 {
		t.Errorf("got %+v", test.Test)
	}
	test = must(w.one.TestScaling(w.ctx, w.layer.ID, func(c *models.LoadBasedAutoScaling) error {
		c.UpScaling.ThresholdsWaitTime = 8
		return nil
	}))(t)
	if test.Added != 0 || test.Removed != 0 {
		t.Errorf("with a longer wait time: %+v", test.Test)
	}
	if _, err := w.one.TestScaling(w.ctx, w.layer.ID, func(c *models.LoadBasedAutoScaling) error { c.UpScaling.InstanceCount = 0; return nil }); models.CodeOf(err) != models.CodeInvalid {
		t.Errorf("rules that make no sense: %v", err)
	}
	w.expect("online stopped stopped", 0)
	now := must(w.one.LoadNow(w.ctx, w.layer.ID))(t)
	if now.Running != 1 || !strings.Contains(now.Decision.Sentence, "CPU was below 30 %") {
		t.Errorf("now: %+v", now)
	}
	nobody := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: "x"})
	if _, err := w.one.TestScaling(nobody, w.layer.ID, nil); models.CodeOf(err) != models.CodeNotFound {
		t.Errorf("who may not see the stack: %v", err)
	}
}

// fakePrometheus answers with what the test sets.
type fakePrometheus struct {
	points []float64 // newest last
	err    error
	asked  atomic.Int32
	slow   func(query string) // is called while a query runs
}

func (p *fakePrometheus) Range(_ context.Context, query string, _, to time.Time, step time.Duration) ([]prometheus.Point, error) {
	p.asked.Add(1)
	if p.slow != nil {
		p.slow(query)
	}
	var points []prometheus.Point
	for n, v := range p.points {
		points = append(points, prometheus.Point{At: to.Add(-time.Duration(len(p.points)-1-n) * step), Value: v})
	}
	return points, p.err
}

func TestAlarmsFollowTheFigures(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newLoaded(t, url)
		server := &fakePrometheus{}
		w.one.prometheus, w.two.prometheus = server, server
		alarm := func(a models.Alarm) *models.Alarm {
			a.StackID = w.layer.StackID
			return must(w.one.CreateAlarm(w.ctx, a))(t)
		}
		hot := alarm(models.Alarm{Name: "hot", LayerID: w.layer.ID, Metric: models.MetricCPU, Threshold: 80, Minutes: 2, Of: 3})
		full := alarm(models.Alarm{Name: "full", InstanceID: w.always.ID, Metric: models.MetricMemory, Comparison: models.BelowOrEqual, Threshold: 40})
		queue := alarm(models.Alarm{Name: "queue", Query: `sum(queue_length{app="shop"})`, Threshold: 10, Minutes: 2})
		lost := alarm(models.Alarm{Name: "lost", InstanceID: w.early.ID, Metric: models.MetricProcs, Threshold: 1})
		expect := func(want string) {
			t.Helper()
			got := ""
			for _, a := range []*models.Alarm{hot, full, queue, lost} {
				got += string(must(w.one.store.Alarms.Get(w.ctx, a.ID))(t).State) + " "
			}
			if strings.TrimSpace(got) != want {
				t.Errorf("the alarms are %s, not %s", got, want)
			}
		}
		server.points = []float64{11, 12}
		w.minutes(90)
		expect("INSUFFICIENT_DATA ALARM ALARM INSUFFICIENT_DATA")
		server.points = []float64{12, 10}
		w.minutes(90)
		expect("ALARM ALARM OK INSUFFICIENT_DATA")
		server.points, server.err = nil, errors.New("connection refused")
		w.minutes(10, 10)
		expect("OK ALARM INSUFFICIENT_DATA INSUFFICIENT_DATA")
		if a := must(w.one.store.Alarms.Get(w.ctx, queue.ID))(t); a.StateReason != "Prometheus could not be asked. The server's log has the details." {
			t.Errorf("the reason is %q", a.StateReason)
		}
		server.err = &prometheus.Refused{Reason: "parse error"}
		w.minutes(10)
		if a := must(w.one.store.Alarms.Get(w.ctx, queue.ID))(t); a.StateReason != "Prometheus refuses the query: parse error" {
			t.Errorf("the reason is %q", a.StateReason)
		}
		history := must(w.one.store.Alarms.History(w.ctx, hot.ID, 10))(t)
		if len(history) != 2 || history[0].To != models.AlarmOK || history[1].From != models.AlarmInsufficient || !strings.Contains(history[1].Reason, "in 2 of the last 3 min, 1 without a figure; 90 % in the newest") {
			t.Errorf("the history is %+v", history)
		}
	})
}

// Who hears of alerts is told once when an alarm begins and once when it ends,
// with any number of servers; a good end is no trouble.
func TestAlarmsAreTold(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newLoaded(t, url)
		channel := func(id string, troubleOnly bool) models.NotificationChannelID {
			c := models.NotificationChannel{
				ID: models.NotificationChannelID(id), StackID: w.layer.StackID, Name: id, Kind: models.ChannelSlack, URL: "https://chat.example",
				Types: []models.NotificationType{models.NotifyAlert}, TroubleOnly: troubleOnly,
			}
			ok(t, w.one.store.Notifications.CreateChannel(w.ctx, &c))
			return c.ID
		}
		all, trouble := channel("all", false), channel("trouble", true)
		a := must(w.one.CreateAlarm(w.ctx, models.Alarm{StackID: w.layer.StackID, Name: "hot", InstanceID: w.always.ID, Metric: models.MetricCPU, Threshold: 80}))(t)
		w.minutes(10, 10, 90, 90, 10, 90)
		ok(t, w.one.noteVerdict(models.AsEngine(w.ctx), must(w.one.store.Alarms.Get(w.ctx, a.ID))(t), alarm.Verdict{State: models.AlarmInsufficient, Reason: "Nothing was measured."}))
		begins, ends, unknown := "The alarm hot is ALARM: It was above 80 % in 1 of the last 1 min; 90 % in the newest.",
			"The alarm hot is OK: It was above 80 % in 0 of the last 1 min; 10 % in the newest.", "The alarm hot is INSUFFICIENT_DATA: Nothing was measured."
		for id, want := range map[models.NotificationChannelID][]string{all: {begins, ends, begins, unknown}, trouble: {begins, begins, unknown}} {
			log := must(w.one.store.Notifications.Log(w.ctx, id, 0, 10))(t)
			var got []string
			for n := range log {
				got = append(got, log[n].Notification.Text)
			}
			slices.Reverse(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%s got  %q\nwant %q", id, got, want)
			}
			first := log[len(log)-1].Notification
			for _, part := range []string{`"type":"Alarm"`, `"instance-id":"` + string(w.always.ID) + `"`, `"resources":[]`} {
				if !strings.Contains(first.Body, part) {
					t.Errorf("%s has no %s", first.Body, part)
				}
			}
			if want := "/stacks/" + string(w.layer.StackID) + "/alarms?alarm=" + string(a.ID); first.Path != want {
				t.Errorf("the page is %s, not %s", first.Path, want)
			}
		}
	})
}

// Queries that take long hold up the rest of their own stack only.
func TestSlowQueriesHoldUpTheirStack(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	server := &fakePrometheus{points: []float64{12}}
	server.slow = func(query string) {
		if query == "slow" {
			w.clock.at.Add(int64(6 * time.Second))
		}
	}
	w.one.prometheus = server
	other := storetest.Stack(t, w.one.store)
	var alarms []*models.Alarm
	for n, stack := range []models.StackID{w.layer.StackID, w.layer.StackID, w.layer.StackID, other.ID} {
		a := models.Alarm{StackID: stack, Name: string(rune('a' + n)), Query: "slow", Threshold: 10}
		if stack == other.ID {
			a.Query = "fast"
		}
		alarms = append(alarms, must(w.one.CreateAlarm(w.ctx, a))(t))
	}
	if err := w.one.followLoad(w.ctx); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, a := range alarms {
		got += string(must(w.one.store.Alarms.Get(w.ctx, a.ID))(t).State) + " "
	}
	if got != "ALARM ALARM INSUFFICIENT_DATA ALARM " {
		t.Errorf("the alarms are %s", got)
	}
}

// A layer is scaled while the queries of other stacks are still under way.
func TestScalingWaitsForNoOtherStacksQueries(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	var wait atomic.Bool
	w.one.prometheus = &fakePrometheus{slow: func(string) {
		for n := 0; wait.Load() && w.statuses() == "online stopped stopped"; n++ {
			if n == 500 {
				t.Error("the layer waits")
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}}
	other := storetest.Stack(t, w.one.store)
	must(w.one.CreateAlarm(w.ctx, models.Alarm{StackID: other.ID, Name: "queue", Query: "queue_length", Threshold: 10}))(t)
	w.minutes(95)
	wait.Store(true)
	w.minutes(97)
	w.expect("online requested stopped", 1)
}

// A layer is judged by the time when its stack's queries are answered, not by
// that when they were asked.
func TestScalingLooksAtTheClockAgain(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	w.one.prometheus = &fakePrometheus{points: []float64{1}, slow: func(string) { w.clock.at.Add(int64(time.Minute)) }}
	must(w.one.CreateAlarm(w.ctx, models.Alarm{StackID: w.layer.StackID, Name: "queue", Query: "queue_length", Threshold: 10}))(t)
	for n := range 2 {
		w.measured(monday.Add(time.Duration(n)*time.Minute), 95)
	}
	w.clock.set(monday.Add(90 * time.Second)) // the first of them counts now
	if err := w.one.followLoad(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.expect("online requested stopped", 1)
}

// However many queries are slow, a round ends before the next minute.
func TestSlowQueriesMissNoMinute(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	server := &fakePrometheus{points: []float64{12}}
	server.slow = func(string) { w.clock.at.Add(int64(9 * time.Second)) }
	w.one.prometheus = server
	const stacks = 30
	var alarms []*models.Alarm
	for range stacks {
		a := models.Alarm{StackID: storetest.Stack(t, w.one.store).ID, Name: "queue", Query: "queue_length", Threshold: 10}
		alarms = append(alarms, must(w.one.CreateAlarm(w.ctx, a))(t))
	}
	if err := w.one.followLoad(w.ctx); err != nil {
		t.Fatal(err)
	}
	if n := server.asked.Load(); n < 4 || n > 4+stacksAtOnce {
		t.Errorf("%d of %d queries were asked", n, stacks)
	}
	answered, left := 0, 0
	for _, a := range alarms {
		a := must(w.one.store.Alarms.Get(w.ctx, a.ID))(t)
		switch {
		case a.State == models.AlarmOn:
			answered++
		case a.StateReason == "The queries of all alarms took too long for this one to be asked too.":
			left++
		}
	}
	if answered != int(server.asked.Load()) || answered+left != stacks {
		t.Errorf("%d alarms have an answer, %d were left out", answered, left)
	}
	// The next round asks others, and those that it leaves out stay as they are.
	w.clock.at.Add(int64(time.Minute))
	if err := w.one.followLoad(w.ctx); err != nil {
		t.Fatal(err)
	}
	on := 0
	for _, a := range alarms {
		if must(w.one.store.Alarms.Get(w.ctx, a.ID))(t).State == models.AlarmOn {
			on++
		}
	}
	if on != int(server.asked.Load()) {
		t.Errorf("%d alarms are on, of %d that were asked once", on, server.asked.Load())
	}
}

// Who has no queries, or quick ones, comes first; who was left out moves up.
func TestQuickQueriesComeFirst(t *testing.T) {
	t.Parallel()
	query, metric := []models.Alarm{{Query: "up"}}, []models.Alarm{{Metric: models.MetricCPU}}
	times := queryTimes{"slow": 8 * time.Second, "slower": 10 * time.Second, "quick": time.Second, "gone": time.Hour}
	stacks := []*loadOfStack{{stack: "slower", alarms: query}, {stack: "slow", alarms: query}, {stack: "quick", alarms: query}, {stack: "new", alarms: query}, {stack: "none", alarms: metric}}
	order := func() (names string) {
		times.quickFirst(stacks)
		for _, s := range stacks {
			names += string(s.stack) + " "
		}
		return names
	}
	if got := order(); got != "none new quick slow slower " {
		t.Errorf("the order is %s", got)
	}
	for _, s := range stacks {
		if s.asked = s.stack != "slower" && s.asks(); s.asked {
			s.took = 7 * time.Second
		}
	}
	if times = times.after(stacks); len(times) != 4 || order() != "none slower new quick slow " {
		t.Errorf("next, the order is %s of %v", order(), times)
	}
}

func TestAlarmVerbs(t *testing.T) {
	t.Parallel()
	w := newLoaded(t, storetest.SQLiteURL(t))
	stack := w.layer.StackID
	a := must(w.one.CreateAlarm(w.ctx, models.Alarm{StackID: stack, Name: "hot", Metric: models.MetricCPU, Threshold: 80}))(t)
	elsewhere := storetest.Instance(t, w.one.store)
	for want, wrong := range map[string]models.Alarm{
		"Name: the stack has an alarm hot already.":                               {Name: "hot", Metric: models.MetricCPU},
		"Name: an alarm needs one of at most 255 characters.":                     {Metric: models.MetricCPU},
		"Metric: choose one of the metrics, or give a query.":                     {Name: "x", Metric: "heat"},
		"Layer: the stack has no such layer.":                                     {Name: "x", Metric: models.MetricCPU, LayerID: elsewhere.LayerIDs[0]},
		"Instance: the stack has no such instance.":                               {Name: "x", Metric: models.MetricCPU, InstanceID: elsewhere.ID},
		"Minutes: must be 1 to 2, as many as are looked at.":                      {Name: "x", Metric: models.MetricCPU, Minutes: 3, Of: 2},
		"Query: this server knows no Prometheus. Start it with --prometheus URL.": {Name: "x", Query: "up"},
		"Threshold: must be a number.":                                            {Name: "x", Metric: models.MetricCPU, Threshold: math.NaN()},
		"Instance: an alarm is about a layer or about an instance, not both.":     {Name: "x", Metric: models.MetricCPU, LayerID: w.layer.ID, InstanceID: w.always.ID},
		"Of: must be 1 to 60 minutes.":                                            {Name: "x", Metric: models.MetricCPU, Of: 61, Minutes: 1},
		"Comparison: must be >, >=, < or <=.":                                     {Name: "x", Metric: models.MetricCPU, Comparison: "="},
	} {
		wrong.StackID = stack
		if _, err := w.one.CreateAlarm(w.ctx, wrong); models.CodeOf(err) != models.CodeInvalid || models.Sentence(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	w.set(func(c *models.LoadBasedAutoScaling) { c.DownScaling.Alarms = []string{"hot"} })
	rename := func(a *models.Alarm) error { a.Name = "warm"; return nil }
	if _, err := w.one.UpdateAlarm(w.ctx, a.ID, rename); err == nil || !strings.Contains(err.Error(), "layer Web looks at hot: take it out there before it is renamed") {
		t.Errorf("renaming: %v", err)
	}
	if err := w.one.DeleteAlarm(w.ctx, a.ID); err == nil || !strings.Contains(err.Error(), "before it is deleted") {
		t.Errorf("deleting: %v", err)
	}
	w.set(func(c *models.LoadBasedAutoScaling) { c.DownScaling.Alarms = nil })
	if got := must(w.one.UpdateAlarm(w.ctx, a.ID, rename))(t); got.Name != "warm" || got.State != models.AlarmInsufficient {
		t.Errorf("got %+v", got)
	}
	user := storetest.User(t, w.one.store)
	show := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: user.ID, Name: user.Name})
	if err := w.one.DeleteAlarm(show, a.ID); models.CodeOf(err) != models.CodeNotFound {
		t.Errorf("who may not see the stack: %v", err)
	}
	if err := w.one.store.Permissions.Set(w.ctx, models.Permission{StackID: stack, UserID: user.ID, Level: models.LevelDeploy}); err != nil {
		t.Fatal(err)
	}
	if err := w.one.DeleteAlarm(show, a.ID); models.CodeOf(err) != models.CodeForbidden {
		t.Errorf("who may only deploy: %v", err)
	}
	if err := w.one.DeleteAlarm(w.ctx, a.ID); err != nil {
		t.Error(err)
	}
}
