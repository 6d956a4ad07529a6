package handlers

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/views"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// loadedWeek gives a layer a week of figures with a rush each day, three
// load-based instances, rules that are on, and something that they did.
func loadedWeek(t *testing.T, c *realConsole, l *models.Layer) {
	t.Helper()
	f := c.fleet
	now := time.Now().UTC().Truncate(time.Minute)
	var samples []models.MetricSample
	for n := range 7 * 24 * 60 {
		at := now.Add(-time.Duration(n+1) * time.Minute)
		hour := float64(at.Hour()) + float64(at.Minute())/60
		busy := 25 + 12*math.Sin(hour/24*2*math.Pi) + 6*math.Sin(float64(n)/13)
		if hour > 9 && hour < 11.5 {
			busy += 48
		}
		samples = append(samples, models.MetricSample{InstanceID: models.InstanceID(l.ID), At: at, Values: work(busy, .35+busy/400, busy/30, 120)})
	}
	f.must(f.store.Metrics.Append(f.ctx, samples))
	for n := range 3 {
		i := models.Instance{ID: models.NewID[models.InstanceID](), StackID: f.stack.ID, LayerIDs: []models.LayerID{l.ID}, Hostname: fmt.Sprintf("extra-%d", n+1), AutoScalingType: models.ScalingLoad, CreatedAt: now, UpdatedAt: now, StatusSince: now}
		i.Normalize()
		f.must(f.store.Instances.Create(f.ctx, &i))
	}
	config := models.NewLoadBasedAutoScaling(l)
	config.Enable, config.CreatedAt, config.UpdatedAt = true, now, now
	f.must(f.store.LoadBasedAutoScaling.Save(f.ctx, &config))
	cpu, memory, load := 84.2, 56.0, 2.81
	f.must(f.store.ScalingEvents.Append(f.ctx, &models.ScalingEvent{
		LayerID: l.ID, StackID: f.stack.ID, At: now.Add(-3 * time.Hour), Direction: models.ScaleUp, Instances: []models.InstanceID{"x"}, Hostnames: []string{"extra-1"},
		Sentence: "CPU was above 80 % for 5 min, 84.2 % in the last. 1 instance to start.", CPU: &cpu, Memory: &memory, Load: &load, Running: 4,
	}))
}

func TestScalingPage(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	l := &f.layers[3]
	tab := views.LayerHref(f.stack.ID, l.ID) + "?tab=scaling"
	root.get(tab).want(t, http.StatusOK, "Load-based scaling is off.", "Nothing was measured in the last 7 days.", "No figures in this time", "The layer has no load-based instance.")
	loadedWeek(t, c, l)
	page := root.get(tab)
	page.want(t, http.StatusOK, "Load-based scaling is on.", "These rules would have added ", "flap", "step by step", "CPU was above 80 % for 5 min, 84.2 % in the last.",
		`"field":"UpScaling.CpuThreshold"`, "started extra-1", "3 load-based instances in this layer", "js/layer-scaling")

	rules := url.Values{"UpScaling.CpuThreshold": {"99"}, "UpScaling.InstanceCount": {"1"}, "UpScaling.ThresholdsWaitTime": {"5"}, "UpScaling.IgnoreMetricsTime": {"5"},
		"DownScaling.CpuThreshold": {"5"}, "DownScaling.InstanceCount": {"1"}, "DownScaling.ThresholdsWaitTime": {"10"}, "DownScaling.IgnoreMetricsTime": {"10"}}
	root.get(tab+"&"+rules.Encode()).want(t, http.StatusOK, "These rules would have added 0 and removed 0, 0 flaps.", "which are not saved", `value="99"`)
	test := views.LayerHref(f.stack.ID, l.ID) + "/scaling/test?"
	part := root.get(test + rules.Encode())
	part.want(t, http.StatusOK, "These rules would have added 0 and removed 0", `id="scaling-test"`)
	if strings.Contains(part.body, "<html") {
		t.Error("the script gets a whole page")
	}
	rules.Set("UpScaling.ThresholdsWaitTime", "0")
	root.get(test+rules.Encode()).want(t, http.StatusOK, "These rules cannot be tried.", "thresholds wait time must be 1 to 100 minutes")
	root.get(tab+"&"+rules.Encode()).want(t, http.StatusOK, "thresholds wait time must be 1 to 100 minutes", `aria-invalid="true"`)
	if got, _ := c.store.LoadBasedAutoScaling.Get(f.ctx, l.ID); *got.UpScaling.CPUThreshold != 80 {
		t.Errorf("trying rules has stored them: %+v", got)
	}
	show := c.as("show").get(tab)
	show.want(t, http.StatusOK, "These rules would have added", "CPU above 80% for 5 min: start 1")
	if strings.Contains(show.body, "Save scaling rules") {
		t.Error("who may only look has a form")
	}
	c.as("show").post(views.LayerHref(f.stack.ID, l.ID)+"/scaling", "Enable", "").want(t, http.StatusForbidden)
}

