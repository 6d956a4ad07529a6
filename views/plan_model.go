package views

import (
	"fmt"
	"strings"
	"time"

	"opsyard/models"
)

// PlanShow is the page of one plan: what would run where, before it does.
type PlanShow struct {
	Frame StackFrame
	Now   time.Time
	Plan  models.Plan
	Title string
}

// PlanHref is the page of a plan.
func PlanHref(id models.PlanID) string { return "/plans/" + string(id) }

// ShortID is how people tell plans apart.
func (p PlanShow) ShortID() string {
	id := string(p.Plan.ID)
	return "p-" + id[max(0, len(id)-6):]
}

// Total is how many instances the stack has.
func (p PlanShow) Total() int { return p.Plan.Content.Instances() + len(p.Plan.Content.LeftOut) }

// Sentence says what the plan does, who made it and when.
func (p PlanShow) Sentence() Sentence {
	c := p.Plan.Content
	n := c.Instances()
	verb := "Runs"
	if p.Plan.Request.DryRun {
		verb = "Tries"
	}
	s := Sentence{Lead: fmt.Sprintf("%s on %s of %s.", verb, Thousands(n), Count(p.Total(), "instance"))}
	if len(c.Batches) > 1 {
		s.Lead = fmt.Sprintf("%s on %s of %s in %s.", verb, Thousands(n), Count(p.Total(), "instance"), batches(len(c.Batches)))
	}
	if p.Plan.Request.DryRun {
		s.Rest = append(s.Rest, Phrase{Text: "A dry run: recipes tell what they would change, and change nothing. "})
	}
	by := ""
	if p.Plan.Author != "" {
		by = " by " + p.Plan.Author
	}
	s.Rest = append(s.Rest, Phrase{Text: fmt.Sprintf("Made%s %s ago. If something changes before you run it, you are told what.", by, Age(p.Now.Sub(p.Plan.CreatedAt)))})
	return s
}

// RunLabel names what the button does, and on how many instances.
func (p PlanShow) RunLabel() string {
	verb := "Run"
	if p.Plan.Request.DryRun {
		verb = "Try"
	}
	return verb + " on " + Count(p.Plan.Content.Instances(), "instance")
}

// planSourceName says whose code a repository holds.
func planSourceName(s models.PlanSource) string {
	if s.Name == "" {
		return "Custom cookbooks"
	}
	return "App " + s.Name
}

func fetchedBefore(s models.PlanSource) string {
	if s.Fetched == "" {
		return "not fetched before"
	}
	return fmt.Sprintf("#%d fetched %s", s.By, shortDigest(s.Fetched))
}

func shortDigest(d string) string {
	rest, ok := strings.CutPrefix(d, "sha256:")
	if !ok && len(d) == 40 {
		return d[:12]
	}
	if ok && len(rest) > 12 {
		return "sha256:" + rest[:12]
	}
	return d
}

func groupName(g models.PlanGroup) string {
	if len(g.Layers) == 0 {
		return "no layer"
	}
	return strings.Join(g.Layers, " + ")
}

// namedInPlan is how many instances of a group or reason are named.
const namedInPlan = 6

func groupHosts(g models.PlanGroup) []string {
	hosts := make([]string, len(g.Instances))
	for n, i := range g.Instances {
		hosts[n] = i.Hostname
	}
	return hosts
}

func someHosts(hosts []string) string {
	if more := len(hosts) - namedInPlan; more > 1 {
		return strings.Join(hosts[:namedInPlan], ", ") + " and " + Thousands(more) + " more"
	}
	return strings.Join(hosts, ", ")
}

// LeftOut is the instances that are left out for one reason.
type LeftOut struct {
	Reason string
	Status models.InstanceStatus // of all of them, or empty
	Hosts  []string
}

// leftOut groups what is left out by reason, in the order of the instances.
func leftOut(c models.PlanContent) []LeftOut {
	var out []LeftOut
	at := map[string]int{}
	for _, i := range c.LeftOut {
		n, ok := at[i.Reason]
		if !ok {
			n = len(out)
			at[i.Reason] = n
			out = append(out, LeftOut{Reason: i.Reason, Status: i.Status})
		}
		if out[n].Status != i.Status {
			out[n].Status = ""
		}
		out[n].Hosts = append(out[n].Hosts, i.Hostname)
	}
	return out
}

func recipeNote(r models.RunItem) string {
	note := "custom"
	if r.BuiltIn {
		note = "built-in"
	}
	if r.Layer != "" {
		note += ", layer " + r.Layer
	}
	return note
}

// ownValues are the attributes that somebody set or overrode; the rest come
// with the stack.
func ownValues(g models.PlanGroup) (own, rest []models.PlanAttribute) {
	for _, a := range g.Attributes {
		if strings.HasPrefix(a.Origin, "custom JSON") || len(a.Overridden) > 0 {
			own = append(own, a)
		} else {
			rest = append(rest, a)
		}
	}
	return own, rest
}

func batches(n int) string {
	if n == 1 {
		return "1 batch"
	}
	return Thousands(n) + " batches"
}

func batchSizes(sizes []int) string {
	if len(sizes) == 0 {
		return "all at once"
	}
	var parts []string
	for _, n := range sizes[:min(len(sizes), 4)] {
		parts = append(parts, Thousands(n))
	}
	s := strings.Join(parts, ", then ")
	if more := len(sizes) - 4; more > 0 {
		s += ", then " + Thousands(more) + " more"
	}
	return s
}

// stopsItself says at what a rolling deployment stops by itself.
func stopsItself(r models.Rollout) string {
	switch {
	case r.StopAfterFailures > 0:
		return "at " + Count(r.StopAfterFailures, "failure")
	case r.StopAfterPercent > 0:
		return fmt.Sprintf("at %d %% failed", r.StopAfterPercent)
	}
	return "never"
}
