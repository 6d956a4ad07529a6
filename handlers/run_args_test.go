package handlers

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/views"
)

// The form has an argument for each that the API takes, and hands on those of
// the chosen command alone.
func TestCommandArgs(t *testing.T) {
	t.Parallel()
	form := url.Values{"Recipes": {"a::b\nc, d"}, "UpgradeOsTo": {" Debian 12 "}, "AllowReboot": {"1"}, "Migrate": {"1"}}
	for name, want := range map[models.CommandName]string{
		models.CommandExecuteRecipes:     "map[recipes:[a::b c d]]",
		models.CommandUpdateDependencies: "map[allow_reboot:[true] upgrade_os_to:[Debian 12]]",
		models.CommandDeploy:             "map[migrate:[true]]",
		models.CommandSetup:              "map[]",
	} {
		args := commandArgs(name, form)
		if got := fmt.Sprint(args); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if err := (models.DeploymentCommand{Name: name, Args: args}).Validate(); err != nil {
			t.Error(err)
		}
	}
}

func drawn(t *testing.T, p views.RunForm) string {
	t.Helper()
	var page strings.Builder
	if err := views.RunPage(p).Render(t.Context(), &page); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

// A Chef 12 stack is not offered what it refuses.
func TestRunPageOfChef12(t *testing.T) {
	t.Parallel()
	chef := views.RunForm{Manager: models.ConfigurationManager{Name: models.ManagerChef, Version: models.Chef12}, Apps: []models.App{{ID: "a", Name: "Shop"}}}
	shell := chef
	shell.Manager = models.ConfigurationManager{Name: models.ManagerShell}
	for name, want := range map[string]bool{`value="restart"`: false, `value="update_dependencies"`: false, `value="deploy"`: true, `value="setup"`: true} {
		if got := strings.Contains(drawn(t, chef), name); got != want {
			t.Errorf("Chef 12 has %s: %t", name, got)
		}
		if !strings.Contains(drawn(t, shell), name) {
			t.Errorf("Shell lacks %s", name)
		}
	}
}
