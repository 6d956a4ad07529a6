package views

import (
	"fmt"
	"strconv"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// MaxCells is how many instances of a layer are drawn one by one; above it
// they are counted by state.
const MaxCells = 60

// StackShow is the overview of a stack.
type StackShow struct {
	Frame    StackFrame
	Now      time.Time
	Sentence Sentence
	Counts   StatusCounts
	Bands    []Band
	AsList   bool
	Running  []RunningDeployment
	Timeline Timeline
	Next     []NextAction
	// Errors are the newest service errors of the last days; ErrorCount is how
	// many there are.
	Errors     []ServiceErrorRow
	ErrorCount int
	Attributes map[string]string // the stack's colour
	CanClone   bool
	Apps       []AppVersion
	Facts      []Fact
	// Startable and Stoppable count the 24/7 instances that the two buttons
	// would act on.
	Startable int
	Stoppable int
	Deletable bool
}

// Band is one layer in the topology.
type Band struct {
	Layer  models.Layer
	To     string // where its traffic goes next, or what the layer is
	Counts StatusCounts
	Cells  []InstanceRef // empty when there are more than MaxCells
}

// Grouped tells whether the band counts its instances instead of drawing them.
func (b Band) Grouped() bool { return b.Counts.Total() > MaxCells }

// Figure is "8 of 12 online".
func (b Band) Figure() string {
	if b.Counts.Total() == 0 {
		return "no instances"
	}
	return fmt.Sprintf("%s of %s online", Thousands(b.Counts[models.InstanceOnline]), Thousands(b.Counts.Total()))
}

// Aside names the one thing to know beside the figure: trouble first, then motion.
func (b Band) Aside() string {
	for _, tone := range []ui.Tone{ui.Bad, ui.Lost, ui.Run, ui.Wait} {
		for _, s := range models.InstanceStatuses {
			if n := b.Counts[s]; n > 0 && ui.ToneOf(s) == tone {
				return fmt.Sprintf("%s %s", Thousands(n), s)
			}
		}
	}
	return ""
}

func (b Band) legend(f StackFrame) []StateCount {
	return b.Counts.Legend(func(s models.InstanceStatus) string {
		return f.Href("/instances?layer=" + string(b.Layer.ID) + "&state=" + string(s))
	})
}

// LayerKind is what a layer type is called in sentences.
func LayerKind(t models.LayerType) string {
	if k, ok := layerKinds[t]; ok {
		return k.name
	}
	return string(t)
}

// LayerPurpose explains a layer type in one sentence.
func LayerPurpose(t models.LayerType) string { return layerKinds[t].purpose }

var layerKinds = map[models.LayerType]struct{ name, purpose string }{
	models.LayerLB:          {"HAProxy load balancer", "Spreads requests over the online instances of all app server layers and checks their health."},
	models.LayerWeb:         {"Static web server", "Serves static apps with Nginx."},
	models.LayerPHPApp:      {"PHP app server", "Runs PHP apps behind Apache."},
	models.LayerRailsApp:    {"Rails app server", "Runs Ruby on Rails apps with Passenger or Unicorn."},
	models.LayerNodejsApp:   {"Node.js app server", "Runs Node.js apps and restarts them when they end."},
	models.LayerJavaApp:     {"Java app server", "Runs Java web apps in Tomcat."},
	models.LayerAWSFlowRuby: {"AWS Flow (Ruby)", "Hosts workers of AWS Flow Framework for Ruby."},
	models.LayerDBMaster:    {"Database", "One MySQL or PostgreSQL server, with a database and a user for each app that chooses it."},
	models.LayerMemcached:   {"Memcached", "A cache, Memcached or Redis, whose address app servers get."},
	models.LayerMonitoring:  {"Monitoring", "Prometheus, which watches the load of all instances of the stack."},
	models.LayerECSCluster:  {"ECS cluster", "Registers its instances with an ECS cluster."},
	models.LayerCustom:      {"Custom layer", "Your own role: nothing built in, only your recipes."},
}

// To says where a layer's traffic goes, from the layers that the stack has:
// the load balancer to app servers, app servers to caches and databases.
func To(l models.Layer, all []models.Layer) string {
	var next []string
	for _, o := range all {
		switch {
		case l.Type == models.LayerLB && o.Type.IsAppServer(),
			l.Type.IsAppServer() && (o.Type == models.LayerMemcached || o.Type == models.LayerDBMaster):
			next = append(next, o.Shortname)
		}
	}
	if len(next) > 0 {
		return "to " + list(next)
	}
	return LayerKind(l.Type)
}

// RunningDeployment is a deployment under way, with its commands counted.
type RunningDeployment struct {
	Deployment models.Deployment
	Title      string // "deploy storefront"
	Progress   Progress
}

// Progress counts the commands of a deployment by state.
type Progress map[models.CommandStatus]int

// Total is all commands.
func (p Progress) Total() int {
	n := 0
	for _, v := range p {
		n += v
	}
	return n
}

// Done counts the commands to which nothing more will happen.
func (p Progress) Done() int {
	n := 0
	for s, v := range p {
		if s.Finished() {
			n += v
		}
	}
	return n
}

// Pending counts what has not begun, handed over or not.
func (p Progress) Pending() int { return p[models.CommandPending] + p[models.CommandSent] }

// Failed counts what did not succeed and should have.
func (p Progress) Failed() int { return p[models.CommandFailed] + p[models.CommandExpired] }

// Legend lists the states that occur, in the order a person asks for them.
func (p Progress) Legend() []StateCount {
	counts := []StateCount{
		{State: CommandState(models.CommandFailed), N: p[models.CommandFailed]},
		{State: CommandState(models.CommandExpired), N: p[models.CommandExpired]},
		{State: CommandState(models.CommandRunning), N: p[models.CommandRunning]},
		{State: CommandState(models.CommandPending), N: p.Pending()},
		{State: CommandState(models.CommandSuccessful), N: p[models.CommandSuccessful]},
		{State: CommandState(models.CommandSkipped), N: p[models.CommandSkipped]},
		{State: CommandState(models.CommandSuperseded), N: p[models.CommandSuperseded]},
	}
	out := counts[:0]
	for _, c := range counts {
		if c.N > 0 {
			out = append(out, c)
		}
	}
	return out
}

// fromLeft is the counts in the order in which a bar of progress fills.
func (p Progress) fromLeft() []StateCount {
	return []StateCount{
		{State: CommandState(models.CommandSuccessful), N: p[models.CommandSuccessful]},
		{State: CommandState(models.CommandFailed), N: p.Failed()},
		{State: CommandState(models.CommandRunning), N: p[models.CommandRunning]},
		{State: CommandState(models.CommandPending), N: p.Pending()},
		{State: CommandState(models.CommandSkipped), N: p[models.CommandSkipped] + p[models.CommandSuperseded]},
	}
}

type barPart struct {
	tone     ui.Tone
	x, width string
}

// parts lays the counts out on 1000 units. Each has at least 8, so that one
// failure among thousands is seen; the largest gives what the small ones lack.
func (p Progress) parts() []barPart {
	const whole, least, gap = 1000, 8, 2
	counts := p.fromLeft()
	widths := make([]int, len(counts))
	largest, used := 0, 0
	for n, c := range counts {
		if c.N > 0 {
			widths[n] = max(c.N*whole/p.Total(), least)
		}
		if c.N > counts[largest].N {
			largest = n
		}
		used += widths[n]
	}
	widths[largest] += whole - used
	var out []barPart
	x := 0
	for n, w := range widths {
		if w > 0 {
			out = append(out, barPart{counts[n].State.Tone, strconv.Itoa(x), strconv.Itoa(w - gap)})
		}
		x += w
	}
	return out
}

// Text is "18 ok · 2 running · 1 failed · 19 waiting".
func (p Progress) Text() string {
	text := ""
	for _, part := range []struct {
		n    int
		word string
	}{
		{p[models.CommandSuccessful], "ok"}, {p[models.CommandRunning], "running"}, {p.Failed(), "failed"},
		{p.Pending(), "waiting"}, {p[models.CommandSkipped], "skipped"}, {p[models.CommandSuperseded], "superseded"},
	} {
		if part.n > 0 {
			if text != "" {
				text += " · "
			}
			text += Thousands(part.n) + " " + part.word
		}
	}
	if text == "" {
		return "no commands"
	}
	return text
}

// Timeline is what happened in a stack, newest first.
type Timeline struct {
	Kind    string // the filter: "", "instance", "deployment", "change"
	Entries []TimelineEntry
}

// TimelineEntry is one happening with the chain of its causes.
type TimelineEntry struct {
	Event models.StackEvent
	Why   []string // each because of the next
}

// Href leads to what the entry is about.
func (e TimelineEntry) Href() string {
	switch {
	case e.Event.DeploymentID != "":
		return DeploymentHref(e.Event.DeploymentID)
	case e.Event.InstanceID != "":
		return InstanceHref(e.Event.InstanceID)
	}
	return ""
}

// maxWhy bounds the chain that is drawn under one entry.
const maxWhy = 4

// Chain follows the causes of an event through earlier events. What lies
// between the first cause and the person is left out where it is only one
// step of an instance on its way: it has an entry of its own.
func Chain(e models.StackEvent, earlier map[int64]models.StackEvent) []string {
	var why []string
	for first := true; len(why) < maxWhy; first = false {
		text := CauseText(e.Cause)
		if text == "" {
			break
		}
		if first || !onItsWay(e) {
			why = append(why, text)
		}
		next, ok := earlier[e.Cause.EventID]
		if !ok || next.ID >= e.ID {
			break
		}
		e = next
	}
	return why
}

func onItsWay(e models.StackEvent) bool {
	tone := ui.Tone(e.Tone)
	return e.Kind == "instance" && (tone == ui.Wait || tone == ui.Run) && e.Cause.Kind != models.CauseUser
}

// NextAction is something that wants a person.
type NextAction struct {
	Tone          ui.Tone
	Title, Detail string
	Link, Href    string
}

// NextActions names what wants a person, worst first; with nothing wrong it
// leads on to the next step of building the stack.
func NextActions(f StackFrame, trouble []InstanceRef, failed []RunningDeployment, now time.Time) []NextAction {
	switch {
	case f.Layers == 0 && f.CanManage:
		return []NextAction{{ui.Wait, "Add a layer", "A layer is a role, such as load balancer or web server.", "Add layer", f.Href("/layers/new")}}
	case f.Instances == 0 && f.CanManage:
		return []NextAction{{ui.Wait, "Add an instance", "Machines run the recipes of their layers.", "Add instance", f.Href("/instances/new")}}
	}
	var out []NextAction
	for _, i := range trouble[:min(len(trouble), 4)] {
		out = append(out, troubleAction(i, now))
	}
	if more := len(trouble) - 4; more > 0 {
		out = append(out, NextAction{ui.Bad, "More instances need attention", "Listed worst first", "List", f.Href("/instances?state=trouble")})
	}
	for _, d := range failed[:min(len(failed), 3)] {
		out = append(out, NextAction{ui.Bad, fmt.Sprintf("%s #%d failed", d.Title, d.Deployment.Number),
			d.Progress.Text(), "Open", DeploymentHref(d.Deployment.ID)})
	}
	if len(out) == 0 && f.Apps == 0 && f.CanManage {
		out = append(out, NextAction{ui.Wait, "Add an app", "An app is code from a repository that you deploy to layers.", "Add app", f.Href("/apps/new")})
	}
	return out
}

func troubleAction(i InstanceRef, now time.Time) NextAction {
	a := NextAction{Tone: ui.ToneOf(i.Status), Link: "Look", Href: i.Href(), Detail: "for " + Age(now.Sub(i.Since))}
	switch i.Status {
	case models.InstanceConnectionLost:
		a.Title = "Decide about " + i.Hostname
		a.Detail = "Its agent has been silent for " + Age(now.Sub(i.Since))
	case models.InstanceSetupFailed:
		a.Title = "Run setup again on " + i.Hostname
		a.Detail = "Setup failed " + Age(now.Sub(i.Since)) + " ago"
	case models.InstanceStartFailed:
		a.Title = "Start " + i.Hostname + " again"
		a.Detail = "Its machine did not come up"
	case models.InstanceStopFailed:
		a.Title = "Stop " + i.Hostname + " again"
		a.Detail = "Its machine may still run"
	default:
		a.Title = i.Hostname + " is " + string(i.Status)
	}
	return a
}

// AppVersion is an app of the stack with its last deployment.
type AppVersion struct {
	App  models.App
	Last *models.Deployment
}

// DeploymentTitle names a deployment: its command and the app's name, if any.
func DeploymentTitle(d models.Deployment, app string) string {
	title := string(d.CommandName)
	if app != "" {
		title += " " + app
	}
	if d.DryRun {
		title += " (dry run)"
	}
	return title
}

// StackFacts are the lines beside the overview.
func StackFacts(s models.Stack, healing, layers int) []Fact {
	cookbooks := "built-in only"
	if s.UseCustomCookbooks && !s.CustomCookbooksSource.IsZero() {
		cookbooks = s.CustomCookbooksSource.URL
		if r := s.CustomCookbooksSource.Revision; r != "" {
			cookbooks += " @ " + r
		}
	}
	manager := s.ConfigurationManager.Name
	if v := s.ConfigurationManager.Version; v != "" {
		manager += " " + v
	}
	heal := "on for all layers"
	switch {
	case layers == 0:
		heal = ""
	case healing == 0:
		heal = "off"
	case healing < layers:
		heal = fmt.Sprintf("on for %d of %d layers", healing, layers)
	}
	return facts(
		Fact{Name: "Stack id", Value: string(s.ID), Code: true},
		Fact{Name: "Provider", Value: s.Provider},
		Fact{Name: "Region", Value: s.Region},
		Fact{Name: "Manager", Value: manager},
		Fact{Name: "Cookbooks", Value: cookbooks, Code: s.UseCustomCookbooks},
		Fact{Name: "Operating system", Value: s.DefaultOs},
		Fact{Name: "Hostnames", Value: string(s.HostnameTheme)},
		Fact{Name: "Auto healing", Value: heal, Href: HealingHref(s.ID)},
		Fact{Name: "Created", Value: s.CreatedAt.UTC().Format("2 Jan 2006 15:04") + " UTC"},
	)
}

// stopStackBody says what a stop of the stack leaves working.
func stopStackBody(p StackShow) []string {
	left := p.Counts[models.InstanceOnline] - p.Stoppable
	keeps := "Nothing keeps serving."
	if left > 0 {
		keeps = fmt.Sprintf("%s that its rules started keep serving.", Count(left, "time-based or load-based instance"))
	}
	return []string{"Each instance runs its Shutdown recipes first, then its machine is stopped. " + keeps, "Disks of instance-store instances are lost."}
}

func nextCount(next []NextAction) string {
	if len(next) == 0 {
		return ""
	}
	return Thousands(len(next))
}
