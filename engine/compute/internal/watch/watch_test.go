package watch

import (
	"context"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"opsyard/engine/compute"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSlowReaderGetsTheLatestOfEach(t *testing.T) {
	t.Parallel()
	var h Hub
	defer h.Close()
	events := h.Watch(t.Context())
	for i := range 1000 { // nobody reads, and nothing blocks
		h.Publish(compute.Event{ID: fmt.Sprint(i % 3), Reason: fmt.Sprint(i)})
	}
	latest := map[string]string{}
	for latest["0"] != "999" || latest["1"] != "997" || latest["2"] != "998" {
		ev := <-events
		latest[ev.ID] = ev.Reason
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	var h Hub
	ctx, cancel := context.WithCancel(t.Context())
	one, two := h.Watch(ctx), h.Watch(t.Context())
	cancel()
	if _, open := <-one; open {
		t.Error("an event after the context's end")
	}
	h.Close()
	h.Close()
	if _, open := <-two; open {
		t.Error("an event after Close")
	}
	if _, open := <-h.Watch(t.Context()); open {
		t.Error("a closed hub has events")
	}
	h.Publish(compute.Event{ID: "late"})
}
