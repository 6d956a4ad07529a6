package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"opsyard/engine/notify"
	"opsyard/engine/pubsub"
	"opsyard/engine/service"
	"opsyard/models"
	"opsyard/models/store"
)

// courier delivers events. The rows of deliveries are its durable queue: each
// says when it is to be tried next, so that a restart loses none and repeats
// at most what was under way. A channel is served by one server at a time,
// which has claimed it.
type courier struct {
	service.Base
	e     *Engine
	nudge chan struct{}

	mu   sync.Mutex
	busy map[models.NotificationChannelID]bool
}

const (
	// couriers is how many channels are served at a time.
	couriers = 8
	// claimFor is how long a channel is out of others' reach when a server dies
	// over it. It is longer than courierRound and the slowest delivery in it.
	claimFor     = 2 * time.Minute
	courierRound = 20 * time.Second
	// longestPause bounds how long a channel that fails is left alone as a
	// whole, so that one that works again is soon known to.
	longestPause = 5 * time.Minute
)

// retryAfter are the waits between the attempts of a delivery, in multiples of
// Times.Retry: with 5 s they end after 17 h 42 min.
var retryAfter = []int{1, 6, 24, 120, 360, 1440, 3600, 7200}

func newCourier(e *Engine) *courier {
	return &courier{
		Base: service.Base{Log: e.Log, Now: e.Now}, e: e, nudge: make(chan struct{}, 1),
		busy: map[models.NotificationChannelID]bool{},
	}
}

func (c *courier) start(ctx context.Context) error {
	return c.Every(ctx, "deliver notifications", c.e.times.Reminder, c.nudge, c.round)
}

func (c *courier) wake() { service.Nudge(c.nudge) }

// round begins to serve the channels that have something due.
func (c *courier) round(ctx context.Context) error {
	due, err := c.e.store.Notifications.Due(ctx, c.Clock())
	if err != nil {
		return err
	}
	for _, id := range due {
		if !c.begin(id) {
			continue
		}
		if err := c.Go(ctx, func(ctx context.Context) {
			defer c.end(id)
			if err := c.serve(ctx, id); err != nil && ctx.Err() == nil {
				c.Log.ErrorContext(ctx, "deliver notifications", slog.String("channel", string(id)), slog.Any("error", err))
			}
		}); err != nil {
			c.end(id)
			return nil // it is being stopped
		}
	}
	return nil
}

func (c *courier) begin(id models.NotificationChannelID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[id] || len(c.busy) >= couriers {
		return false
	}
	c.busy[id] = true
	return true
}

func (c *courier) end(id models.NotificationChannelID) {
	c.mu.Lock()
	full := len(c.busy) >= couriers
	delete(c.busy, id)
	c.mu.Unlock()
	if full {
		c.wake()
	}
}

// serve claims a channel and delivers what is due until nothing is, something
// fails, or its turn is over.
func (c *courier) serve(ctx context.Context, id models.NotificationChannelID) error {
	began, after := c.Clock(), context.WithoutCancel(ctx) // the claim is given back, whatever happens
	channel, err := c.e.store.Notifications.Claim(after, id, began, began.Add(claimFor))
	if err != nil || channel == nil {
		return err
	}
	for {
		out, err := c.e.store.Notifications.Next(ctx, id, c.Clock(), handful(channel))
		if err != nil || len(out) == 0 {
			return c.release(after, channel, 0, err)
		}
		failed, err := c.deliver(ctx, channel, out)
		switch {
		case err != nil || channel.Paused() || ctx.Err() != nil:
			return c.release(after, channel, 0, err)
		case failed:
			return c.release(after, channel, c.pauseOf(channel.Failures), nil)
		}
		if gap := c.gap(channel.Kind); gap > 0 {
			return c.release(after, channel, gap, nil)
		}
		if c.Clock().Sub(began) > courierRound {
			defer c.wake()
			return c.release(after, channel, 0, nil)
		}
	}
}

// handful is how many deliveries are made in one go. One that may fail is
// tried alone.
func handful(c *models.NotificationChannel) int {
	switch {
	case c.Kind != models.ChannelWebhook:
		return notify.Together
	case c.Failures > 0:
		return 1
	}
	return 2 * notify.AtOnce
}

// gap is how long a chat or a mailbox is left in peace after a message; what
// happens meanwhile is in the next one.
func (c *courier) gap(k models.NotificationChannelKind) time.Duration {
	switch k {
	case models.ChannelSlack:
		return c.e.times.Chat
	case models.ChannelEmail:
		return c.e.times.Mail
	}
	return 0
}

// pauseOf is how long a channel is left alone after failures in a row.
func (c *courier) pauseOf(failures int) time.Duration {
	return min(c.e.times.Retry<<min(max(failures-1, 0), 16), longestPause)
}

func (c *courier) release(ctx context.Context, channel *models.NotificationChannel, pause time.Duration, err error) error {
	if channel.Paused() {
		return err
	}
	if failed := c.e.store.Notifications.Release(ctx, channel.ID, channel.Failures, c.Clock().Add(pause)); failed != nil && err == nil {
		return failed
	}
	return err
}

