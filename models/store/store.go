// Package store keeps the models in a database: SQLite by default, PostgreSQL
// for teams. It is the only package that knows GORM.
//
// Each noun has a small store (Stacks, Layers, …) with named queries. The
// caller that knows the story opens the transaction with Tx and works on the
// Store it is handed. On SQLite there is one writer connection: whoever holds
// a transaction and writes through the outer Store waits for himself.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"opsyard/models/store/migrations"

	"gorm.io/gorm"
)

// Dialects of Store.Dialect.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Config is what Open needs. URL is "sqlite:PATH" or "postgres://…".
type Config struct {
	URL     string
	Secrets SecretBox
	Log     *slog.Logger     // default slog.Default()
	Now     func() time.Time // default time.Now
}

// Store is an open database, or one transaction on it.
type Store struct {
	h *handle

	Stacks               Stacks
	Layers               Layers
	Instances            Instances
	LoadBasedAutoScaling LoadBasedAutoScaling
	Alarms               Alarms
	ScalingEvents        ScalingEvents
	Apps                 Apps
	ElasticIPs           ElasticIPs
	Volumes              Volumes
	RaidArrays           RaidArrays
	RdsDbInstances       RdsDbInstances
	ElasticLoadBalancers ElasticLoadBalancers
	EcsClusters          EcsClusters
	Deployments          Deployments
	Plans                Plans
	Intents              Intents
	Healings             Healings
	ScheduleFirings      ScheduleFirings
	Commands             Commands
	Membership           Membership
	RemoteAccesses       RemoteAccesses
	Contents             Contents
	Users                Users
	Sessions             Sessions
	AccessKeys           AccessKeys
	SignIns              SignIns
	Invitations          Invitations
	EnrollTokens         EnrollTokens
	SetupTokens          SetupTokens
	Permissions          Permissions
	Groups               Groups
	Policies             Policies
	Tokens               Tokens
	AppliedAccounts      AppliedAccounts
	Audit                Audit
	AuditFeeds           AuditFeeds
	Events               Events
	ServiceErrors        ServiceErrors
	Logs                 Logs
	Shells               Shells
	Notifications        Notifications
	Metrics              Metrics
}

// handle is what the small stores work on. Inside a transaction write and read
// are the same.
type handle struct {
	write, read *gorm.DB
	db          *sql.DB
	dialect     string
	path        string // of the SQLite file
	now         func() time.Time
	secrets     SecretBox
	tx          *transaction
	memo        *memo // nil in transactions and on PostgreSQL
}

type transaction struct {
	after []func()
}

// Open opens the database, brings its schema up to date and checks that the
// secret key belongs to it.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Secrets.aead == nil {
		return nil, errors.New("open the database: no secret key is given")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	s := bind(h)
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	unlock, err := s.h.lockMigrations(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := migrations.Run(s.h.w(ctx)); err != nil {
		return err
	}
	return s.h.checkSecretKey(ctx)
}

// migrationLock is the PostgreSQL advisory lock of schema changes.
const migrationLock = 0x6f707379617264 // "opsyard"

// lockMigrations keeps other replicas from migrating at the same time. SQLite
// needs none: a migration is one write transaction.
func (h *handle) lockMigrations(ctx context.Context) (unlock func(), err error) {
	if h.dialect == SQLite {
		return func() {}, nil
	}
	conn, err := h.db.Conn(ctx) // the lock belongs to a connection
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for another server's schema change: %w", err), conn.Close())
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
		conn.Close() // which lets go of the lock in any case
	}, nil
}

