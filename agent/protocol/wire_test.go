package protocol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"

	"opsyard/agent/protocol"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// messages has one of each kind.
var messages = []any{
	protocol.Challenge{Nonce: []byte("nonce"), ServerTime: at},
	protocol.Hello{Version: 1, InstanceID: "i", Signature: []byte{1}, AgentTime: at, Facts: protocol.Facts{Hostname: "h", CPUs: 2}, Unfinished: []string{"c"}},
	protocol.Welcome{SessionToken: "t", LogStored: []protocol.LogStored{{CommandID: "c", Seq: 3}}},
	protocol.Refusal{Code: protocol.RefusedToken, Message: "m"},
	protocol.Heartbeat{At: at, Running: "c", SpoolBytes: 5, Load: [3]float64{1, 2, 3}},
	protocol.Metrics{At: at, Seconds: 60, Values: protocol.Figures{99.5, 0, 2e7}},
	protocol.WatchMetrics{Seconds: 10},
	protocol.Accounts{Revision: "r", Users: []protocol.Account{{Name: "ana", UID: 2000, Keys: []string{"ssh-ed25519 AAAA ana"}, Sudo: true}}},
	protocol.AccountsApplied{Revision: "r", Skipped: []protocol.SkippedAccount{{Name: "ben", Reason: "the name is taken"}}},
	protocol.Probe{ID: "p", Address: "10.0.0.1", Ports: []int{22}},
	protocol.ProbeResult{ID: "p", Alive: true, Detail: "port 22 refuses"},
	protocol.Run{CommandID: "c", Type: "setup", RunList: []protocol.RunItem{{Recipe: "a::b", BuiltIn: true}}, Args: map[string][]string{"a": {"b"}}, CustomCookbooks: &protocol.Source{Type: "git"}, Apps: []protocol.App{{Environment: map[string]string{"A": "b"}}}},
	protocol.Cancel{CommandID: "c", Reason: "r"},
	protocol.Accepted{CommandID: "c", At: at},
	protocol.Started{CommandID: "c", At: at},
	protocol.Done{CommandID: "c", Outcome: protocol.Failed, ExitCode: 1, Message: "m", At: at, LastSeq: 2},
	protocol.DoneStored{CommandID: "c"},
	protocol.LogChunk{CommandID: "c", Seq: 1, At: at, Steps: []protocol.Step{{Name: "s", At: at}}, Data: []byte("\xff\x00text")},
	protocol.LogStored{CommandID: "c", Seq: 1},
	protocol.ShellOpen{ID: "s", User: "ada", UID: 2001, Sudo: true, Columns: 80, Rows: 24, Term: "xterm-256color"},
	protocol.ShellInput{ID: "s", Data: []byte("ls\r\xff")},
	protocol.ShellResize{ID: "s", Columns: 100, Rows: 30},
	protocol.ShellTaken{ID: "s"},
	protocol.ShellOutput{ID: "s", Data: []byte("\x1b[31m\xff\x00")},
	protocol.ShellCredit{ID: "s", Bytes: 65536},
	protocol.ShellClose{ID: "s"},
	protocol.ShellEnded{ID: "s", ExitCode: 3, Message: "m"},
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, m := range messages {
		wire, err := protocol.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := protocol.Decode(wire)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v %v, want %+v", got, err, m)
		}
	}
}

func TestBadFrames(t *testing.T) {
	t.Parallel()
	frame := func(head, data string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head+data...)
	}
	for name, wire := range map[string][]byte{
		"ErrEmpty":      nil,
		"ErrShort":      {0, 0, 0},
		"ErrLength":     {0xff, 0xff, 0xff, 0xff, '{'},
		"ErrHeader":     frame("nonsense", ""),
		"ErrType":       frame(`{"t":"nope","p":{}}`, ""),
		"ErrPayload":    frame(`{"t":"run","p":[]}`, ""),
		"ErrNoPayload":  frame(`{"t":"run"}`, ""),
		"ErrExtraBytes": frame(`{"t":"cancel","p":{}}`, "x"),
	} {
		if m, err := protocol.Decode(wire); !errors.Is(err, protocol.ErrBadFrame) {
			t.Errorf("%s: got %+v, %v", name, m, err)
		}
	}
	if _, err := protocol.Decode(frame(`{"t":"nope","p":{}}`, "")); !errors.Is(err, protocol.ErrUnknownType) {
		t.Errorf("unknown type: got %v", err)
	}
}

// FuzzDecode: nothing panics, and what decodes can be said again.
func FuzzDecode(f *testing.F) {
	for _, m := range messages {
		wire, err := protocol.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := protocol.Decode(wire)
		if err != nil {
			if !errors.Is(err, protocol.ErrBadFrame) {
				t.Errorf("got %v", err)
			}
			return
		}
		again, err := protocol.Encode(m)
		if err != nil {
			return // a year that JSON cannot write
		}
		if chunk, ok := m.(protocol.LogChunk); ok && !bytes.HasSuffix(again, chunk.Data) {
			t.Error("data was lost")
		}
		if _, err := protocol.Decode(again); err != nil {
			t.Errorf("said again: %v", err)
		}
	})
}
