package views

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"opsyard/models"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// AuditPage is the audit: entries newest first, and one of them beside.
type AuditPage struct {
	Page    Page
	Frame   *StackFrame // nil for the audit of everything
	Now     time.Time
	Path    string
	Form    Form // the filter as it was typed
	Filter  models.AuditFilter
	Rows    []AuditRow
	Chosen  *AuditRow
	Stacks  []models.Stack
	Actions []string
	Head    models.AuditHead // of the whole chain
	Limit   int
	// Newer and Older tell whether there are more on either side; Newest that
	// nothing is newer than this page.
	Newer, Older, Newest bool
	// Receiver is the syslog receiver that has a copy, Feed how far.
	Receiver string
	Feed     *models.AuditFeed
}

// AuditRow is one entry.
type AuditRow struct {
	models.AuditEntry
	// ActorKnown and TargetKnown: that person still has a page.
	ActorKnown, TargetKnown bool
}

// AuditHref is the audit of a stack, or without one of everything.
func AuditHref(stack models.StackID) string {
	if stack == "" {
		return "/audit"
	}
	return StackHref(stack) + "/audit"
}

// AuditFilterHref is the newest page of a filter.
func AuditFilterHref(scope models.StackID, f models.AuditFilter) string {
	if scope != "" {
		f.StackID = ""
	}
	return addressOf(AuditHref(scope), f.Values())
}

