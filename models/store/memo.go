package store

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Clients of the API ask the same over and over, and reading the rows costs
// many times what the answer does. SQLite tells within microseconds whether
// anybody, be it another process, has committed since a connection asked last.
// As long as nobody has, what was read before is what would be read now.

// Limits of what a memo keeps: answers, bytes, and bytes of one answer.
const (
	memoAnswers = 10_000
	memoBytes   = 32 << 20
	answerBytes = memoBytes / 4
)

// memo keeps answers of reads until the next commit.
type memo struct {
	pool *sql.DB // of one connection, which never writes

	mu      sync.Mutex
	conn    *sql.Conn // versions of other connections cannot be compared
	version int64     // of the database, when what is kept was asked for
	kept    map[question]*answer
	bytes   int
}

// question names what is read, within one version of the database.
type question struct{ what, id, of string }

// answer is what a read has found, or will when it is done.
type answer struct {
	done  chan struct{}
	ok    bool
	value any
}

func newMemo(path string) *memo {
	pool := sql.OpenDB(connector{sqliteDSN(path, readOnly)})
	pool.SetMaxOpenConns(1)
	return &memo{pool: pool, kept: map[question]*answer{}}
}

// remember reads, or gives what was read since the last commit; who asks while
// somebody else reads the same waits for him. Others get the same value, so it
// must not be changed. Transactions and PostgreSQL, which has no such version,
// read each time, and errors are not kept.
func remember[T any](ctx context.Context, h *handle, q question, read func() (T, error)) (T, error) {
	if h.memo == nil {
		return read()
	}
	a, first := h.memo.take(ctx, q)
	switch {
	case a == nil:
		return read()
	case first:
		defer h.memo.give(q, a)
		value, err := read()
		a.value, a.ok = value, err == nil
		return value, err
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		var none T
		return none, wrap(ctx.Err(), "read %s", q.what)
	}
	if !a.ok {
		return read() // the other one may have given up
	}
	return a.value.(T), nil
}

// rememberRow is remember for a row; each caller gets a copy of his own.
func rememberRow[T any](ctx context.Context, h *handle, q question, read func() (*T, error)) (*T, error) {
	row, err := remember(ctx, h, q, read)
	if err != nil {
		return nil, err
	}
	own := *row
	return &own, nil
}

// take finds an answer, or makes one that the first who asks has to give. There
// is none when the database does not tell its version.
//
// The version is asked before anything is read. So what is kept may be newer
// than its version, and is then forgotten too early, but it is never older.
func (m *memo) take(ctx context.Context, q question) (a *answer, first bool) {
	begun, _ := ctx.Value(m).(*reading)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !begun.on() {
		if err := m.catchUp(); err != nil {
			return nil, false
		}
		begun.goOn()
	}
	if a := m.kept[q]; a != nil {
		return a, false
	}
	if len(m.kept) >= memoAnswers {
		m.forget()
	}
	a = &answer{done: make(chan struct{})}
	m.kept[q] = a
	return a, true
}

// give ends a read, and keeps what it has found if there is room and no newer
// version.
func (m *memo) give(q question, a *answer) {
	close(a.done)
	size := sizeOf(reflect.ValueOf(a.value))
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.kept[q] != a:
		return
	case !a.ok || size > answerBytes:
		delete(m.kept, q)
		return
	case m.bytes+size > memoBytes:
		m.forget()
		m.kept[q] = a
	}
	m.bytes += size
}

func (m *memo) forget() {
	clear(m.kept)
	m.bytes = 0
}

// catchUp forgets what is older than the last commit.
func (m *memo) catchUp() error {
	other := m.conn == nil // than the one that told the version
	version, err := m.ask()
	if err != nil || other || version != m.version {
		m.forget()
	}
	m.version = version
	return err
}

// ask reads the version. It takes no longer than the lock may be held, and has
// nobody's context: watching one costs more than the reading.
func (m *memo) ask() (version int64, err error) {
	ctx := context.Background()
	if m.conn == nil {
		if m.conn, err = m.pool.Conn(ctx); err != nil {
			return 0, err
		}
	}
	if err = m.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		err = errors.Join(err, m.conn.Close())
		m.conn = nil
	}
	return version, err
}

func (m *memo) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	if m.conn != nil {
		_ = m.conn.Close() // the pool says what went wrong
		m.conn = nil
	}
	return m.pool.Close()
}

// reading is the state of what Reading makes. A nil one is never on.
type reading struct{ state atomic.Int32 }

const (
	readingBegun int32 = iota
	readingOn          // the version has been asked
	readingOver        // something is written: it is asked each time
)

func (r *reading) on() bool { return r != nil && r.state.Load() == readingOn }

func (r *reading) goOn() {
	if r != nil {
		r.state.CompareAndSwap(readingBegun, readingOn)
	}
}

// wrote ends a reading, since who writes wants to see it.
func (m *memo) wrote(ctx context.Context) {
	if m == nil {
		return
	}
	if r, ok := ctx.Value(m).(*reading); ok {
		r.state.Store(readingOver)
	}
}

// Reading is a context for a request that reads several things and is content
// with all that was committed before it read the first one. With another
// context, each read sees all that was committed before itself.
func (s *Store) Reading(ctx context.Context) context.Context {
	if s.h.memo == nil {
		return ctx
	}
	return context.WithValue(ctx, s.h.memo, &reading{})
}

// sizeOf is about what a value takes, with all that it refers to.
func sizeOf(v reflect.Value) int {
	if !v.IsValid() {
		return 0
	}
	return int(v.Type().Size()) + referred(v)
}

func referred(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Pointer:
		return sizeOf(v.Elem())
	case reflect.Slice:
		if plain(v.Type().Elem()) {
			return v.Len() * int(v.Type().Elem().Size())
		}
		for k := range v.Len() {
			n += sizeOf(v.Index(k))
		}
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			n += sizeOf(each.Key()) + sizeOf(each.Value())
		}
	case reflect.Struct:
		if plain(v.Type()) {
			return 0
		}
		for k := range v.NumField() {
			n += referred(v.Field(k))
		}
	}
	return n
}

// plain types refer to nothing that counts; times share their zones.
func plain(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Time]() || t.Kind() <= reflect.Complex128
}
