package models

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A filter that was read is written and read again as the same.
func FuzzParseAuditFilter(f *testing.F) {
	for _, q := range []string{
		"", "actor=ana&action=UpdateLayer&refused=true", "from=2026-11-21&until=2026-11-21T13:05", "from=2026-11-21T13:05:09.123456789%2B14:00",
		"stack=s&target=%00&request=r", "from=0000-01-01", "until=9999-12-31T23:59:59-23:59", "refused=2", "actor=%ff", "actor=" + strings.Repeat("x", 300), "from=;",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter, err := ParseAuditFilter(q)
		if err != nil {
			if CodeOf(err) != CodeInvalid || Sentence(err) == "" {
				t.Errorf("%q is refused by %v", query, err)
			}
			return
		}
		again, err := ParseAuditFilter(filter.Values())
		if err != nil || again != filter {
			t.Errorf("%q is %+v, and then %+v, %v", query, filter, again, err)
		}
	})
}

// A line is one JSON object of visible ASCII, whatever the entry holds.
func FuzzAuditLine(f *testing.F) {
	f.Add("ana", `{"Name":"a"}`, "because", 0)
	f.Add("\x1b[31m\n\u009b\u2028", "{\"a\": \"\\u001b\",\n \"b\": \"\u0085\"}", "\x00\xff", 100)
	f.Add("😀", `{"clipp`, "", 1)
	f.Add("\"\x80\x98\"", "0", "0", 85)
	f.Fuzz(func(t *testing.T, name, before, cause string, most int) {
		e := AuditEntry{ID: 1, At: time.Unix(0, 0), ActorName: name, TargetName: name, Action: name, Before: before, Cause: Cause{Text: cause}, Hash: "h"}
		line, err := e.Line(most)
		if err != nil {
			t.Fatal(err)
		}
		var back struct {
			Actor struct{ Name string }
			Hash  string
		}
		if err := json.Unmarshal(line, &back); err != nil || back.Hash != "h" || back.Actor.Name != string([]rune(name)) {
			t.Errorf("%q: %v", line, err)
		}
		if strings.ContainsFunc(string(line), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q has other characters", line)
		}
	})
}
