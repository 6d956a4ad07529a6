package engine

import (
	"slices"
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
)

func (w *world) rollOut(app *models.App, r models.Rollout) *models.Deployment {
	w.t.Helper()
	p := w.planOf(DeploymentRequest{AppID: app.ID, Command: models.DeploymentCommand{Name: models.CommandDeploy}, Rollout: r})
	return must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, PlanID: p.ID}))(w.t)
}

// What has changed since the plan binds later batches too.
func TestLaterBatchesAreHeldByTheirPlan(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		app, other := w.app("Shop"), w.app("Blog")
		all := w.fleet(4)
		w.drain()
		d := w.rollOut(app, models.Rollout{BatchSize: 1})
		// What this deployment does not run may change.
		must(w.engine.UpdateApp(w.ctx, other.ID, func(a *models.App) error { a.AppSource.Revision = "next"; return nil }))(t)
		w.answer(all[0], models.CommandDeploy, protocol.Successful)
		w.eventually("the second batch", func() bool { return w.deployment(d).Batch == 2 })

		must(w.engine.UpdateApp(w.ctx, app.ID, func(a *models.App) error { a.AppSource.Revision = "next"; return nil }))(t)
		w.answer(all[1], models.CommandDeploy, protocol.Successful)
		got := w.deployment(d)
		if got.Batch != 2 || got.PausedBy != bySelf || got.PauseReason != "The source of app Shop has changed." {
			t.Fatalf("batch %d, paused by %q: %q", got.Batch, got.PausedBy, got.PauseReason)
		}
		events := must(w.store.Events.InStack(w.ctx, w.stack.ID, 0, 20))(t)
		if !slices.ContainsFunc(events, func(e models.StackEvent) bool {
			return e.DeploymentID == d.ID && strings.Contains(e.Text, "is paused after batch 2 of 4: The source of app Shop has changed.")
		}) {
			t.Error("the timeline does not say it")
		}
		ok(t, w.engine.advanceRollouts(w.ctx))
		if got := w.deployment(d); got.Batch != 2 {
			t.Fatalf("it goes on by itself to batch %d", got.Batch)
		}
		// Who continues accepts what has changed, and nothing else.
		ok(t, w.engine.ContinueRollout(w.ctx, d.ID))
		w.answer(all[2], models.CommandDeploy, protocol.Successful)
		if got := w.deployment(d); got.Batch != 4 || got.PauseReason != "" {
			t.Fatalf("batch %d, %q", got.Batch, got.PauseReason)
		}
		w.answer(all[3], models.CommandDeploy, protocol.Successful)
		w.deploymentEnds(d, models.DeploymentSuccessful)
	})
}

func TestASecondChangeHoldsAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		app := w.app("Shop")
		all := w.fleet(3)
		w.drain()
		d := w.rollOut(app, models.Rollout{BatchSize: 1})
		w.update(w.stack, func(s *models.Stack) { s.CustomJSON = `{"a": 1}` })
		w.answer(all[0], models.CommandDeploy, protocol.Successful)
		ok(t, w.engine.ContinueRollout(w.ctx, d.ID))
		w.update(w.stack, func(s *models.Stack) { s.CustomJSON = `{"a": 2}` })
		w.answer(all[1], models.CommandDeploy, protocol.Successful)
		if got := w.deployment(d); got.Batch != 2 || !strings.Contains(got.PauseReason, "custom JSON of the stack") {
			t.Fatalf("batch %d, %q", got.Batch, got.PauseReason)
		}
		ok(t, w.engine.StopRollout(w.ctx, d.ID))
		w.deploymentEnds(d, models.DeploymentFailed)
	})
}
