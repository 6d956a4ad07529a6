package models

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// AuditFilter narrows the audit; zero members do not.
type AuditFilter struct {
	Actor       string // a name, or an id
	Action      string
	StackID     StackID
	Target      string // a name, or an id
	RefusedOnly bool
	From, Until time.Time // Until is not part of it
	RequestID   string
}

// auditTimes are the forms of a moment that a filter may have, all of them UTC
// where no zone is named.
var auditTimes = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"}

// AuditFilterNames are the members of the address that ParseAuditFilter reads.
var AuditFilterNames = []string{"actor", "action", "stack", "target", "refused", "from", "until", "request"}

// longestFilter is more than any column that it is compared with holds.
const longestFilter = 255

// ParseAuditFilter reads a filter from the address of a page; what it refuses
// names the member.
func ParseAuditFilter(q url.Values) (AuditFilter, error) {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	f := AuditFilter{
		Actor: get("actor"), Action: get("action"), StackID: StackID(get("stack")), Target: get("target"), RequestID: get("request"),
	}
	for _, name := range AuditFilterNames {
		text := get(name)
		if len(text) > longestFilter || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '\ufffd' }) {
			return AuditFilter{}, InvalidField(name, "The filter %s is too long or holds characters that no entry has.", name)
		}
	}
	var err error
	if text := get("refused"); text != "" {
		if f.RefusedOnly, err = strconv.ParseBool(text); err != nil {
			return AuditFilter{}, InvalidField("refused", "The filter refused is true or nothing.")
		}
	}
	if f.From, err = auditTime(get("from")); err != nil {
		return AuditFilter{}, InvalidField("from", "From: write a day as 2026-11-21, or a moment as 2026-11-21T13:05.")
	}
	if f.Until, err = auditTime(get("until")); err != nil {
		return AuditFilter{}, InvalidField("until", "Until: write a day as 2026-11-21, or a moment as 2026-11-21T13:05.")
	}
	return f, nil
}

func auditTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	var err error
	for _, form := range auditTimes {
		var at time.Time
		if at, err = time.Parse(form, text); err == nil {
			at = at.UTC()
			if at.Year() < 1 || at.Year() > 9999 {
				return time.Time{}, InvalidField("", "no year of ours")
			}
			return at, nil
		}
	}
	return time.Time{}, err
}

// Values is the filter as ParseAuditFilter reads it.
func (f AuditFilter) Values() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("actor", f.Actor)
	set("action", f.Action)
	set("stack", string(f.StackID))
	set("target", f.Target)
	set("request", f.RequestID)
	if f.RefusedOnly {
		set("refused", "true")
	}
	if !f.From.IsZero() {
		set("from", f.From.UTC().Format(time.RFC3339Nano))
	}
	if !f.Until.IsZero() {
		set("until", f.Until.UTC().Format(time.RFC3339Nano))
	}
	return q
}

var idPattern = regexp.MustCompile(`\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z`)

// LooksLikeID tells an id of ours from a name.
func LooksLikeID(text string) bool { return idPattern.MatchString(text) }
