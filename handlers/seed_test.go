package handlers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// fleet is a stack with everything that the pages show.
type fleet struct {
	stack     models.Stack
	layers    []models.Layer
	instances []models.Instance
	app       models.App
	failed    models.Deployment // a deploy that failed on two instances
	running   models.Deployment // a deploy under way
	finished  models.Deployment
	plan      models.Plan // of a Configure, out of date
	healed    models.Healing
	empty     models.Layer
	now       time.Time
	store     *store.Store
	t         testing.TB
	ctx       context.Context
}

// seedFleet writes a shop of layers in traffic order with n instances in mixed
// states, deployments in every state, a timeline with causes and log steps.
func seedFleet(t testing.TB, st *store.Store, now time.Time, n int) *fleet {
	t.Helper()
	f := &fleet{store: st, t: t, ctx: t.Context(), now: now}
	f.makeStack()
	f.makeLayers()
	f.makeInstances(n)
	f.makeApp()
	f.makeDeployments()
	f.makeTimeline()
	f.makeHealings()
	return f
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) makeStack() {
	f.stack = models.Stack{
		ID: models.NewID[models.StackID](), Name: "shop-prod", Provider: "sim", UseCustomCookbooks: true, DefaultOs: "Debian 12",
		CustomJSON:            "{\n  \"shop\": { \"cache_ttl\": 600 }\n}",
		CustomCookbooksSource: models.Source{Type: models.SourceGit, URL: "git@git.example:shop/cookbooks.git", Revision: "main", SSHKey: "-----BEGIN SECRET-----"},
		CreatedAt:             f.now.Add(-41 * 24 * time.Hour), UpdatedAt: f.now,
	}
	f.stack.Arn = "arn:aws:opsworks:us-east-1:123456789012:stack/" + string(f.stack.ID) + "/"
	f.stack.Normalize()
	f.must(f.store.Stacks.Create(f.ctx, &f.stack))
}

func (f *fleet) makeLayers() {
	for n, l := range []struct {
		kind        models.LayerType
		name, short string
	}{
		{models.LayerLB, "Load balancer", ""}, {models.LayerPHPApp, "PHP app", ""}, {models.LayerNodejsApp, "Node app", ""},
		{models.LayerCustom, "Workers", "worker"}, {models.LayerMemcached, "Cache", ""}, {models.LayerDBMaster, "Database", ""},
		{models.LayerCustom, "Reports", "reports"},
	} {
		y := models.NewLayer(f.stack.ID, l.kind)
		y.ID, y.Name, y.Shortname, y.Position, y.CreatedAt, y.UpdatedAt = models.NewID[models.LayerID](), l.name, l.short, n, f.now, f.now
		y.EnableAutoHealing = l.kind != models.LayerDBMaster
		if l.short == "worker" {
			y.CustomRecipes = models.Recipes{
				Setup: []string{"shop::base", "shop::queue"}, Deploy: []string{"shop::migrate_once", "shop::warm_cache"}, Shutdown: []string{"shop::leave_ring"},
			}
			y.Packages = []string{"imagemagick", "jq"}
		}
		if l.kind == models.LayerLB {
			y.Attributes = map[string]string{"HaproxyStatsPassword": "hidden-stats-password", "HaproxyHealthCheckUrl": "/health"}
		}
		y.Normalize()
		f.must(f.store.Layers.Create(f.ctx, &y))
		f.layers = append(f.layers, y)
	}
	f.empty = f.layers[len(f.layers)-1]
}

// share is how many of forty instances a layer has.
var share = []struct {
	host string
	n    int
}{{"lb", 2}, {"php", 12}, {"node", 8}, {"worker", 13}, {"cache", 3}, {"db", 2}}

