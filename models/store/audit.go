package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"opsyard/models"
)

// Audit keeps models.AuditEntry as a chain: each entry's hash covers the entry
// and the hash before it, so nobody changes or removes one unnoticed.
type Audit struct{ *handle }

// auditLock is the PostgreSQL advisory lock of the chain's end.
const auditLock = 0x6175646974 // "audit"

// Append adds an entry to the chain, in the transaction of the change it tells
// of. ID, PrevHash and Hash are filled in.
func (s Audit) Append(ctx context.Context, e *models.AuditEntry) error {
	return s.inTx(ctx, func(h *handle) error {
		if h.dialect == Postgres { // until commit, so that ids and hashes have one order
			if err := h.w(ctx).Exec("SELECT pg_advisory_xact_lock(?)", auditLock).Error; err != nil {
				return wrap(err, "lock the audit log")
			}
		}
		var last []string
		if err := h.w(ctx).Model(e).Order("id DESC").Limit(1).Pluck("hash", &last).Error; err != nil {
			return wrap(err, "read the end of the audit log")
		}
		fitAudit(e)
		if e.At.IsZero() {
			e.At = h.clock()
		}
		e.At, e.ID, e.PrevHash = stamp(e.At), 0, ""
		if len(last) > 0 {
			e.PrevHash = last[0]
		}
		e.Hash = auditHash(e)
		return wrap(h.w(ctx).Create(e).Error, "append to the audit log")
	})
}

// fitAudit makes what came from outside fit its columns before it is hashed.
func fitAudit(e *models.AuditEntry) {
	e.ActorID, e.ActorName, e.SourceAddr = clip(e.ActorID, 36), clip(e.ActorName, 64), clip(e.SourceAddr, 64)
	e.RequestID, e.TargetID, e.TargetName = clip(e.RequestID, 64), clip(e.TargetID, 36), clip(e.TargetName, 255)
	e.StackID = models.StackID(clip(string(e.StackID), 36))
	e.Before, e.After = clip(e.Before, 1<<20), clip(e.After, 1<<20)
	e.Cause.Text, e.Cause.Actor = clip(e.Cause.Text, maxText), clip(e.Cause.Actor, 64)
}

// auditHash covers all members but ID and Hash. Members are listed, not taken
// from the type, so that a later member does not break old chains.
func auditHash(e *models.AuditEntry) string {
	text, err := json.Marshal([]any{
		"v1", e.PrevHash, e.At.UTC().Format(time.RFC3339Nano), e.ActorKind, e.ActorID, e.ActorName, e.SourceAddr, e.Surface,
		e.RequestID, e.Action, e.TargetKind, e.TargetID, e.TargetName, e.StackID, e.Refused, e.Before, e.After,
		e.Cause.Kind, e.Cause.Text, e.Cause.InstanceID, e.Cause.EventID, e.Cause.Actor,
	})
	if err != nil {
		panic(err) // strings, numbers and booleans always encode
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Verify walks the chain and counts its entries; the error names the first
// entry that does not fit.
func (s Audit) Verify(ctx context.Context) (entries int, err error) {
	previous, after := "", int64(0)
	for {
		list, err := find[models.AuditEntry](s.r(ctx).Where("id > ?", after).Order("id").Limit(batch), "read the audit log")
		if err != nil || len(list) == 0 {
			return entries, err
		}
		for _, e := range list {
			if e.PrevHash != previous {
				return entries, fmt.Errorf("audit entry %d does not follow the one before it: an entry was removed or changed", e.ID)
			}
			if auditHash(&e) != e.Hash {
				return entries, fmt.Errorf("audit entry %d was changed after it was written", e.ID)
			}
			previous, after = e.Hash, e.ID
			entries++
		}
	}
}

// AuditFilter narrows Page; zero members do not.
type AuditFilter struct {
	StackID      models.StackID
	ActorID      string
	TargetID     string
	Action       string
	Refused      *bool
	Since, Until time.Time
	BeforeID     int64 // to turn pages
	Limit        int   // default 100
}

// Page reads entries, newest first.
func (s Audit) Page(ctx context.Context, f AuditFilter) ([]models.AuditEntry, error) {
	query := s.r(ctx).Where(models.AuditEntry{StackID: f.StackID, ActorID: f.ActorID, TargetID: f.TargetID, Action: f.Action})
	if f.Refused != nil {
		query = query.Where("refused = ?", *f.Refused)
	}
	if !f.Since.IsZero() {
		query = query.Where("at >= ?", stamp(f.Since))
	}
	if !f.Until.IsZero() {
		query = query.Where("at < ?", stamp(f.Until))
	}
	if f.BeforeID > 0 {
		query = query.Where("id < ?", f.BeforeID)
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	return find[models.AuditEntry](query.Order("id DESC").Limit(f.Limit), "read the audit log")
}
