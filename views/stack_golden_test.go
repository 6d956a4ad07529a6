package views

import (
	"fmt"
	"testing"
	"time"

	"opsyard/models"
)

func sampleFrame() StackFrame {
	return StackFrame{ID: "s1", Name: "shop", Tab: "overview", Layers: 3, Instances: 84, Apps: 1, CanDeploy: true, CanManage: true}
}

// sampleStack has a small layer, a large one and an empty one.
func sampleStack() StackShow {
	f := sampleFrame()
	lb := models.Layer{ID: "l1", Name: "Load balancer", Shortname: "lb", Type: models.LayerLB}
	web := models.Layer{ID: "l2", Name: "Web", Shortname: "web", Type: models.LayerWeb}
	jobs := models.Layer{ID: "l3", Name: "Jobs", Shortname: "jobs", Type: models.LayerCustom}
	all := []models.Layer{lb, web, jobs}
	began := noon.Add(-time.Minute)
	return StackShow{
		Frame: f, Now: noon,
		Counts: StatusCounts{models.InstanceOnline: 80, models.InstanceSetupFailed: 2, models.InstanceStopped: 1, models.InstanceConnectionLost: 1},
		Bands: []Band{
			{Layer: lb, To: To(lb, all), Counts: StatusCounts{models.InstanceOnline: 1, models.InstanceConnectionLost: 1}, Cells: []InstanceRef{
				{ID: "i1", Hostname: "lb1", Status: models.InstanceOnline}, {ID: "i2", Hostname: "lb2", Status: models.InstanceConnectionLost},
			}},
			{Layer: web, To: To(web, all), Counts: StatusCounts{models.InstanceOnline: 79, models.InstanceSetupFailed: 2, models.InstanceStopped: 1}},
			{Layer: jobs, To: To(jobs, all)},
		},
		Running: []RunningDeployment{{
			Deployment: models.Deployment{ID: "d1", Number: 7, CreatedAt: began, Cause: models.Cause{Kind: models.CauseMembership, Text: "web3 entered online"}},
			Title:      "configure", Progress: Progress{models.CommandSuccessful: 3, models.CommandRunning: 1, models.CommandPending: 2},
		}},
		Timeline: Timeline{Entries: []TimelineEntry{{
			Event: models.StackEvent{ID: 3, At: began, Tone: "running", Text: "configure started on 6 instances", DeploymentID: "d1"},
			Why:   []string{"web3 entered online", "ana asked: <more> capacity"},
		}}},
	}
}

func TestGoldenOverview(t *testing.T) {
	t.Parallel()
	p := sampleStack()
	golden(t, "topology", StackTopology(p))
	golden(t, "running", StackRunning(p))
	golden(t, "timeline", StackTimeline(p))
	p.AsList = true
	golden(t, "topology-list", StackTopology(p))
}

func TestGoldenRecipeEditor(t *testing.T) {
	t.Parallel()
	p := LayerShow{Frame: sampleFrame(), Layer: models.Layer{ID: "l3", Name: "Jobs"}, Editing: true, EditError: "Custom recipes: \"x y\" is not a recipe name."}
	for _, e := range models.Events {
		p.Events = append(p.Events, EventRecipes{Event: e, When: EventWhen(e, 120), BuiltIn: []string{"deploy::default"}, Custom: []string{"jobs::" + string(e)}})
	}
	golden(t, "recipe-editor", layerRecipes(p))
}

func TestGoldenDeployment(t *testing.T) {
	t.Parallel()
	list := []models.RunItem{{Recipe: "deploy::default", BuiltIn: true}, {Recipe: "shop::migrate"}}
	p := DeploymentShow{
		Frame: sampleFrame(), Now: noon, Title: "deploy shop",
		Deployment: models.Deployment{ID: "d1", Number: 7, Status: models.DeploymentRunning, CommandName: models.CommandDeploy, CreatedAt: noon.Add(-time.Minute), Cause: models.Cause{Kind: models.CauseUser, Actor: "ana"}},
		Progress:   Progress{models.CommandSuccessful: 1, models.CommandFailed: 1, models.CommandSent: 1}, Usual: 3 * time.Minute,
	}
	groups := map[models.InstanceID]string{}
	for n, s := range []models.CommandStatus{models.CommandFailed, models.CommandSent, models.CommandSuccessful} {
		c := models.Command{ID: models.CommandID(fmt.Sprint("c", n+1)), InstanceID: models.InstanceID(fmt.Sprint("i", n+1)), Hostname: fmt.Sprint("web", n+1), Status: s, RunList: list}
		groups[c.InstanceID] = "web"
		if s == models.CommandFailed {
			c.Message = "shop::migrate exited 1: <no> space"
			p.Failures = []FailureGroup{{Message: c.Message, N: 1, Commands: []models.Command{c}}}
		}
		p.Rows = append(p.Rows, CommandRow{Command: c, Duration: "4 s"})
	}
	p.Chosen = &p.Rows[0].Command
	commands := []models.Command{p.Rows[0].Command, p.Rows[1].Command, p.Rows[2].Command}
	p.Strip = BuildStrip(commands, groups, []models.LogStep{
		{CommandID: "c1", Kind: "recipe", Name: "deploy::default", Result: "successful", EndedAt: &noon},
		{CommandID: "c1", Kind: "recipe", Name: "shop::migrate", Result: "failed", EndedAt: &noon},
	})
	p.Pager = Pager{Path: "/deployments/d1", Limit: 50, Total: 3, Overall: 3}
	p.Sources = []FetchedSource{
		{Source: models.Fetched{Type: models.SourceArchive, URL: "https://example.org/cookbooks.tgz"}, Contents: []FetchedContent{
			{Got: "sha256:ab12cd34ef56ab12cd34ef56", Bytes: 4200, Files: 1, N: 20, Hostnames: []string{"web1", "web2"}}}},
		{Source: models.Fetched{For: "shop", Type: models.SourceGit, URL: "https://example.org/shop.git", Revision: "main"}, Contents: []FetchedContent{
			{Got: "0123456789abcdef0123456789abcdef01234567", Bytes: 81000, Files: 70, N: 2, Hostnames: []string{"web1", "web2"}},
			{Got: "fedcba9876543210fedcba9876543210fedcba98", Bytes: 81200, Files: 71, N: 1, Hostnames: []string{"web3"}}}},
	}
	golden(t, "deployment", DeploymentLive(p))
}

func TestGoldenInstance(t *testing.T) {
	t.Parallel()
	i := models.Instance{ID: "i1", Hostname: "web1", Status: models.InstanceOnline, StatusSince: noon.Add(-12 * time.Minute), InstanceType: "local.small", CreatedAt: noon.Add(-time.Hour), RootDeviceType: models.RootDeviceEBS}
	p := InstanceShow{Frame: sampleFrame(), Now: noon, Instance: i, Provider: "local", Actions: ActionsFor(i)}
	p.Actions.Impact = []string{"web: 2 of 3 instances stay online and keep working."}
	golden(t, "instance", InstanceLive(p))
}
