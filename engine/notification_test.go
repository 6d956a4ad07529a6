package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/notify"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// hook is a receiver of webhooks.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	events []notify.Event
	ids    []string // of every attempt
	answer func(attempt int) int
}

func openHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{answer: func(int) int { return http.StatusNoContent }}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e notify.Event
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ids = append(h.ids, r.Header.Get("Webhook-Id"))
		code := h.answer(len(h.ids))
		if code/100 == 2 {
			h.events = append(h.events, e)
		}
		if code == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(h.Close)
	return h
}

// answers sets the statuses of the next attempts.
func (h *hook) answers(f func(attempt int) int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer, h.ids = f, nil
}

func (h *hook) attempts() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ids)
}

// told are the events as lines, in the order of their texts.
func (h *hook) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var lines []string
	for _, e := range h.events {
		d := e.Detail.(map[string]any)
		what, _, _ := strings.Cut(strings.TrimPrefix(string(e.DetailType), "OpsWorks "), " ")
		parts := []string{what}
		for _, key := range []string{"hostname", "command", "type", "status", "initiated_by"} {
			if value, ok := d[key]; ok {
				parts = append(parts, fmt.Sprint(value))
			}
		}
		lines = append(lines, strings.Join(parts, " "))
	}
	slices.Sort(lines)
	return lines
}

// heard is a world whose server may call the test's own receivers.
func heard(t *testing.T, st *store.Store) (*world, *hook) {
	t.Helper()
	w := setup(t, st)
	w.engine.Stop()
	w.notifier = notify.New(notify.Config{AllowInternal: true, Timeout: 5 * time.Second})
	t.Cleanup(w.notifier.Close)
	w.times = func(p *Times) { p.Retry, p.Chat, p.Mail = time.Microsecond, time.Millisecond, time.Millisecond }
	w.boot()
	return w, openHook(t)
}

func (w *world) subscribe(h *hook, change ...func(*models.NotificationChannel)) *models.NotificationChannel {
	w.t.Helper()
	c := models.NotificationChannel{StackID: w.stack.ID, Name: "hook", Kind: models.ChannelWebhook, URL: h.URL, Types: models.NotificationTypes}
	for _, f := range change {
		f(&c)
	}
	return must(w.engine.CreateNotificationChannel(w.ctx, c))(w.t)
}

// settled waits until nothing is on its way.
func (w *world) settled(channels ...*models.NotificationChannel) {
	w.t.Helper()
	w.eventually("everything is delivered", func() bool {
		for _, c := range channels {
			if must(w.store.Notifications.Counts(w.ctx, []models.NotificationChannelID{c.ID}))(w.t)[c.ID].Pending > 0 {
				return false
			}
		}
		return true
	})
}

func TestEventsOfAnInstancesLife(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		c := w.subscribe(h)
		user := must(w.engine.CreateUser(w.ctx, models.User{Name: "ann"}, "a long enough password"))(t)
		w.ctx = models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: user.ID, Name: "ann", Admin: true})
		i := w.online(w.web)
		w.settled(c)
		want := []string{
			"Command configure successful", "Command setup successful",
			"Deployment configure running", "Deployment configure successful", "Deployment setup running", "Deployment setup successful",
			"Instance web1 booting", "Instance web1 online", "Instance web1 pending", "Instance web1 requested user", "Instance web1 running_setup",
		}
		if got := h.told(); !slices.Equal(slices.Compact(got), want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		w.checkDetails(h, i)

		if err := w.engine.StopInstance(w.ctx, i.ID, false); err != nil {
			t.Fatal(err)
		}
		w.finish(i, models.CommandShutdown, protocol.Successful)
		w.becomes(i, models.InstanceStopped)
		w.settled(c)
		for _, line := range []string{"Instance web1 stopping user", "Instance web1 shutting_down", "Instance web1 stopped", "Command shutdown successful"} {
			if !slices.Contains(h.told(), line) {
				t.Errorf("no %q in %q", line, h.told())
			}
		}
	})
}

