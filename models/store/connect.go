package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	_ "modernc.org/sqlite" // database/sql driver "sqlite"
)

const (
	sqliteReaders = 6
	postgresConns = 20
	slowQuery     = time.Second
)

func connect(ctx context.Context, c Config) (*handle, error) {
	h := &handle{now: c.Now, secrets: c.Secrets}
	config := &gorm.Config{
		SkipDefaultTransaction: true,
		// Statements are not prepared by GORM: its cache never helps inside
		// transactions. SQLite's connections keep theirs, and so does pgx.
		NowFunc:              h.clock,
		Logger:               queryLog{c.Log},
		DisableAutomaticPing: true,
	}
	scheme, rest, _ := strings.Cut(c.URL, ":")
	var err error
	switch scheme {
	case "sqlite":
		h.dialect, h.path = SQLite, rest
		err = h.connectSQLite(config)
	case "postgres", "postgresql":
		h.dialect = Postgres
		err = h.connectPostgres(c.URL, config)
	default:
		return nil, errors.New("open the database: the address must begin with sqlite: or postgres://")
	}
	if err != nil {
		return nil, err
	}
	if err := h.db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), bind(h).Close())
	}
	return h, nil
}

// connectSQLite opens one connection that writes and some that read: a pool of
// one queues writers first come first served, where SQLite's own waiting
// starves some of them for seconds.
func (h *handle) connectSQLite(config *gorm.Config) error {
	if h.path == "" || strings.HasPrefix(h.path, ":memory:") {
		return errors.New("open the database: sqlite: needs the path of a file")
	}
	// The file holds everything, so it is for its owner only; SQLite gives its
	// journal the same mode.
	file, err := os.OpenFile(h.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	file.Close()
	write, err := openSQLite(h.path, "_txlock=immediate", 1, config)
	if err != nil {
		return err
	}
	if h.db, err = write.DB(); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	h.write = write
	if h.read, err = openSQLite(h.path, readOnly, sqliteReaders, config); err != nil {
		return errors.Join(err, h.db.Close())
	}
	h.memo = newMemo(h.path)
	return nil
}

// What is needed to undo a statement of many rows is kept in memory, and the
// journal grows to 16 MB before it is folded in: a command to a large stack
// would otherwise write and sync files beside the journal.
const sqliteOptions = "_pragma=temp_store(2)&_pragma=wal_autocheckpoint(4000)&_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous(NORMAL)" +
	"&_pragma=foreign_keys(1)&_pragma=cache_size(-8192)&_time_format=sqlite&_timezone=UTC&_texttotime=1"

// readOnly is the option of connections that never write.
const readOnly = "_pragma=query_only(1)"

func sqliteDSN(path, option string) string {
	return "file:" + escapePath(path) + "?" + sqliteOptions + "&" + option
}

// escapePath keeps ? and % of a path from being read as part of the address.
func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

func openSQLite(path, option string, conns int, config *gorm.Config) (*gorm.DB, error) {
	return openSQLiteAt(path, sqliteDSN(path, option), conns, config)
}

func openSQLiteAt(path, dsn string, conns int, config *gorm.Config) (*gorm.DB, error) {
	pool := sql.OpenDB(connector{dsn})
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	own := *config // GORM writes into it
	db, err := gorm.Open(sqlite.New(sqlite.Config{DriverName: "sqlite", Conn: pool}), &own)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, err), pool.Close())
	}
	return db, nil
}

func (h *handle) connectPostgres(address string, config *gorm.Config) error {
	pg, err := pgx.ParseConfig(address)
	if err != nil {
		return errors.New("open the database: the postgres:// address cannot be read") // it may hold a password
	}
	pg.RuntimeParams["timezone"] = "UTC"
	if pg.RuntimeParams["application_name"] == "" {
		pg.RuntimeParams["application_name"] = "opsyard"
	}
	h.db = stdlib.OpenDB(*pg, stdlib.OptionAfterConnect(readTimesAsUTC))
	h.db.SetMaxOpenConns(postgresConns)
	h.db.SetMaxIdleConns(postgresConns)
	h.db.SetConnMaxIdleTime(5 * time.Minute)
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: h.db}), config)
	if err != nil {
		return errors.Join(fmt.Errorf("open the database: %w", err), h.db.Close())
	}
	h.write, h.read = db, db
	return nil
}

func readTimesAsUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// queryLog logs slow statements, without their values. Errors are returned,
// and logged by whoever handles them.
type queryLog struct{ log *slog.Logger }

func (l queryLog) LogMode(logger.LogLevel) logger.Interface { return l }
func (l queryLog) Info(context.Context, string, ...any)     {}
func (l queryLog) Warn(context.Context, string, ...any)     {}
func (l queryLog) Error(context.Context, string, ...any)    {}
func (l queryLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

func (l queryLog) Trace(ctx context.Context, begin time.Time, query func() (string, int64), _ error) {
	took := time.Since(begin)
	if took < slowQuery {
		return
	}
	text, rows := query()
	l.log.WarnContext(ctx, "slow query", slog.Duration("took", took), slog.Int64("rows", rows), slog.String("sql", text[:min(len(text), 500)]))
}
