package agentapi

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
)

func TestSigns(t *testing.T) {
	const now = time.Hour
	for name, tc := range map[string]struct {
		heard, wrote time.Duration // ago
		writing      int32
		want         lineState
	}{
		"a heartbeat was answered": {time.Second, time.Second, 0, lineGood},
		"just before a ping":       {pingAfter, pingAfter, 0, lineGood},
		"quiet":                    {time.Second, pingAfter + 1, 0, lineQuiet},
		"just before its end":      {silenceLimit, time.Second, 0, lineGood},
		"nothing comes":            {silenceLimit + 1, time.Second, 0, lineDead},
		"quiet, and nothing comes": {silenceLimit + 1, silenceLimit, 0, lineDead},
		"a long write":             {time.Second, writeLimit, 1, lineGood},
		"nothing goes":             {time.Second, writeLimit + 1, 2, lineStuck},
		"nothing comes and goes":   {silenceLimit + 1, writeLimit + 1, 1, lineStuck},
	} {
		s := &signs{}
		s.heard.Store(int64(now - tc.heard))
		s.wrote.Store(int64(now - tc.wrote))
		s.writing.Store(tc.writing)
		if got := s.state(now); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

// settled opens a line on which nothing is under way.
func (b *bench) settled() *websocket.Conn {
	b.t.Helper()
	socket, _ := b.open()
	send(b.t, socket, protocol.LogChunk{CommandID: "mine", Seq: 8, Data: []byte("x")})
	receive[protocol.LogStored](b.t, socket)
	b.until("the write has ended", func() bool { return b.line().writing.Load() == 0 })
	return socket
}

func TestQuietLineIsPinged(t *testing.T) {
	b := setup(t)
	socket := b.settled()
	pinged := 0
	answer := socket.PingHandler()
	socket.SetPingHandler(func(text string) error { pinged++; return answer(text) })
	b.api.look(b.api.elapsed())
	b.api.look(b.api.elapsed() + pingAfter + time.Second)
	send(t, socket, protocol.LogChunk{CommandID: "mine", Seq: 9, Data: []byte("x")})
	receive[protocol.LogStored](t, socket) // what was written before it has been read
	if pinged != 1 {
		t.Errorf("%d pings, want one", pinged)
	}
}

func TestSilentLineEnds(t *testing.T) {
	b := setup(t)
	socket := b.settled()
	b.api.look(b.api.elapsed() + silenceLimit + time.Second)
	if code := ends(t, socket); code != protocol.RefusedBusy {
		t.Errorf("the agent is told %q", code)
	}
}

// An agent that reads nothing holds up one session, and not for ever.
func TestStuckLineEnds(t *testing.T) {
	b := setup(t)
	b.settled()
	line := b.line()
	wide := make([]byte, 1<<20)
	b.until("its buffers are full", func() bool {
		for len(line.queue) < cap(line.queue)-1 {
			if err := line.Send(protocol.ShellInput{ID: "s1", Data: wide}); err != nil {
				t.Fatal(err)
			}
		}
		return line.writing.Load() > 0
	})
	b.api.look(b.api.elapsed() + writeLimit + time.Second)
	b.until("the session has ended", func() bool { return b.line() == nil })
}

func (b *bench) until(what string, holds func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("never: %s", what)
		}
	}
}

// line is the one that is watched, or nil.
func (b *bench) line() *session {
	b.api.mu.Lock()
	defer b.api.mu.Unlock()
	for s := range b.api.lines {
		return s
	}
	return nil
}
