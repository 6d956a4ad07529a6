package views

import (
	"maps"
	"net/url"
	"slices"
)

// nextQuery carries on where to go after signing in.
func nextQuery(next string) string {
	if next == "" {
		return ""
	}
	return "?next=" + url.QueryEscape(next)
}

func sortedKeys(fields url.Values) []string { return slices.Sorted(maps.Keys(fields)) }
