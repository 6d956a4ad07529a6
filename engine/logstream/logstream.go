// Package logstream keeps the output of commands: it takes chunks from agents
// by sequence, stores them before it confirms them, and serves history and
// live tail as the same request.
//
// A running command's chunks are rows; a finished one's are packed into one
// blob with an index. Readers do not see the difference: to them a log is
// bytes from 0 on, cut into pieces that can be loaded one by one.
//
// Viewers see a chunk only after it is stored. A group commit takes a few
// milliseconds, and in exchange nobody ever sees a line that is gone later.
package logstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"

	"opsyard/engine/logstream/blob"
	"opsyard/engine/service"
	"opsyard/models"
)

// Store is the part of the database that logs live in.
type Store interface {
	// Append stores chunks and steps in one transaction. A step with a Result
	// ends the row that its beginning made.
	Append(ctx context.Context, chunks []models.LogChunk, steps []models.LogStep) error
	// Last is the newest chunk with its data, nil when there is none.
	Last(ctx context.Context, id models.CommandID) (*models.LogChunk, error)
	// Chunks lists chunks after a sequence number, in order, without data.
	Chunks(ctx context.Context, id models.CommandID, after int64, limit int) ([]models.LogChunk, error)
	// Data gives the packed data of the chunks first to last that are there, in order.
	Data(ctx context.Context, id models.CommandID, first, last int64) ([][]byte, error)
	Steps(ctx context.Context, id models.CommandID) ([]models.LogStep, error)
	// Blob is nil when the log was never packed.
	Blob(ctx context.Context, id models.CommandID) (*models.LogBlob, error)
	// Pack puts the blob in the place of the chunks it holds, in one transaction.
	Pack(ctx context.Context, b models.LogBlob) error
	// Ended tells whether the command has ended, and the last chunk it wrote.
	Ended(ctx context.Context, id models.CommandID) (ended bool, lastSeq int64, err error)
	// Unpacked lists ended commands whose chunks are all there, or that have
	// ended before quiet, and that still have rows.
	Unpacked(ctx context.Context, quiet time.Time) ([]models.CommandID, error)
	// Orphans lists packed logs whose commands were deleted.
	Orphans(ctx context.Context, limit int) ([]models.CommandID, error)
	// Drop forgets all of a log.
	Drop(ctx context.Context, id models.CommandID) error
}

// Config is what a Logs needs.
type Config struct {
	Store Store
	Blobs blob.Store
	Log   *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Memory bounds the bytes of chunks on their way to the store; agents wait
	// when it is used up. 0 means 32 MiB.
	Memory int64
}

// Times and sizes.
const (
	commitEvery  = 3 * time.Millisecond // at most one commit in this time leaves room for other writers
	commitBytes  = 4 << 20              // of packed data in one transaction
	commitChunks = 400
	commitLimit  = 30 * time.Second
	entryCost    = 1 << 10          // memory of a chunk beside its bytes
	idleAfter    = 5 * time.Minute  // an idle command's state is dropped and read again when needed
	quietAfter   = time.Hour        // a log whose end was never heard is packed after this
	sweepEvery   = 10 * time.Minute // for logs that nobody finished and idle state
	retryEvery   = 30 * time.Second // for packs that failed
	tailEvery    = 2 * time.Second  // a tail looks by itself: another replica may have written
	frameBytes   = 256 << 10        // plain bytes in one frame of a blob
	maxViews     = 64               // indexes kept in memory
	recentBytes  = 512 << 10        // plain bytes kept for each followed log
	// MaxLine is how many bytes of a line are shown.
	MaxLine = 16 << 10
)

// Logs is the log of every command.
type Logs struct {
	service.Base
	store Store
	blobs blob.Store
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	room  *semaphore.Weighted
	cap   int64

	mu       sync.Mutex
	streams  map[models.CommandID]*stream
	views    map[models.CommandID]*view
	queue    []*entry // accepted, not stored
	toPack   map[models.CommandID]struct{}
	failing  error // of the last commit
	stopping bool  // the writer is gone

	queued, pack chan struct{}
}

// New makes a Logs; Start makes it work.
func New(c Config) *Logs {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithWindowSize(frameBytes), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("logstream: " + err.Error()) // only wrong options fail
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		panic("logstream: " + err.Error())
	}
	if c.Memory == 0 {
		c.Memory = 32 << 20
	}
	return &Logs{
		Base:    service.Base{Log: c.Log, Now: c.Now},
		store:   c.Store,
		blobs:   c.Blobs,
		enc:     enc,
		dec:     dec,
		room:    semaphore.NewWeighted(c.Memory),
		cap:     c.Memory,
		streams: map[models.CommandID]*stream{},
		views:   map[models.CommandID]*view{},
		toPack:  map[models.CommandID]struct{}{},
		queued:  make(chan struct{}, 1),
		pack:    make(chan struct{}, 1),
	}
}

// Start runs the writer and the packer. What an earlier process left unpacked
// is packed now.
func (l *Logs) Start(ctx context.Context) error {
	return errors.Join(
		l.Go(ctx, l.runWriter),
		l.Every(ctx, "look for logs to pack", sweepEvery, nil, l.sweep),
		l.Every(ctx, "pack logs", retryEvery, l.pack, l.packAll),
	)
}

// Ready tells why logs cannot be stored at the moment; nil when they can.
func (l *Logs) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing != nil {
		return fmt.Errorf("store logs: %w", l.failing)
	}
	return nil
}

// Nudge tells the tails of a command to look again, for a log that another
// replica has written.
func (l *Logs) Nudge(id models.CommandID) {
	l.mu.Lock()
	v := l.views[id]
	l.mu.Unlock()
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for t := range v.tails {
		service.Nudge(t.look)
	}
}
