package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"opsyard/models"
)

func TestAppsRollOutOneAtATime(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		app := w.app("Shop")
		all := w.fleet(2)
		w.drain()
		d := w.rollOut(app, models.Rollout{BatchSize: 1})
		back := DeploymentRequest{StackID: w.stack.ID, AppID: app.ID, Command: models.DeploymentCommand{Name: models.CommandRollback}}
		says := fmt.Sprintf("Deployment #%d (deploy of app Shop) runs after batch 1 of 2: wait for its end or stop it before you run rollback.", d.Number)
		_, err := w.engine.Deploy(w.ctx, back)
		wantRefusal(t, err, models.CodeConflict, says)
		if p := w.planOf(back); !slices.Contains(p.Content.Warnings, says) {
			t.Errorf("the plan warns %v", p.Content.Warnings)
		}
		dry := back
		dry.DryRun = true
		must(w.engine.Deploy(w.ctx, dry))(t)
		blog := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, AppID: w.app("Blog").ID, Command: models.DeploymentCommand{Name: models.CommandDeploy}}))(t)
		ok(t, w.engine.StopRollout(w.ctx, d.ID))
		must(w.engine.Deploy(w.ctx, back))(t)
		w.drain()
		w.deploymentEnds(blog, models.DeploymentSuccessful)

		// An app that is deleted is not deployed any further.
		d = w.rollOut(app, models.Rollout{BatchSize: 1})
		ok(t, w.engine.DeleteApp(w.ctx, app.ID))
		w.drain()
		if d = w.deploymentEnds(d, models.DeploymentFailed); !strings.Contains(d.StopReason, "its app was deleted") {
			t.Errorf("it was %s", d.StopReason)
		}
		_ = all
	})
}
