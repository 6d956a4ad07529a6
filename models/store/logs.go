package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"opsyard/models"
)

// Logs keeps models.LogChunk, LogStep and LogBlob for engine/logstream. Chunks
// come by the thousand, so they go past GORM.
type Logs struct{ *handle }

// Append stores chunks, and steps where they begin or end, in one transaction.
func (s Logs) Append(ctx context.Context, chunks []models.LogChunk, steps []models.LogStep) error {
	return wrap(s.rawTx(ctx, func(tx *sql.Tx) error {
		if err := s.insertChunks(ctx, tx, chunks); err != nil {
			return err
		}
		return s.upsertSteps(ctx, tx, steps)
	}), "store %d log chunks", len(chunks))
}

// rawTx runs f in the transaction that is open, or in one of its own.
func (s Logs) rawTx(ctx context.Context, f func(tx *sql.Tx) error) error {
	return s.inTx(ctx, func(h *handle) error {
		tx, ok := h.write.Statement.ConnPool.(*sql.Tx)
		if !ok {
			return fmt.Errorf("the transaction is a %T", h.write.Statement.ConnPool)
		}
		return f(tx)
	})
}

const chunkColumns = `command_id, seq, "offset", bytes, first_line, lines, sgr, at, data`

// insertChunks is one statement on PostgreSQL, where each costs a round trip,
// and always the same one, so that it stays prepared. SQLite is in this
// process: there a prepared statement for each row is as fast.
func (s Logs) insertChunks(ctx context.Context, tx *sql.Tx, chunks []models.LogChunk) error {
	if s.dialect == Postgres {
		return insertTogether(ctx, tx, chunks)
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO log_chunks ("+chunkColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, c := range chunks {
		_, err := insert.ExecContext(ctx, string(c.CommandID), c.Seq, c.Offset, c.Bytes, c.FirstLine, c.Lines, c.Sgr, stamp(c.At), c.Data)
		if err != nil {
			return err
		}
	}
	return nil
}

func insertTogether(ctx context.Context, tx *sql.Tx, chunks []models.LogChunk) error {
	var (
		n       = len(chunks)
		ids     = make([]string, n)
		seqs    = make([]int64, n)
		offsets = make([]int64, n)
		bytes   = make([]int64, n)
		firsts  = make([]int64, n)
		lines   = make([]int64, n)
		sgrs    = make([]string, n)
		ats     = make([]time.Time, n)
		data    = make([][]byte, n)
	)
	for i, c := range chunks {
		ids[i], seqs[i], offsets[i], bytes[i] = string(c.CommandID), c.Seq, c.Offset, int64(c.Bytes)
		firsts[i], lines[i], sgrs[i], ats[i], data[i] = c.FirstLine, int64(c.Lines), c.Sgr, stamp(c.At), c.Data
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO log_chunks ("+chunkColumns+`)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::timestamptz[], $9::bytea[])`,
		ids, seqs, offsets, bytes, firsts, lines, sgrs, ats, data)
	return err
}

// upsertSteps stores a beginning as it is; an end fills in the row of its
// beginning. A beginning that comes twice changes nothing.
func (s Logs) upsertSteps(ctx context.Context, tx *sql.Tx, steps []models.LogStep) error {
	query := s.placeholders(`INSERT INTO log_steps
		(command_id, "index", parent, kind, name, first_line, last_line, started_at, ended_at, result, changed, unchanged)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (command_id, "index") DO UPDATE SET last_line = excluded.last_line, ended_at = excluded.ended_at,
			result = excluded.result, changed = excluded.changed, unchanged = excluded.unchanged
		WHERE excluded.result <> ''`)
	for _, p := range steps {
		_, err := tx.ExecContext(ctx, query, string(p.CommandID), p.Index, p.Parent, clip(p.Kind, 16), clip(p.Name, 255),
			p.FirstLine, p.LastLine, stamp(p.StartedAt), stampPtr(p.EndedAt), clip(p.Result, 16), p.Changed, p.Unchanged)
		if err != nil {
			return err
		}
	}
	return nil
}

// placeholders writes ? as $1, $2, … for PostgreSQL; query has no quoted ?.
func (s Logs) placeholders(query string) string {
	if s.dialect != Postgres {
		return query
	}
	out, n := make([]byte, 0, len(query)+32), 0
	for i := range len(query) {
		if query[i] != '?' {
			out = append(out, query[i])
			continue
		}
		n++
		out = fmt.Appendf(out, "$%d", n)
	}
	return string(out)
}

// Last reads a command's newest chunk, nil when it has none.
func (s Logs) Last(ctx context.Context, id models.CommandID) (*models.LogChunk, error) {
	rows, err := find[models.LogChunk](s.r(ctx).Where("command_id = ?", id).Order("seq DESC").Limit(1), "read the last log chunk of command %s", id)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// Chunks reads chunks after a sequence number, in order, without their data.
func (s Logs) Chunks(ctx context.Context, id models.CommandID, after int64, limit int) ([]models.LogChunk, error) {
	return find[models.LogChunk](s.r(ctx).Omit("data").Where("command_id = ? AND seq > ?", id, after).Order("seq").Limit(limit),
		"list log chunks of command %s", id)
}

// Data reads the packed text of the chunks from first to last that are there, in order.
func (s Logs) Data(ctx context.Context, id models.CommandID, first, last int64) ([][]byte, error) {
	var data [][]byte
	err := s.r(ctx).Model(&models.LogChunk{}).Where("command_id = ? AND seq BETWEEN ? AND ?", id, first, last).Order("seq").Pluck("data", &data).Error
	return data, wrap(err, "read log chunks of command %s", id)
}

// Steps reads a command's steps in order.
func (s Logs) Steps(ctx context.Context, id models.CommandID) ([]models.LogStep, error) {
	return find[models.LogStep](s.r(ctx).Where("command_id = ?", id).Order(`"index"`), "list steps of command %s", id)
}

// Blob reads what is known of a packed log, nil when it was never packed.
func (s Logs) Blob(ctx context.Context, id models.CommandID) (*models.LogBlob, error) {
	rows, err := find[models.LogBlob](s.r(ctx).Where("command_id = ?", id).Limit(1), "read the packed log of command %s", id)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// Pack puts a blob in the place of the chunks it holds. A blob that reaches
// further is never replaced by a shorter one.
func (s Logs) Pack(ctx context.Context, b models.LogBlob) error {
	return wrap(s.rawTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.placeholders(`INSERT INTO log_blobs
			(command_id, "key", bytes, lines, last_seq, sha256, "index", created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (command_id) DO UPDATE SET "key" = excluded."key", bytes = excluded.bytes, lines = excluded.lines,
				last_seq = excluded.last_seq, sha256 = excluded.sha256, "index" = excluded."index", created_at = excluded.created_at
			WHERE excluded.last_seq >= log_blobs.last_seq`),
			string(b.CommandID), b.Key, b.Bytes, b.Lines, b.LastSeq, b.SHA256, b.Index, stamp(b.CreatedAt))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.placeholders("DELETE FROM log_chunks WHERE command_id = ? AND seq <= ?"), string(b.CommandID), b.LastSeq)
		return err
	}), "pack the log of command %s", b.CommandID)
}

