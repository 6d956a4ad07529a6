package store

import (
	"context"
	"slices"
	"time"

	"opsyard/models"
)

// Notifications keeps models.NotificationChannel, the events that channels
// hear of, and their deliveries. What a person sets of a channel and what
// deliveries note on it are different columns.
type Notifications struct{ *handle }

const kindChannel = "notification channel"

// noted are the columns of a channel that its deliveries write.
var noted = []string{"paused_at", "paused_reason", "failures", "not_before"}

// Channel reads one channel.
func (s Notifications) Channel(ctx context.Context, id models.NotificationChannelID) (*models.NotificationChannel, error) {
	return get[models.NotificationChannel](s.r(ctx), kindChannel, id)
}

// Channels reads the channels of a stack, or with an empty id those of all
// stacks, by name.
func (s Notifications) Channels(ctx context.Context, stack models.StackID) ([]models.NotificationChannel, error) {
	return find[models.NotificationChannel](s.r(ctx).Where("stack_id = ?", stack).Order("name, id"), "list notification channels")
}

// Subscribed reads what decides who hears of an event, of the channels that
// are not paused.
func (s Notifications) Subscribed(ctx context.Context) ([]models.NotificationChannel, error) {
	return find[models.NotificationChannel](s.r(ctx).Select("id", "stack_id", "types", "trouble_only").Where("paused_at IS NULL").Order("id"), "list who hears of events")
}

// CreateChannel stores a new channel.
func (s Notifications) CreateChannel(ctx context.Context, c *models.NotificationChannel) error {
	if c.StackID != "" {
		if err := keep(ctx, s.handle, "stacks", kindStack, c.StackID); err != nil {
			return err
		}
	}
	c.CreatedAt = stamp(c.CreatedAt)
	return wrap(s.w(ctx).Create(c).Error, "create a notification channel")
}

// SaveChannel writes what a person sets of a channel.
func (s Notifications) SaveChannel(ctx context.Context, c *models.NotificationChannel) error {
	return save(s.w(ctx), c, kindChannel, c.ID, append([]string{"stack_id", "created_by"}, noted...)...)
}

// DeleteChannel removes a channel with its deliveries.
func (s Notifications) DeleteChannel(ctx context.Context, id models.NotificationChannelID) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := h.w(ctx).Exec("DELETE FROM notification_deliveries WHERE channel_id = ?", id).Error; err != nil {
			return wrap(err, "delete deliveries of notification channel %s", id)
		}
		return affected(h.w(ctx).Exec("DELETE FROM notification_channels WHERE id = ?", id), "delete", kindChannel, id)
	})
}

// PauseChannel ends deliveries and says why; an empty reason begins them anew,
// with what waits due at once.
func (s Notifications) PauseChannel(ctx context.Context, id models.NotificationChannelID, reason string, at time.Time) error {
	if reason != "" {
		return affected(s.w(ctx).Exec("UPDATE notification_channels SET paused_at = ?, paused_reason = ? WHERE id = ?", stamp(at), clip(reason, maxText), id), "pause", kindChannel, id)
	}
	err := s.w(ctx).Exec("UPDATE notification_deliveries SET next_at = ? WHERE channel_id = ? AND status = 'pending'", stamp(at), id).Error
	if err != nil {
		return wrap(err, "resume notification channel %s", id)
	}
	return affected(s.w(ctx).Exec("UPDATE notification_channels SET paused_at = NULL, paused_reason = '', failures = 0, not_before = NULL WHERE id = ?", id), "resume", kindChannel, id)
}

