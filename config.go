package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"opsyard/models/store"
)

// dataFlags say where an installation keeps its data. Commands that work
// beside a running server take them too.
type dataFlags struct {
	Data     string `help:"Directory for everything that the server keeps." default:"./var" type:"path"`
	Database string `help:"sqlite for a file in the data directory, or postgres://…" default:"sqlite"`
}

// makeData makes the data directory if there is none.
func (f dataFlags) makeData() error {
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}

// open opens the database with the installation's secret key.
func (f dataFlags) open(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	if err := f.makeData(); err != nil {
		return nil, err
	}
	box, err := store.LoadSecretBox(filepath.Join(f.Data, "secret.key"))
	if err != nil {
		return nil, err
	}
	url, err := f.url()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Config{URL: url, Secrets: box, Log: log})
}

func (f dataFlags) url() (string, error) {
	switch {
	case f.Database == "sqlite":
		return "sqlite:" + filepath.Join(f.Data, "opsyard.db"), nil
	case strings.HasPrefix(f.Database, "postgres://"), strings.HasPrefix(f.Database, "postgresql://"):
		return f.Database, nil
	}
	return "", errors.New("--database must be sqlite or postgres://…")
}

// existing refuses to make an installation where none is: commands beside the
// server would otherwise work on an empty one of their own.
func (f dataFlags) existing(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	if f.Database == "sqlite" {
		if _, err := os.Stat(filepath.Join(f.Data, "opsyard.db")); err != nil {
			return nil, fmt.Errorf("there is no installation in %s: start the server once, or name its directory with --data", f.Data)
		}
	}
	return f.open(ctx, log)
}

// lock keeps a second server off the data directory until the file is closed.
// It waits a moment: a server that was killed may have left a child that holds
// the lock until it is started in full.
func (f dataFlags) lock(ctx context.Context) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(f.Data, "server.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another server is running on %s: stop it, or choose another directory with --data", f.Data)
		}
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
}

// lockWait is how long a start waits for the end of the server before it.
const lockWait = 2 * time.Second

// newLog logs to standard error from the named level on.
func newLog(name string) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(name)) // the command line has refused what is none
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