func TestAlarmPages(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	alarms := views.AlarmsHref(f.stack.ID)
	root.get(alarms).want(t, http.StatusOK, "No alarm.", "New alarm", "CPU in use, %")
	host := f.instances[2]
	form := []string{"Name", "hot", "Metric", "cpu", "Statistic", "Average", "LayerId", "", "InstanceId", host.Hostname, "Comparison", ">=", "Threshold", "90 %", "Minutes", "3", "Of", "5"}
	made := root.post(alarms, form...)
	if !strings.HasPrefix(made.location, alarms+"?alarm=") {
		t.Fatalf("it leads to %q: %.300s", made.location, made.body)
	}
	root.get(made.location).want(t, http.StatusOK, "average cpu at or above 90 % in 3 of 5 min", "INSUFFICIENT_DATA", "It is new.", ">"+host.Hostname+"<", "Save alarm", "Delete alarm")
	a := c.alarms()[0]
	if a.InstanceID != host.ID || a.Threshold != 90 || a.Comparison != models.AboveOrEqual {
		t.Errorf("stored %+v", a)
	}
	// What is refused keeps what was typed.
	root.post(alarms, "Name", "hot", "Metric", "cpu", "Statistic", "Average", "Comparison", ">", "Threshold", "1", "Minutes", "1", "Of", "1").
		want(t, http.StatusUnprocessableEntity, "the stack has an alarm hot already", `value="hot"`)
	root.post(alarms, "Name", "x", "Metric", "cpu", "Threshold", "lots", "Minutes", "1", "Of", "1").want(t, http.StatusUnprocessableEntity, "Threshold: must be a number.", `value="lots"`)
	root.post(alarms, "Name", "x", "Metric", "cpu", "Threshold", "1", "Minutes", "1", "Of", "1", "InstanceId", "nobody").want(t, http.StatusUnprocessableEntity, "the stack has no nobody")
	one := alarms + "/" + string(a.ID)
	root.post(one, "Name", "hot", "Metric", "memory", "Statistic", "Maximum", "LayerId", string(f.layers[1].ID), "Comparison", "<", "Threshold", "10", "Minutes", "1", "Of", "1").wantLocation(t, made.location)
	root.get(alarms).want(t, http.StatusOK, "maximum memory below 10 % for 1 min", "layer PHP app")

	config := models.NewLoadBasedAutoScaling(&f.layers[1])
	config.UpScaling.Alarms = []string{"hot", "gone"}
	config.Enable = true
	f.must(c.store.LoadBasedAutoScaling.Save(f.ctx, &config))
	root.get(made.location).want(t, http.StatusOK, "The load-based scaling of PHP app looks at it")
	root.get(views.LayerHref(f.stack.ID, f.layers[1].ID)+"?tab=scaling").want(t, http.StatusOK, "No alarm is called gone.", "The alarm hot has insufficient data", "The stack has hot.")
	root.post(one+"/delete").wantLocation(t, made.location)
	config.UpScaling.Alarms = nil
	f.must(c.store.LoadBasedAutoScaling.Save(f.ctx, &config))

	c.as("show").get(made.location).want(t, http.StatusOK, "INSUFFICIENT_DATA")
	c.as("deploy").post(one+"/delete").want(t, http.StatusForbidden)
	root.get(views.AlarmsHref(c.other.stack.ID)+"?alarm="+string(a.ID)).want(t, http.StatusNotFound)
	root.post(views.AlarmsHref(c.other.stack.ID)+"/"+string(a.ID)+"/delete").want(t, http.StatusNotFound)
	root.post(one+"/delete").wantLocation(t, alarms)
	if len(c.alarms()) != 0 {
		t.Error("the alarm is still there")
	}
}

