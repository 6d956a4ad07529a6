package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func channel(t testing.TB, st *store.Store, stack models.StackID, name string) *models.NotificationChannel {
	t.Helper()
	c := &models.NotificationChannel{
		ID: models.NewID[models.NotificationChannelID](), StackID: stack, Name: name, Kind: models.ChannelWebhook, URL: "https://hooks.example/canary",
		Secret: "whsec_canary", Types: models.NotificationTypes, CreatedAt: noon,
	}
	must(t, st.Notifications.CreateChannel(t.Context(), c))
	return c
}

// news stores events for channels, due a second after each other.
func news(t testing.TB, st *store.Store, stack models.StackID, n int, channels ...*models.NotificationChannel) {
	t.Helper()
	var events []models.Notification
	var deliveries []models.NotificationDelivery
	for k := range n {
		at := noon.Add(time.Duration(k) * time.Second)
		e := models.Notification{ID: models.NewID[models.NotificationID](), StackID: stack, Type: models.NotifyInstance, At: at, Stack: "Shop", Text: fmt.Sprint("event ", k), Path: "/p", Body: "{}"}
		events = append(events, e)
		for _, c := range channels {
			deliveries = append(deliveries, models.NotificationDelivery{ChannelID: c.ID, NotificationID: e.ID, Status: models.DeliveryPending, NextAt: at, CreatedAt: at})
		}
	}
	must(t, st.Notifications.Append(t.Context(), events, deliveries))
}

func texts(list []store.Outgoing) (all []string) {
	for _, o := range list {
		all = append(all, o.Notification.Text)
	}
	return all
}

func TestChannelsKeepWhatPeopleSetAndWhatDeliveriesNote(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st)
		c := channel(t, st, stack.ID, "b")
		channel(t, st, "", "everywhere")
		refused(t, st.Notifications.CreateChannel(ctx, &models.NotificationChannel{ID: "x", StackID: "gone", CreatedAt: noon}), models.CodeNotFound, "Unable to find stack with ID gone")
		var raw []string
		must(t, st.Gorm().Raw("SELECT url FROM notification_channels UNION SELECT secret FROM notification_channels").Scan(&raw).Error)
		lacks(t, fmt.Sprint(raw), "canary")

		must(t, st.Notifications.Release(ctx, c.ID, 3, noon))
		c.Name, c.Types, c.Failures, c.StackID = "a", []models.NotificationType{models.NotifyAlert}, 99, "other"
		must(t, st.Notifications.SaveChannel(ctx, c))
		list, err := st.Notifications.Channels(ctx, stack.ID)
		must(t, err)
		equal(t, len(list), 1)
		equal(t, list[0].Name, "a")
		equal(t, list[0].URL, "https://hooks.example/canary")
		equal(t, list[0].Failures, 3)
		hear, err := st.Notifications.Subscribed(ctx)
		must(t, err)
		equal(t, len(hear), 2)
		for _, h := range hear {
			equal(t, len(h.Types) == 1, h.StackID != "")
			equal(t, h.URL, "")
		}

		must(t, st.Notifications.PauseChannel(ctx, c.ID, "Paused by ann.", noon))
		hear, err = st.Notifications.Subscribed(ctx)
		must(t, err)
		equal(t, len(hear), 1)
		must(t, st.Stacks.Delete(ctx, stack.ID))
		_, err = st.Notifications.Channel(ctx, c.ID)
		refused(t, err, models.CodeNotFound, "")
		refused(t, st.Notifications.DeleteChannel(ctx, c.ID), models.CodeNotFound, "")
		refused(t, st.Notifications.PauseChannel(ctx, c.ID, "", noon), models.CodeNotFound, "")
	})
}

