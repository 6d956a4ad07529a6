package engine

import (
	"slices"
	"sync"
	"testing"

	"opsyard/engine/compute"
	"opsyard/models"
	"opsyard/models/store/storetest"
)

// TestStopOvertakesStart: the machine comes up after the instance was stopped.
func TestStopOvertakesStart(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	i := w.instance(w.web)
	w.provider.onStart = sync.OnceFunc(func() {
		if err := w.engine.StopInstance(w.ctx, i.ID, true); err != nil {
			t.Error(err)
		}
		w.becomes(i, models.InstanceStopped)
	})
	if err := w.engine.StartInstance(w.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	w.eventually("the late machine is stopped", func() bool {
		w.provider.mu.Lock()
		defer w.provider.mu.Unlock()
		return slices.Contains(w.provider.calls, "start "+string(i.ID)) && w.provider.state[string(i.ID)] == compute.Stopped
	})
	if got := w.status(i); got != models.InstanceStopped {
		t.Errorf("the instance is %s", got)
	}
}
