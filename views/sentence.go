package views

import (
	"context"
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// Sentence is what a page says first: Lead alone is enough, Rest adds detail.
type Sentence struct {
	Lead string
	Rest []Phrase
}

// Render writes the sentence by hand, because a template would put a space
// before a comma.
func (s Sentence) Render(_ context.Context, w io.Writer) error {
	var out strings.Builder
	out.WriteString("<b>" + html.EscapeString(s.Lead) + "</b>")
	if len(s.Rest) > 0 {
		out.WriteByte(' ')
	}
	for _, p := range s.Rest {
		text := html.EscapeString(p.Text)
		if p.Href != "" {
			text = `<a href="` + html.EscapeString(p.Href) + `">` + text + "</a>"
		}
		out.WriteString(text)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Phrase is a piece of a sentence, linked when Href is set.
type Phrase struct{ Text, Href string }

// StateCount is how many things are in one state.
type StateCount struct {
	State State
	N     int
	Href  string
}

// StatusCounts counts instances by state.
type StatusCounts map[models.InstanceStatus]int

// Total is all of them.
func (c StatusCounts) Total() int {
	n := 0
	for _, v := range c {
		n += v
	}
	return n
}

// Legend lists the states that occur: online first, then in the order of the
// state chart.
func (c StatusCounts) Legend(href func(models.InstanceStatus) string) []StateCount {
	var out []StateCount
	add := func(s models.InstanceStatus) {
		if c[s] > 0 {
			out = append(out, StateCount{InstanceState(s), c[s], href(s)})
		}
	}
	add(models.InstanceOnline)
	for _, s := range models.InstanceStatuses {
		if s != models.InstanceOnline {
			add(s)
		}
	}
	return out
}

// Bar is the counts for a health bar.
func (c StatusCounts) Bar() []ui.Count {
	out := make([]ui.Count, 0, len(c))
	for _, s := range models.InstanceStatuses {
		out = append(out, ui.Count{State: string(s), N: c[s]})
	}
	return out
}

// InstanceRef is an instance as lists and cells show it.
type InstanceRef struct {
	ID       models.InstanceID
	Hostname string
	Status   models.InstanceStatus
	Since    time.Time
}

// Href is the page of the instance.
func (i InstanceRef) Href() string { return "/instances/" + string(i.ID) }

const namedInSentence = 3 // more names would hide the point

// StackSentence says how a stack does: what is online, what is wrong by name,
// what is on its way, what is off.
func StackSentence(c StatusCounts, trouble []InstanceRef, now time.Time) Sentence {
	total, online := c.Total(), c[models.InstanceOnline]
	switch {
	case total == 0:
		return Sentence{Lead: "There is no instance yet.", Rest: []Phrase{{Text: "Add one to a layer, then start it."}}}
	case online == total && total == 1:
		return Sentence{Lead: "The one instance is online."}
	case online == total:
		return Sentence{Lead: fmt.Sprintf("All %s instances are online.", Thousands(total))}
	case c[models.InstanceStopped] == total:
		return Sentence{Lead: stoppedLead(total), Rest: []Phrase{{Text: "Nothing runs and nothing serves."}}}
	}
	s := Sentence{Lead: fmt.Sprintf("%s of %s are online.", Thousands(online), Count(total, "instance"))}
	s.Rest = joinPhrases(append(troubleClauses(c, trouble, now), quietClauses(c)...))
	return s
}

func stoppedLead(n int) string {
	if n == 1 {
		return "The one instance is stopped."
	}
	return fmt.Sprintf("All %s instances are stopped.", Thousands(n))
}

// troubleClauses names the first few instances in trouble and counts the rest.
func troubleClauses(c StatusCounts, trouble []InstanceRef, now time.Time) [][]Phrase {
	var out [][]Phrase
	for _, i := range trouble[:min(len(trouble), namedInSentence)] {
		out = append(out, []Phrase{{i.Hostname, i.Href()}, {Text: " " + troubleVerb(i, now)}})
	}
	all := 0
	for s, n := range c {
		if isTrouble(s) {
			all += n
		}
	}
	if more := all - len(out); more > 0 && len(out) > 0 {
		out = append(out, []Phrase{{Text: fmt.Sprintf("%s more need attention", Thousands(more))}})
	}
	return out
}

func isTrouble(s models.InstanceStatus) bool {
	t := ui.ToneOf(s)
	return t == ui.Bad || t == ui.Lost
}

func troubleVerb(i InstanceRef, now time.Time) string {
	switch i.Status {
	case models.InstanceConnectionLost:
		return "has been silent for " + Age(now.Sub(i.Since))
	case models.InstanceSetupFailed:
		return "failed setup"
	case models.InstanceStartFailed:
		return "did not start"
	case models.InstanceStopFailed:
		return "did not stop"
	}
	return "is " + string(i.Status)
}

// quietClauses counts what is neither online nor in trouble.
func quietClauses(c StatusCounts) [][]Phrase {
	var out [][]Phrase
	for _, s := range models.InstanceStatuses {
		if n := c[s]; n > 0 && s != models.InstanceOnline && !isTrouble(s) {
			out = append(out, []Phrase{{Text: fmt.Sprintf("%s %s %s", Thousands(n), isAre(n), s)}})
		}
	}
	return out
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// joinPhrases makes one sentence of clauses.
func joinPhrases(clauses [][]Phrase) []Phrase {
	var out []Phrase
	for n, clause := range clauses {
		switch {
		case n == 0:
		case n == len(clauses)-1:
			out = append(out, Phrase{Text: " and "})
		default:
			out = append(out, Phrase{Text: ", "})
		}
		out = append(out, clause...)
	}
	if len(out) > 0 {
		out = append(out, Phrase{Text: "."})
	}
	return out
}

// InstanceSentence says where one instance stands, since when and why, and
// what its last command did: "Online for 12 min. Last command: configure,
// 0.4 s, because web2 entered online."
func InstanceSentence(i models.Instance, last *models.Command, lastCause string, now time.Time) Sentence {
	s := Sentence{Lead: instanceLead(i, now)}
	if i.StatusReason != "" {
		s.Rest = append(s.Rest, Phrase{Text: endStop(i.StatusReason) + " "})
	} else if i.StatusCause.Text != "" && i.Status != models.InstanceOnline {
		s.Rest = append(s.Rest, Phrase{Text: "That is because " + endStop(i.StatusCause.Text) + " "})
	}
	if last == nil {
		return s
	}
	s.Rest = append(s.Rest,
		Phrase{Text: "Last command: "},
		Phrase{string(last.Type), CommandHref(last) + "#log"},
		Phrase{Text: lastCommandTail(*last, lastCause, now)})
	return s
}

func instanceLead(i models.Instance, now time.Time) string {
	for_ := Span(now.Sub(i.StatusSince).Truncate(time.Second))
	switch i.Status {
	case models.InstanceOnline:
		return "Online for " + for_ + "."
	case models.InstanceStopped:
		if i.Ec2InstanceID == "" {
			return "Stopped, and not started since it was created."
		}
		return "Stopped for " + for_ + "."
	case models.InstanceConnectionLost:
		return "Silent for " + for_ + ": its agent does not answer."
	case models.InstanceRequested, models.InstancePending:
		return "Waiting for its machine for " + for_ + "."
	case models.InstanceBooting:
		return "Booting for " + for_ + "; its agent has not called yet."
	case models.InstanceRunningSetup:
		return "Running Setup for " + for_ + "."
	case models.InstanceSetupFailed:
		return "Setup failed " + for_ + " ago; the machine still runs."
	case models.InstanceStartFailed:
		return "Its machine did not start, " + for_ + " ago."
	case models.InstanceStopFailed:
		return "Its machine did not stop, " + for_ + " ago; it may still run."
	case models.InstanceShuttingDown:
		return "Running Shutdown recipes for " + for_ + "."
	case models.InstanceStopping, models.InstanceTerminating:
		return "Stopping for " + for_ + "."
	case models.InstanceRegistering:
		return "Waiting for its agent for " + for_ + "."
	case models.InstanceRegistered:
		return "Registered " + for_ + " ago, and in no layer: assign it, and it serves."
	case models.InstanceRebooting:
		return "Rebooting for " + for_ + "."
	}
	return fmt.Sprintf("In state %s for %s.", i.Status, for_)
}

func lastCommandTail(c models.Command, cause string, now time.Time) string {
	tail := ""
	switch {
	case c.Status.Finished() && c.StartedAt != nil && c.CompletedAt != nil:
		tail = ", " + Span(c.CompletedAt.Sub(*c.StartedAt))
	case c.Status == models.CommandRunning && c.StartedAt != nil:
		tail = ", running for " + Span(now.Sub(*c.StartedAt))
	}
	if c.Status != models.CommandSuccessful && c.Status != models.CommandRunning {
		tail += ", " + CommandState(c.Status).Word
	}
	if cause != "" {
		tail += ", because " + cause
	}
	return endStop(tail)
}

// endStop closes a sentence that may be closed already.
func endStop(s string) string {
	if s == "" {
		return s
	}
	switch s[len(s)-1] {
	case '.', '!', '?':
		return s
	}
	return s + "."
}

// CauseText completes "because …": what people asked for names them.
func CauseText(c models.Cause) string {
	if c.Kind != models.CauseUser || c.Actor == "" {
		return c.Text
	}
	if c.Text == "" {
		return c.Actor + " asked for it"
	}
	return c.Actor + " asked: " + c.Text
}
