package engine

import (
	"slices"
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
)

func (w *world) app(name string) *models.App {
	w.t.Helper()
	return must(w.engine.CreateApp(w.ctx, models.App{
		StackID: w.stack.ID, Name: name, Type: models.AppStatic,
		AppSource: models.Source{Type: models.SourceGit, URL: "https://git.example.com/shop.git", Revision: "main", Password: "very-secret-word"},
	}))(w.t)
}

func (w *world) planOf(r DeploymentRequest) *models.Plan {
	w.t.Helper()
	r.StackID = w.stack.ID
	made := must(w.engine.Plan(w.ctx, r))(w.t)
	return must(w.store.Plans.Get(w.ctx, made.ID))(w.t) // as it is kept
}

func TestPlanShowsWhatRuns(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		app := w.app("Shop")
		w.online(w.lb)
		web := w.fleet(2)
		stopped := w.instance(w.web)
		w.drain()
		p := w.planOf(DeploymentRequest{AppID: app.ID, Command: models.DeploymentCommand{Name: models.CommandDeploy}, Rollout: models.Rollout{BatchSize: 2}})
		if n := p.Content.Instances(); n != 3 || len(p.Content.Groups) != 2 || !slices.Equal(p.Content.Batches, []int{2, 1}) {
			t.Errorf("%d instances in %d groups, batches %v", n, len(p.Content.Groups), p.Content.Batches)
		}
		if left := p.Content.LeftOut; len(left) != 1 || left[0].Hostname != stopped.Hostname || left[0].Reason != "stopped" {
			t.Errorf("left out: %+v", left)
		}
		if s := p.Content.Sources; len(s) != 1 || s[0].Name != "shop" || s[0].Revision != "main" {
			t.Errorf("sources: %+v", s)
		}
		if !slices.ContainsFunc(p.Content.Warnings, func(s string) bool { return strings.Contains(s, "Balancer does not serve app Shop") }) {
			t.Errorf("warnings: %v", p.Content.Warnings)
		}

		d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, PlanID: p.ID, Comment: "as shown"}))(t)
		if d.PlanID != p.ID || d.Commands != 3 || d.Comment != "as shown" || d.Batches != 2 {
			t.Errorf("it runs %+v", d)
		}
		commands := must(w.store.Commands.OfDeployment(w.ctx, d.ID))(t)
		for _, g := range p.Content.Groups {
			for _, i := range g.Instances {
				n := slices.IndexFunc(commands, func(c models.Command) bool { return c.InstanceID == i.ID })
				if n < 0 || !slices.Equal(commands[n].RunList, g.Recipes) || commands[n].Batch != i.Batch || commands[n].TimeoutSeconds != g.TimeoutSeconds {
					t.Errorf("%s runs otherwise than shown", i.Hostname)
				}
			}
		}
		w.answer(must(w.store.Instances.Get(w.ctx, commands[0].InstanceID))(t), models.CommandDeploy, protocol.Successful)
		_ = web
	})
}

func TestPlanSaysWhatHasChanged(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		app := w.app("Shop")
		all := w.fleet(2)
		deploy := DeploymentRequest{AppID: app.ID, Command: models.DeploymentCommand{Name: models.CommandDeploy}, Comment: "first"}
		for _, c := range []struct {
			name   string
			change func()
			says   string
		}{
			{"AppSource", func() {
				must(w.engine.UpdateApp(w.ctx, app.ID, func(a *models.App) error { a.AppSource.Revision = "next"; return nil }))(t)
			}, "The source of app Shop has changed."},
			{"CustomJSON", func() {
				w.update(w.stack, func(s *models.Stack) { s.CustomJSON = `{"shop": {"ttl": 600}}` })
			}, "The custom JSON of the stack has changed."},
			{"Recipes", func() {
				must(w.engine.UpdateLayer(w.ctx, w.web.ID, func(l *models.Layer) error { l.CustomRecipes.Deploy = []string{"shop::warm"}; return nil }))(t)
			}, "The recipes of layer Web have changed."},
			{"NewInstance", func() { all = append(all, w.online(w.web)) }, "web3 can be reached now and would run it too."},
			{"StoppedInstance", func() {
				now := must(w.store.Instances.Get(w.ctx, all[0].ID))(t)
				ok(t, w.engine.lose(models.AsEngine(w.ctx), now, models.Cause{Kind: models.CauseAgent, Text: "silent"}, "gone"))
			}, "web1 would not run it: connection_lost."},
			{"OtherInstance", func() { w.online(w.lb) }, "would run it too."},
		} {
			w.drain()
			p := w.planOf(deploy)
			c.change()
			_, err := w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, PlanID: p.ID})
			wantRefusal(t, err, models.CodeConflict, c.says)
			again := must(w.engine.Replan(w.ctx, p.ID))(t)
			if again.Previous != p.ID || !strings.Contains(strings.Join(again.Changes, " "), c.says) || again.Request.Comment != "first" {
				t.Errorf("%s: planned again: %v", c.name, again.Changes)
			}
			if c.name == "StoppedInstance" { // which drain would wait for
				w.connect(all[0])
			}
		}
		w.drain()
		p := w.planOf(deploy)
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, PlanID: p.ID}))(t)
		w.drain()
		// And once more: nothing has changed by running it.
		d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, PlanID: p.ID}))(t)
		if d.Comment != "first" {
			t.Errorf("the comment is %q", d.Comment)
		}
	})
}

