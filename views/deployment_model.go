package views

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"opsyard/models"
	"opsyard/views/ui"
)

// DeploymentShow is the page of one deployment. Its cost does not depend on
// the size of the fleet: it holds counts, the failures, and one page of commands.
type DeploymentShow struct {
	Frame      StackFrame
	Now        time.Time
	Deployment models.Deployment
	Title      string
	App        *models.App
	Progress   Progress
	Usual      time.Duration // median of the last successful runs alike; 0 when unknown
	// ByBatch is the progress of each batch of a rolling deployment.
	ByBatch map[int]Progress
	HasPlan bool               // its plan is still kept
	RetryOf *models.Deployment // the first one that it runs again
	// Strip is drawn when there are at most MaxCells commands.
	Strip    *Strip
	Failures []FailureGroup // the largest of FailureGroups
	// FailureGroups is how many groups of failures there are.
	FailureGroups int
	// Rows is one page of commands, failed first, for larger deployments and
	// for whoever prefers a table.
	Rows    []CommandRow
	Filter  string
	Pager   Pager
	Chosen  *models.Command // whose log is shown
	LogPane templ.Component // nil while no command is chosen
	// Sources are what its commands got from repositories.
	Sources []FetchedSource
}

// Running tells whether the deployment is under way.
func (p DeploymentShow) Running() bool { return p.Deployment.Status == models.DeploymentRunning }

// Elapsed is how long it took, or takes so far.
func (p DeploymentShow) Elapsed() time.Duration {
	if p.Deployment.CompletedAt != nil {
		return p.Deployment.CompletedAt.Sub(p.Deployment.CreatedAt)
	}
	return p.Now.Sub(p.Deployment.CreatedAt)
}

// Sentence says how far the deployment is, who wanted it and why.
func (p DeploymentShow) Sentence() Sentence {
	total, failed := p.Progress.Total(), p.Progress.Failed()
	s := Sentence{}
	switch {
	case total == 0:
		s.Lead = "No instance was there to run it."
	case p.Running() && failed > 0:
		s.Lead = fmt.Sprintf("%s of %s done, %s failed.", Thousands(p.Progress.Done()), Thousands(total), Thousands(failed))
	case p.Running():
		s.Lead = fmt.Sprintf("%s of %s done.", Thousands(p.Progress.Done()), Thousands(total))
	case failed > 0:
		s.Lead = fmt.Sprintf("Failed on %s of %s.", Thousands(failed), Count(total, "instance"))
	case p.Progress[models.CommandSuccessful] == total && total == 1:
		s.Lead = "Successful on its one instance."
	case p.Progress[models.CommandSuccessful] == total:
		s.Lead = fmt.Sprintf("Successful on all %s instances.", Thousands(total))
	case p.Progress[models.CommandSuccessful] == 0 && p.Progress[models.CommandSuperseded] == total:
		s.Lead = "Superseded: a newer configure took its place before it began."
	case p.Progress[models.CommandSuccessful] == 0:
		s.Lead = "It ran nowhere."
	default:
		s.Lead = fmt.Sprintf("Successful on %s of %s.", Thousands(p.Progress[models.CommandSuccessful]), Count(total, "instance"))
	}
	s.Rest = []Phrase{{Text: startedBy(p.Deployment, p.Now)}}
	if p.Running() && p.Usual > 0 {
		if left := p.Usual - p.Elapsed(); left > 0 {
			s.Rest = append(s.Rest, Phrase{Text: " About " + Age(left+time.Minute-time.Nanosecond) + " left."})
		}
	}
	return s
}

func startedBy(d models.Deployment, now time.Time) string {
	ago := Age(now.Sub(d.CreatedAt)) + " ago"
	if by := d.Cause.Actor; by != "" && d.Cause.Kind == models.CauseUser {
		return by + " started it " + ago + "."
	}
	if d.Cause.Text == "" {
		return "Started " + ago + "."
	}
	return endStop("Started " + ago + " because " + d.Cause.Text)
}

// CommandRow is one command in a table.
type CommandRow struct {
	Command  models.Command
	Cause    string
	Title    string // for lists over several deployments
	Duration string
}

// CommandDuration is how long a command ran or runs.
func CommandDuration(c models.Command, now time.Time) string {
	switch {
	case c.StartedAt == nil:
		return "–"
	case c.CompletedAt != nil:
		return Span(c.CompletedAt.Sub(*c.StartedAt))
	case c.Status.Finished():
		return "–"
	default:
		return Span(now.Sub(*c.StartedAt).Truncate(time.Second))
	}
}

