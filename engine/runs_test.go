package engine

import (
	"testing"

	"opsyard/engine/lifecycle"
	"opsyard/models"
)

// Setup is about every app, Deploy about the one that is deployed, Configure
// about none; static apps are called web. What recipes of Chef 12 read from data
// bags is made of the same.
func TestPitfall24AppsOfACommand(t *testing.T) {
	t.Parallel()
	shop, blog := models.App{ID: "shop", Type: models.AppStatic}, models.App{ID: "blog", Type: models.AppPHP}
	web, own, db := models.Layer{Type: models.LayerWeb}, models.Layer{Type: models.LayerCustom}, models.Layer{Type: models.LayerDBMaster}
	for _, tc := range []struct {
		command models.CommandName
		app     models.AppID
		layer   models.Layer
		want    []models.AppID
	}{
		{models.CommandSetup, "", own, []models.AppID{"shop", "blog"}},
		{models.CommandSetup, "", web, []models.AppID{"shop"}},
		{models.CommandSetup, "", db, nil},
		{models.CommandExecuteRecipes, "", own, []models.AppID{"shop", "blog"}},
		{models.CommandDeploy, "blog", own, []models.AppID{"blog"}},
		{models.CommandDeploy, "blog", web, nil},
		{models.CommandConfigure, "", own, nil},
	} {
		got := appsOf(&models.Deployment{CommandName: tc.command, AppID: tc.app}, []models.Layer{tc.layer}, []models.App{shop, blog})
		same := len(got) == len(tc.want)
		for n := range got {
			same = same && got[n].ID == tc.want[n]
		}
		if !same {
			t.Errorf("%s of %q on %s layers: got %v, want %v", tc.command, tc.app, tc.layer.Type, got, tc.want)
		}
	}
	if got := lifecycle.RecipeType(models.AppStatic); got != "web" {
		t.Errorf("a static app is called %q", got)
	}
}
