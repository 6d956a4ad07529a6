package views

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"opsyard/models"
	"opsyard/views/ui"
)

// Access is what one person may do in one stack, and why: the answer of the
// engine, operation by operation, with a summary that is read out of it.
type Access struct {
	Name   string // whose; "You" are addressed when Own
	Own    bool
	Stack  string
	Path   string             // of the page
	Fixed  bool               // the page is of one stack: none is chosen
	Stacks []ui.Option        // to choose from
	Grants []GrantRow         // what the levels come from
	Held   []PolicyRow        // attached to the person or their groups
	Query  url.Values         // the filter as it is in the address
	All    []models.Explained // in the stack
	// Outside is what is not in a stack, for those who may know.
	Outside []models.Explained
}

// GrantRow is one level in the stack: the person's own or that of a group.
type GrantRow struct {
	Group string // empty: the person's own
	Href  string
	Level models.Level
	SSH   bool
	Sudo  bool
}

// AccessGroup is the operations that the same level allows.
type AccessGroup struct {
	Title string
	Note  string
	Rows  []models.Explained
}

// The groups of operations, by the least level that allows them.
var accessGroups = []struct {
	level      models.Level
	title      string
	infinitive string // completes "may …"
	gerund     string
}{
	{models.LevelShow, "See", "see", "seeing"},
	{models.LevelDeploy, "Deploy", "deploy to", "deploying"},
	{models.LevelManage, "Manage", "manage", "managing"},
	{"", "Beyond levels", "", ""},
}

// AccessShows are the choices of what is listed.
var AccessShows = []string{"", "allowed", "refused"}

func (a Access) show() string { return a.Query.Get("show") }

func (a Access) search() string { return strings.TrimSpace(a.Query.Get("q")) }

// groups are the operations that pass the filter.
func (a Access) groups() []AccessGroup {
	var out []AccessGroup
	for _, g := range accessGroups {
		all := a.of(g.level)
		if g.level == "" {
			all = append(all, a.Outside...)
		}
		one := AccessGroup{Title: g.title}
		allowed := 0
		for _, e := range all {
			if e.Allowed {
				allowed++
			}
			if a.listed(e) {
				one.Rows = append(one.Rows, e)
			}
		}
		if one.Rows == nil {
			continue
		}
		one.Note = fmt.Sprintf("%d of %d allowed", allowed, len(all))
		if g.level != "" {
			one.Note = "level " + string(g.level) + ", " + one.Note
		}
		out = append(out, one)
	}
	return out
}

func (a Access) listed(e models.Explained) bool {
	switch {
	case a.show() == "allowed" && !e.Allowed, a.show() == "refused" && e.Allowed:
		return false
	}
	q := strings.ToLower(a.search())
	return strings.Contains(strings.ToLower(string(e.Action)), q) || strings.Contains(strings.ToLower(e.Reason), q)
}

// of are the operations whose least level it is; an empty one stands for those
// that no level allows.
func (a Access) of(level models.Level) []models.Explained {
	var list []models.Explained
	for _, e := range a.All {
		if need, ok := e.Action.Needs(); ok && need == level || !ok && level == "" {
			list = append(list, e)
		}
	}
	return list
}

func (a Access) count(show string) int {
	n := 0
	for _, e := range slices.Concat(a.All, a.Outside) {
		if show == "" || e.Allowed == (show == "allowed") {
			n++
		}
	}
	return n
}

func (a Access) showHref(show string) string { return withQuery(a.Path, a.Query, "show", show) }

func (a Access) showLabel(show string) string {
	if show == "" {
		show = "all"
	}
	return Capital(show)
}

func (a Access) may() string {
	if a.Own {
		return "You may"
	}
	return a.Name + " may"
}

// Sentence sums the table up: what of seeing, deploying and managing is
// allowed, and which single operations stand out.
func (a Access) Sentence() Sentence {
	var whole, none []string
	var apart []string
	for _, g := range accessGroups[:3] {
		allowed, refused := split(a.of(g.level))
		switch {
		case len(allowed) == 0:
			none = append(none, g.infinitive)
		case len(refused) == 0:
			whole = append(whole, g.infinitive)
		case len(refused) <= len(allowed):
			whole = append(whole, g.infinitive)
			apart = append(apart, "Not all of "+g.gerund+": "+names(refused)+" "+isAre(len(refused))+" refused.")
		default:
			none = append(none, g.infinitive)
			apart = append(apart, "Of "+g.gerund+" only "+names(allowed)+" "+isAre(len(allowed))+" allowed.")
		}
	}
	s := Sentence{Lead: a.lead(whole, none)}
	if len(whole) == 0 && len(apart) == 0 {
		apart = append(apart, Capital(endStop(a.reason(models.ActionShow))))
	}
	if len(apart) > 0 {
		s.Rest = []Phrase{{Text: strings.Join(apart, " ")}}
	}
	return s
}

func (a Access) everything() bool {
	return !slices.ContainsFunc(a.All, func(e models.Explained) bool { return !e.Allowed })
}

func (a Access) lead(whole, none []string) string {
	switch {
	case a.everything():
		return a.may() + " do everything on " + a.Stack + "."
	case len(whole) == 0:
		return a.may() + " not " + Or(none) + " " + a.Stack + "."
	case len(none) == 0:
		return a.may() + " " + And(whole) + " " + a.Stack + "."
	}
	return a.may() + " " + And(whole) + " " + a.Stack + ", but not " + Or(none) + " it."
}

func (a Access) reason(action models.Action) string {
	for _, e := range a.All {
		if e.Action == action {
			return e.Reason
		}
	}
	return ""
}

func split(list []models.Explained) (allowed, refused []models.Explained) {
	for _, e := range list {
		if e.Allowed {
			allowed = append(allowed, e)
		} else {
			refused = append(refused, e)
		}
	}
	return allowed, refused
}

// names says the first few operations by name.
func names(list []models.Explained) string {
	const most = 4
	var out []string
	for _, e := range list[:min(len(list), most)] {
		out = append(out, string(e.Action))
	}
	if more := len(list) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return And(out)
}

// And is a list in words: "a, b and c".
func And(list []string) string { return joined(list, " and ") }

// Or is a list of choices in words: "a, b or c".
func Or(list []string) string { return joined(list, " or ") }

func joined(list []string, last string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	n := len(list) - 1
	return strings.Join(list[:n], ", ") + last + list[n]
}

// unfiltered is the page with every operation of the same stack.
func (a Access) unfiltered() string {
	return withQuery(a.Path, url.Values{"stack": a.Query["stack"]}, "q", "")
}

// AccessPage is the explainer about one person, for administrators.
type AccessPage struct {
	Page   Page
	User   models.User
	Access Access
}

// StackAccessPage is the explainer about one person in one stack, for those who
// manage it.
type StackAccessPage struct {
	Frame  StackFrame
	Access Access
}

// UserAccessHref is the explainer about a person.
func UserAccessHref(id models.UserID) string { return UserHref(id) + "/access" }

// StackAccessHref is the explainer about a person inside a stack.
func StackAccessHref(stack models.StackID, id models.UserID) string {
	return StackHref(stack) + "/access/" + string(id)
}