// FailureGroup is the commands that failed alike.
type FailureGroup struct {
	Message  string
	N        int
	Commands []models.Command // the first few
}

// Strip is the grid of instances and steps.
type Strip struct {
	Columns []StripColumn
	Steps   []StripStep
}

// StripColumn is one instance; Group is its first layer.
type StripColumn struct {
	Command models.Command
	Group   string
	Short   string // what is left of the hostname after the group's name
}

// StripStep is one step over all instances.
type StripStep struct {
	Name  string
	Cells []StripCell
}

// StripCell is one step on one instance. A state without word is not part of
// that instance's run.
type StripCell struct{ State State }

// BuildStrip lays commands and the steps of their logs out as a grid. Steps
// that have not begun are taken from the run lists.
func BuildStrip(commands []models.Command, groups map[models.InstanceID]string, steps []models.LogStep) *Strip {
	if len(commands) == 0 {
		return nil
	}
	s := &Strip{}
	commands = inGroups(commands, groups)
	ran := map[models.CommandID]map[string]models.LogStep{}
	order, rank := []string{}, map[string]bool{}
	add := func(name string) {
		if !rank[name] {
			rank[name] = true
			order = append(order, name)
		}
	}
	for _, st := range steps {
		if st.Kind == "resource" {
			continue
		}
		if ran[st.CommandID] == nil {
			ran[st.CommandID] = map[string]models.LogStep{}
		}
		ran[st.CommandID][st.Name] = st
	}
	for _, st := range steps { // what really ran comes in its own order
		if st.Kind != "resource" {
			add(st.Name)
		}
	}
	planned := map[models.CommandID]map[string]bool{}
	for _, c := range commands {
		planned[c.ID] = map[string]bool{}
		for _, item := range c.RunList {
			planned[c.ID][item.Recipe] = true
			add(item.Recipe)
		}
		s.Columns = append(s.Columns, StripColumn{Command: c, Group: groups[c.InstanceID], Short: shortHost(c.Hostname, groups[c.InstanceID])})
	}
	for _, name := range order {
		row := StripStep{Name: name}
		for _, c := range commands {
			row.Cells = append(row.Cells, stripCell(c, name, ran[c.ID], planned[c.ID]))
		}
		s.Steps = append(s.Steps, row)
	}
	if len(s.Steps) == 0 { // nothing known of steps: the command itself is the one step
		row := StripStep{Name: string(commands[0].Type)}
		for _, c := range commands {
			row.Cells = append(row.Cells, StripCell{State: CommandState(c.Status)})
		}
		s.Steps = append(s.Steps, row)
	}
	return s
}

// inGroups puts instances of one group side by side, web2 before web10; the
// groups stay in the order of their first command.
func inGroups(commands []models.Command, groups map[models.InstanceID]string) []models.Command {
	first := map[string]int{}
	for n, c := range commands {
		if _, ok := first[groups[c.InstanceID]]; !ok {
			first[groups[c.InstanceID]] = n
		}
	}
	return slices.SortedStableFunc(slices.Values(commands), func(a, b models.Command) int {
		return cmp.Or(
			cmp.Compare(first[groups[a.InstanceID]], first[groups[b.InstanceID]]),
			cmp.Compare(strings.TrimRight(a.Hostname, "0123456789"), strings.TrimRight(b.Hostname, "0123456789")),
			cmp.Compare(len(a.Hostname), len(b.Hostname)),
			cmp.Compare(a.Hostname, b.Hostname))
	})
}

func stripCell(c models.Command, name string, ran map[string]models.LogStep, planned map[string]bool) StripCell {
	cell := StripCell{}
	if st, ok := ran[name]; ok {
		cell.State = StepState(st.Result, st.EndedAt == nil && !c.Status.Finished())
		return cell
	}
	switch {
	case !planned[name]:
		cell.State = State{}
	case !c.Status.Finished():
		cell.State = State{ui.Wait, "pending"}
	case c.Status == models.CommandSuccessful:
		cell.State = State{ui.OK, "successful"} // a runner that does not report steps
	default:
		cell.State = State{ui.Off, "skipped"}
	}
	return cell
}

// shortHost is the number at the end of a hostname when the rest is the group.
func shortHost(host, group string) string {
	short := strings.TrimPrefix(strings.TrimPrefix(host, group), "-")
	if group == "" || short == "" || len(short) > 3 {
		if n := strings.TrimLeft(host, "abcdefghijklmnopqrstuvwxyz-"); n != "" && len(n) <= 3 {
			return n
		}
		return host
	}
	return short
}

