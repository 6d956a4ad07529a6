package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestQuiet(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	log := quiet(slog.New(slog.NewTextHandler(&text, nil)))
	log.Info("news")
	log.Error("stopping", slog.Any("error", fmt.Errorf("begin: %w", context.Canceled)))
	log.Error("stopping", slog.String("error", context.Canceled.Error()))
	log.Error("broken", slog.String("error", "disk full"))
	if got := text.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "broken") {
		t.Errorf("got %q, want only what is broken", got)
	}
}
