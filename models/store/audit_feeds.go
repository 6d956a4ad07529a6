package store

import (
	"context"
	"time"

	"opsyard/models"

	"gorm.io/gorm/clause"
)

// AuditFeeds keeps how far the audit was sent to syslog receivers.
type AuditFeeds struct{ *handle }

// Claim takes a feed for a server until a time, and gives it back; nil while
// another server has it. A new feed begins before the first entry.
func (s AuditFeeds) Claim(ctx context.Context, name, server string, now, until time.Time) (*models.AuditFeed, error) {
	fresh := models.AuditFeed{Name: name, SentAt: stamp(now), ClaimedUntil: stamp(now)}
	err := s.w(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&fresh).Error
	if err != nil {
		return nil, wrap(err, "make the audit's feed")
	}
	result := s.w(ctx).Model(&models.AuditFeed{}).Where("name = ? AND (claimed_by = ? OR claimed_until <= ?)", name, server, stamp(now)).
		Updates(map[string]any{"claimed_by": server, "claimed_until": stamp(until)})
	if result.Error != nil || result.RowsAffected == 0 {
		return nil, wrap(result.Error, "claim the audit's feed")
	}
	return getBy[models.AuditFeed](s.w(ctx), "name", "audit feed", name)
}

// Sent notes that all entries up to one have left. It does nothing for a
// server that has lost its claim.
func (s AuditFeeds) Sent(ctx context.Context, name, server string, upTo int64, now time.Time) error {
	return s.update(ctx, name, server, map[string]any{"sent_id": upTo, "sent_at": stamp(now)})
}

// Recovered notes that the receiver takes entries again.
func (s AuditFeeds) Recovered(ctx context.Context, name, server string) error {
	return s.update(ctx, name, server, map[string]any{"failing_since": nil, "problem": ""})
}

// Failed notes that the receiver takes nothing.
func (s AuditFeeds) Failed(ctx context.Context, name, server string, since time.Time, problem string) error {
	return s.update(ctx, name, server, map[string]any{"failing_since": stamp(since), "problem": clip(problem, maxText)})
}

// Release lets other servers go on.
func (s AuditFeeds) Release(ctx context.Context, name, server string, now time.Time) error {
	return s.update(ctx, name, server, map[string]any{"claimed_by": "", "claimed_until": stamp(now)})
}

func (s AuditFeeds) update(ctx context.Context, name, server string, to map[string]any) error {
	err := s.w(ctx).Model(&models.AuditFeed{}).Where("name = ? AND claimed_by = ?", name, server).Updates(to).Error
	return wrap(err, "save the audit's feed")
}

// Get is the state of a feed; nil when nothing was ever sent there.
func (s AuditFeeds) Get(ctx context.Context, name string) (*models.AuditFeed, error) {
	list, err := find[models.AuditFeed](s.r(ctx).Where("name = ?", name).Limit(1), "read the audit's feed")
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}
