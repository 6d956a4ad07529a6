package views

import (
	"fmt"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// PolicyHref is the page of a policy.
func PolicyHref(id models.PolicyID) string { return "/team/policies/" + string(id) }

// PolicyRow is a policy as somebody holds it.
type PolicyRow struct {
	ID      string
	Name    string
	Href    string // empty: nowhere to go
	Summary string // its statements in words
	Via     string // the group that it comes by; empty: attached itself
	ViaHref string
}

// PoliciesPage lists the policies.
type PoliciesPage struct {
	Page Page
	Tabs TeamTabs
	Rows []PolicyListed
}

// PolicyListed is one policy with whom it is attached to.
type PolicyListed struct {
	Policy  models.Policy
	Summary string
	Holders []string // names of people and groups
	Changed time.Time
}

func (p PoliciesPage) head() HeadProps {
	h := HeadProps{Title: "Team", Bold: policies(len(p.Rows)) + ".", Rest: "A policy adds operations to somebody's level, or refuses some. Most teams need none."}
	loose := 0
	for _, r := range p.Rows {
		if len(r.Holders) == 0 {
			loose++
		}
	}
	if loose > 0 {
		h.Rest = fmt.Sprintf("%s attached to nobody, and so does nothing.", Capital(numberIs(loose)))
	}
	return h
}

func numberIs(n int) string {
	if n == 1 {
		return "one is"
	}
	return Thousands(n) + " are"
}

func policies(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return Thousands(n) + " policies"
}

func (r PolicyListed) holders() string {
	const most = 3
	if len(r.Holders) == 0 {
		return "nobody"
	}
	if len(r.Holders) <= most {
		return strings.Join(r.Holders, ", ")
	}
	return strings.Join(r.Holders[:most], ", ") + fmt.Sprintf(" and %d more", len(r.Holders)-most)
}

// PolicyStatement is one statement of a policy as it holds today: which
// operations and stacks its patterns mean.
type PolicyStatement struct {
	Allows  bool
	All     bool            // every operation
	Actions []models.Action // that its patterns match
	Nothing []string        // patterns that match no operation
	// Everywhere is every stack, and what is outside of stacks.
	Everywhere bool
	Stacks     []string // names
	Nowhere    []string // resources that name no stack there is
}

// Words are the statement as a sentence: "Refuses DeleteStack and DeleteApp on
// every stack."
func (s PolicyStatement) Words() string {
	verb := "Refuses "
	if s.Allows {
		verb = "Allows "
	}
	return verb + s.what() + " " + s.where() + "."
}

func (s PolicyStatement) what() string {
	if s.All {
		return "every operation"
	}
	if len(s.Actions) == 0 {
		return "nothing"
	}
	const most = 5
	var list []string
	for _, a := range s.Actions[:min(len(s.Actions), most)] {
		list = append(list, string(a))
	}
	if more := len(s.Actions) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return And(list)
}

func (s PolicyStatement) where() string {
	if s.Everywhere {
		return "on every stack"
	}
	if len(s.Stacks) == 0 {
		return "on no stack there is"
	}
	const most = 5
	list := s.Stacks[:min(len(s.Stacks), most)]
	if more := len(s.Stacks) - len(list); more > 0 {
		list = append(list[:len(list):len(list)], fmt.Sprintf("%d more", more))
	}
	return "on " + And(list)
}

// doubts are what a reader probably did not mean.
func (s PolicyStatement) doubts() []string {
	var out []string
	for _, p := range s.Nothing {
		out = append(out, "No operation is called "+p+".")
	}
	for _, r := range s.Nowhere {
		out = append(out, "No stack is meant by "+r+".")
	}
	return out
}

// PolicyWords are the statements of a policy in one line.
func PolicyWords(statements []PolicyStatement) string {
	var out []string
	for _, s := range statements {
		out = append(out, s.Words())
	}
	return strings.Join(out, " ")
}

// PolicyPage is one policy, or the form of a new one.
type PolicyPage struct {
	Page       Page
	Policy     models.Policy // of a new one without ID
	Form       Form
	Statements []PolicyStatement // of what is typed, or else stored
	Checked    bool              // the reader asked what the typed text means
	People     []models.User     // it is attached to
	Groups     []models.Group
	Names      []string       // of people it could be attached to
	Others     []models.Group // it could be attached to
	Examples   []PolicyExample
}

// PolicyExample is a document to start from.
type PolicyExample struct {
	Key, Label string
}

func (p PolicyPage) fresh() bool { return p.Policy.ID == "" }

func (p PolicyPage) at(path string) string { return PolicyHref(p.Policy.ID) + path }

func (p PolicyPage) action() string {
	if p.fresh() {
		return "/team/policies"
	}
	return PolicyHref(p.Policy.ID)
}

func (p PolicyPage) head() HeadProps {
	if p.fresh() {
		return HeadProps{Title: "New policy", Bold: "It does nothing until it is attached.", Rest: "Attach it to people or groups on its page."}
	}
	h := HeadProps{Title: p.Policy.Name}
	switch n, m := len(p.People), len(p.Groups); {
	case n+m == 0:
		h.Bold = "Attached to nobody, and so does nothing."
	case m == 0:
		h.Bold = "Attached to " + people(n) + "."
	case n == 0:
		h.Bold = "Attached to " + ui.Plural(m, "group") + "."
	default:
		h.Bold = "Attached to " + people(n) + " and " + ui.Plural(m, "group") + "."
	}
	h.Rest = PolicyWords(p.Statements)
	if p.Checked || p.Form.Problem != "" {
		h.Rest = "" // the words are of a text that is not stored
	}
	return h
}

func (p PolicyPage) document() ui.FieldProps {
	f := storedInput(p.Form, "policy", "Document", "Document", "JSON as in IAM: Version, and statements with Effect, Action and Resource. At most 6,144 characters.", p.Policy.Document)
	f.Rows = min(max(strings.Count(f.Value, "\n")+2, 14), 32)
	f.Required = true
	f.Attrs["wrap"] = "off"
	return f
}

// personField is where somebody is named whom a policy is attached to.
func personField(f Form) ui.FieldProps {
	in := f.input("Person", "Person", "")
	in.Autocomplete = "off"
	in.Attrs = map[string]any{"list": "people", "autocapitalize": "none", "spellcheck": "false"}
	return in
}