func TestPlanSaysWhereValuesComeFrom(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		app := w.app("Shop")
		w.online(w.web)
		w.update(w.stack, func(s *models.Stack) {
			s.CustomJSON = `{"shop": {"ttl": 600, "db_password": "hush-hush"}, "deploy": {"shop": {"keep_releases": 9}}}`
		})
		must(w.engine.UpdateLayer(w.ctx, w.web.ID, func(l *models.Layer) error {
			l.CustomJSON = `{"shop": {"ttl": 900, "note": "very-secret-word"}}`
			return nil
		}))(t)
		p := w.planOf(DeploymentRequest{AppID: app.ID, Command: models.DeploymentCommand{Name: models.CommandDeploy}, CustomJSON: `{"shop": {"ttl": 1200}}`})
		values := map[string]models.PlanAttribute{}
		for _, a := range p.Content.Groups[0].Attributes {
			values[a.Path] = a
			for _, secret := range []string{"hush-hush", "very-secret-word"} {
				if strings.Contains(a.Value, secret) {
					t.Errorf("%s shows a secret: %s", a.Path, a.Value)
				}
			}
		}
		ttl := values["shop.ttl"]
		if ttl.Value != "1200" || ttl.Origin != "custom JSON of this run" || len(ttl.Overridden) != 2 ||
			ttl.Overridden[0].Value != "900" || ttl.Overridden[0].Origin != "custom JSON of layer Web" || ttl.Overridden[1].Value != "600" {
			t.Errorf("shop.ttl is %+v", ttl)
		}
		keep := values["deploy.shop.keep_releases"]
		if keep.Value != "9" || keep.Origin != "custom JSON of the stack" || len(keep.Overridden) != 1 || keep.Overridden[0].Origin != "deploy attributes" {
			t.Errorf("keep_releases is %+v", keep)
		}
		if name := values["opsworks.stack.name"]; name.Value != `"Shop"` || name.Origin != "state of the stack" {
			t.Errorf("the stack's name is %+v", name)
		}
		if password := values["shop.db_password"]; !strings.Contains(password.Value, models.Filtered) {
			t.Errorf("the password is %+v", password)
		}
	})
}

func TestPlanWarnings(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: someRecipe}))(t)
		w.sent(i, models.CommandExecuteRecipes)
		p := w.planOf(DeploymentRequest{Command: someRecipe})
		for _, want := range []string{"Busy with another command now: web1.", "no custom cookbooks, which should hold shop::check"} {
			if !strings.Contains(strings.Join(p.Content.Warnings, "\n"), want) {
				t.Errorf("no %q in %q", want, p.Content.Warnings)
			}
		}
		_, err := w.engine.Plan(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: someRecipe, InstanceIDs: []models.InstanceID{w.instance(w.web).ID}})
		wantRefusal(t, err, models.CodeInvalid, "running instance")
		_, err = w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, PlanID: "none"})
		wantRefusal(t, err, models.CodeNotFound, "plan")
	})
}

func TestPlansOfAStackAreBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.online(w.web)
		first := w.planOf(DeploymentRequest{Command: someRecipe})
		for range plansPerStack {
			w.planOf(DeploymentRequest{Command: someRecipe})
		}
		if kept := must(w.store.Plans.Exists(w.ctx, first.ID))(t); kept {
			t.Error("the first plan is still kept")
		}
	})
}
