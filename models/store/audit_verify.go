package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"opsyard/models"

	"gorm.io/gorm"
)

// AuditProof is what Verify has proved.
type AuditProof struct {
	Entries int
	Head    models.AuditHead
	// Known says that the hash to expect was met.
	Known bool
}

// BrokenAuditError names the first entry that does not fit the chain.
type BrokenAuditError struct {
	ID     int64
	At     string // as the database has it
	Action string
	Why    string
}

// Error is for people, at a terminal: what somebody has put into the database
// must not speak to it.
func (e *BrokenAuditError) Error() string {
	return fmt.Sprintf("audit entry %d (%s, %s) %s", e.ID, tame(e.Action), tame(e.At), e.Why)
}

// tame is a text that may hold anything, short and without control characters.
func tame(text string) string {
	quoted := strconv.QuoteToASCII(clip(text, 64))
	return quoted[1 : len(quoted)-1]
}

// rawAudit is an entry as it lies in the database: a form that means the same
// but was not written by Append is a change, too.
type rawAudit struct {
	models.AuditEntry
	at, refused, cause sql.NullString
	texts              [12]sql.NullString
}

// Times are compared as the text that they are on SQLite, and to PostgreSQL's
// microseconds.
const (
	sqliteTime   = "2006-01-02 15:04:05.999999999-07:00"
	postgresTime = "2006-01-02 15:04:05.000000"
)

// auditTexts are the columns that Go has as strings, in the order of
// rawAudit.texts.
const auditTexts = "actor_kind, actor_id, actor_name, source_addr, surface, request_id, action, target_kind, target_id, target_name, stack_id, prev_hash"

// auditRound is how many entries one query reads. They are read one by one, so
// it bounds how long a query lasts, not the memory.
const auditRound = 20_000

// Verify walks the chain from its first entry and proves that none was changed,
// removed or put in; a BrokenAuditError names the first that does not fit. That
// the end was not cut off shows only a hash that is kept elsewhere: expect,
// unless empty, must be among those met.
func (s Audit) Verify(ctx context.Context, expect string) (AuditProof, error) {
	var proof AuditProof
	walk := auditWalk{proof: &proof, expect: expect}
	for {
		before := proof.Entries
		if err := s.verifyRound(ctx, &walk); err != nil {
			return proof, err
		}
		if proof.Entries == before {
			return proof, nil
		}
	}
}

// auditWalk is how far Verify has come.
type auditWalk struct {
	proof  *AuditProof
	expect string
	// counted: an entry was met whose hash covers its id; from there on each
	// has the next number.
	counted bool
}

func (s Audit) verifyRound(ctx context.Context, walk *auditWalk) error {
	// behind a sign, text that looks like a time is not read as one
	at, refused := "'=' || at", "CAST(refused AS TEXT)"
	if s.dialect == Postgres {
		at = "'=' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
	}
	query := "SELECT id, " + at + ", " + refused + ", " + auditTexts + ", before, after, cause, hash FROM audit_entries WHERE id > ? ORDER BY id LIMIT ?"
	rows, err := s.r(ctx).Raw(query, walk.proof.Head.ID, auditRound).Rows()
	if err != nil {
		return wrap(err, "read the audit log")
	}
	defer rows.Close()
	for rows.Next() {
		raw, err := scanAudit(rows)
		if err != nil {
			return wrap(err, "read the audit entry after %d", walk.proof.Head.ID)
		}
		if why := walk.step(raw, s.dialect); why != "" {
			return &BrokenAuditError{ID: raw.ID, At: raw.at.String, Action: raw.Action, Why: why}
		}
	}
	return wrap(rows.Err(), "read the audit log")
}

func scanAudit(rows *sql.Rows) (*rawAudit, error) {
	var raw rawAudit
	to := []any{&raw.ID, &raw.at, &raw.refused}
	for n := range raw.texts {
		to = append(to, &raw.texts[n])
	}
	var before, after, hash sql.NullString
	if err := rows.Scan(append(to, &before, &after, &raw.cause, &hash)...); err != nil {
		return nil, err
	}
	raw.at.String = strings.TrimPrefix(raw.at.String, "=")
	e, t := &raw.AuditEntry, &raw.texts
	e.ActorKind, e.ActorID, e.ActorName, e.SourceAddr = models.ActorKind(t[0].String), t[1].String, t[2].String, t[3].String
	e.Surface, e.RequestID, e.Action, e.TargetKind = t[4].String, t[5].String, t[6].String, t[7].String
	e.TargetID, e.TargetName, e.StackID, e.PrevHash = t[8].String, t[9].String, models.StackID(t[10].String), t[11].String
	e.Before, e.After, e.Hash = before.String, after.String, hash.String
	return &raw, nil
}

// step takes one more entry, or says why it does not fit.
func (w *auditWalk) step(raw *rawAudit, dialect string) string {
	if raw.PrevHash != w.proof.Head.Hash {
		return "does not follow the one before it: an entry was removed, put in or moved"
	}
	if !raw.fill(dialect) {
		return "was changed after it was written"
	}
	switch raw.Hash {
	case auditHash(&raw.AuditEntry, raw.cause.String):
		if w.counted && raw.ID != w.proof.Head.ID+1 {
			return "does not have the number after the one before it"
		}
		w.counted = true
	case firstAuditHash(&raw.AuditEntry):
		if w.counted {
			return "was changed after it was written"
		}
	default:
		return "was changed after it was written"
	}
	w.proof.Entries++
	w.proof.Head = models.AuditHead{ID: raw.ID, At: raw.At, Hash: raw.Hash}
	w.proof.Known = w.proof.Known || raw.Hash == w.expect
	return ""
}

// fill reads what is kept in a form of the database's own, and tells whether
// that is the form that Append gives it.
func (raw *rawAudit) fill(dialect string) bool {
	form, yes, no := sqliteTime, "1", "0"
	if dialect == Postgres {
		form, yes, no = postgresTime, "true", "false"
	}
	at, err := time.Parse(form, raw.at.String)
	if err != nil || at.UTC().Format(form) != raw.at.String {
		return false
	}
	raw.At, raw.Refused = at.UTC(), raw.refused.String == yes
	if !raw.Refused && raw.refused.String != no {
		return false
	}
	return raw.cause.String == "" || json.Unmarshal([]byte(raw.cause.String), &raw.Cause) == nil
}

// connectReader opens a database as it is: an SQLite file is neither made nor
// changed, so that a copy can be looked at, too.
func connectReader(ctx context.Context, url string) (*handle, error) {
	path, lite := strings.CutPrefix(url, SQLite+":")
	if !lite {
		return connect(ctx, Config{URL: url, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	}
	const options = "mode=ro&_pragma=busy_timeout(10000)&" + readOnly
	config := &gorm.Config{SkipDefaultTransaction: true, DisableAutomaticPing: true, Logger: queryLog{slog.New(slog.DiscardHandler)}}
	db, err := openSQLiteAt(path, "file:"+escapePath(path)+"?"+options, 1, config)
	if err != nil {
		return nil, err
	}
	h := &handle{dialect: SQLite, path: path, now: time.Now, write: db, read: db}
	if h.db, err = db.DB(); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := h.db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, err), h.db.Close())
	}
	return h, nil
}

// VerifyAudit verifies the audit of a database that no server needs to run on.
// It needs no secret key and changes nothing.
func VerifyAudit(ctx context.Context, url, expect string) (_ AuditProof, err error) {
	h, err := connectReader(ctx, url)
	if err != nil {
		return AuditProof{}, err
	}
	s := bind(h)
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Audit.Verify(ctx, expect)
}