// Ended tells whether a command has ended, and the number of its last chunk.
func (s Logs) Ended(ctx context.Context, id models.CommandID) (ended bool, lastSeq int64, err error) {
	var c models.Command
	if err := s.r(ctx).Select("status", "log_last_seq").Where("id = ?", id).Take(&c).Error; err != nil {
		return false, 0, found(err, kindCommand, id)
	}
	return c.Status.Finished(), c.LogLastSeq, nil
}

// Unpacked lists ended commands that still have chunks and whose log is
// complete, or that ended before quiet and have not said where it ends.
func (s Logs) Unpacked(ctx context.Context, quiet time.Time) ([]models.CommandID, error) {
	var ids []models.CommandID
	err := s.r(ctx).Raw(`SELECT c.id FROM (SELECT command_id, MAX(seq) AS last FROM log_chunks GROUP BY command_id) l
		JOIN commands c ON c.id = l.command_id
		WHERE NOT c.`+unfinished+` AND (c.log_last_seq > 0 AND l.last >= c.log_last_seq OR c.completed_at < ?)`, stamp(quiet)).Scan(&ids).Error
	return ids, wrap(err, "list logs to pack")
}

// Orphans lists packed logs whose commands are gone: their blobs are left.
func (s Logs) Orphans(ctx context.Context, limit int) ([]models.CommandID, error) {
	var ids []models.CommandID
	err := s.r(ctx).Raw(`SELECT command_id FROM log_blobs b
		WHERE NOT EXISTS (SELECT 1 FROM commands c WHERE c.id = b.command_id) LIMIT ?`, limit).Scan(&ids).Error
	return ids, wrap(err, "list logs of deleted commands")
}

// Drop forgets all of a log.
func (s Logs) Drop(ctx context.Context, id models.CommandID) error {
	return wrap(s.rawTx(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"log_chunks", "log_steps", "log_blobs"} {
			if _, err := tx.ExecContext(ctx, s.placeholders("DELETE FROM "+table+" WHERE command_id = ?"), string(id)); err != nil {
				return err
			}
		}
		return nil
	}), "drop the log of command %s", id)
}

// Of tells which of the commands have written anything.
func (s Logs) Of(ctx context.Context, ids []models.CommandID) (map[models.CommandID]bool, error) {
	have := map[models.CommandID]bool{}
	for part := range chunks(ids, batch) {
		var some []models.CommandID
		err := s.r(ctx).Raw(`SELECT command_id FROM log_blobs WHERE command_id IN ? AND bytes > 0
			UNION SELECT command_id FROM log_chunks WHERE command_id IN ? AND bytes > 0`, part, part).Scan(&some).Error
		if err != nil {
			return nil, wrap(err, "look for logs of commands")
		}
		for _, id := range some {
			have[id] = true
		}
	}
	return have, nil
}
