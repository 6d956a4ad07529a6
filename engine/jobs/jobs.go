// Package jobs is the durable to-do list of the engine, kept in the same
// database as the model. A job only says "look at this instance now": what has
// to be done is in the rows, so a job that is lost, late or doubled does no harm.
//
// It is the only package that knows the library behind it.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"opsyard/engine/service"
	"opsyard/models"
)

// Limits of the queue.
const (
	// StartTimeout bounds one look at an instance; making the first machine
	// may have to build its root file system.
	StartTimeout = 10 * time.Minute
	// Attempts is how often a failing look is repeated before the engine calls
	// it a failure.
	Attempts = 3

	sweepTimeout = time.Minute
	rescueAfter  = 90 * time.Second
	workers      = 32
	// pollEvery finds what waits without anybody having told: jobs of other
	// processes and those to be tried again.
	pollEvery = 2 * time.Second
	// lookCooldown gathers what is told.
	lookCooldown = 50 * time.Millisecond
)

// Config joins the queue to the engine.
type Config struct {
	DB      *sql.DB
	Dialect string // "sqlite" or "postgres"
	Log     *slog.Logger
	// Reconcile moves one instance on as far as it can go now. last says that
	// an error will not be retried.
	Reconcile func(ctx context.Context, id models.InstanceID, last bool) error
	// Sweep finds what is overdue and asks for looks at it; one process of an
	// installation calls it, each SweepEvery.
	Sweep      func(ctx context.Context) error
	SweepEvery time.Duration
}

// Queue is the list and its workers.
type Queue struct {
	service.Base
	client *river.Client[*sql.Tx]
	epoch  string
	nudge  chan struct{}
}

// reconcileArgs is unique while it waits or works. The status lets a newer
// wish in while a job for the older one still works; the epoch lets a new
// process in while the job of a killed one still counts as working.
type reconcileArgs struct {
	Instance models.InstanceID     `json:"instance" river:"unique"`
	Status   models.InstanceStatus `json:"status" river:"unique"`
	Epoch    string                `json:"epoch" river:"unique"`
}

// Kind names the job in the database.
func (reconcileArgs) Kind() string { return "reconcile_instance" }

type sweepArgs struct{}

// Kind names the job in the database.
func (sweepArgs) Kind() string { return "sweep" }

// New migrates the queue's tables and makes the workers, which start with Start.
func New(ctx context.Context, c Config) (*Queue, error) {
	driver, err := driverFor(c.DB, c.Dialect)
	if err != nil {
		return nil, err
	}
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet(c.Log)})
	if err != nil {
		return nil, fmt.Errorf("prepare the job tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, fmt.Errorf("migrate the job tables: %w", err)
	}
	list := river.NewWorkers()
	river.AddWorker(list, &reconciler{do: c.Reconcile})
	river.AddWorker(list, &sweeper{do: c.Sweep})
	river.AddWorker(list, river.WorkFunc(func(context.Context, *river.Job[bellArgs]) error { return nil }))
	client, err := river.NewClient(driver, &river.Config{
		Logger:               quiet(c.Log),
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:              list,
		FetchPollInterval:    pollEvery,
		FetchCooldown:        lookCooldown,
		JobTimeout:           sweepTimeout,
		RescueStuckJobsAfter: rescueAfter,
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(
			river.PeriodicInterval(c.SweepEvery),
			func() (river.JobArgs, *river.InsertOpts) { return sweepArgs{}, &river.InsertOpts{MaxAttempts: 1} },
			&river.PeriodicJobOpts{RunOnStart: true},
		)},
	})
	if err != nil {
		return nil, fmt.Errorf("make the job queue: %w", err)
	}
	return &Queue{Base: service.Base{Log: c.Log}, client: client, epoch: models.NewID[string](), nudge: make(chan struct{}, 1)}, nil
}

func driverFor(db *sql.DB, dialect string) (riverdriver.Driver[*sql.Tx], error) {
	switch dialect {
	case "sqlite":
		return riversqlite.New(db), nil
	case "postgres":
		return riverdatabasesql.New(db), nil
	}
	return nil, fmt.Errorf("no job queue for database %q", dialect)
}

// Start begins to work.
func (q *Queue) Start(ctx context.Context) error {
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	return q.Every(ctx, "wake the job queue", wakeAnyway, q.nudge, q.ring)
}

// Stop cancels what is being worked on and waits for the workers to leave;
// what they had not finished is done by the next process.
func (q *Queue) Stop(ctx context.Context) error {
	q.Base.Stop()
	if err := q.client.StopAndCancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("stop the job queue: %w", err)
	}
	return nil
}

// ReconcileInstance asks, as part of the transaction, for a look at an
// instance that has entered the given status. After the commit, Wake has it
// happen at once.
func (q *Queue) ReconcileInstance(ctx context.Context, tx *sql.Tx, id models.InstanceID, status models.InstanceStatus) error {
	args := reconcileArgs{id, status, q.epoch}
	_, err := q.client.InsertTx(ctx, tx, args, &river.InsertOpts{
		MaxAttempts: Attempts,
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: unfinished},
	})
	if err != nil {
		return fmt.Errorf("ask for a look at instance %s: %w", id, err)
	}
	return nil
}

// Wake says that jobs have been asked for. It never blocks.
func (q *Queue) Wake() { service.Nudge(q.nudge) }

// ring has the library look for jobs. It does so when a job is inserted outside
// of a transaction, be it one that is there already.
func (q *Queue) ring(ctx context.Context) error {
	if _, err := q.client.Insert(ctx, bellArgs{}, &river.InsertOpts{ScheduledAt: never, UniqueOpts: river.UniqueOpts{ByState: unfinished}}); err != nil {
		return fmt.Errorf("wake the job queue: %w", err)
	}
	return nil
}

// wakeAnyway is how often the queue is woken without being told.
const wakeAnyway = time.Hour

// bellArgs is the one job that is never worked on, because its time does not come.
type bellArgs struct{}

var never = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// Kind names the job in the database.
func (bellArgs) Kind() string { return "bell" }

type reconciler struct {
	river.WorkerDefaults[reconcileArgs]
	do func(context.Context, models.InstanceID, bool) error
}

func (r *reconciler) Work(ctx context.Context, job *river.Job[reconcileArgs]) error {
	return r.do(ctx, job.Args.Instance, job.Attempt >= job.MaxAttempts)
}

func (*reconciler) Timeout(*river.Job[reconcileArgs]) time.Duration { return StartTimeout }

func (*reconciler) NextRetry(job *river.Job[reconcileArgs]) time.Time {
	return time.Now().Add(time.Duration(job.Attempt) * 2 * time.Second)
}

type sweeper struct {
	river.WorkerDefaults[sweepArgs]
	do func(context.Context) error
}

func (s *sweeper) Work(ctx context.Context, _ *river.Job[sweepArgs]) error { return s.do(ctx) }
