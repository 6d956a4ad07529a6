package views

import (
	"fmt"
	"strings"

	"opsyard/models"
	"opsyard/views/ui"
)

// TeamTabs leads through the pages of the team.
type TeamTabs struct {
	People, Groups, Policies int
}

func (t TeamTabs) tabs(current string) []ui.TabProps {
	return []ui.TabProps{
		{Href: "/team", Label: "People", Count: Thousands(t.People), Current: current == "people"},
		{Href: "/team/groups", Label: "Groups", Count: Thousands(t.Groups), Current: current == "groups"},
		{Href: "/team/policies", Label: "Policies", Count: Thousands(t.Policies), Current: current == "policies"},
	}
}

// GroupHref is the page of a group.
func GroupHref(id models.GroupID) string { return "/team/groups/" + string(id) }

// GroupsPage lists the groups.
type GroupsPage struct {
	Page Page
	Tabs TeamTabs
	Rows []GroupRow
}

// GroupRow is one group with what it holds.
type GroupRow struct {
	Group    models.Group
	Members  []string     // names
	Levels   []StackLevel // what it gives
	Policies int
}

// StackLevel is a level in a stack, by the stack's name.
type StackLevel struct {
	Stack string
	Level models.Level
}

func (p GroupsPage) head() HeadProps {
	members, levels := 0, 0
	for _, r := range p.Rows {
		members += len(r.Members)
		levels += len(r.Levels)
	}
	h := HeadProps{Title: "Team", Bold: ui.Plural(len(p.Rows), "group") + ".", Rest: "A group gives all its members the same levels, SSH and policies."}
	if len(p.Rows) > 0 && levels == 0 {
		h.Rest = "None gives a level yet."
	}
	if len(p.Rows) > 0 && members == 0 {
		h.Rest = "Nobody is in one yet."
	}
	return h
}

// memberNames says who is in the group, the first few by name.
func (r GroupRow) memberNames() string {
	const most = 3
	if len(r.Members) == 0 {
		return "nobody"
	}
	if len(r.Members) <= most {
		return strings.Join(r.Members, ", ")
	}
	return strings.Join(r.Members[:most], ", ") + fmt.Sprintf(" and %d more", len(r.Members)-most)
}

// levelWords says what a group gives, highest first: "manage on shop, show on
// 3 stacks".
func levelWords(levels []StackLevel) string {
	var out []string
	for n := len(models.Levels) - 1; n >= 0; n-- {
		var on []string
		for _, l := range levels {
			if l.Level == models.Levels[n] {
				on = append(on, l.Stack)
			}
		}
		switch {
		case len(on) == 0:
		case len(on) <= 2:
			out = append(out, string(models.Levels[n])+" on "+And(on))
		default:
			out = append(out, string(models.Levels[n])+" on "+Thousands(len(on))+" stacks")
		}
	}
	if out == nil {
		return "no level"
	}
	return strings.Join(out, ", ")
}

// GroupForm is the page that makes a group.
type GroupForm struct {
	Page Page
	Form Form
}

// GroupPage is one group: who is in it and what it gives.
type GroupPage struct {
	Page        Page
	Group       models.Group
	Form        Form // of the name or of a new member, as typed
	Members     []models.User
	People      []string // who could be added, for the field to offer
	Permissions []PermissionRow
	Pager       Pager // of the stacks
	Levels      []StackLevel
	Policies    []PolicyRow // attached
	Others      []PolicyRow // that could be
}

func (p GroupPage) head() HeadProps {
	h := HeadProps{Title: p.Group.Name}
	switch {
	case len(p.Members) == 0 && len(p.Levels) == 0:
		h.Bold, h.Rest = "Nobody is in it, and it gives nothing yet.", "Give it a level on a stack and put people in."
	case len(p.Members) == 0:
		h.Bold, h.Rest = "Nobody is in it.", "It would give "+levelWords(p.Levels)+"."
	case len(p.Levels) == 0 && len(p.Policies) == 0:
		h.Bold, h.Rest = people(len(p.Members))+", and no level yet.", "Give it a level on a stack below."
	default:
		h.Bold = people(len(p.Members)) + ", " + levelWords(p.Levels) + "."
	}
	return h
}

// name is the field of the group's name; what was typed stands.
func (p GroupPage) input(name, label, hint, stored string) ui.FieldProps {
	return storedInput(p.Form, "profile", name, label, hint, stored)
}

// storedInput is a field of a form that changes what is stored: what was typed
// stands when that form was sent, which its hidden field mark tells.
func storedInput(f Form, mark, name, label, hint, stored string) ui.FieldProps {
	in := f.input(name, label, hint)
	if _, typed := f.Values[mark]; !typed {
		in.Value = stored
	}
	in.Attrs = map[string]any{"autocapitalize": "none", "spellcheck": "false"}
	return in
}

// newMember is the field for more people.
func (p GroupPage) newMember() ui.FieldProps {
	in := p.Form.input("Add", "Add people", "Their sign-in names; several with spaces between them.")
	in.Autocomplete = "off"
	in.Attrs = map[string]any{"list": "people", "autocapitalize": "none", "spellcheck": "false"}
	return in
}

func (p GroupPage) at(path string) string { return GroupHref(p.Group.ID) + path }