// deliver makes some deliveries of a channel and writes what became of them;
// failed says that one was not taken.
func (c *courier) deliver(ctx context.Context, channel *models.NotificationChannel, out []store.Outgoing) (failed bool, err error) {
	messages := make([]notify.Message, len(out))
	for n := range out {
		messages[n] = c.e.message(&out[n].Notification)
	}
	outcomes := c.e.notifier.Send(ctx, channel, messages)
	now := c.Clock()
	var tried []models.NotificationDelivery
	var last notify.Outcome // of those that ended badly for good
	ended, delivered := false, false
	for n, o := range outcomes {
		if !o.Delivered && ctx.Err() != nil {
			continue // the server stops; the receiver has not failed
		}
		d := out[n].NotificationDelivery
		c.note(&d, o, now)
		tried = append(tried, d)
		delivered, failed = delivered || o.Delivered, failed || !o.Delivered
		if d.Status == models.DeliveryFailed {
			ended, last = true, o
		}
	}
	after := context.WithoutCancel(ctx) // what was done is noted
	switch {
	case delivered:
		channel.Failures = 0
	case failed:
		channel.Failures++
	}
	if err := c.e.store.Notifications.Settle(after, tried); err != nil {
		return failed, err
	}
	c.e.hub.Publish(TopicNotifications(channel.ID), pubsub.Message{Kind: "delivery", ID: string(channel.ID)})
	if ended && (last.Gone || channel.Failures > len(retryAfter)) {
		return failed, c.giveUp(after, channel, last)
	}
	return failed, nil
}

// note writes an attempt into its row: delivered, to be tried again, or tried
// to the end.
func (c *courier) note(d *models.NotificationDelivery, o notify.Outcome, now time.Time) {
	d.Attempts++
	d.TriedAt, d.Code, d.Answer = &now, o.Code, o.Answer
	switch {
	case o.Delivered:
		d.Status = models.DeliveryDelivered
	case o.Gone || d.Attempts > len(retryAfter):
		d.Status = models.DeliveryFailed
	default:
		wait := c.e.times.Retry * time.Duration(retryAfter[d.Attempts-1]) //nolint:durationcheck // a multiple
		wait += rand.N(wait/10 + 1)                                       // so that what failed together does not come back together
		d.NextAt = now.Add(max(wait, o.RetryAfter))
	}
}

// giveUp pauses a channel that has taken nothing for as long as one delivery is
// tried, or says that it wants no more. The others are told, without what the
// receiver said: that is for those who see the channel.
func (c *courier) giveUp(ctx context.Context, channel *models.NotificationChannel, o notify.Outcome) error {
	short := fmt.Sprintf("Nothing was taken in %d attempts", len(retryAfter)+1)
	reason := short + "; the last one: " + o.Answer
	if o.Gone {
		short = "The receiver answered 410 Gone: it wants to hear nothing more"
		reason = short + "."
	}
	now := c.Clock()
	channel.PausedAt, channel.PausedReason = &now, reason
	c.Log.WarnContext(ctx, "a notification channel is paused", slog.String("channel", string(channel.ID)), slog.String("name", channel.Name), slog.String("reason", reason))
	return c.e.onChannels(ctx, func(t *tx) error {
		if err := t.Notifications.PauseChannel(ctx, channel.ID, reason, now); err != nil {
			return err
		}
		if err := t.alertPaused(ctx, channel, short); err != nil {
			return err
		}
		return t.audit(ctx, "PauseNotificationChannel", onChannel(channel), nil, map[string]string{"PausedReason": reason}, models.Cause{})
	})
}

// alertChannel is the type of alerts about channels that are paused.
const alertChannel = "NotificationChannel"

// alertPaused tells the other channels that one is silent: those of its stack
// and those of all stacks, or for one of these the others of them. When they
// fail too, each is paused once, so it comes to an end.
func (t *tx) alertPaused(ctx context.Context, c *models.NotificationChannel, reason string) error {
	text := fmt.Sprintf("The notification channel %s is paused. %s.", c.Name, reason)
	return t.alertOf(ctx, &news{
		stack: c.StackID, trouble: true, text: text, path: channelsPath(c) + "/" + string(c.ID), except: c.ID,
	}, notify.AlertDetail{StackID: c.StackID, Type: alertChannel, Message: text})
}

// channelsPath is the console's page of the channels that one is among.
func channelsPath(c *models.NotificationChannel) string {
	if c.StackID == "" {
		return "/settings/notifications"
	}
	return "/stacks/" + string(c.StackID) + "/notifications"
}

// message is an event as the senders want it.
func (e *Engine) message(n *models.Notification) notify.Message {
	return notify.Message{
		ID: string(n.ID), At: n.At, Stack: n.Stack, Text: n.Text, Link: strings.TrimSuffix(e.publicURL, "/") + n.Path,
		Trouble: n.Trouble, Body: []byte(n.Body),
	}
}

// keepNotifications is how long deliveries can be looked at.
const keepNotifications = 7 * 24 * time.Hour

// pruneNotifications forgets old deliveries, a few at a time.
func (e *Engine) pruneNotifications(ctx context.Context) error {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = e.store.Notifications.Prune(ctx, e.Clock().Add(-keepNotifications), 500); err != nil {
			return err
		}
	}
	return nil
}