// Append stores events and their deliveries, however many, with few
// statements. A channel that has been deleted meanwhile leaves deliveries
// behind that nobody makes; Prune removes them.
func (s Notifications) Append(ctx context.Context, events []models.Notification, deliveries []models.NotificationDelivery) error {
	err := s.insertRows(ctx, "notifications (id, stack_id, type, at, trouble, stack, text, path, body)", 9, len(events), func(args []any, n int) ([]any, error) {
		e := &events[n]
		return append(args, string(e.ID), string(e.StackID), string(e.Type), stamp(e.At), e.Trouble, clip(e.Stack, 64), clip(e.Text, maxText), e.Path, clip(e.Body, maxBody)), nil
	})
	if err != nil {
		return err
	}
	return s.insertRows(ctx, "notification_deliveries (channel_id, notification_id, status, attempts, next_at, code, answer, created_at, tried_at)", 9, len(deliveries),
		func(args []any, n int) ([]any, error) {
			d := &deliveries[n]
			return append(args, string(d.ChannelID), string(d.NotificationID), string(d.Status), d.Attempts, stamp(d.NextAt), d.Code, clip(d.Answer, maxText), stamp(d.CreatedAt), stampPtr(d.TriedAt)), nil
		})
}

// maxBody is far above what an event of the largest stack has.
const maxBody = 8 << 20

// Due lists the channels that have something to deliver now.
func (s Notifications) Due(ctx context.Context, now time.Time) ([]models.NotificationChannelID, error) {
	var ids []models.NotificationChannelID
	err := s.r(ctx).Raw(`SELECT c.id FROM notification_channels c WHERE c.paused_at IS NULL AND (c.not_before IS NULL OR c.not_before <= ?)
		AND EXISTS (SELECT 1 FROM notification_deliveries d WHERE d.channel_id = c.id AND d.status = 'pending' AND d.next_at <= ?)
		ORDER BY c.id`, stamp(now), stamp(now)).Scan(&ids).Error
	return ids, wrap(err, "look for notifications to deliver")
}

// Claim takes a channel for one round of deliveries, until a time by which the
// round is over, and reads it. It is nil when somebody else has it, or it is
// paused or gone.
func (s Notifications) Claim(ctx context.Context, id models.NotificationChannelID, now, until time.Time) (*models.NotificationChannel, error) {
	result := s.w(ctx).Exec("UPDATE notification_channels SET not_before = ? WHERE id = ? AND paused_at IS NULL AND (not_before IS NULL OR not_before <= ?)", stamp(until), id, stamp(now))
	if result.Error != nil || result.RowsAffected == 0 {
		return nil, wrap(result.Error, "claim notification channel %s", id)
	}
	c, err := get[models.NotificationChannel](s.w(ctx), kindChannel, id)
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil, nil
	}
	return c, err
}

// Release ends a round: how many have failed since one has not, and when the
// next may begin.
func (s Notifications) Release(ctx context.Context, id models.NotificationChannelID, failures int, notBefore time.Time) error {
	err := s.w(ctx).Exec("UPDATE notification_channels SET failures = ?, not_before = ? WHERE id = ?", failures, stamp(notBefore), id).Error
	return wrap(err, "release notification channel %s", id)
}

// Outgoing is a delivery with what it delivers.
type Outgoing struct {
	models.NotificationDelivery
	Notification models.Notification
}

// Next reads what a channel has to deliver now, the longest due first.
func (s Notifications) Next(ctx context.Context, channel models.NotificationChannelID, now time.Time, limit int) ([]Outgoing, error) {
	rows, err := find[models.NotificationDelivery](s.r(ctx).Where("channel_id = ? AND status = 'pending' AND next_at <= ?", channel, stamp(now)).
		Order("next_at, id").Limit(limit), "read notifications to deliver")
	if err != nil {
		return nil, err
	}
	return s.withEvents(ctx, rows)
}

func (s Notifications) withEvents(ctx context.Context, rows []models.NotificationDelivery) ([]Outgoing, error) {
	ids := make([]models.NotificationID, len(rows))
	for n := range rows {
		ids[n] = rows[n].NotificationID
	}
	slices.Sort(ids)
	events, err := findBy[models.Notification](s.r(ctx), "id", slices.Compact(ids), "read events")
	if err != nil {
		return nil, err
	}
	byID := make(map[models.NotificationID]models.Notification, len(events))
	for _, e := range events {
		byID[e.ID] = e
	}
	list := make([]Outgoing, len(rows))
	for n := range rows {
		list[n] = Outgoing{rows[n], byID[rows[n].NotificationID]}
	}
	return list, nil
}

