package engine

import (
	"errors"
	"fmt"
	"testing"

	"opsyard/engine/compute"
	"opsyard/models"
)

// What cannot be done is kept, and the instance names the last of it.
func TestServiceErrors(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		last := func(i *models.Instance, kind, message string) {
			t.Helper()
			id := must(w.store.Instances.Get(w.ctx, i.ID))(t).LastServiceErrorID
			all := must(w.store.ServiceErrors.OfInstance(w.ctx, i.ID))(t)
			if len(all) != 1 || all[0].ID != id || all[0].Type != kind || all[0].Message != message || all[0].StackID != w.stack.ID {
				t.Errorf("the instance names %q of %+v", id, all)
			}
		}
		never := w.instance(w.web)
		w.provider.refuse(fmt.Errorf("%w: there is no size %q", compute.ErrBadSpec, "huge"))
		if err := w.engine.StartInstance(w.ctx, never.ID); err != nil {
			t.Fatal(err)
		}
		w.becomes(never, models.InstanceStartFailed)
		last(never, "InstanceStart", must(w.store.Instances.Get(w.ctx, never.ID))(t).StatusReason)
		w.provider.refuse(nil)

		stuck := w.online(w.web)
		w.provider.mu.Lock()
		w.provider.jammed = errors.New("the machine hangs")
		w.provider.mu.Unlock()
		if err := w.engine.StopInstance(w.ctx, stuck.ID, true); err != nil {
			t.Fatal(err)
		}
		w.becomes(stuck, models.InstanceStopFailed)
		last(stuck, "InstanceStop", "The shutdown of the instance timed out. Please try stopping it again.")
	})
}