// checkDetails compares events with what OpsWorks' had.
func (w *world) checkDetails(h *hook, i *models.Instance) {
	w.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	now := must(w.store.Instances.Get(w.ctx, i.ID))(w.t)
	arn := fmt.Sprintf("arn:aws:opsworks:%s:000000000000:instance/%s", w.stack.Region, i.ID)
	keys := map[models.NotificationType]string{
		models.NotifyInstance:   "ec2-instance-id hostname instance-id layer-ids stack-id status",
		models.NotifyCommand:    "command-id instance-id status type",
		models.NotifyDeployment: "command deployment-id instance-ids stack-id status",
	}
	for _, e := range h.events {
		if e.Source != "aws.opsworks" || e.Version != "0" || e.Account != "000000000000" || e.Region != w.stack.Region || e.ID == "" || e.Time.IsZero() {
			w.t.Errorf("envelope %+v", e)
		}
		if !slices.Equal(e.Resources, []string{arn}) {
			w.t.Errorf("%s: resources %q", e.DetailType, e.Resources)
		}
		d := e.Detail.(map[string]any)
		optional := []string{"initiated_by", "duration"}
		got := slices.DeleteFunc(slices.Sorted(maps.Keys(d)), func(k string) bool { return slices.Contains(optional, k) })
		if strings.Join(got, " ") != keys[e.DetailType] {
			w.t.Errorf("%s has %q", e.DetailType, got)
		}
		if id, ok := d["instance-id"]; ok && id != string(i.ID) {
			w.t.Errorf("%s of instance %v", e.DetailType, id)
		}
		if _, ok := d["duration"]; ok != (e.DetailType == models.NotifyDeployment && d["status"] != "running") {
			w.t.Errorf("%s %v: a duration is %v", e.DetailType, d["status"], ok)
		}
		if d["status"] == "online" && (d["ec2-instance-id"] != now.Ec2InstanceID || fmt.Sprint(d["layer-ids"]) != fmt.Sprintf("[%s]", w.web.ID)) {
			w.t.Errorf("online: %v", d)
		}
	}
}

func TestAlertsAndTroubleOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		everywhere := w.subscribe(h, func(c *models.NotificationChannel) { c.StackID, c.TroubleOnly = "", true })
		other := must(w.engine.CreateStack(w.ctx, models.Stack{Name: "Other"}))(t)
		elsewhere := openHook(t)
		w.subscribe(elsewhere, func(c *models.NotificationChannel) { c.StackID = other.ID })
		w.provider.refuse(fmt.Errorf("no room left"))
		i := w.instance(w.web)
		if err := w.engine.StartInstance(w.ctx, i.ID); err != nil {
			t.Fatal(err)
		}
		w.becomes(i, models.InstanceStartFailed)
		w.settled(everywhere)
		if got, want := h.told(), []string{"Alert InstanceStart", "Instance web1 start_failed"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, e := range h.events {
			if e.DetailType != models.NotifyAlert {
				continue
			}
			d := e.Detail.(map[string]any)
			if d["stack-id"] != string(w.stack.ID) || d["instance-id"] != string(i.ID) || !strings.Contains(d["message"].(string), "no room left") || e.Resources == nil || len(e.Resources) > 0 {
				t.Errorf("alert %+v", e)
			}
		}
		if got := elsewhere.told(); len(got) > 0 {
			t.Errorf("another stack's channel heard %q", got)
		}
	})
}

// Without anybody who hears, nothing is written; and of a dry run nobody hears.
func TestNobodyHears(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		i := w.online(w.web)
		if more := must(st.Notifications.Prune(w.ctx, time.Now().Add(time.Hour), 1))(t); more {
			t.Error("events were written that nobody hears of")
		}
		c := w.subscribe(h)
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, DryRun: true, Command: models.DeploymentCommand{Name: models.CommandSetup}}))(t)
		w.finish(i, models.CommandSetup, protocol.Failed)
		w.drain()
		w.settled(c)
		if got := h.told(); len(got) > 0 {
			t.Errorf("of a dry run %q was told", got)
		}
	})
}

// A receiver that fails gets the event again, under the same id, also when the
// server is started anew in between.
func TestDeliveriesAreTriedAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		c := w.subscribe(h, func(c *models.NotificationChannel) { c.Types = []models.NotificationType{models.NotifyInstance} })
		h.answers(func(int) int { return http.StatusServiceUnavailable })
		i := w.instance(w.web)
		w.start(i)
		// Seconds apart, so that it is not given up before the engine stops.
		w.eventually("it was tried", func() bool { return len(h.attempts()) > 2 })
		w.engine.Stop()
		h.answers(func(attempt int) int {
			if attempt%2 == 1 {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		})
		w.boot()
		w.settled(c)
		if got, want := h.told(), []string{"Instance web1 booting", "Instance web1 pending", "Instance web1 requested user", "Instance web1 running_setup"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		log := must(st.Notifications.Log(w.ctx, c.ID, 0, 10))(t)
		ids := h.attempts()
		for _, d := range log {
			if d.Status != models.DeliveryDelivered || d.Code != 200 || !slices.Contains(ids, "msg_"+string(d.NotificationID)) {
				t.Errorf("delivery %+v", d.NotificationDelivery)
			}
		}
		if now := must(st.Notifications.Channel(w.ctx, c.ID))(t); now.Failures != 0 || now.Paused() {
			t.Errorf("the channel is %+v", now)
		}
	})
}

func TestChannelsAreGivenUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		c := w.subscribe(h, func(c *models.NotificationChannel) { c.Types = []models.NotificationType{models.NotifyDeployment} })
		h.answers(func(int) int { return http.StatusTeapot })
		w.online(w.web)
		paused := func() (p *models.NotificationChannel) {
			w.eventually("the channel is paused", func() bool {
				p = must(st.Notifications.Channel(w.ctx, c.ID))(t)
				return p.Paused()
			})
			return p
		}
		if got, want := paused().PausedReason, "Nothing was taken in 9 attempts; the last one: "; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		before := must(st.Notifications.Counts(w.ctx, []models.NotificationChannelID{c.ID}))(t)[c.ID]
		if before.Failed == 0 || before.Delivered > 0 {
			t.Errorf("counts %+v", before)
		}
		w.online(w.web) // while it is paused, it hears of nothing
		after := must(st.Notifications.Counts(w.ctx, []models.NotificationChannelID{c.ID}))(t)[c.ID]
		if after != before {
			t.Errorf("counts %+v, before %+v", after, before)
		}

		h.answers(func(int) int { return http.StatusGone })
		if err := w.engine.ResumeNotificationChannel(w.ctx, c.ID); err != nil {
			t.Fatal(err)
		}
		w.online(w.web)
		if got, want := paused().PausedReason, "The receiver answered 410 Gone: it wants to hear nothing more."; got != want {
			t.Errorf("got %q, want %q", got, want)
		}

		// A person can have what failed sent again.
		h.answers(func(int) int { return http.StatusOK })
		refusal(t, w.engine.SendNotificationAgain(w.ctx, c.ID, 1), models.CodeConflict)
		if err := w.engine.ResumeNotificationChannel(w.ctx, c.ID); err != nil {
			t.Fatal(err)
		}
		for _, d := range must(st.Notifications.Log(w.ctx, c.ID, 0, 100))(t) {
			if d.Status == models.DeliveryFailed {
				if err := w.engine.SendNotificationAgain(w.ctx, c.ID, d.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.settled(c)
		if last := must(st.Notifications.Counts(w.ctx, []models.NotificationChannelID{c.ID}))(t)[c.ID]; last.Failed > 0 || last.Delivered == 0 {
			t.Errorf("counts %+v", last)
		}
	})
}

// An instance that comes and goes is told of once, when its peers hear no more
// of it.
func TestHoldsAreTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		c := w.subscribe(h, alertsOnly)
		i := w.online(w.web)
		for range mostRepeats + 1 {
			w.lost(i)
			w.connect(i)
			w.becomes(i, models.InstanceOnline)
			w.drain()
		}
		w.settled(c)
		if got, want := h.told(), []string{"Alert InstanceRepeats"}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		d := h.events[0].Detail.(map[string]any)
		if d["instance-id"] != string(i.ID) || !strings.HasPrefix(d["message"].(string), "Configure of "+i.Hostname+" is paused. The connection to "+i.Hostname+" was lost 3 times within ") {
			t.Errorf("alert %v", d)
		}
	})
}

func alertsOnly(c *models.NotificationChannel) {
	c.Types = []models.NotificationType{models.NotifyAlert}
}

// others are receivers beside the one of a test: of its stack, of all stacks
// and of another stack. They hear of alerts.
func (w *world) others() (map[string]*hook, []*models.NotificationChannel) {
	w.t.Helper()
	other := must(w.engine.CreateStack(w.ctx, models.Stack{Name: "Other"}))(w.t)
	hooks, channels := map[string]*hook{}, []*models.NotificationChannel{}
	for name, stack := range map[string]models.StackID{"same stack": w.stack.ID, "all stacks": "", "other stack": other.ID} {
		hooks[name] = openHook(w.t)
		channels = append(channels, w.subscribe(hooks[name], alertsOnly, func(c *models.NotificationChannel) { c.StackID = stack }))
	}
	return hooks, channels
}

func (w *world) paused(c *models.NotificationChannel) {
	w.t.Helper()
	w.eventually("the channel is paused", func() bool { return must(w.store.Notifications.Channel(w.ctx, c.ID))(w.t).Paused() })
}

