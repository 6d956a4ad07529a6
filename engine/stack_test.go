package engine

import (
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// mustRefuse checks that a verb refuses for a reason that its caller can mend.
func mustRefuse(t *testing.T, what string, err error, says string) {
	t.Helper()
	if models.CodeOf(err) != models.CodeInvalid || err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want a refusal that says %q", what, err, says)
	}
}

// chef makes a stack that OpsWorks' own rules hold in.
func (w *world) chef(version string) *models.Stack {
	w.t.Helper()
	s := models.NewStack("Chef " + version)
	s.ConfigurationManager.Version = version
	s.DefaultOs = models.DefaultOS(s.ConfigurationManager)
	return must(w.engine.CreateStack(w.ctx, s))(w.t)
}

func (w *world) update(s *models.Stack, change func(*models.Stack)) error {
	w.t.Helper()
	_, err := w.engine.UpdateStack(w.ctx, s.ID, func(s *models.Stack) error { change(s); return nil })
	return err
}

func TestStackRules(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		s := w.chef(models.Chef1110)
		mustRefuse(t, "Chef 12 by edit", w.update(s, func(s *models.Stack) { s.ConfigurationManager.Version, s.DefaultOs = models.Chef12, "Amazon Linux 2" }), "cannot change from Chef 11.10 to Chef 12")
		mustRefuse(t, "an agent of another server", w.update(s, func(s *models.Stack) { s.AgentVersion = "4004-20151201152533" }), "Agent version")
		if err := w.update(s, func(s *models.Stack) { s.AgentVersion = "dev" }); err != nil {
			t.Errorf("pin the agent: %v", err)
		}
		app := must(w.engine.CreateApp(w.ctx, models.App{StackID: s.ID, Name: "shop", Type: models.AppPHP, Environment: []models.EnvironmentVariable{{Key: "A", Value: "b"}}}))(t)
		older := func(s *models.Stack) {
			s.ConfigurationManager.Version, s.DefaultOs = models.Chef114, "Amazon Linux 2017.09"
		}
		mustRefuse(t, "another Chef below apps with environment", w.update(s, older), "environment variables")
		must(w.engine.UpdateApp(w.ctx, app.ID, func(a *models.App) error { a.Environment = nil; return nil }))(t)
		if err := w.update(s, older); err != nil {
			t.Errorf("another step of Chef 11: %v", err)
		}

		windows := models.NewStack("Windows")
		windows.DefaultOs, windows.ConfigurationManager.Version = "Microsoft Windows Server 2012 R2 Base", models.Chef122
		_, err := w.engine.CreateStack(w.ctx, windows)
		mustRefuse(t, "Windows where nobody can make it", err, "no Windows machines")
		closed := models.NewStack("Old")
		closed.DefaultOs, closed.ConfigurationManager.Version = "Amazon Linux 2014.09", models.Chef1110
		_, err = w.engine.CreateStack(w.ctx, closed)
		mustRefuse(t, "a closed operating system", err, "no longer supported")
		filtered := models.NewStack("Filtered")
		filtered.CustomCookbooksSource = models.Source{Type: models.SourceGit, URL: "https://git.example/x", Password: models.Filtered}
		_, err = w.engine.CreateStack(w.ctx, filtered)
		mustRefuse(t, "a secret that nobody has", err, "no stored secret")
	})
}

// Recipes see a new name at once: the documents that agents fetch are made anew
// when the stack has another version.
func TestUpdateStackIsSeenByRecipes(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	before := must(w.store.Stacks.Get(w.ctx, w.stack.ID))(t).Version
	if err := w.update(w.stack, func(s *models.Stack) { s.Name = "Another" }); err != nil {
		t.Fatal(err)
	}
	if after := must(w.store.Stacks.Get(w.ctx, w.stack.ID))(t).Version; after <= before {
		t.Errorf("version %d became %d", before, after)
	}
}

func TestSecurityGroupsFollowTheSwitch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		s := w.chef(models.Chef1110)
		l := models.NewLayer(s.ID, models.LayerPHPApp)
		l.Name = "PHP"
		made := must(w.engine.CreateLayer(w.ctx, l))(t)
		groups := func() string {
			return strings.Join(must(w.store.Layers.Get(w.ctx, made.ID))(t).DefaultSecurityGroupNames, " ")
		}
		if groups() != "AWS-OpsWorks-PHP-App-Server" {
			t.Errorf("a new layer has %q", groups())
		}
		off := func(s *models.Stack) { s.UseOpsworksSecurityGroups = false }
		mustRefuse(t, "off without own groups", w.update(s, off), "layer PHP has no security group")
		must(w.engine.UpdateLayer(w.ctx, made.ID, func(l *models.Layer) error { l.CustomSecurityGroupIDs = []string{"sg-1"}; return nil }))(t)
		if err := w.update(s, off); err != nil || groups() != "" {
			t.Errorf("off: %v, %q", err, groups())
		}
		_, err := w.engine.UpdateLayer(w.ctx, made.ID, func(l *models.Layer) error { l.CustomSecurityGroupIDs = nil; return nil })
		mustRefuse(t, "the last group", err, "at least one of its own")
		if err := w.update(s, func(s *models.Stack) { s.UseOpsworksSecurityGroups = true }); err != nil || groups() != "AWS-OpsWorks-PHP-App-Server" {
			t.Errorf("on: %v, %q", err, groups())
		}
	})
}

