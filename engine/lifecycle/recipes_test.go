package lifecycle

import (
	"slices"
	"testing"

	"opsyard/models"
)

func names(p Plan) []string {
	var all []string
	for _, i := range p.Items {
		all = append(all, i.Recipe)
	}
	return all
}

func layer(kind models.LayerType, short string, custom models.Recipes) models.Layer {
	return models.Layer{ID: models.LayerID(short), Type: kind, Shortname: short, CustomRecipes: custom}
}

func TestRunList(t *testing.T) {
	t.Parallel()
	web := layer(models.LayerWeb, "web", models.Recipes{Setup: []string{"mine"}, Deploy: []string{"mine::deploy"}})
	worker := layer(models.LayerCustom, "worker", models.Recipes{Setup: []string{"mine", "jobs::setup"}, Configure: []string{"jobs::members"}})
	lb := layer(models.LayerLB, "lb", models.Recipes{})
	programs := layer(models.LayerCustom, "go", models.Recipes{})
	programs.Engine = models.EngineProgram
	for name, test := range map[string]struct {
		command models.CommandName
		layers  []models.Layer
		recipes []string
		common  bool
		want    []string
	}{
		"SetupRunsDeployAfterIt": {models.CommandSetup, []models.Layer{web}, nil, true,
			[]string{"opsyard_initial_setup::default", "nginx::default", "mine::default", "deploy::default", "deploy::web", "mine::deploy"}},
		"BuiltInOfAllLayersBeforeCustomOnes": {models.CommandSetup, []models.Layer{worker, web}, nil, false,
			[]string{"nginx::default", "mine::default", "jobs::setup", "deploy::default", "deploy::web", "mine::deploy"}},
		"LayersInTheInstancesOrder": {models.CommandShutdown, []models.Layer{web, lb}, nil, true, []string{"nginx::stop", "haproxy::stop"}},
		"Configure":                 {models.CommandConfigure, []models.Layer{lb, worker}, nil, true, []string{"opsyard_initial_setup::configure", "haproxy::configure", "jobs::members"}},
		"NothingOfACustomLayer":     {models.CommandShutdown, []models.Layer{worker}, nil, true, nil},
		"ExecuteRecipesAsNamed":     {models.CommandExecuteRecipes, []models.Layer{web}, []string{"b", "a::x", "b"}, true, []string{"b::default", "a::x", "b::default"}},
		"UpdateCookbooksRunsNone":   {models.CommandUpdateCustomCookbooks, []models.Layer{web}, nil, true, nil},
		"RollbackOnTheLayerThatHas": {models.CommandRollback, []models.Layer{web, lb}, nil, true, []string{"deploy::web-rollback"}},
		"RollbackOfPrograms":        {models.CommandRollback, []models.Layer{programs}, nil, true, []string{"deploy::program-rollback"}},
		"DeployOfPrograms":          {models.CommandDeploy, []models.Layer{programs}, nil, true, []string{"deploy::default", "deploy::program"}},
		"SetupOnceForTwoLayers": {models.CommandSetup, []models.Layer{layer(models.LayerNodejsApp, "nodejs-app", models.Recipes{}), programs}, nil, false,
			[]string{"nginx::default", "nodejs::default", "program::default", "deploy::default", "deploy::nodejs", "deploy::program"}},
		"RollbackOnACustomLayer": {models.CommandRollback, []models.Layer{worker}, nil, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := names(RunList(test.command, test.layers, test.recipes, test.common)); !slices.Equal(got, test.want) {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
		})
	}
}

// OpsWorks kept the cookbooks of an EBS-backed instance over a restart; here
// every start has the newest (docs/aws-api.md, StartInstance).
func TestPitfall15CookbooksAreFetchedAnewAtSetupAndWhenAsked(t *testing.T) {
	t.Parallel()
	for command, want := range map[models.CommandName]bool{
		models.CommandSetup: true, models.CommandUpdateCustomCookbooks: true,
		models.CommandConfigure: false, models.CommandDeploy: false, models.CommandExecuteRecipes: false, models.CommandShutdown: false,
	} {
		if got := RunList(command, nil, nil, true).Refresh; got != want {
			t.Errorf("%s: got %t, want %t", command, got, want)
		}
	}
}

func TestLayersOf(t *testing.T) {
	t.Parallel()
	all := []models.Layer{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	mine := LayersOf(models.Instance{LayerIDs: []models.LayerID{"c", "gone", "a"}}, all)
	if len(mine) != 2 || mine[0].ID != "c" || mine[1].ID != "a" {
		t.Errorf("got %v", mine)
	}
}
