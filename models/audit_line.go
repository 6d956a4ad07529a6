package models

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// auditLine is an entry as it leaves the server: in the export and by syslog.
type auditLine struct {
	ID         int64           `json:"id"`
	At         time.Time       `json:"at"`
	Actor      auditParty      `json:"actor"`
	SourceAddr string          `json:"source_address,omitempty"`
	Surface    string          `json:"surface,omitempty"`
	RequestID  string          `json:"request_id,omitempty"`
	Action     string          `json:"action"`
	Target     auditParty      `json:"target"`
	StackID    StackID         `json:"stack_id,omitempty"`
	Refused    bool            `json:"refused"`
	Before     json.RawMessage `json:"before,omitempty"`
	After      json.RawMessage `json:"after,omitempty"`
	Cut        bool            `json:"cut,omitempty"` // before and after were too long to be sent
	Cause      *Cause          `json:"cause,omitempty"`
	PrevHash   string          `json:"prev_hash"`
	Hash       string          `json:"hash"`
}

type auditParty struct {
	Kind string `json:"kind,omitempty"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Line is the entry as one JSON object of ASCII characters, without a line
// break or another control character. Of a line longer than most (0: any), what
// changed is left out and "cut" is set; its hash still names the whole entry.
func (e *AuditEntry) Line(most int) ([]byte, error) {
	line := auditLine{
		ID: e.ID, At: e.At.UTC(), Actor: auditParty{string(e.ActorKind), e.ActorID, e.ActorName}, SourceAddr: e.SourceAddr,
		Surface: e.Surface, RequestID: e.RequestID, Action: e.Action, Target: auditParty{e.TargetKind, e.TargetID, e.TargetName},
		StackID: e.StackID, Refused: e.Refused, Before: rawJSON(e.Before), After: rawJSON(e.After), PrevHash: e.PrevHash, Hash: e.Hash,
	}
	if e.Cause != (Cause{}) {
		line.Cause = &e.Cause
	}
	text, err := json.Marshal(line)
	if err != nil {
		return nil, err
	}
	out := ascii(text)
	if most > 0 && len(out) > most && !line.Cut {
		line.Before, line.After, line.Cut = nil, nil, true
		if text, err = json.Marshal(line); err != nil {
			return nil, err
		}
		out = ascii(text)
	}
	return out, nil
}

// rawJSON is what changed; what is no JSON, as a clipped object, is a string.
func rawJSON(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, _ := json.Marshal(text) // a string always encodes
	return quoted
}

// ascii escapes what is no ASCII in a JSON text, where it can only stand in
// strings. The encoder has escaped the control characters below DEL.
func ascii(text []byte) []byte {
	var out strings.Builder
	out.Grow(len(text))
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			out.WriteByte(byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escape(&out, high)
			escape(&out, low)
		default:
			escape(&out, r)
		}
	}
	return []byte(out.String())
}

func escape(out *strings.Builder, r rune) {
	digits := strconv.FormatInt(int64(r), 16)
	out.WriteString(`\u` + "0000"[len(digits):] + digits)
}
