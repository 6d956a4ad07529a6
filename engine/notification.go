package engine

import (
	"context"
	"crypto/rand"
	"encoding/base64"

	"opsyard/engine/notify"
	"opsyard/models"
)

// TopicNotifications is where news of a channel's deliveries arrive.
func TopicNotifications(id models.NotificationChannelID) string {
	return "notifications:" + string(id)
}

func onChannel(c *models.NotificationChannel) target {
	return target{"notification channel", string(c.ID), c.Name, c.StackID}
}

// NotificationSenders tells what the server can send.
type NotificationSenders struct {
	Mail     bool // there is a mail server
	Internal bool // webhooks may go to addresses of this network
}

// NotificationSenders tells what the server can send, for pages.
func (e *Engine) NotificationSenders() NotificationSenders {
	return NotificationSenders{Mail: e.notifier.SendsMail(), Internal: e.notifier.AllowsInternal()}
}

// AuthorizeNotifications asks for a level in the stack; what concerns all
// stacks, which have no id, is for administrators.
func (e *Engine) AuthorizeNotifications(ctx context.Context, stack models.StackID, action models.Action) error {
	if stack == "" {
		return e.administer(ctx, models.ActionManageServer, target{kind: "notification channel"})
	}
	_, err := e.Authorize(ctx, stack, action)
	return err
}