func TestLayerTypesByChefVersion(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	for version, want := range map[string]map[models.LayerType]bool{
		models.Chef12:   {models.LayerCustom: true},
		models.Chef1110: {models.LayerCustom: true, models.LayerRailsApp: true, models.LayerDBMaster: true, models.LayerMonitoring: true},
	} {
		s := w.chef(version)
		for _, kind := range []models.LayerType{models.LayerCustom, models.LayerRailsApp, models.LayerDBMaster, models.LayerMonitoring} {
			l := models.NewLayer(s.ID, kind)
			l.Name, l.Shortname = string(kind), "mine"
			if _, err := w.engine.CreateLayer(w.ctx, l); (err == nil) != want[kind] {
				t.Errorf("%s on Chef %s: %v", kind, version, err)
			}
		}
		lists := must(w.engine.RunLists(w.ctx, &must(w.store.Layers.InStack(w.ctx, s.ID))(t)[0]))(t)
		if version == models.Chef12 && len(lists.Setup)+len(lists.Configure) > 0 {
			t.Errorf("Chef 12 shows built-in recipes: %v", lists)
		}
	}
	if len(w.engine.LayerTypes()) != 12 || !w.engine.HasRecipes(models.LayerLB) || w.engine.HasRecipes(models.LayerCustom) {
		t.Errorf("types: %v", w.engine.LayerTypes())
	}
}

func TestLayerDefaults(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		db := models.NewLayer(w.stack.ID, models.LayerDBMaster)
		db.Name = "MySQL"
		made := must(w.engine.CreateLayer(w.ctx, db))(t)
		l := must(w.store.Layers.Get(w.ctx, made.ID))(t)
		if len(l.Attributes["MysqlRootPassword"]) < 20 || l.Attributes["MysqlRootPasswordUbiquitous"] != "true" {
			t.Errorf("attributes %v", l.Attributes)
		}
		if len(l.VolumeConfigurations) != 1 || l.VolumeConfigurations[0].MountPoint != "/vol/mysql" || l.VolumeConfigurations[0].Size != 10 {
			t.Errorf("volumes %v", l.VolumeConfigurations)
		}
		_, err := w.engine.CreateLayer(w.ctx, db)
		mustRefuse(t, "a second one", err, "already has a db-master layer")
		db.Type, db.Attributes = models.LayerMonitoring, map[string]string{"GangliaPassword": models.Filtered}
		db.Name = "Ganglia"
		_, err = w.engine.CreateLayer(w.ctx, db)
		mustRefuse(t, "a password that nobody has", err, "no stored value")
		password := l.Attributes["MysqlRootPassword"]
		kept := must(w.engine.UpdateLayer(w.ctx, made.ID, func(l *models.Layer) error {
			l.Attributes["MysqlRootPassword"] = models.Filtered
			l.Attributes["MysqlRootPasswordUbiquitous"] = ""
			return nil
		}))(t)
		if kept.Attributes["MysqlRootPassword"] != password || kept.Attributes["MysqlRootPasswordUbiquitous"] != "" || !kept.On("MysqlRootPasswordUbiquitous") {
			t.Errorf("after the update: %v", kept.Attributes)
		}
	})
}

func TestEcsLayerNeedsItsCluster(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		const arn = "arn:aws:ecs:us-east-1:123456789012:cluster/jobs"
		l := models.NewLayer(w.stack.ID, models.LayerECSCluster)
		l.Name = "ECS"
		_, err := w.engine.CreateLayer(w.ctx, l)
		mustRefuse(t, "no cluster", err, "EcsClusterArn")
		l.Attributes = map[string]string{models.AttributeECSCluster: arn}
		if _, err := w.engine.CreateLayer(w.ctx, l); models.CodeOf(err) != models.CodeNotFound {
			t.Errorf("a cluster that is not registered: %v", err)
		}
		if err := w.engine.RegisterEcsCluster(w.ctx, w.stack.ID, arn); err != nil {
			t.Fatal(err)
		}
		made := must(w.engine.CreateLayer(w.ctx, l))(t)
		if err := w.engine.DeregisterEcsCluster(w.ctx, arn); err != nil {
			t.Fatal(err)
		}
		// The cluster is gone first, as the user guide has it; the layer still changes.
		must(w.engine.UpdateLayer(w.ctx, made.ID, func(l *models.Layer) error { l.Packages = []string{"jq"}; return nil }))(t)
		if err := w.engine.DeleteLayer(w.ctx, made.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	w.instance(w.web)
	w.engine.limits = Limits{Stacks: 1, Layers: 2, Instances: 1, Apps: 1}
	_, err := w.engine.CreateStack(w.ctx, models.Stack{Name: "One more"})
	mustRefuse(t, "a stack too many", err, "1 stack already")
	l := models.NewLayer(w.stack.ID, models.LayerCustom)
	l.Name, l.Shortname = "One more", "more"
	_, err = w.engine.CreateLayer(w.ctx, l)
	mustRefuse(t, "a layer too many", err, "2 layers already")
	_, err = w.engine.CreateInstance(w.ctx, models.Instance{StackID: w.stack.ID, LayerIDs: []models.LayerID{w.web.ID}})
	mustRefuse(t, "an instance too many", err, "1 instance already")
	must(w.engine.CreateApp(w.ctx, models.App{StackID: w.stack.ID, Name: "one", Type: models.AppOther}))(t)
	_, err = w.engine.CreateApp(w.ctx, models.App{StackID: w.stack.ID, Name: "two", Type: models.AppOther})
	mustRefuse(t, "an app too many", err, "1 app already")
}