func addressOf(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// OfStack is the stack whose page this is; empty for the audit of everything.
func (p AuditPage) OfStack() models.StackID {
	if p.Path == AuditHref("") {
		return ""
	}
	return p.Filter.StackID
}

// query is the filter as the address of this page has it.
func (p AuditPage) query() url.Values {
	f := p.Filter
	if p.OfStack() != "" {
		f.StackID = ""
	}
	return f.Values()
}

// with is this page's address with other members.
func (p AuditPage) with(members ...string) string {
	q := p.query()
	for n := 0; n+1 < len(members); n += 2 {
		if members[n+1] == "" {
			q.Del(members[n])
		} else {
			q.Set(members[n], members[n+1])
		}
	}
	return addressOf(p.Path, q)
}

// entryHref shows an entry beside this very page.
func (p AuditPage) entryHref(id string) string {
	q := p.query()
	for _, name := range []string{"before", "after"} {
		if v := p.Form.Value(name); v != "" {
			q.Set(name, v)
		}
	}
	if id == "" {
		return addressOf(p.Path, q)
	}
	q.Set("entry", id)
	return addressOf(p.Path, q) + "#entry"
}

func (p AuditPage) export() string {
	return addressOf(p.Path+"/export", p.query())
}

// LiveKey names the live part: the filter, and what was there already.
func (p AuditPage) LiveKey() string {
	q := p.Filter.Values()
	if s := p.OfStack(); s != "" {
		q.Set("of", string(s))
	}
	q.Set("seen", strconv.FormatInt(p.Head.ID, 10))
	return q.Encode()
}

func (p AuditPage) pager() ui.PagerProps {
	props := ui.PagerProps{}
	if len(p.Rows) == 0 {
		return props
	}
	if p.Newer {
		props.Previous = templ.SafeURL(p.with("after", strconv.FormatInt(p.Rows[0].ID, 10)))
	}
	if p.Older {
		props.Next = templ.SafeURL(p.with("before", strconv.FormatInt(p.Rows[len(p.Rows)-1].ID, 10)))
	}
	return props
}

// Sentence says how long the record is, and whether there is a copy.
func (p AuditPage) Sentence() Sentence {
	if p.Head.ID == 0 {
		return Sentence{Lead: "Nothing is recorded yet."}
	}
	s := Sentence{Lead: entries(int(p.Head.ID)) + ", chained so that a changed or missing one is found."}
	if p.Frame != nil {
		s.Lead = "Who did what in this stack, and who was refused."
		return s
	}
	switch {
	case p.Receiver == "":
		s.Rest = []Phrase{{Text: "No copy is kept elsewhere: start the server with --audit-syslog to send one."}}
	case p.Feed == nil:
		s.Rest = []Phrase{{Text: "The copy at " + p.Receiver + " begins soon."}}
	case p.Feed.FailingSince != nil:
		s.Rest = []Phrase{{Text: fmt.Sprintf("%s takes nothing since %s; %s wait: %s", p.Receiver, Clock(*p.Feed.FailingSince, p.Now),
			entries(int(p.Head.ID-p.Feed.SentID)), p.Feed.Problem)}}
	default:
		s.Rest = []Phrase{{Text: fmt.Sprintf("Copied to %s up to entry %s.", p.Receiver, Thousands(int(p.Feed.SentID)))}}
	}
	return s
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return Thousands(n) + " entries"
}

// filtered tells that the list is not everything.
func (p AuditPage) filtered() bool { return len(p.query()) > 0 }

// moreFilters tells that a filter is on that is not in the first row.
func (p AuditPage) moreFilters() bool {
	return slices.ContainsFunc([]string{"stack", "from", "until", "request"}, func(n string) bool { return p.Form.Value(n) != "" })
}

func (p AuditPage) stackOptions() []ui.Option {
	chosen := p.Form.Value("stack")
	options := []ui.Option{{Label: "All stacks", Selected: chosen == ""}}
	found := chosen == ""
	for _, s := range p.Stacks {
		options = append(options, ui.Option{Value: string(s.ID), Label: s.Name, Selected: chosen == string(s.ID)})
		found = found || chosen == string(s.ID)
	}
	if !found {
		options = append(options, ui.Option{Value: chosen, Label: "deleted: " + chosen, Selected: true})
	}
	return options
}

// moment is a field of a filter in time, in the form that browsers take.
func (p AuditPage) moment(name, label string) ui.FieldProps {
	f := p.Form.input(name, label, "")
	f.Type = "datetime-local"
	at := map[string]time.Time{"from": p.Filter.From, "until": p.Filter.Until}[name]
	if !at.IsZero() {
		f.Value = at.Format("2006-01-02T15:04")
	}
	return f
}

func (r AuditRow) id() string { return strconv.FormatInt(r.ID, 10) }

// who is the actor in a word.
func (r AuditRow) who() string {
	switch {
	case r.ActorName != "":
		return r.ActorName
	case r.ActorID != "":
		return string(r.ActorKind) + " " + r.ActorID
	}
	return or(string(r.ActorKind), "nobody")
}

func (r AuditRow) what() string {
	return or(r.TargetName, or(r.TargetID, r.TargetKind))
}

func (r AuditRow) state() State {
	if r.Refused {
		return State{Tone: ui.Bad, Word: "refused"}
	}
	return State{Tone: ui.OK, Word: "done"}
}

// targetHref is the page of what the entry is about. It may be gone.
func (r AuditRow) targetHref(admin bool) string {
	switch r.TargetKind {
	case "stack":
		return StackHref(models.StackID(r.TargetID))
	case "layer":
		return LayerHref(r.StackID, models.LayerID(r.TargetID))
	case "instance":
		return InstanceHref(models.InstanceID(r.TargetID))
	case "app":
		return AppHref(r.StackID, models.AppID(r.TargetID))
	case "deployment":
		return DeploymentHref(models.DeploymentID(r.TargetID))
	case "user":
		if admin && r.TargetKnown {
			return UserHref(models.UserID(r.TargetID))
		}
	}
	return ""
}

func (p AuditPage) facts(r AuditRow) []Fact {
	state := r.state()
	actor := Fact{Name: "Actor", Value: r.who()}
	if p.Page.Admin && r.ActorKnown {
		actor.Href = UserHref(models.UserID(r.ActorID))
	}
	target := Fact{Name: "Target", Value: r.what()}
	if r.TargetID != "" {
		target.Href = r.targetHref(p.Page.Admin)
	}
	list := []Fact{
		{Name: "Action", Value: r.Action, Code: true}, {Name: "Result", State: &state}, target,
		{Name: "Kind", Value: r.TargetKind}, actor, {Name: "As", Value: string(r.ActorKind)},
		{Name: "When", Value: ui.Stamp(r.At)}, {Name: "Cause", Value: r.Cause.Text},
		{Name: "By", Value: r.Surface}, {Name: "From", Value: r.SourceAddr, Code: true},
	}
	if r.RequestID != "" {
		list = append(list, Fact{Name: "Request", Value: r.RequestID, Href: addressOf(p.Path, url.Values{"request": {r.RequestID}})})
	}
	return facts(list...)
}

// alike are the ways to entries like this one.
func (p AuditPage) alike(r AuditRow) []Phrase {
	var list []Phrase
	add := func(name, value, text string) {
		if value != "" {
			list = append(list, Phrase{Text: text, Href: addressOf(p.Path, url.Values{name: {value}})})
		}
	}
	add("actor", or(r.ActorID, r.ActorName), "All of "+r.who())
	add("target", or(r.TargetID, r.TargetName), "All about "+r.what())
	add("action", r.Action, "Every "+r.Action)
	return list
}

// AuditNews is how many entries have come since a page was drawn.
type AuditNews struct {
	N, Most int
	Href    string
}

func (n AuditNews) text() string {
	switch {
	case n.N == 1:
		return "1 new entry"
	case n.N >= n.Most:
		return fmt.Sprintf("%d new entries or more", n.Most)
	}
	return fmt.Sprintf("%d new entries", n.N)
}

func (r AuditRow) actor() models.UserID { return models.UserID(r.ActorID) }

// clock is exact: entries of one second are often about one thing.
func (r AuditRow) clock(now time.Time) string {
	at, now := r.At.UTC(), now.UTC()
	switch {
	case at.YearDay() == now.YearDay() && at.Year() == now.Year():
		return at.Format("15:04:05")
	case at.Year() == now.Year():
		return at.Format("2 Jan 15:04:05")
	}
	return at.Format("2 Jan 2006 15:04")
}
