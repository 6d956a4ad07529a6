package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// A frame on the wire is a binary websocket message: a big-endian uint32 with
// the length of the JSON Frame, the JSON, and then raw bytes, which only
// messages with output or input have.

// ErrBadFrame is wrapped by every error that Decode returns.
var ErrBadFrame = errors.New("bad frame")

// ErrUnknownType is wrapped beside ErrBadFrame for a message that this version
// does not know: the other side may be newer, so it can be passed over.
var ErrUnknownType = errors.New("unknown type")

// kinds maps the names on the wire to the messages.
var kinds = map[string]reflect.Type{}

var names = map[reflect.Type]string{}

func register(name string, message any) {
	t := reflect.TypeOf(message)
	kinds[name], names[t] = t, name
}

func init() {
	register("challenge", Challenge{})
	register("hello", Hello{})
	register("welcome", Welcome{})
	register("refusal", Refusal{})
	register("heartbeat", Heartbeat{})
	register("metrics", Metrics{})
	register("watch_metrics", WatchMetrics{})
	register("accounts", Accounts{})
	register("accounts_applied", AccountsApplied{})
	register("probe", Probe{})
	register("probe_result", ProbeResult{})
	register("run", Run{})
	register("cancel", Cancel{})
	register("accepted", Accepted{})
	register("started", Started{})
	register("done", Done{})
	register("done_stored", DoneStored{})
	register("log", LogChunk{})
	register("log_stored", LogStored{})
	register("shell_open", ShellOpen{})
	register("shell_input", ShellInput{})
	register("shell_resize", ShellResize{})
	register("shell_taken", ShellTaken{})
	register("shell_output", ShellOutput{})
	register("shell_credit", ShellCredit{})
	register("shell_close", ShellClose{})
	register("shell_ended", ShellEnded{})
}

// Encode makes the wire form of a message, which is one of this package's
// structs by value, or Wire. It panics on any other type: that is a programming
// error.
func Encode(message any) ([]byte, error) {
	if wire, ok := message.(Wire); ok {
		return wire, nil
	}
	name, ok := names[reflect.TypeOf(message)]
	if !ok {
		panic(fmt.Sprintf("protocol: %T is not a message", message))
	}
	payload, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	data := raw(message)
	// The Frame by hand: encoding it would read the payload once more.
	head := len(frameStart) + len(name) + len(frameMiddle) + len(payload) + len(frameEnd)
	out := make([]byte, 0, 4+head+len(data))
	out = binary.BigEndian.AppendUint32(out, uint32(head))
	for _, part := range []string{frameStart, name, frameMiddle} {
		out = append(out, part...)
	}
	out = append(out, payload...)
	out = append(out, frameEnd...)
	return append(out, data...), nil
}

// A Frame as Encode writes it.
const (
	frameStart  = `{"t":"`
	frameMiddle = `","p":`
	frameEnd    = `}`
)

// readFrame reads a Frame; one as Encode writes it without reading its payload.
func readFrame(head []byte) (Frame, error) {
	if rest, ok := bytes.CutPrefix(head, []byte(frameStart)); ok {
		name, payload, ok := bytes.Cut(rest, []byte(frameMiddle))
		if _, known := kinds[string(name)]; ok && known && bytes.HasSuffix(payload, []byte(frameEnd)) {
			payload = payload[:len(payload)-len(frameEnd)]
			if json.Valid(payload) {
				return Frame{string(name), payload}, nil
			}
		}
	}
	var frame Frame
	err := json.Unmarshal(head, &frame)
	return frame, err
}

// Decode reads a frame into the message it holds, by value: a Run, a Done, ….
// The message keeps no reference to wire. Errors wrap ErrBadFrame.
func Decode(wire []byte) (any, error) {
	if len(wire) < 4 {
		return nil, fmt.Errorf("%w: %d bytes", ErrBadFrame, len(wire))
	}
	n := binary.BigEndian.Uint32(wire)
	rest := wire[4:]
	if uint64(n) > uint64(len(rest)) {
		return nil, fmt.Errorf("%w: header of %d bytes in %d", ErrBadFrame, n, len(rest))
	}
	frame, err := readFrame(rest[:n])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadFrame, err)
	}
	kind, ok := kinds[frame.Type]
	if !ok {
		return nil, fmt.Errorf("%w: %w %q", ErrBadFrame, ErrUnknownType, frame.Type)
	}
	value := reflect.New(kind)
	if err := json.Unmarshal(frame.Payload, value.Interface()); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBadFrame, frame.Type, err)
	}
	message := value.Elem().Interface()
	data := rest[n:]
	if len(data) > 0 && !carries(message) {
		return nil, fmt.Errorf("%w: %s with %d extra bytes", ErrBadFrame, frame.Type, len(data))
	}
	return withRaw(message, data), nil
}

// raw is what travels outside the JSON of a message.
func raw(message any) []byte {
	switch m := message.(type) {
	case LogChunk:
		return m.Data
	case ShellInput:
		return m.Data
	case ShellOutput:
		return m.Data
	}
	return nil
}

func carries(message any) bool {
	switch message.(type) {
	case LogChunk, ShellInput, ShellOutput:
		return true
	}
	return false
}

func withRaw(message any, data []byte) any {
	switch m := message.(type) {
	case LogChunk:
		m.Data = bytes.Clone(data)
		return m
	case ShellInput:
		m.Data = bytes.Clone(data)
		return m
	case ShellOutput:
		m.Data = bytes.Clone(data)
		return m
	}
	return message
}

// Wire is a message that is encoded already.
type Wire []byte

// RunTemplate makes the wire form of a Run for many commands that differ in
// nothing but their id.
type RunTemplate struct{ before, after []byte } // the id, of the JSON after the length

// NewRunTemplate encodes everything but the id.
func NewRunTemplate(run Run) (*RunTemplate, error) {
	const mark = "\x00\ue000the id of the command\ue000\x00" // in no document that people write
	run.CommandID = mark
	wire, err := Encode(run)
	if err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(mark)
	if err != nil {
		return nil, fmt.Errorf("encode run: %w", err)
	}
	before, after, _ := bytes.Cut(wire[4:], quoted)
	return &RunTemplate{before, after}, nil
}

// For is the message for one command.
func (t *RunTemplate) For(commandID string) (Wire, error) {
	id, err := json.Marshal(commandID)
	if err != nil {
		return nil, fmt.Errorf("encode run: %w", err)
	}
	size := len(t.before) + len(id) + len(t.after)
	out := make([]byte, 0, 4+size)
	out = binary.BigEndian.AppendUint32(out, uint32(size))
	out = append(out, t.before...)
	out = append(out, id...)
	return append(out, t.after...), nil
}