// channelFor loads a channel for somebody who wants to act on it.
func (e *Engine) channelFor(ctx context.Context, id models.NotificationChannelID, action models.Action) (*models.NotificationChannel, error) {
	c, err := e.store.Notifications.Channel(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := e.AuthorizeNotifications(ctx, c.StackID, action); err != nil {
		return nil, hide(err, "notification channel", id)
	}
	return c, nil
}

// CreateNotificationChannel makes a channel. A webhook that comes without a
// secret gets one; the answer holds it.
func (e *Engine) CreateNotificationChannel(ctx context.Context, c models.NotificationChannel) (*models.NotificationChannel, error) {
	if err := e.AuthorizeNotifications(ctx, c.StackID, "CreateNotificationChannel"); err != nil {
		return nil, err
	}
	c.ID, c.CreatedAt, c.CreatedBy = models.NewID[models.NotificationChannelID](), e.Clock(), models.ActorFrom(ctx).Name
	c.PausedAt, c.PausedReason, c.Failures, c.NotBefore = nil, "", 0, nil
	if err := e.fitChannel(&c); err != nil {
		return nil, err
	}
	err := e.onChannels(ctx, func(t *tx) error {
		others, err := t.Notifications.Channels(ctx, c.StackID)
		if err != nil {
			return err
		}
		if len(others) >= models.MaxChannelsOfStack {
			return models.Invalid("There are %d notification channels already, and more there cannot be. Delete one first.", len(others))
		}
		if err := t.Notifications.CreateChannel(ctx, &c); err != nil {
			return err
		}
		return t.audit(ctx, "CreateNotificationChannel", onChannel(&c), nil, &c, models.Cause{})
	})
	return &c, err
}

// fitChannel completes a channel, and refuses one that this server cannot serve.
func (e *Engine) fitChannel(c *models.NotificationChannel) error {
	if c.Kind == models.ChannelWebhook && c.Secret == "" {
		c.Secret = newWebhookSecret()
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Kind == models.ChannelEmail {
		if !e.notifier.SendsMail() {
			return models.InvalidField("Kind", "Kind: this server has no mail server; it must be started with --smtp.")
		}
		return nil
	}
	return e.notifier.CheckURL(c.URL)
}

func newWebhookSecret() string {
	var key [32]byte
	rand.Read(key[:])
	return models.SecretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// onChannels is a transaction after which it is asked anew who hears of what.
func (e *Engine) onChannels(ctx context.Context, do func(t *tx) error) error {
	return e.tx(ctx, func(t *tx) error {
		t.AfterCommit(e.hearers.changed)
		return do(t)
	})
}

// UpdateNotificationChannel changes what a person sets of a channel. Its stack
// and kind stay.
func (e *Engine) UpdateNotificationChannel(ctx context.Context, id models.NotificationChannelID, change func(*models.NotificationChannel) error) (*models.NotificationChannel, error) {
	c, err := e.channelFor(ctx, id, "UpdateNotificationChannel")
	if err != nil {
		return nil, err
	}
	err = e.onChannels(ctx, func(t *tx) error {
		before, err := t.Notifications.Channel(ctx, id)
		if err != nil {
			return err
		}
		after := *before
		if err := change(&after); err != nil {
			return err
		}
		after.ID, after.StackID, after.Kind = before.ID, before.StackID, before.Kind
		if err := e.fitChannel(&after); err != nil {
			return err
		}
		if err := t.Notifications.SaveChannel(ctx, &after); err != nil {
			return err
		}
		*c = after
		return t.audit(ctx, "UpdateNotificationChannel", onChannel(c), before, c, models.Cause{})
	})
	return c, err
}

// DeleteNotificationChannel removes a channel with what waits for it.
func (e *Engine) DeleteNotificationChannel(ctx context.Context, id models.NotificationChannelID) error {
	c, err := e.channelFor(ctx, id, "DeleteNotificationChannel")
	if err != nil {
		return err
	}
	return e.onChannels(ctx, func(t *tx) error {
		if err := t.Notifications.DeleteChannel(ctx, id); err != nil {
			return err
		}
		return t.audit(ctx, "DeleteNotificationChannel", onChannel(c), c, nil, models.Cause{})
	})
}

// PauseNotificationChannel ends deliveries. What happens from then on, the
// channel does not hear of.
func (e *Engine) PauseNotificationChannel(ctx context.Context, id models.NotificationChannelID) error {
	return e.pauseChannel(ctx, id, "PauseNotificationChannel", "Paused by "+models.ActorFrom(ctx).Name+".")
}

// ResumeNotificationChannel begins deliveries anew, with what still waits.
func (e *Engine) ResumeNotificationChannel(ctx context.Context, id models.NotificationChannelID) error {
	return e.pauseChannel(ctx, id, "ResumeNotificationChannel", "")
}

func (e *Engine) pauseChannel(ctx context.Context, id models.NotificationChannelID, action, reason string) error {
	c, err := e.channelFor(ctx, id, models.Action(action))
	if err != nil {
		return err
	}
	if c.Paused() == (reason != "") {
		return models.Conflict("Somebody else has just done so.")
	}
	return e.onChannels(ctx, func(t *tx) error {
		if err := t.Notifications.PauseChannel(ctx, id, reason, e.Clock()); err != nil {
			return err
		}
		t.AfterCommit(e.courier.wake)
		return t.audit(ctx, action, onChannel(c), nil, nil, models.Cause{})
	})
}

// TestNotificationChannel delivers a made-up alert at once and tells what became
// of it. It is not tried again; its outcome is in the delivery log.
func (e *Engine) TestNotificationChannel(ctx context.Context, id models.NotificationChannelID) (*models.NotificationDelivery, error) {
	c, err := e.channelFor(ctx, id, "TestNotificationChannel")
	if err != nil {
		return nil, err
	}
	event, err := e.testEvent(ctx, c)
	if err != nil {
		return nil, err
	}
	o := e.notifier.Send(ctx, c, []notify.Message{e.message(event)})[0]
	now := e.Clock()
	d := models.NotificationDelivery{
		ChannelID: id, NotificationID: event.ID, Status: models.DeliveryFailed, Attempts: 1, NextAt: now, CreatedAt: event.At,
		TriedAt: &now, Code: o.Code, Answer: o.Answer,
	}
	if o.Delivered {
		d.Status = models.DeliveryDelivered
	}
	err = e.tx(ctx, func(t *tx) error {
		if err := t.Notifications.Append(ctx, []models.Notification{*event}, []models.NotificationDelivery{d}); err != nil {
			return err
		}
		return t.audit(ctx, "TestNotificationChannel", onChannel(c), nil, map[string]string{"Outcome": string(d.Status)}, models.Cause{})
	})
	return &d, err
}

// testEvent is an alert of no instance, of the channel's stack.
func (e *Engine) testEvent(ctx context.Context, c *models.NotificationChannel) (*models.Notification, error) {
	n := news{stack: c.StackID, kind: models.NotifyAlert, text: "This is a test by " + models.ActorFrom(ctx).Name + ".", path: channelsPath(c)}
	stack, err := n.of(ctx, e.store)
	if err != nil {
		return nil, err
	}
	n.detail = notify.AlertDetail{StackID: stack.ID, Type: "Test", Message: n.text}
	return eventOf(&n, stack, e.Clock())
}

// SendNotificationAgain makes a delivery due anew, with all its attempts.
func (e *Engine) SendNotificationAgain(ctx context.Context, id models.NotificationChannelID, delivery int64) error {
	c, err := e.channelFor(ctx, id, "SendNotificationAgain")
	if err != nil {
		return err
	}
	if c.Paused() {
		return models.Conflict("The channel is paused: resume it first.")
	}
	return e.tx(ctx, func(t *tx) error {
		d, err := t.Notifications.Delivery(ctx, id, delivery)
		if err != nil {
			return err
		}
		again := d.NotificationDelivery
		again.Status, again.Attempts, again.NextAt = models.DeliveryPending, 0, e.Clock()
		if err := t.Notifications.Settle(ctx, []models.NotificationDelivery{again}); err != nil {
			return err
		}
		t.AfterCommit(e.courier.wake)
		return t.audit(ctx, "SendNotificationAgain", onChannel(c), nil, map[string]string{"Event": string(again.NotificationID)}, models.Cause{})
	})
}
