package views

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// DiffLine is one line of what an entry changed.
type DiffLine struct {
	Kind DiffKind
	Text string
}

// DiffKind says which side has the line.
type DiffKind string

// Sides of a line.
const (
	DiffBoth DiffKind = "ctx"
	DiffOld  DiffKind = "del"
	DiffNew  DiffKind = "ins"
)

// mostDiff bounds what the page shows; the export has everything. Up to
// mostCompared lines a side are compared line by line.
const (
	mostDiff     = 600
	mostCompared = 300
)

// AuditDiff shows what an entry changed, member by member.
func AuditDiff(before, after string) []DiffLine {
	was, old := membersOf(before)
	is, next := membersOf(after)
	if !old || !next { // clipped
		return clipDiff(append(linesOf(DiffOld, before), linesOf(DiffNew, after)...))
	}
	names := slices.Sorted(maps.Keys(merged(was, is)))
	var list []DiffLine
	for _, name := range names {
		list = append(list, memberDiff(name, was[name], is[name])...)
	}
	return clipDiff(list)
}

func membersOf(text string) (map[string]json.RawMessage, bool) {
	members := map[string]json.RawMessage{}
	return members, text == "" || json.Unmarshal([]byte(text), &members) == nil
}

func merged(a, b map[string]json.RawMessage) map[string]bool {
	all := map[string]bool{}
	for name := range a {
		all[name] = true
	}
	for name := range b {
		all[name] = true
	}
	return all
}

// memberDiff shows one member. A new thing's empty members say nothing.
func memberDiff(name string, was, is json.RawMessage) []DiffLine {
	if was == nil && isEmptyJSON(is) || is == nil && isEmptyJSON(was) {
		return nil
	}
	old, next := valueLines(was), valueLines(is)
	if len(old) < 2 && len(next) < 2 {
		var list []DiffLine
		for _, v := range old {
			list = append(list, DiffLine{DiffOld, name + ": " + v})
		}
		for _, v := range next {
			list = append(list, DiffLine{DiffNew, name + ": " + v})
		}
		return list
	}
	list := []DiffLine{{DiffBoth, name + ":"}}
	for _, l := range compareLines(old, next) {
		list = append(list, DiffLine{l.Kind, "  " + l.Text})
	}
	return list
}

func isEmptyJSON(v json.RawMessage) bool {
	switch string(v) {
	case "", "null", `""`, "0", "false", "{}", "[]", `"0001-01-01T00:00:00Z"`:
		return true
	}
	return false
}

// valueLines writes a value for people: text as it is, the rest as JSON.
func valueLines(v json.RawMessage) []string {
	if v == nil {
		return nil
	}
	var s string
	if json.Unmarshal(v, &s) == nil && v[0] == '"' {
		return strings.Split(s, "\n")
	}
	var out bytes.Buffer
	if json.Indent(&out, v, "", "  ") != nil {
		return []string{string(v)}
	}
	return strings.Split(out.String(), "\n")
}

// compareLines finds the longest common part of two texts.
func compareLines(old, next []string) []DiffLine {
	if len(old) > mostCompared || len(next) > mostCompared {
		return append(diffLines(DiffOld, old), diffLines(DiffNew, next)...)
	}
	common := make([][]int, len(old)+1) // common[i][j] of old[i:] and next[j:]
	for i := range common {
		common[i] = make([]int, len(next)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(next) - 1; j >= 0; j-- {
			if old[i] == next[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var list []DiffLine
	i, j := 0, 0
	for i < len(old) && j < len(next) {
		switch {
		case old[i] == next[j]:
			list = append(list, DiffLine{DiffBoth, old[i]})
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			list = append(list, DiffLine{DiffOld, old[i]})
			i++
		default:
			list = append(list, DiffLine{DiffNew, next[j]})
			j++
		}
	}
	return append(append(list, diffLines(DiffOld, old[i:])...), diffLines(DiffNew, next[j:])...)
}

func linesOf(kind DiffKind, text string) []DiffLine {
	if text == "" {
		return nil
	}
	return diffLines(kind, strings.Split(text, "\n"))
}

func diffLines(kind DiffKind, texts []string) []DiffLine {
	list := make([]DiffLine, len(texts))
	for n, t := range texts {
		list[n] = DiffLine{kind, t}
	}
	return list
}

// longestDiffLine bounds one line.
const longestDiffLine = 2000

func clipDiff(list []DiffLine) []DiffLine {
	for n := range list {
		if len(list[n].Text) > longestDiffLine {
			list[n].Text = strings.ToValidUTF8(list[n].Text[:longestDiffLine], "") + " …"
		}
	}
	if len(list) > mostDiff {
		list = append(list[:mostDiff:mostDiff], DiffLine{DiffBoth, "… the export has the rest"})
	}
	return list
}
