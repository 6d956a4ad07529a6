package handlers

import (
	"net/http"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/views"
)

func TestPlanBeforeRun(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	ana.get(f.at("/run")).want(t, http.StatusOK, `name="do" value="review"`, "In batches", "Instances at a time", "Dry run")
	form := []string{"Command", "execute_recipes", "Recipes", "shop::a", "Targets", "some", "InstanceIds", string(f.instances[0].ID), "Comment", "look first",
		"DryRun", "on", "Batch", "25", "BatchUnit", "per cent", "PauseSeconds", "30", "StopAfter", "2"}
	made := ana.post(f.at("/run"), append(form, "do", "review")...)
	if made.status != http.StatusSeeOther || !strings.HasPrefix(made.location, "/plans/") {
		t.Fatalf("got %d %s", made.status, made.location)
	}
	if n := len(c.engine.asked); n != 0 {
		t.Fatalf("a review has run: %+v", c.engine.asked)
	}
	ana.get(made.location).want(t, http.StatusOK, "Plan: execute_recipes (dry run)", "Tries on 1 of 1 instance", "Try on 1 instance", "host-0", "nginx::default", "built-in",
		"look first", "at 2 failures", "nothing is changed")
	id := strings.TrimPrefix(made.location, "/plans/")
	ana.get(f.at("/run?plan="+id)).want(t, http.StatusOK, "shop::a", "look first", `value="25"`, `value="per cent" selected`, `value="30"`)
	ana.get(f.at("/run?plan=nope")).want(t, http.StatusNotFound)

	done := ana.post(made.location + "/run")
	if done.status != http.StatusSeeOther || !strings.HasPrefix(done.location, "/deployments/") {
		t.Fatalf("got %d %s", done.status, done.location)
	}
	if asked := c.engine.asked[0]; string(asked.PlanID) != id {
		t.Errorf("asked for %+v", asked)
	}

	// What has changed meanwhile is told, with the plan made anew.
	c.engine.stale = true
	again := ana.post(made.location + "/run")
	if again.status != http.StatusSeeOther || !strings.HasPrefix(again.location, "/plans/") || again.location == made.location {
		t.Fatalf("got %d %s", again.status, again.location)
	}
	ana.get(again.location).want(t, http.StatusOK, "Nothing has run", "Since the plan before:", "The source of app Shop has changed.")

	c.user("stranger", false)
	stranger := c.as("stranger")
	if got := stranger.get(made.location); got.status != http.StatusNotFound {
		t.Errorf("a stranger sees the plan: got %d", got.status)
	}
	if got := stranger.post(made.location + "/run"); got.status != http.StatusNotFound {
		t.Errorf("a stranger runs the plan: got %d", got.status)
	}
}

func TestRolloutOptionsAreChecked(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	for says, extra := range map[string][]string{
		"is not a number":      {"Batch", "few"},
		"between 1 and 100":    {"Batch", "200", "BatchUnit", "per cent"},
		"needs batches":        {"PauseSeconds", "30"},
		"must be between 0 an": {"Batch", "1", "PauseSeconds", "100000000"},
	} {
		ana.post(f.at("/run"), append([]string{"Command", "configure", "Targets", "all", "do", "review"}, extra...)...).
			want(t, http.StatusUnprocessableEntity, says)
	}
}

func TestRollingDeploymentPage(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	d := f.rolling(t, c)
	page := views.DeploymentHref(d.ID)
	ana.get(page).want(t, http.StatusOK, "Batch 1", "Batch 2", "in batches of 1", "Paused by ana: batch 2 of 3 waits", "Continue now", "Stop…", "Waits for batch 2")
	for deed, said := range map[string]string{"pause": "pauses when this batch has ended", "continue": "goes on", "stop": "is stopped"} {
		ana.post(page+"/"+deed).wantLocation(t, page)
		ana.get(page).want(t, http.StatusOK, said)
	}
	if len(c.engine.rolled) != 3 {
		t.Errorf("asked for %v", c.engine.rolled)
	}
	c.user("stranger", false)
	if got := c.as("stranger").post(page + "/stop"); got.status != http.StatusNotFound {
		t.Errorf("a stranger stops it: got %d", got.status)
	}
}

// rolling is a deployment in three batches, the first done and the second held
// back by ana.
func (f *fleet) rolling(t *testing.T, c *console) *models.Deployment {
	t.Helper()
	d := &models.Deployment{
		ID: models.NewID[models.DeploymentID](), StackID: f.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure},
		Status: models.DeploymentRunning, CreatedAt: noon, Commands: 3, Rollout: models.Rollout{BatchSize: 1}, Batch: 1, Batches: 3, PausedBy: "ana",
	}
	if err := c.store.Deployments.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	var commands []models.Command
	for n := range 3 {
		command := models.Command{
			ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: f.stack.ID, InstanceID: f.instances[n].ID, Hostname: f.instances[n].Hostname,
			Type: models.CommandConfigure, Status: models.CommandPending, Batch: n + 1, Held: n > 0, TimeoutSeconds: 60, CreatedAt: d.CreatedAt,
		}
		if n == 0 {
			command.Status = models.CommandSuccessful
		}
		commands = append(commands, command)
	}
	if err := c.store.Commands.Create(t.Context(), commands); err != nil {
		t.Fatal(err)
	}
	return d
}