// That a channel is paused is told to the others of its stack and of all
// stacks, never to itself; one of all stacks is no news for those of a stack.
func TestPausedChannelsAreTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, gone := heard(t, st)
		gone.answers(func(int) int { return http.StatusGone })
		hooks, channels := w.others()
		const said = "NotificationChannel: The notification channel gone is paused. The receiver answered 410 Gone: it wants to hear nothing more."
		for _, test := range []struct {
			of   models.StackID
			want map[string]string
		}{
			{w.stack.ID, map[string]string{"same stack": said + " " + string(w.stack.ID), "all stacks": said + " " + string(w.stack.ID)}},
			{"", map[string]string{"all stacks": said + " <nil>"}},
		} {
			c := w.subscribe(gone, func(c *models.NotificationChannel) { c.Name, c.StackID = "gone", test.of })
			w.online(w.web)
			w.paused(c)
			w.settled(channels...)
			got := map[string]string{}
			for name, h := range hooks {
				h.mu.Lock()
				for _, e := range h.events {
					d := e.Detail.(map[string]any)
					got[name] += fmt.Sprintf("%s: %s %v", d["type"], d["message"], d["stack-id"])
				}
				h.events = nil
				h.mu.Unlock()
			}
			if !maps.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			for _, d := range must(st.Notifications.Log(w.ctx, c.ID, 0, 100))(t) {
				if d.Notification.Type == models.NotifyAlert {
					t.Errorf("the channel that is paused is told %q", d.Notification.Text)
				}
			}
		}
	})
}

// When all receivers fail, each is paused once, and there is an end of it.
func TestPausesComeToAnEnd(t *testing.T) {
	t.Parallel()
	w, gone := heard(t, storetest.Open(t))
	hooks, channels := w.others()
	for _, h := range hooks {
		h.answers(func(int) int { return http.StatusGone })
	}
	gone.answers(func(int) int { return http.StatusGone })
	first := w.subscribe(gone)
	w.online(w.web)
	for _, c := range append(channels, first) {
		if c.StackID == "" || c.StackID == w.stack.ID {
			w.paused(c)
		}
	}
	var pauses int
	for _, e := range must(w.store.Audit.Page(w.ctx, models.AuditFilter{}, store.AuditCursor{Limit: 500}))(t) {
		if e.Action == "PauseNotificationChannel" {
			pauses++
		}
	}
	if pauses != 3 || len(hooks["other stack"].attempts()) > 0 {
		t.Errorf("%d pauses, and another stack heard %q", pauses, hooks["other stack"].told())
	}
}

// Two servers over one database deliver each event once.
func TestTwoCouriersDeliverOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		second := newCourier(w.engine)
		if err := second.start(w.ctx); err != nil {
			t.Fatal(err)
		}
		defer second.Stop()
		c := w.subscribe(h)
		for range 3 {
			w.online(w.web)
		}
		w.settled(c)
		ids := h.attempts()
		slices.Sort(ids)
		if once := slices.Compact(slices.Clone(ids)); len(once) != len(ids) || len(ids) < 20 {
			t.Errorf("%d attempts of %d events", len(ids), len(once))
		}
	})
}