func (f *fleet) makeInstances(n int) {
	for layer, s := range share {
		for k := 1; k <= max(s.n*n/40, 1); k++ {
			f.instances = append(f.instances, f.instance(layer, fmt.Sprintf("%s-%d", s.host, k), k))
		}
	}
	f.must(f.store.Tx(f.ctx, func(tx *store.Store) error {
		for n := range f.instances {
			if err := tx.Instances.Create(f.ctx, &f.instances[n]); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (f *fleet) instance(layer int, host string, k int) models.Instance {
	seen := f.now.Add(-time.Duration(k%29) * time.Second)
	i := models.Instance{
		ID: models.NewID[models.InstanceID](), StackID: f.stack.ID, LayerIDs: []models.LayerID{f.layers[layer].ID}, Hostname: host,
		Status: models.InstanceOnline, InstanceType: "local.small", Ec2InstanceID: "sim-" + host, Os: "Debian 12",
		PrivateIP: fmt.Sprintf("10.%d.%d.%d", layer+1, k/250, k%250+1), StatusSince: f.now.Add(-time.Duration(12*24+4) * time.Hour),
		AgentSeenAt: &seen, ReportedAgentVersion: "1.0.0", ReportedOs: models.ReportedOs{Family: "debian", Name: "Debian", Version: "12.8"},
		CreatedAt: f.now.Add(-30 * 24 * time.Hour), UpdatedAt: f.now,
	}
	switch {
	case host == "worker-7":
		i.Status, i.StatusSince, i.StatusReason = models.InstanceConnectionLost, f.now.Add(-6*time.Minute), "Its agent has not been heard since 07:54."
		i.StatusCause = models.Cause{Kind: models.CauseAgent, Text: "its agent is silent"}
	case host == "worker-9":
		i.Status, i.StatusSince, i.StatusReason = models.InstanceSetupFailed, f.now.Add(-2*time.Hour), "shop::queue exited 1: port 5672 is in use."
	case host == "php-11":
		i.Status, i.StatusSince = models.InstanceRunningSetup, f.now.Add(-40*time.Second)
	case host == "php-12" || host == "worker-12" || host == "worker-13":
		i.Status, i.StatusSince, i.AutoScalingType = models.InstanceStopped, f.now.Add(-9*time.Hour), models.ScalingTimer
	case host == "php-3":
		i.StatusSince = f.now.Add(-12 * time.Minute)
	case k > 60 && k%61 == 0:
		i.Status = models.InstanceSetupFailed
	case k > 60 && k%37 == 0:
		i.Status = models.InstanceBooting
	}
	i.Normalize()
	return i
}

func (f *fleet) makeApp() {
	f.app = models.App{
		ID: models.NewID[models.AppID](), StackID: f.stack.ID, Name: "storefront", Type: models.AppPHP, Description: "The shop itself",
		AppSource:   models.Source{Type: models.SourceGit, URL: "https://git.example/shop/storefront.git", Revision: "release", Password: "hidden-git-password", Username: "deploy"},
		Domains:     []string{"shop.example", "www.shop.example"},
		Environment: []models.EnvironmentVariable{{Key: "APP_ENV", Value: "production"}, {Key: "PAYMENT_KEY", Value: "hidden-payment-key", Secure: true}},
		Attributes:  map[string]string{"DocumentRoot": "public"},
		CreatedAt:   f.now.Add(-30 * 24 * time.Hour), UpdatedAt: f.now,
	}
	f.app.Normalize()
	f.must(f.store.Apps.Create(f.ctx, &f.app))
	second := models.App{ID: models.NewID[models.AppID](), StackID: f.stack.ID, Name: "jobs", Type: models.AppOther, CreatedAt: f.now, UpdatedAt: f.now}
	second.Normalize()
	f.must(f.store.Apps.Create(f.ctx, &second))
}

var deploySteps = []models.RunItem{
	{Recipe: "deploy::default", BuiltIn: true}, {Recipe: "deploy::php", BuiltIn: true}, {Recipe: "shop::migrate_once"}, {Recipe: "shop::warm_cache"},
}

// makeDeployments writes a day of history: some configures, a finished deploy,
// one that failed on two instances, and one under way.
func (f *fleet) makeDeployments() {
	f.plan = models.Plan{
		ID: models.NewID[models.PlanID](), StackID: f.stack.ID, Author: "ana", CreatedAt: f.now, Fingerprint: "old",
		Request: models.DeploymentRequest{StackID: f.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure}},
	}
	f.must(f.store.Plans.Create(f.ctx, &f.plan, 10))
	online := f.with(models.InstanceOnline)
	for k := range 3 {
		f.deployment(models.CommandConfigure, "", models.Cause{Kind: models.CauseMembership, Text: fmt.Sprintf("php-%d entered online", k+1)},
			f.now.Add(-time.Duration(10-k)*time.Hour), online, func(n int) models.CommandStatus {
				if k == 1 && n%3 == 0 {
					return models.CommandSuperseded
				}
				return models.CommandSuccessful
			})
	}
	targets := online[:min(len(online), 36)]
	if len(f.instances) > 1000 {
		targets = online
	}
	ana := models.Cause{Kind: models.CauseUser, Actor: "ana"}
	f.finished = f.deployment(models.CommandDeploy, f.app.ID, ana, f.now.Add(-5*time.Hour), targets, func(int) models.CommandStatus { return models.CommandSuccessful })
	f.failed = f.deployment(models.CommandDeploy, f.app.ID, models.Cause{Kind: models.CauseUser, Actor: "deploy-bot", Text: "push to release by ana"}, f.now.Add(-31*time.Minute), targets, func(n int) models.CommandStatus {
		switch {
		case n == 15 || n == 17 || n > 100 && n%50 == 0:
			return models.CommandFailed
		case n%19 == 18:
			return models.CommandSkipped
		}
		return models.CommandSuccessful
	})
	f.running = f.deployment(models.CommandExecuteRecipes, "", models.Cause{Kind: models.CauseUser, Actor: "leo", Text: "warm the caches for the sale"}, f.now.Add(-90*time.Second), targets, func(n int) models.CommandStatus {
		switch {
		case n < 14:
			return models.CommandSuccessful
		case n < 16:
			return models.CommandRunning
		case n == 16:
			return models.CommandFailed
		}
		return models.CommandPending
	})
}

func (f *fleet) with(s models.InstanceStatus) []models.Instance {
	var out []models.Instance
	for _, i := range f.instances {
		if i.Status == s {
			out = append(out, i)
		}
	}
	return out
}

func (f *fleet) deployment(name models.CommandName, app models.AppID, cause models.Cause, at time.Time, on []models.Instance, status func(int) models.CommandStatus) models.Deployment {
	d := models.Deployment{
		ID: models.NewID[models.DeploymentID](), StackID: f.stack.ID, AppID: app, Command: models.DeploymentCommand{Name: name}, CommandName: name,
		Cause: cause, Status: models.DeploymentSuccessful, Commands: len(on), CreatedAt: at, Comment: cause.Text,
	}
	if name == models.CommandExecuteRecipes {
		d.Command.Args = map[string][]string{"recipes": {"shop::warm_cache"}}
	}
	if cause.Kind == models.CauseUser {
		d.UserID = "u"
	} else {
		d.Comment = ""
	}
	commands := make([]models.Command, len(on))
	end := at.Add(7*time.Minute + 4*time.Second)
	for n, i := range on {
		commands[n] = f.command(&d, i, status(n), at, n)
		switch s := commands[n].Status; {
		case !s.Finished():
			d.Status = models.DeploymentRunning
		case s == models.CommandFailed && d.Status == models.DeploymentSuccessful:
			d.Status = models.DeploymentFailed
		}
	}
	if d.Status != models.DeploymentRunning {
		d.CompletedAt = &end
	}
	f.must(f.store.Deployments.Create(f.ctx, &d))
	f.must(f.store.Commands.Create(f.ctx, commands))
	if len(on) <= 60 {
		for _, c := range commands {
			f.steps(c)
		}
	}
	return d
}

func (f *fleet) command(d *models.Deployment, i models.Instance, s models.CommandStatus, at time.Time, n int) models.Command {
	c := models.Command{
		ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: f.stack.ID, InstanceID: i.ID, Hostname: i.Hostname,
		Type: d.CommandName, Status: s, RunList: deploySteps, TimeoutSeconds: 3600, CreatedAt: at,
	}
	began, ended := at.Add(2*time.Second), at.Add(time.Duration(20+n%37)*time.Second)
	if s != models.CommandPending && s != models.CommandSuperseded && s != models.CommandSkipped {
		c.AcknowledgedAt, c.StartedAt = &began, &began
	}
	if s.Finished() {
		c.CompletedAt = &ended
	}
	code := 0
	switch s {
	case models.CommandFailed:
		code, c.Message = 228, "shop::migrate_once: npm error nospc ENOSPC: no space left on device, write"
		c.ExitCode = &code
	case models.CommandSuccessful:
		c.ExitCode = &code
	case models.CommandSkipped:
		c.Message = "The instance was not online."
	}
	return c
}

// steps writes how far a command came.
func (f *fleet) steps(c models.Command) {
	if c.StartedAt == nil {
		return
	}
	for n, item := range c.RunList {
		s := models.LogStep{
			CommandID: c.ID, Index: n, Parent: -1, Kind: "recipe", Name: item.Recipe, FirstLine: int64(n * 40), LastLine: int64(n*40 + 40),
			StartedAt: c.StartedAt.Add(time.Duration(n) * 4 * time.Second), Result: "successful",
		}
		ended := s.StartedAt.Add(4 * time.Second)
		s.EndedAt = &ended
		stop := false
		switch {
		case c.Status == models.CommandFailed && n == 2:
			s.Result, stop = "failed", true
		case c.Status == models.CommandRunning && n == 1:
			s.Result, s.EndedAt, s.LastLine, stop = "", nil, -1, true
		}
		f.must(insertStep(f.ctx, f.store, s))
		if stop {
			return
		}
	}
}

func insertStep(ctx context.Context, st *store.Store, s models.LogStep) error {
	_, err := st.SQL().ExecContext(ctx, `INSERT INTO log_steps (command_id, "index", parent, kind, name, first_line, last_line, started_at, ended_at, result, changed, unchanged)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`, s.CommandID, s.Index, s.Parent, s.Kind, s.Name, s.FirstLine, s.LastLine, s.StartedAt.UTC(), s.EndedAt, s.Result)
	return err
}

func (f *fleet) makeTimeline() {
	add := func(ago time.Duration, kind, tone, text string, cause models.Cause, about func(*models.StackEvent)) int64 {
		e := models.StackEvent{StackID: f.stack.ID, At: f.now.Add(-ago), Kind: kind, Tone: tone, Text: text, Cause: cause}
		if about != nil {
			about(&e)
		}
		f.must(f.store.Events.Append(f.ctx, &e))
		return e.ID
	}
	on := func(host string) func(*models.StackEvent) {
		return func(e *models.StackEvent) {
			for _, i := range f.instances {
				if i.Hostname == host {
					e.InstanceID = i.ID
				}
			}
		}
	}
	deployment := func(d models.Deployment) func(*models.StackEvent) {
		return func(e *models.StackEvent) { e.DeploymentID = d.ID }
	}
	started := add(9*time.Hour, "change", "", "php-3 was asked to start", models.Cause{Kind: models.CauseUser, Actor: "mira", Text: "the sale begins"}, on("php-3"))
	online := add(8*time.Hour, "instance", "ok", "php-3 is online", models.Cause{Kind: models.CauseAgent, Text: "setup succeeded", EventID: started}, on("php-3"))
	add(8*time.Hour-time.Second, "deployment", "running", "configure started on 34 instances", models.Cause{Kind: models.CauseMembership, Text: "php-3 entered online", EventID: online}, nil)
	add(5*time.Hour, "deployment", "running", "deploy started on 36 instances", models.Cause{Kind: models.CauseUser, Actor: "ana"}, deployment(f.finished))
	add(2*time.Hour, "instance", "bad", "worker-9 is setup_failed", models.Cause{Kind: models.CauseAgent, Text: "setup failed: shop::queue exited 1: port 5672 is in use"}, on("worker-9"))
	add(31*time.Minute, "deployment", "running", "deploy started on 36 instances", models.Cause{Kind: models.CauseUser, Actor: "deploy-bot", Text: "push to release by ana"}, deployment(f.failed))
	add(24*time.Minute, "deployment", "bad", "deploy failed on 2 instances", models.Cause{Kind: models.CauseUser, Actor: "deploy-bot", Text: "push to release by ana"}, deployment(f.failed))
	add(6*time.Minute, "instance", "lost", "worker-7 is connection_lost", models.Cause{Kind: models.CauseAgent, Text: "its agent is silent: no keepalive for 5 min"}, on("worker-7"))
	add(90*time.Second, "deployment", "running", "execute_recipes started on 36 instances", models.Cause{Kind: models.CauseUser, Actor: "leo", Text: "warm the caches for the sale"}, deployment(f.running))
	add(40*time.Second, "instance", "run", "php-11 is running_setup", models.Cause{Kind: models.CauseStart, Text: "php-11 booted"}, on("php-11"))
}
