package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"opsyard/models"

	"gorm.io/gorm"
)

// Audit keeps models.AuditEntry as a chain: each entry's hash covers the entry
// and the hash before it, so nobody changes or removes one unnoticed.
type Audit struct{ *handle }

// auditLock is the PostgreSQL advisory lock of the chain's end.
const auditLock = 0x6175646974 // "audit"

// Append adds an entry to the chain, in the transaction of the change it tells
// of. ID, PrevHash and Hash are filled in. Whoever appends has the chain's end
// to themselves until the commit, so ids have no holes.
func (s Audit) Append(ctx context.Context, e *models.AuditEntry) error {
	return s.inTx(ctx, func(h *handle) error {
		if h.dialect == Postgres {
			if err := h.w(ctx).Exec("SELECT pg_advisory_xact_lock(?)", auditLock).Error; err != nil {
				return wrap(err, "lock the audit log")
			}
		}
		last, err := Audit{h}.head(h.w(ctx))
		if err != nil {
			return err
		}
		fitAudit(e)
		if e.At.IsZero() {
			e.At = h.clock()
		}
		e.At, e.ID, e.PrevHash = stamp(e.At), last.ID+1, last.Hash
		cause, err := json.Marshal(e.Cause) // as GORM stores it
		if err != nil {
			return wrap(err, "append to the audit log")
		}
		e.Hash = auditHash(e, string(cause))
		return wrap(h.w(ctx).Create(e).Error, "append to the audit log")
	})
}

// Head is the end of the chain; zero when there is no entry.
func (s Audit) Head(ctx context.Context) (models.AuditHead, error) { return s.head(s.r(ctx)) }

func (Audit) head(db *gorm.DB) (models.AuditHead, error) {
	var last []models.AuditHead
	err := db.Model(&models.AuditEntry{}).Select("id, at, hash").Order("id DESC").Limit(1).Find(&last).Error
	if err != nil || len(last) == 0 {
		return models.AuditHead{}, wrap(err, "read the end of the audit log")
	}
	return last[0], nil
}

// Get reads one entry.
func (s Audit) Get(ctx context.Context, id int64) (*models.AuditEntry, error) {
	return getBy[models.AuditEntry](s.r(ctx), "id", "audit entry", id)
}

// fitAudit makes what came from outside fit its columns before it is hashed.
func fitAudit(e *models.AuditEntry) {
	e.ActorID, e.ActorName, e.SourceAddr = clip(e.ActorID, 36), clip(e.ActorName, 64), clip(e.SourceAddr, 64)
	e.RequestID, e.TargetID, e.TargetName = clip(e.RequestID, 64), clip(e.TargetID, 36), clip(e.TargetName, 255)
	e.Action, e.Surface, e.TargetKind = clip(e.Action, 64), clip(e.Surface, 16), clip(e.TargetKind, 32)
	e.StackID = models.StackID(clip(string(e.StackID), 36))
	e.Before, e.After = clip(e.Before, 1<<20), clip(e.After, 1<<20)
	e.Cause.Text, e.Cause.Actor = clip(e.Cause.Text, maxText), clip(e.Cause.Actor, 64)
}

// auditHash covers all members but Hash itself. Members are listed, not taken
// from the type, so that a later member does not break old chains; cause is as
// the database keeps it.
func auditHash(e *models.AuditEntry, cause string) string {
	return hashOf(
		"v2", e.ID, e.PrevHash, e.At.UTC().Format(time.RFC3339Nano), e.ActorKind, e.ActorID, e.ActorName, e.SourceAddr, e.Surface,
		e.RequestID, e.Action, e.TargetKind, e.TargetID, e.TargetName, e.StackID, e.Refused, e.Before, e.After, cause,
	)
}

// firstAuditHash is the hash of entries that were written before ids were
// counted.
func firstAuditHash(e *models.AuditEntry) string {
	return hashOf(
		"v1", e.PrevHash, e.At.UTC().Format(time.RFC3339Nano), e.ActorKind, e.ActorID, e.ActorName, e.SourceAddr, e.Surface,
		e.RequestID, e.Action, e.TargetKind, e.TargetID, e.TargetName, e.StackID, e.Refused, e.Before, e.After,
		e.Cause.Kind, e.Cause.Text, e.Cause.InstanceID, e.Cause.EventID, e.Cause.Actor,
	)
}

func hashOf(members ...any) string {
	text, err := json.Marshal(members)
	if err != nil {
		panic(err) // strings, numbers and booleans always encode
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