// Settle writes what became of deliveries that were tried. Those that ended
// alike are one statement.
func (s Notifications) Settle(ctx context.Context, tried []models.NotificationDelivery) error {
	type end struct {
		status   models.DeliveryStatus
		attempts int
		next     time.Time
		code     int
		answer   string
	}
	alike := map[end][]int64{}
	for _, d := range tried {
		key := end{d.Status, d.Attempts, stamp(d.NextAt), d.Code, clip(d.Answer, maxText)}
		alike[key] = append(alike[key], d.ID)
	}
	for e, ids := range alike {
		for part := range chunks(ids, batch) {
			err := s.w(ctx).Exec("UPDATE notification_deliveries SET status = ?, attempts = ?, next_at = ?, code = ?, answer = ?, tried_at = ? WHERE id IN ?",
				e.status, e.attempts, e.next, e.code, e.answer, stampPtr(tried[0].TriedAt), part).Error
			if err != nil {
				return wrap(err, "note what became of deliveries")
			}
		}
	}
	return nil
}

// Delivery reads one delivery of a channel.
func (s Notifications) Delivery(ctx context.Context, channel models.NotificationChannelID, id int64) (*Outgoing, error) {
	rows, err := find[models.NotificationDelivery](s.r(ctx).Where("channel_id = ? AND id = ?", channel, id), "read a delivery")
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, models.NotFound("delivery", id)
	}
	list, err := s.withEvents(ctx, rows)
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

// Log reads a channel's deliveries, newest first; before, if it is not 0,
// turns pages.
func (s Notifications) Log(ctx context.Context, channel models.NotificationChannelID, before int64, limit int) ([]Outgoing, error) {
	query := s.r(ctx).Where("channel_id = ?", channel)
	if before > 0 {
		query = query.Where("id < ?", before)
	}
	rows, err := find[models.NotificationDelivery](query.Order("id DESC").Limit(limit), "read the deliveries of a channel")
	if err != nil {
		return nil, err
	}
	return s.withEvents(ctx, rows)
}

// DeliveryCounts counts a channel's deliveries by status.
type DeliveryCounts struct {
	Pending, Delivered, Failed int
}

// Counts counts the deliveries of several channels; each id has an entry.
func (s Notifications) Counts(ctx context.Context, ids []models.NotificationChannelID) (map[models.NotificationChannelID]DeliveryCounts, error) {
	all := make(map[models.NotificationChannelID]DeliveryCounts, len(ids))
	for _, id := range ids {
		all[id] = DeliveryCounts{}
	}
	var rows []tally
	err := s.r(ctx).Raw("SELECT channel_id AS id, status, count(*) AS n FROM notification_deliveries WHERE channel_id IN ? GROUP BY channel_id, status", ids).Scan(&rows).Error
	if err != nil {
		return nil, wrap(err, "count deliveries")
	}
	for _, r := range rows {
		c := all[models.NotificationChannelID(r.ID)]
		switch models.DeliveryStatus(r.Status) {
		case models.DeliveryPending:
			c.Pending = r.N
		case models.DeliveryDelivered:
			c.Delivered = r.N
		case models.DeliveryFailed:
			c.Failed = r.N
		}
		all[models.NotificationChannelID(r.ID)] = c
	}
	return all, nil
}

// Prune removes up to limit events from before a time with their deliveries,
// and tells whether more are left.
func (s Notifications) Prune(ctx context.Context, before time.Time, limit int) (more bool, err error) {
	err = s.inTx(ctx, func(h *handle) error {
		var old []models.NotificationID
		if err := h.w(ctx).Model(&models.Notification{}).Where("at < ?", stamp(before)).Order("at").Limit(limit).Pluck("id", &old).Error; err != nil {
			return wrap(err, "look for old events")
		}
		more = len(old) == limit
		for part := range chunks(old, batch) {
			if err := h.w(ctx).Exec("DELETE FROM notification_deliveries WHERE notification_id IN ?", part).Error; err != nil {
				return wrap(err, "remove old deliveries")
			}
			if err := h.w(ctx).Exec("DELETE FROM notifications WHERE id IN ?", part).Error; err != nil {
				return wrap(err, "remove old events")
			}
		}
		return nil
	})
	return more, err
}
