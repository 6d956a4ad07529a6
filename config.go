package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"opsyard/models/store"
)

// dataFlags say where an installation keeps its data. Commands that work
// beside a running server take them too.
type dataFlags struct {
	Data     string `help:"Directory for everything that the server keeps." default:"./var" type:"path"`
	Database string `help:"sqlite for a file in the data directory, or postgres://…" default:"sqlite"`
}

// open opens the database with the installation's secret key.
func (f dataFlags) open(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	if err := os.MkdirAll(f.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
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

func newLog(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