func (c *realConsole) alarms() []models.Alarm {
	c.t.Helper()
	list, err := c.store.Alarms.InStack(c.t.Context(), c.fleet.stack.ID)
	if err != nil {
		c.t.Fatal(err)
	}
	return list
}

func (b *tab) signInAs(url, name string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url+"/sign-in"), chromedp.SendKeys("#name", name), chromedp.SendKeys("#password", goodPassword),
		chromedp.Click("main button[type=submit]"), chromedp.WaitNotPresent("#password"))
}

// A threshold is dragged on the chart, or typed, and the back-test follows.
func TestThresholdsAreDragged(t *testing.T) {
	t.Parallel()
	c, f, _ := shopReal(t)
	l := &f.layers[3]
	loadedWeek(t, c, l)
	b := openTab(t)
	b.signInAs(c.url, "root")
	b.do(chromedp.Navigate(c.url+views.LayerHref(f.stack.ID, l.ID)+"?tab=scaling"), chromedp.WaitReady("[data-drawn]"))
	b.eval(`(() => { const over = document.querySelector('[data-chart=cpu] .u-over'), box = over.getBoundingClientRect();
		const at = (kind, v) => over.dispatchEvent(new PointerEvent(kind, { pointerId: 1, bubbles: true, clientX: box.left + 50, clientY: box.top + box.height * (1 - v / 100) }));
		over.setPointerCapture = () => {};
		at('pointerdown', 80); at('pointermove', 96); at('pointerup', 96); })()`)
	b.do(chromedp.WaitReady("#scaling-test[data-tried]"))
	if v := b.eval(`document.querySelector('[name="UpScaling.CpuThreshold"]').value`); v != "96" {
		t.Errorf("the field says %q", v)
	}
	if s := fmt.Sprint(b.eval(`document.getElementById('test-state').textContent`)); !strings.Contains(s, "would have added 0") {
		t.Errorf("the test says %q", s)
	}
}

// TestScalingShots makes pictures to look at.
func TestScalingShots(t *testing.T) {
	dir := os.Getenv("SCALING_SHOTS")
	if dir == "" {
		t.Skip("SCALING_SHOTS names no directory")
	}
	c, f, root := shopReal(t)
	l := &f.layers[3]
	loadedWeek(t, c, l)
	alarms := views.AlarmsHref(f.stack.ID)
	one := root.post(alarms, "Name", "queue is long", "Metric", "load_5", "Statistic", "Maximum", "LayerId", string(l.ID), "Comparison", ">", "Threshold", "3", "Minutes", "3", "Of", "5").location
	root.post(alarms, "Name", "memory is short", "Metric", "memory", "Statistic", "Average", "LayerId", "", "Comparison", ">=", "Threshold", "90", "Minutes", "5", "Of", "5")
	a := c.alarms()
	v := 3.61
	for n, to := range []models.AlarmState{models.AlarmOK, models.AlarmOn} {
		from := []models.AlarmState{models.AlarmInsufficient, models.AlarmOK}[n]
		if _, err := c.store.Alarms.Change(f.ctx, &models.AlarmChange{AlarmID: a[1].ID, StackID: f.stack.ID, At: time.Now().Add(time.Duration(n-3) * time.Hour), From: from, To: to, Reason: "It was above 3 in 3 of the last 5 min; 3.61 in the newest.", Value: &v}); err != nil {
			t.Fatal(err)
		}
	}
	b := openTab(t)
	b.signInAs(c.url, "root")
	for _, page := range [][2]string{{"scaling", views.LayerHref(f.stack.ID, l.ID) + "?tab=scaling"}, {"alarms", alarms}, {"alarm", one}} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1440, 390} {
				b.do(chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
					_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
						{Name: "prefers-color-scheme", Value: scheme}}})
					return err
				}), chromedp.Navigate(c.url+page[1]))
				if page[0] == "scaling" {
					b.do(chromedp.WaitReady("[data-drawn]"))
				}
				picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(fmt.Sprintf("%s/%s-%d-%s.png", dir, page[0], width, scheme), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
