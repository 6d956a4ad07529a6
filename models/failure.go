package models

import (
	"fmt"
	"regexp"
	"strings"
)

// What differs from instance to instance in the same failure, most specific
// first.
var differing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?`), "TIME"},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b`), "ADDRESS"},
	{regexp.MustCompile(`\b(0x)?[0-9a-f]*\d[0-9a-f]*[a-f][0-9a-f]{6,}\b|\b[0-9a-f]{7,}\d[0-9a-f]*\b`), "HEX"},
	{regexp.MustCompile(`/(tmp|run|proc)/\S+`), "PATH"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ns|µs|ms|s|m|h)\b`), "DURATION"},
	{regexp.MustCompile(`\d{3,}`), "N"},
}

// maxFailure bounds a Failure in characters.
const maxFailure = 200

// FailureOf is what commands that failed alike have in common: the message
// without what is the instance's own (its name, addresses, times, process and
// other long numbers), and the exit code. The message names the recipe.
func FailureOf(message, hostname string, exitCode *int) string {
	s := message
	if hostname != "" {
		s = regexp.MustCompile(`\b`+regexp.QuoteMeta(hostname)+`\b`).ReplaceAllString(s, "HOST")
	}
	for _, d := range differing {
		s = d.pattern.ReplaceAllString(s, d.with)
	}
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxFailure {
		s = string(r[:maxFailure])
	}
	if exitCode != nil && *exitCode != 0 {
		s = strings.TrimSpace(fmt.Sprintf("%s (exit code %d)", s, *exitCode))
	}
	return s
}