func refusal(t *testing.T, err error, code models.Code) {
	t.Helper()
	if err == nil || models.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestWhoMayChangeChannels(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w, h := heard(t, st)
		c := w.subscribe(h)
		global := w.subscribe(h, func(c *models.NotificationChannel) { c.StackID = "" })
		user := must(w.engine.CreateUser(w.ctx, models.User{Name: "ann"}, "a long enough password"))(t)
		as := models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: user.ID, Name: "ann"})
		change := func(c *models.NotificationChannel) error { c.Name = "new"; return nil }
		try := func(id models.NotificationChannelID, stack models.StackID) (errs []error) {
			_, one := w.engine.CreateNotificationChannel(as, models.NotificationChannel{StackID: stack, Name: "x", Kind: models.ChannelSlack, URL: h.URL, Types: models.NotificationTypes})
			_, two := w.engine.UpdateNotificationChannel(as, id, change)
			_, three := w.engine.TestNotificationChannel(as, id)
			return append(errs, one, two, three, w.engine.PauseNotificationChannel(as, id), w.engine.ResumeNotificationChannel(as, id),
				w.engine.SendNotificationAgain(as, id, 1), w.engine.DeleteNotificationChannel(as, id))
		}
		for _, err := range try(c.ID, w.stack.ID) {
			refusal(t, err, models.CodeNotFound)
		}
		permit := func(level models.Level) {
			t.Helper()
			if err := w.engine.SetPermission(w.ctx, w.stack.ID, user.ID, func(p *models.Permission) error { p.Level = level; return nil }); err != nil {
				t.Fatal(err)
			}
		}
		permit(models.LevelDeploy)
		for _, err := range try(c.ID, w.stack.ID) {
			refusal(t, err, models.CodeForbidden)
		}
		permit(models.LevelManage)
		for _, err := range try(global.ID, "") {
			refusal(t, err, models.CodeForbidden)
		}
		if h.attempts() != nil {
			t.Error("a refused test was sent")
		}
		if d := must(w.engine.TestNotificationChannel(as, c.ID))(t); d.Status != models.DeliveryDelivered || d.Code != http.StatusNoContent {
			t.Errorf("test %+v", d)
		}
		if got := h.told(); !slices.Equal(got, []string{"Alert Test"}) {
			t.Errorf("got %q", got)
		}
		must(w.engine.UpdateNotificationChannel(as, c.ID, change))(t)
		if err := w.engine.DeleteNotificationChannel(as, c.ID); err != nil {
			t.Fatal(err)
		}
		for _, e := range must(st.Audit.Page(w.ctx, models.AuditFilter{}, store.AuditCursor{Limit: 500}))(t) {
			if strings.Contains(e.After+e.Before, h.URL) || strings.Contains(e.After+e.Before, c.Secret) {
				t.Errorf("the audit of %s holds a secret: %s %s", e.Action, e.Before, e.After)
			}
		}
	})
}

func TestChannelsThatCannotBe(t *testing.T) {
	t.Parallel()
	w, h := heard(t, storetest.Open(t))
	w.engine.Stop()
	w.notifier = nil // without leave and without mail
	w.boot()
	good := models.NotificationChannel{StackID: w.stack.ID, Name: "x", Kind: models.ChannelWebhook, URL: "https://hooks.example/1", Types: models.NotificationTypes}
	for _, test := range []struct {
		name   string
		change func(*models.NotificationChannel)
		field  string
	}{
		{"NoName", func(c *models.NotificationChannel) { c.Name = " " }, "Name"},
		{"NoKind", func(c *models.NotificationChannel) { c.Kind = "pigeon" }, "Kind"},
		{"NoEvents", func(c *models.NotificationChannel) { c.Types = nil }, "Types"},
		{"OtherEvents", func(c *models.NotificationChannel) { c.Types = []models.NotificationType{"x"} }, "Types"},
		{"NoURL", func(c *models.NotificationChannel) { c.URL = "" }, "URL"},
		{"OtherScheme", func(c *models.NotificationChannel) { c.URL = "file:///etc/passwd" }, "URL"},
		{"Fragment", func(c *models.NotificationChannel) { c.URL += "#x" }, "URL"},
		{"Loopback", func(c *models.NotificationChannel) { c.URL = h.URL }, "URL"},
		{"Localhost", func(c *models.NotificationChannel) { c.URL = "http://LOCALHOST.:8080" }, "URL"},
		{"Private", func(c *models.NotificationChannel) { c.URL = "http://10.0.0.1" }, "URL"},
		{"Metadata", func(c *models.NotificationChannel) { c.URL = "http://169.254.169.254/" }, "URL"},
		{"Secret", func(c *models.NotificationChannel) { c.Secret = "whsec_c2hvcnQ=" }, "Secret"},
		{"NoMail", func(c *models.NotificationChannel) {
			c.Kind, c.Recipients = models.ChannelEmail, []string{"a@example.org"}
		}, "Kind"},
		{"Recipients", func(c *models.NotificationChannel) {
			c.Kind, c.Recipients = models.ChannelEmail, []string{"a@example.org\r\nBcc: b@example.org"}
		}, "Recipients"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := good
			test.change(&c)
			_, err := w.engine.CreateNotificationChannel(w.ctx, c)
			refusal(t, err, models.CodeInvalid)
			var refused *models.Error
			if !errors.As(err, &refused) || refused.Field != test.field {
				t.Errorf("got %v, want field %s", err, test.field)
			}
		})
	}
	c := must(w.engine.CreateNotificationChannel(w.ctx, good))(t)
	if key, err := c.Key(); err != nil || len(key) != 32 {
		t.Errorf("the secret that was made: %d bytes, %v", len(key), err)
	}
	for range models.MaxChannelsOfStack - 1 {
		must(w.engine.CreateNotificationChannel(w.ctx, good))(t)
	}
	_, err := w.engine.CreateNotificationChannel(w.ctx, good)
	refusal(t, err, models.CodeInvalid)
}