func bind(h *handle) *Store {
	return &Store{
		h:                    h,
		Stacks:               Stacks{h},
		Layers:               Layers{h},
		Instances:            Instances{h},
		LoadBasedAutoScaling: LoadBasedAutoScaling{h},
		Alarms:               Alarms{h},
		ScalingEvents:        ScalingEvents{h},
		Apps:                 Apps{h},
		ElasticIPs:           ElasticIPs{h},
		Volumes:              Volumes{h},
		RaidArrays:           RaidArrays{h},
		RdsDbInstances:       RdsDbInstances{h},
		ElasticLoadBalancers: ElasticLoadBalancers{h},
		EcsClusters:          EcsClusters{h},
		Deployments:          Deployments{h},
		Plans:                Plans{h},
		Intents:              Intents{h},
		Healings:             Healings{h},
		ScheduleFirings:      ScheduleFirings{h},
		Commands:             Commands{h},
		Membership:           Membership{h},
		RemoteAccesses:       RemoteAccesses{h},
		Contents:             Contents{h},
		Users:                Users{h},
		Sessions:             Sessions{h},
		AccessKeys:           AccessKeys{h},
		SignIns:              SignIns{h},
		Invitations:          Invitations{h},
		EnrollTokens:         EnrollTokens{h},
		SetupTokens:          SetupTokens{h},
		Permissions:          Permissions{h},
		Groups:               Groups{h},
		Policies:             Policies{h},
		Tokens:               Tokens{h},
		AppliedAccounts:      AppliedAccounts{h},
		Audit:                Audit{h},
		AuditFeeds:           AuditFeeds{h},
		Events:               Events{h},
		ServiceErrors:        ServiceErrors{h},
		Logs:                 Logs{h},
		Shells:               Shells{h},
		Notifications:        Notifications{h},
		Metrics:              Metrics{h},
	}
}

// Close closes the database; a second call does nothing.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*gorm.DB{s.h.read, s.h.write} {
		pool, err := db.DB()
		if err == nil {
			err = pool.Close()
		}
		errs = append(errs, err)
	}
	if s.h.memo != nil {
		errs = append(errs, s.h.memo.close())
	}
	return errors.Join(errs...)
}

// Dialect is SQLite or Postgres.
func (s *Store) Dialect() string { return s.h.dialect }

// SQL is the pool that writes. On SQLite it has one connection.
func (s *Store) SQL() *sql.DB { return s.h.db }

// Ping asks whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.h.r(ctx).Raw("SELECT 1").Scan(&one).Error; err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	return nil
}

// Tx runs f in one write transaction and commits when f returns nil. On a
// Store that is a transaction already, f joins it. Nothing remote belongs into
// f: on SQLite every other writer waits for it. PostgreSQL ends one of two
// transactions that wait for each other; f then runs again from the start, so
// what it leaves outside of the database it must set and not add to.
func (s *Store) Tx(ctx context.Context, f func(tx *Store) error) error {
	return s.h.inTx(ctx, func(h *handle) error { return f(bind(h)) })
}

// SQLTx is the transaction itself, for the job queue; nil outside of Tx.
func (s *Store) SQLTx() *sql.Tx {
	tx, _ := s.h.write.Statement.ConnPool.(*sql.Tx)
	return tx
}

// AfterCommit runs f when the transaction has been committed, and not when it
// is rolled back; outside of a transaction f runs at once.
func (s *Store) AfterCommit(f func()) {
	if s.h.tx == nil {
		f()
		return
	}
	s.h.tx.after = append(s.h.tx.after, f)
}

func (h *handle) inTx(ctx context.Context, f func(h *handle) error) error {
	if h.tx != nil {
		return f(h)
	}
	h.memo.wrote(ctx)
	for n := 1; ; n++ {
		tx := &transaction{}
		err := h.write.WithContext(ctx).Transaction(func(g *gorm.DB) error {
			inner := *h
			inner.write, inner.read, inner.tx, inner.memo = g, g, tx, nil
			return f(&inner)
		})
		if err != nil && n < attempts && wasInTheWay(err) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return err
		}
		for _, f := range tx.after {
			f()
		}
		return nil
	}
}

// attempts is how often a transaction is begun that others are in the way of.
// There is no pause between: the one that was spared goes on at once, and the
// second attempt waits for its locks.
const attempts = 4

// w and r are the writing and the reading handle for one statement.
func (h *handle) w(ctx context.Context) *gorm.DB {
	h.memo.wrote(ctx)
	return h.write.WithContext(withBox(ctx, h.secrets))
}

func (h *handle) r(ctx context.Context) *gorm.DB { return h.read.WithContext(withBox(ctx, h.secrets)) }

// clock is the time as the database keeps it.
func (h *handle) clock() time.Time { return stamp(h.now()) }

// stamp makes a time what both dialects can keep: UTC, microseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func stampPtr(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	s := stamp(*t)
	return &s
}
