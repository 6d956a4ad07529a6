package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"time"

	"modernc.org/sqlite"
)

// Parsing a statement costs SQLite more than running most of ours, and neither
// database/sql nor GORM keeps prepared statements over the end of a
// transaction. So each connection keeps those it has parsed.

// statementsKept bounds what one connection keeps; lists of different lengths
// make different statements.
const statementsKept = 256

// connector opens connections that keep their statements.
type connector struct{ dsn string }

// Connect opens one, once nobody else is changing the file to a journal: for
// that change alone, SQLite refuses at once instead of waiting as busy_timeout
// says, so servers that start together on a new file would fail.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for {
		conn, err := c.Driver().Open(c.dsn)
		if err == nil {
			return &keepingConn{fullConn: conn.(fullConn), kept: map[string]*statement{}}, nil
		}
		if !isBusy(err) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// busyTimeout is how long a connection waits for another to let go of the file.
const busyTimeout = 10 * time.Second

func isBusy(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == 5 // SQLITE_BUSY and its kinds
}

// Driver is SQLite's own.
func (connector) Driver() driver.Driver { return &sqlite.Driver{} }

// fullConn and fullRows are what SQLite's connections and rows can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type fullRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// keepingConn is a connection; database/sql sees to it that it has one user at a time.
type keepingConn struct {
	fullConn
	kept  map[string]*statement
	round int64
}

type statement struct {
	fullStmt
	query string
	busy  bool  // its rows are open
	used  int64 // the round of its last use
	loose bool  // not kept
}

// take finds the statement or prepares it.
func (c *keepingConn) take(ctx context.Context, query string) (*statement, error) {
	c.round++
	old := c.kept[query]
	if old != nil && !old.busy {
		old.busy, old.used = true, c.round
		return old, nil
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &statement{fullStmt: prepared.(fullStmt), query: query, busy: true, used: c.round, loose: old != nil}
	if !s.loose {
		c.makeRoom()
		c.kept[query] = s
	}
	return s, nil
}

// give ends the statement's use; one that failed is not kept.
func (c *keepingConn) give(s *statement, failed bool) error {
	s.busy = false
	if !s.loose && !failed {
		return nil
	}
	if !s.loose {
		delete(c.kept, s.query)
	}
	return s.Close()
}

// makeRoom forgets the statement that has not been used for longest.
func (c *keepingConn) makeRoom() {
	if len(c.kept) < statementsKept {
		return
	}
	var oldest *statement
	for _, s := range c.kept {
		if !s.busy && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	if oldest != nil {
		delete(c.kept, oldest.query)
		_ = oldest.Close() // nothing depends on it any more
	}
}

// ExecContext runs a statement without rows.
func (c *keepingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	if closing := c.give(s, err != nil); err == nil {
		err = closing
	}
	return result, err
}

// QueryContext runs a statement with rows, which hold it until they are closed.
func (c *keepingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		_ = c.give(s, true) // the first error is the one to tell
		return nil, err
	}
	return &openRows{fullRows: rows.(fullRows), conn: c, statement: s}, nil
}

// Close finalizes the statements and closes the connection.
func (c *keepingConn) Close() error {
	var errs []error
	for _, s := range c.kept {
		errs = append(errs, s.Close())
	}
	c.kept = map[string]*statement{}
	return errors.Join(append(errs, c.fullConn.Close())...)
}

type openRows struct {
	fullRows
	conn      *keepingConn
	statement *statement
	failed    bool
}

// Next reads a row and notes whether the statement may be used again.
func (r *openRows) Next(dest []driver.Value) error {
	err := r.fullRows.Next(dest)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed = true
	}
	return err
}

// Close gives the statement back.
func (r *openRows) Close() error {
	if r.statement == nil {
		return nil
	}
	err := r.fullRows.Close()
	err = errors.Join(err, r.conn.give(r.statement, r.failed || err != nil))
	r.statement = nil
	return err
}