// groups are the runs of columns with the same group, for the head of the grid.
func (s Strip) groups() []StateCount {
	var out []StateCount
	for _, c := range s.Columns {
		if len(out) == 0 || out[len(out)-1].State.Word != c.Group {
			out = append(out, StateCount{State: State{Word: c.Group}})
		}
		out[len(out)-1].N++
	}
	return out
}

// DeploymentList is the list of a stack's deployments and commands.
type DeploymentList struct {
	Frame   StackFrame
	Now     time.Time
	Rows    []DeploymentRow
	Filter  string // "", "running", "failed", "successful"
	Kind    string // "", "deploy", "events"
	AppID   models.AppID
	Apps    []models.App
	Pager   Pager
	Running int
}

// DeploymentRow is one deployment in a list.
type DeploymentRow struct {
	Deployment models.Deployment
	Title      string
}

// Because is who or what made a deployment, for lists.
func (r DeploymentRow) Because() string {
	if c := r.Deployment.Cause; c.Kind == models.CauseUser && c.Actor != "" && c.Text == "" {
		return c.Actor
	} else if c.Kind == models.CauseUser && c.Actor != "" {
		return c.Actor + ": " + c.Text
	}
	return r.Deployment.Cause.Text
}

// Duration is how long the deployment took, or takes so far.
func (r DeploymentRow) Duration(now time.Time) string {
	if r.Deployment.CompletedAt != nil {
		return Span(r.Deployment.CompletedAt.Sub(r.Deployment.CreatedAt))
	}
	return Span(now.Sub(r.Deployment.CreatedAt).Truncate(time.Second)) + " so far"
}

// Sentence says what runs now and what the list holds.
func (l DeploymentList) Sentence() Sentence {
	s := Sentence{Lead: "Nothing is running."}
	if l.Running > 0 {
		s.Lead = Count(l.Running, "deployment") + " running now."
	}
	s.Rest = []Phrase{{Text: Thousands(l.Pager.Overall) + " in all, each with its cause and its log."}}
	if l.Pager.Overall == 0 {
		s.Rest = nil
	}
	return s
}

func (l DeploymentList) appOptions() []ui.Option {
	out := []ui.Option{{Value: "", Label: "Any app"}}
	for _, a := range l.Apps {
		out = append(out, ui.Option{Value: string(a.ID), Label: a.Name})
	}
	return out
}

// commandOnPage opens a command's log on the page of its deployment and keeps
// the filter and the page of the list.
func commandOnPage(p DeploymentShow, c models.Command) string {
	q := url.Values{}
	if p.Filter != "" {
		q.Set("state", p.Filter)
	}
	if p.Pager.Offset > 0 {
		q.Set("offset", strconv.Itoa(p.Pager.Offset))
	}
	q.Set("command", string(c.ID))
	return DeploymentHref(p.Deployment.ID) + "?" + q.Encode() + "#log"
}

// commandArgs writes a command's arguments in a row.
func commandArgs(c models.DeploymentCommand) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c.Args)) {
		if k == "recipes" {
			parts = append(parts, strings.Join(c.Args[k], ", "))
			continue
		}
		parts = append(parts, k+" "+strings.Join(c.Args[k], ", "))
	}
	return strings.Join(parts, "; ")
}

// commandOutcome is what there is to say of a command beside its state.
func commandOutcome(c models.Command) string {
	switch {
	case c.Message != "":
		return c.Message
	case !c.Status.Finished() && c.CancelReason != "":
		return "Being cancelled: " + c.CancelReason
	case c.ExitCode != nil && *c.ExitCode != 0:
		return fmt.Sprintf("Exit code %d", *c.ExitCode)
	case c.Status == models.CommandSent:
		return "Handed to the agent"
	case c.Held:
		return fmt.Sprintf("Waits for batch %d", c.Batch)
	case c.Status == models.CommandPending:
		return "Waits for its turn"
	}
	return ""
}

// gap tells whether a new group begins with this column.
func (s Strip) gap(x int) bool { return x > 0 && s.Columns[x].Group != s.Columns[x-1].Group }

func stripClass(c StripCell) string {
	class := "s-" + string(c.State.Tone)
	switch c.State.Tone {
	case ui.Wait:
		class += " p"
	case ui.Off:
		class += " k"
	}
	return class
}
