package views

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// StacksPage is the list of stacks that somebody may see.
type StacksPage struct {
	Page      Page
	Rows      []StackRow // worst first
	All       int        // before the filter
	Filter    string
	Show      string // "", "attention", "running"
	CanCreate bool
}

// StackRow is one stack of the list.
type StackRow struct {
	ID       models.StackID
	Name     string
	Provider string
	Manager  string
	// Attributes hold the stack's colour.
	Attributes map[string]string
	Counts     []ui.Count
	Online     int
	Total      int
	Layers     int
	Last       *LastDeployment
}

// LastDeployment is the newest deployment of a stack.
type LastDeployment struct {
	ID     models.DeploymentID
	Number int64
	Name   string // the command, and what it is about
	Status string
	At     time.Time
}

// worst is the tone that decides a row's place: of the state of its instances.
func (r StackRow) worst() ui.Tone {
	tone := ui.Off
	for _, c := range r.Counts {
		if t := ui.ToneOf(c.State); c.N > 0 && t.Rank() < tone.Rank() {
			tone = t
		}
	}
	return tone
}

// NeedsSomebody tells whether an instance failed or was lost.
func (r StackRow) NeedsSomebody() bool { return r.worst().Rank() <= ui.Warn.Rank() }

// Moving tells whether something runs or will go on by itself.
func (r StackRow) Moving() bool {
	if r.Last != nil && r.Last.Status == string(models.DeploymentRunning) {
		return true
	}
	return slices.ContainsFunc(r.Counts, func(c ui.Count) bool {
		return c.N > 0 && models.InstanceStatus(c.State).InMotion()
	})
}

// state is the row's state in words: what is wrong, else what moves, else that
// all is well.
func (r StackRow) state() (ui.Tone, string) {
	tone := r.worst()
	switch {
	case r.Total == 0:
		return ui.Off, "no instances"
	case tone == ui.OK:
		if off := r.Total - r.Online; off > 0 {
			return ui.OK, fmt.Sprintf("healthy, %s off", Thousands(off))
		}
		return ui.OK, "healthy"
	case tone == ui.Off:
		return ui.Off, "all stopped"
	}
	var named []ui.Count
	for _, c := range r.Counts {
		if t := ui.ToneOf(c.State); t == tone || t.Rank() <= ui.Warn.Rank() {
			named = append(named, c)
		}
	}
	slices.SortStableFunc(named, func(a, b ui.Count) int { return cmp.Compare(ui.ToneOf(a.State).Rank(), ui.ToneOf(b.State).Rank()) })
	return tone, ui.Words(named)
}

// SortWorstFirst orders by tone, then by how many are in trouble, then by name.
func SortWorstFirst(rows []StackRow) {
	trouble := func(r StackRow) (n int) {
		for _, c := range r.Counts {
			if ui.ToneOf(c.State).Rank() <= ui.Warn.Rank() {
				n += c.N
			}
		}
		return n
	}
	slices.SortStableFunc(rows, func(a, b StackRow) int {
		return cmp.Or(cmp.Compare(a.worst().Rank(), b.worst().Rank()), cmp.Compare(trouble(b), trouble(a)), strings.Compare(a.Name, b.Name))
	})
}

func (p StacksPage) head() HeadProps {
	h := HeadProps{Title: "Stacks"}
	if p.All == 0 {
		h.Bold = "There is no stack yet."
		if !p.CanCreate {
			h.Bold, h.Rest = "You may not see any stack.", "Ask an administrator for a level on one."
		}
		return h
	}
	var bad []string
	for _, r := range p.Rows {
		if r.NeedsSomebody() {
			bad = append(bad, r.Name)
		}
	}
	switch {
	case p.Filter != "" || p.Show != "":
		h.Bold = fmt.Sprintf("%d of %s shown.", len(p.Rows), ui.Plural(p.All, "stack"))
	case len(bad) == 0:
		h.Bold = ui.Plural(p.All, "stack") + ", none needs somebody."
	case len(bad) == 1:
		h.Bold = fmt.Sprintf("1 of %s needs somebody.", ui.Plural(p.All, "stack"))
		h.Rest = bad[0] + " has failed or lost instances."
	default:
		h.Bold = fmt.Sprintf("%d of %s need somebody.", len(bad), ui.Plural(p.All, "stack"))
		h.Rest = strings.Join(bad[:min(3, len(bad))], ", ") + more(len(bad)-3) + " have failed or lost instances."
	}
	return h
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return " and " + strconv.Itoa(n) + " more"
}

// live names the list with its filter, so that a filtered list stays true too.
func (p StacksPage) live() string {
	return "stacks/" + url.Values{"filter": {p.Filter}, "show": {p.Show}}.Encode()
}

func (p StacksPage) totals() string {
	all, online := 0, 0
	for _, r := range p.Rows {
		all += r.Total
		online += r.Online
	}
	return ui.Plural(all, "instance") + ", " + strconv.Itoa(online) + " online"
}
