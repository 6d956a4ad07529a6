package lifecycle

import "time"

// Timestamp is a time as OpsWorks writes it: UTC with "+00:00", whole seconds.
func Timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05+00:00")
}
