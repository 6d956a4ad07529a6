package local

import (
	"testing"

	"opsyard/engine/compute"
	"opsyard/engine/compute/computetest"
)

func TestExercise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	computetest.Exercise(t, computetest.Options{
		Server: computetest.NewServer(t),
		Open:   func(tb testing.TB) compute.Provider { return open(tb, dir, nil) },
	})
}
