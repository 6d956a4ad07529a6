package views

import (
	"net/url"
	"strconv"
	"strings"

	"opsyard/models"
)

// LogPaneProps is the viewer of one command's log. A page shows one at a time.
type LogPaneProps struct {
	Command  models.Command
	Lines    int64
	Bytes    int64
	Complete bool
	// Plain is the log's end, for readers without scripts; PlainFirst is the
	// number of its first line, counted from 0.
	Plain      []string
	PlainFirst int64
}

// LogHref is a command's log as text.
func LogHref(id models.CommandID) string { return "/commands/" + url.PathEscape(string(id)) + "/log" }

// CommandHref is where a command's log is shown.
func CommandHref(c *models.Command) string {
	return DeploymentHref(c.DeploymentID) + "?command=" + url.QueryEscape(string(c.ID))
}

// size is "2 419 lines, 331 KB".
func (p LogPaneProps) size() string {
	return Count(int(p.Lines), "line") + ", " + Bytes(p.Bytes)
}

func (p LogPaneProps) plain() string { return strings.Join(p.Plain, "\n") }

// Bytes writes a size as people read it: "331 KB", "1.2 GB".
func Bytes(n int64) string {
	units := []string{"bytes", "KB", "MB", "GB", "TB"}
	if n == 1 {
		return "1 byte"
	}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 || value >= 10 {
		return Thousands(int(value+0.5)) + " " + units[unit]
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + " " + units[unit]
}

// PlainText is a line of a log without what only a terminal understands:
// escape sequences are dropped, and of a line that a progress bar wrote over
// itself the last state stays.
func PlainText(line []byte) string {
	text := strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD")
	if i := strings.LastIndexByte(text, '\r'); i >= 0 {
		text = text[i+1:]
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "\x1b")
		out.WriteString(printable(before))
		if !found {
			return out.String()
		}
		text = afterEscape(rest)
	}
}

// afterEscape skips the sequence behind an ESC.
func afterEscape(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '[':
		for i := 1; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return s[i+1:]
			}
		}
		return ""
	case ']':
		if i := strings.IndexAny(s, "\a\x1b"); i >= 0 {
			return strings.TrimPrefix(strings.TrimPrefix(s[i:], "\a"), "\x1b\\")
		}
		return ""
	}
	return s[1:]
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
