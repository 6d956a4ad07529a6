package views

import (
	"net/url"
	"time"

	"opsyard/models"
)

// ShellPage is where somebody opens a shell on an instance, and finds the
// recordings of those before.
type ShellPage struct {
	Frame    StackFrame
	Now      time.Time
	Instance models.Instance
	// Refused is why the visitor may not have one; empty when they may.
	Refused string
	// Open shows the terminal.
	Open     bool
	Sessions []models.ShellSession
	// All says that the shells of everybody are listed, not the visitor's alone.
	All bool
}

// ShellHref is the page of an instance's shells.
func ShellHref(id models.InstanceID) string { return InstanceHref(id) + "/shell" }

// RecordingHref is the page of a recording.
func RecordingHref(id models.ShellID) string { return "/shells/" + string(id) }

func (p ShellPage) socket() string {
	return "/ws/shell?instance=" + url.QueryEscape(string(p.Instance.ID))
}

func (p ShellPage) sentence() (bold, rest string) {
	if p.Refused != "" {
		return p.Refused, ""
	}
	return "A shell of your own account.", "What it shows is recorded, and that it was opened is in the audit log."
}

func (p ShellPage) note() string {
	if p.All {
		return "of everybody, newest first"
	}
	return "your own, newest first"
}

// ShellSpan is how long a shell was open.
func ShellSpan(s models.ShellSession) string {
	if s.EndedAt == nil {
		return "open"
	}
	return Span(s.EndedAt.Sub(s.StartedAt))
}

func shellWhy(s models.ShellSession) string {
	if s.EndedAt == nil {
		return "It is open."
	}
	return s.Why
}

// RecordingPage plays what a terminal has shown.
type RecordingPage struct {
	Page    Page
	Session models.ShellSession
}

func (p RecordingPage) facts() []Fact {
	s := p.Session
	return []Fact{
		{Name: "Who", Value: s.UserName},
		{Name: "As", Value: s.Account},
		{Name: "Began", Value: s.StartedAt.UTC().Format("2 January 2006 15:04:05") + " UTC"},
		{Name: "Lasted", Value: ShellSpan(s)},
		{Name: "Ended", Value: shellWhy(s)},
		{Name: "Shown", Value: Bytes(s.Shown)},
	}
}
