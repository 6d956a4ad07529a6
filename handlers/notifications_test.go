package handlers

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/views"
)

func TestChannelFromFormToLog(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	b := c.as("manage")
	page := views.NotificationsHref(c.fleet.stack.ID)
	b.get(page).want(t, http.StatusOK, "Nobody is told of the events of "+c.fleet.stack.Name, "No channel", page+"/new?kind=webhook", "--smtp")
	b.get(page+"/new?kind=slack").want(t, http.StatusOK, "New channel: Slack", "incoming webhook of Slack")
	b.get(page+"/new?kind=pigeon").want(t, http.StatusOK, "New channel: Webhook", "Signing secret")

	form := []string{"Kind", "webhook", "Name", "Bus", "URL", "https://hooks.example/canary", "Types", string(models.NotifyAlert)}
	b.post(page, "Kind", "webhook", "Name", "Bus", "URL", "http://10.0.0.1/", "Types", string(models.NotifyAlert)).
		want(t, http.StatusUnprocessableEntity, "inside this server&#39;s network", `value="http://10.0.0.1/"`)
	b.post(page, "Kind", "webhook", "Name", "Bus", "URL", "https://hooks.example/").want(t, http.StatusUnprocessableEntity, "choose at least one")

	made := b.post(page, form...)
	made.want(t, http.StatusOK, "Copy the signing secret now.", models.SecretPrefix, "Nothing yet")
	if got := made.header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("the page with the secret may be stored: %q", got)
	}
	channels, err := c.store.Notifications.Channels(t.Context(), c.fleet.stack.ID)
	c.fleet.must(err)
	channel := page + "/" + string(channels[0].ID)
	for _, address := range []string{page, channel} {
		shown := b.get(address)
		shown.want(t, http.StatusOK, "https://hooks.example/…", "Bus")
		if strings.Contains(shown.body, "canary") || strings.Contains(shown.body, models.SecretPrefix+channels[0].Secret[6:20]) {
			t.Errorf("%s shows a secret", address)
		}
	}

	// What is left out of the form of a channel stays as it is.
	b.post(channel, "Name", "Event bus", "URL", "", "Types", string(models.NotifyAlert), "TroubleOnly", "on").wantLocation(t, channel)
	now, err := c.store.Notifications.Channel(t.Context(), channels[0].ID)
	c.fleet.must(err)
	if now.URL != channels[0].URL || now.Secret != channels[0].Secret || now.Name != "Event bus" || !now.TroubleOnly {
		t.Errorf("the channel is %+v", now)
	}
	b.post(channel, "Name", "", "Types", string(models.NotifyAlert)).want(t, http.StatusUnprocessableEntity, "give it 1 to 64 characters")

	b.post(channel+"/secret").want(t, http.StatusOK, "Copy the signing secret now.")
	changed, err := c.store.Notifications.Channel(t.Context(), channels[0].ID)
	c.fleet.must(err)
	if changed.Secret == now.Secret {
		t.Error("the secret is the old one")
	}

	b.post(channel+"/pause").wantLocation(t, channel)
	b.get(channel).want(t, http.StatusOK, "Paused by manage.", "Resume", "hears of nothing")
	b.post(channel+"/pause").wantLocation(t, channel)
	b.get(channel).want(t, http.StatusOK, "Somebody else has just done so.")
	b.post(channel+"/resume").wantLocation(t, channel)
	b.post(channel+"/delete", "confirm", "no").wantLocation(t, channel)
	b.post(channel+"/delete", "confirm", "Event bus").wantLocation(t, page)
}

func TestDeliveryLog(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	address := "/settings/notifications/" + c.channel(c.fleet, "/settings/notifications/{channel}")
	id := models.NotificationChannelID(address[len("/settings/notifications/"):])
	at := time.Now().Add(-time.Minute)
	var events []models.Notification
	var deliveries []models.NotificationDelivery
	for n := range perPage + 3 {
		e := models.Notification{ID: models.NewID[models.NotificationID](), StackID: c.fleet.stack.ID, Type: models.NotifyInstance, At: at, Stack: "Shop",
			Text: "web1 is <b>online</b>", Path: "/p", Body: `{"detail":{"status":"</pre><script>"}}`}
		d := models.NotificationDelivery{ChannelID: id, NotificationID: e.ID, Status: models.DeliveryDelivered, Attempts: 1, Code: 204, NextAt: at, CreatedAt: at, TriedAt: &at}
		switch n {
		case perPage + 1:
			d.Status, d.Code, d.Answer, d.Attempts = models.DeliveryFailed, 500, "<i>no</i>", 9
		case perPage + 2:
			d.Status, d.Code, d.Answer, d.Attempts = models.DeliveryPending, 0, "There was no answer within 15s.", 2
		}
		events, deliveries = append(events, e), append(deliveries, d)
	}
	c.fleet.must(c.store.Notifications.Append(t.Context(), events, deliveries))
	b := c.as("root")
	shown := b.get(address)
	shown.want(t, http.StatusOK, "There was no answer within 15s.", "2 attempts", "500: &lt;i&gt;no&lt;/i&gt;", "Send again", "Older", "web1 is &lt;b&gt;online")
	if strings.Contains(shown.body, "<script>\"") || strings.Contains(shown.body, "</pre><script>") {
		t.Error("the event is markup")
	}
	b.get("/settings/notifications").want(t, http.StatusOK, "1 channel, all delivering.", "51 delivered, 1 waiting, 1 failed")
	b.get(views.NotificationsHref(c.fleet.stack.ID)).want(t, http.StatusOK, "1 channel of all stacks may hear of this stack too.")
	older := strings.Split(strings.Split(shown.body, address+"?before=")[1], `"`)[0]
	b.get(address+"?before="+older).want(t, http.StatusOK, "Newest")

	log, err := c.store.Notifications.Log(t.Context(), id, 0, 2)
	c.fleet.must(err)
	b.post(address+"/again", "delivery", "0").want(t, http.StatusNotFound)
	b.post(address+"/again", "delivery", strconv.FormatInt(log[1].ID, 10)).wantLocation(t, address)
	again, err := c.store.Notifications.Delivery(t.Context(), id, log[1].ID)
	c.fleet.must(err)
	if again.Status != models.DeliveryPending || again.Attempts != 0 {
		t.Errorf("the delivery is %+v", again.NotificationDelivery)
	}

	// A test that is not taken says why, and is in the log.
	b.post(address+"/test").wantLocation(t, address)
	b.get(address).want(t, http.StatusOK, "The test was not taken.", "inside this server&#39;s network", "This is a test by root.")
	c.as("manage").get(address).want(t, http.StatusForbidden)
	c.as("show").get(views.NotificationsHref(c.fleet.stack.ID)+"/"+string(id)).want(t, http.StatusNotFound)
}
