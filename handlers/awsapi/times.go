package awsapi

import "time"

// timeFormat is how OpsWorks Stacks writes a time: a string in UTC, without a
// fraction, and never with a Z.
const timeFormat = "2006-01-02T15:04:05+00:00"

// stamp writes a time; nil for none.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(timeFormat)
	return &s
}

// stampAt is stamp for a time that may not have come.
func stampAt(t *time.Time) *string {
	if t == nil {
		return nil
	}
	return stamp(*t)
}