func TestDeliveriesFromDueToDone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, stack := t.Context(), storetest.Stack(t, st).ID
		one, two, idle := channel(t, st, stack, "one"), channel(t, st, stack, "two"), channel(t, st, stack, "idle")
		news(t, st, stack, 120, one, two) // more than one statement takes
		n := st.Notifications
		due, err := n.Due(ctx, noon.Add(-time.Second))
		must(t, err)
		equal(t, len(due), 0)
		due, err = n.Due(ctx, noon)
		must(t, err)
		both := []models.NotificationChannelID{one.ID, two.ID}
		slices.Sort(both)
		equal(t, due, both)

		// Who has claimed a channel has it alone, until he gives it back or his
		// time is over.
		got, err := n.Claim(ctx, one.ID, noon, noon.Add(time.Minute))
		must(t, err)
		equal(t, got.Secret, "whsec_canary")
		none, err := n.Claim(ctx, one.ID, noon.Add(59*time.Second), noon.Add(time.Hour))
		must(t, err)
		equal(t, none == nil, true)
		due, err = n.Due(ctx, noon)
		must(t, err)
		equal(t, due, []models.NotificationChannelID{two.ID})
		got, err = n.Claim(ctx, one.ID, noon.Add(time.Minute), noon.Add(time.Hour))
		must(t, err)
		equal(t, got != nil, true)
		must(t, n.Release(ctx, one.ID, 0, noon))

		list, err := n.Next(ctx, one.ID, noon.Add(2*time.Second), 10)
		must(t, err)
		equal(t, texts(list), []string{"event 0", "event 1", "event 2"})
		at := noon.Add(3 * time.Second)
		tried := []models.NotificationDelivery{list[0].NotificationDelivery, list[1].NotificationDelivery, list[2].NotificationDelivery}
		for k := range tried {
			tried[k].Attempts, tried[k].TriedAt, tried[k].Code = 1, &at, 200
			tried[k].Status = models.DeliveryDelivered
		}
		tried[1].Status, tried[1].Code, tried[1].Answer, tried[1].NextAt = models.DeliveryPending, 500, "no\x00", at.Add(time.Hour)
		must(t, n.Settle(ctx, tried))
		list, err = n.Next(ctx, one.ID, noon.Add(3*time.Second), 10)
		must(t, err)
		equal(t, texts(list), []string{"event 3"})
		again, err := n.Delivery(ctx, one.ID, tried[1].ID)
		must(t, err)
		equal(t, again.Answer, "no")
		equal(t, again.Code, 500)
		equal(t, again.TriedAt.UTC(), at)
		_, err = n.Delivery(ctx, two.ID, tried[1].ID)
		refused(t, err, models.CodeNotFound, "")

		counts, err := n.Counts(ctx, []models.NotificationChannelID{one.ID, two.ID, idle.ID})
		must(t, err)
		equal(t, counts[one.ID], store.DeliveryCounts{Pending: 118, Delivered: 2})
		equal(t, counts[idle.ID], store.DeliveryCounts{})
		log, err := n.Log(ctx, one.ID, 0, 2)
		must(t, err)
		equal(t, texts(log), []string{"event 119", "event 118"})
		log, err = n.Log(ctx, one.ID, log[1].ID, 1)
		must(t, err)
		equal(t, texts(log), []string{"event 117"})

		// A channel that is resumed gets what waits at once.
		must(t, n.PauseChannel(ctx, one.ID, "Paused.", noon))
		none, err = n.Claim(ctx, one.ID, noon.Add(time.Hour), noon.Add(2*time.Hour))
		must(t, err)
		equal(t, none == nil, true)
		must(t, n.PauseChannel(ctx, one.ID, "", noon))
		list, err = n.Next(ctx, one.ID, noon, 500)
		must(t, err)
		equal(t, len(list), 118)

		more, err := n.Prune(ctx, noon.Add(30*time.Second), 20)
		must(t, err)
		equal(t, more, true)
		more, err = n.Prune(ctx, noon.Add(30*time.Second), 20)
		must(t, err)
		equal(t, more, false)
		list, err = n.Next(ctx, two.ID, noon.Add(time.Hour), 500)
		must(t, err)
		equal(t, len(list), 90)
		equal(t, list[0].Notification.Text, "event 30")
		must(t, n.DeleteChannel(ctx, two.ID))
		gone, err := n.Claim(ctx, two.ID, noon, noon)
		must(t, err)
		equal(t, gone == nil, true)
	})
}
