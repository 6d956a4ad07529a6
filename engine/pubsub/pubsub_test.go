package pubsub

import (
	"strconv"
	"testing"
)

func TestDeliversToItsTopicOnly(t *testing.T) {
	t.Parallel()
	h := NewHub()
	s := h.Subscribe("stack:a", "stack:b")
	defer s.Close()
	h.Publish("stack:c", Message{ID: "no"})
	h.Publish("stack:b", Message{Kind: "instance", ID: "1"})
	if got, want := <-s.C, (Message{"stack:b", "instance", "1"}); got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestSlowWatcherGetsGap(t *testing.T) {
	t.Parallel()
	h := NewHub()
	s := h.Subscribe("x")
	for n := range 10 * queue {
		h.Publish("x", Message{Kind: "instance", ID: strconv.Itoa(n)})
	}
	s.Close()
	s.Close()
	h.Publish("x", Message{})
	var last Message
	count := 0
	for m := range s.C {
		last = m
		count++
	}
	if last.Kind != Gap || count > queue {
		t.Fatalf("got %d messages, the last %v; want at most %d ending in a gap", count, last, queue)
	}
}
