package store

import (
	"context"
	"slices"

	"opsyard/models"

	"gorm.io/gorm"
)

// AuditCursor is where a page of the audit begins. Without any it is the newest.
type AuditCursor struct {
	Before int64 // entries older than this one
	After  int64 // entries newer than this one, those next to it
	Limit  int   // default 100
}

// Page reads entries, newest first. Each filter has an index in the order of
// time, so that a page costs the same however long the log is.
func (s Audit) Page(ctx context.Context, f models.AuditFilter, c AuditCursor) ([]models.AuditEntry, error) {
	if c.Limit <= 0 {
		c.Limit = 100
	}
	query := s.filtered(ctx, f)
	switch {
	case c.Before > 0:
		at, err := s.Get(ctx, c.Before)
		if err != nil {
			return nil, err
		}
		query = query.Where("at <= ? AND (at < ? OR id < ?)", at.At, at.At, at.ID)
	case c.After > 0:
		at, err := s.Get(ctx, c.After)
		if err != nil {
			return nil, err
		}
		list, err := find[models.AuditEntry](query.Where("at >= ? AND (at > ? OR id > ?)", at.At, at.At, at.ID).
			Order("at, id").Limit(c.Limit), "read the audit log")
		slices.Reverse(list)
		return list, err
	}
	return find[models.AuditEntry](query.Order("at DESC, id DESC").Limit(c.Limit), "read the audit log")
}

// Since reads entries after one in the order of the chain, up to and with
// another.
func (s Audit) Since(ctx context.Context, f models.AuditFilter, after, upTo int64, limit int) ([]models.AuditEntry, error) {
	query := s.filtered(ctx, f).Where("id > ? AND id <= ?", after, upTo)
	return find[models.AuditEntry](query.Order("id").Limit(limit), "read the audit log")
}

// LastUpTo is the number of the last entry that is not beyond one, zero if there
// is none.
func (s Audit) LastUpTo(ctx context.Context, id int64) (last int64, err error) {
	err = s.r(ctx).Model(&models.AuditEntry{}).Select("COALESCE(MAX(id), 0)").Where("id <= ?", id).Scan(&last).Error
	return last, wrap(err, "look for the audit entry before %d", id)
}

// CountSince counts entries after one, but no further than most.
func (s Audit) CountSince(ctx context.Context, f models.AuditFilter, after int64, most int) (int, error) {
	var ids []int64
	err := s.filtered(ctx, f).Model(&models.AuditEntry{}).Where("id > ?", after).Limit(most).Pluck("id", &ids).Error
	return len(ids), wrap(err, "count new audit entries")
}

func (s Audit) filtered(ctx context.Context, f models.AuditFilter) *gorm.DB {
	query := s.r(ctx)
	equal := func(column, value string) {
		if value != "" {
			query = query.Where(column+" = ?", value)
		}
	}
	named := func(of, value string) {
		if models.LooksLikeID(value) {
			equal(of+"_id", value)
		} else {
			equal(of+"_name", value)
		}
	}
	named("actor", f.Actor)
	named("target", f.Target)
	equal("action", f.Action)
	equal("stack_id", string(f.StackID))
	equal("request_id", f.RequestID)
	if f.RefusedOnly {
		query = query.Where("refused")
	}
	if !f.From.IsZero() {
		query = query.Where("at >= ?", stamp(f.From))
	}
	if !f.Until.IsZero() {
		query = query.Where("at < ?", stamp(f.Until))
	}
	return query
}

// auditActions steps from one action to the next through their index.
const auditActions = `WITH RECURSIVE found (action) AS (
	SELECT min(action) FROM audit_entries
	UNION ALL SELECT (SELECT min(e.action) FROM audit_entries e WHERE e.action > found.action) FROM found WHERE found.action IS NOT NULL
) SELECT action FROM found WHERE action IS NOT NULL`

// Actions are the actions that have an entry, by name.
func (s Audit) Actions(ctx context.Context) ([]string, error) {
	var list []string
	return list, wrap(s.r(ctx).Raw(auditActions).Scan(&list).Error, "read the audit's actions")
}
