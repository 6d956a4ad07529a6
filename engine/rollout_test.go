package engine

import (
	"fmt"
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// fleet brings instances online in the web layer.
func (w *world) fleet(n int) []*models.Instance {
	w.t.Helper()
	all := make([]*models.Instance, n)
	for k := range all {
		all[k] = w.online(w.web)
	}
	return all
}

var someRecipe = models.DeploymentCommand{Name: models.CommandExecuteRecipes, Args: map[string][]string{"recipes": {"shop::check"}}}

func (w *world) roll(r models.Rollout) *models.Deployment {
	w.t.Helper()
	return must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: someRecipe, Rollout: r}))(w.t)
}

func (w *world) deployment(d *models.Deployment) *models.Deployment {
	w.t.Helper()
	return must(w.store.Deployments.Get(w.ctx, d.ID))(w.t)
}

// states are those of a deployment's commands, in order: "successful running pending".
func (w *world) states(d *models.Deployment) string {
	w.t.Helper()
	var all []string
	for _, c := range must(w.store.Commands.OfDeployment(w.ctx, d.ID))(w.t) {
		state := string(c.Status)
		if c.Held {
			state = "held"
		}
		all = append(all, state)
	}
	return strings.Join(all, " ")
}

func (w *world) deploymentEnds(d *models.Deployment, want models.DeploymentStatus) *models.Deployment {
	w.t.Helper()
	w.eventually(fmt.Sprintf("#%d is %s", d.Number, want), func() bool { return w.deployment(d).Status == want })
	return w.deployment(d)
}

// answer finishes what comes before a command of the kind, and then that.
func (w *world) answer(i *models.Instance, kind models.CommandName, how protocol.Outcome) {
	w.t.Helper()
	w.eventually("a "+string(kind)+" for "+i.Hostname, func() bool {
		for _, run := range w.links[i.ID].runs() {
			c := must(w.store.Commands.Get(w.ctx, models.CommandID(run.CommandID)))(w.t)
			if c.Status.Finished() {
				continue
			}
			outcome := protocol.Successful
			if c.Type == kind {
				outcome = how
			}
			ok(w.t, w.engine.FinishCommand(w.ctx, i.ID, protocol.Done{CommandID: run.CommandID, Outcome: outcome}))
			if c.Type == kind {
				return true
			}
		}
		return false
	})
}

func TestBatchesGoOneAfterTheOther(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(3)
		d := w.roll(models.Rollout{BatchSize: 1})
		if got := w.states(d); got != "sent held held" {
			t.Fatalf("at first: %s", got)
		}
		// What an instance of a later batch is told otherwise does not wait for it.
		other := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: someRecipe, InstanceIDs: []models.InstanceID{all[2].ID}}))(t)
		w.finish(all[2], models.CommandExecuteRecipes, protocol.Successful)
		w.deploymentEnds(other, models.DeploymentSuccessful)
		for n, i := range all {
			if got := w.deployment(d); got.Batch != n+1 || got.Batches != 3 {
				t.Errorf("batch %d of %d, want %d of 3", got.Batch, got.Batches, n+1)
			}
			w.finish(i, models.CommandExecuteRecipes, protocol.Successful)
		}
		w.deploymentEnds(d, models.DeploymentSuccessful)
	})
}

func TestRolloutStopsAtTooManyFailures(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(4)
		d := w.roll(models.Rollout{BatchSize: 2, StopAfterPercent: 50})
		w.finish(all[0], models.CommandExecuteRecipes, protocol.Failed)
		if got := w.deployment(d); got.StopReason != "" {
			t.Fatalf("one of four has stopped it: %s", got.StopReason)
		}
		w.finish(all[1], models.CommandExecuteRecipes, protocol.Expired)
		d = w.deploymentEnds(d, models.DeploymentFailed)
		if got := w.states(d); got != "failed expired skipped skipped" {
			t.Errorf("at the end: %s", got)
		}
		if d.StopReason != "stopped after batch 1 of 2: failed on 2 instances" {
			t.Errorf("it says %q", d.StopReason)
		}
		last := must(w.store.Commands.OfDeployment(w.ctx, d.ID))(t)[3]
		if !strings.Contains(last.Message, "stopped after batch 1 of 2") {
			t.Errorf("a skipped command says %q", last.Message)
		}

		// Again, where it failed and where it was not reached.
		again := must(w.engine.RetryDeployment(w.ctx, d.ID))(t)
		if again.RetryOf != d.ID || again.Commands != 4 || again.Rollout != d.Rollout || !strings.Contains(again.Comment, fmt.Sprintf("#%d", d.Number)) {
			t.Errorf("the retry is %+v", again)
		}
		for _, i := range all {
			w.finish(i, models.CommandExecuteRecipes, protocol.Successful)
		}
		w.deploymentEnds(again, models.DeploymentSuccessful)
		wantRefusal(t, func() error { _, err := w.engine.RetryDeployment(w.ctx, again.ID); return err }(), models.CodeConflict, "nothing to run again")
	})
}

func TestRolloutSurvivesARestart(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(3)
		d := w.roll(models.Rollout{BatchSize: 1, PauseSeconds: 3})
		w.finish(all[0], models.CommandExecuteRecipes, protocol.Successful)
		if got := w.deployment(d); got.Batch != 1 || got.NextBatchAt == nil {
			t.Fatalf("no pause: %+v", got)
		}
		w.reboot()
		for _, i := range all {
			w.connect(i)
		}
		w.finish(all[1], models.CommandExecuteRecipes, protocol.Successful)
		w.reboot()
		for _, i := range all {
			w.connect(i)
		}
		w.finish(all[2], models.CommandExecuteRecipes, protocol.Successful)
		w.deploymentEnds(d, models.DeploymentSuccessful)
	})
}

func TestPeoplePauseContinueAndStop(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(3)
		d := w.roll(models.Rollout{BatchSize: 1, PauseSeconds: 3600})
		wantRefusal(t, w.engine.ContinueRollout(w.ctx, d.ID), models.CodeConflict, "is not paused")
		ok(t, w.engine.PauseRollout(w.ctx, d.ID))
		wantRefusal(t, w.engine.PauseRollout(w.ctx, d.ID), models.CodeConflict, "paused already")
		w.finish(all[0], models.CommandExecuteRecipes, protocol.Successful)
		if got := w.states(d); got != "successful held held" || w.deployment(d).PausedBy != "test" {
			t.Fatalf("paused: %s", got)
		}
		ok(t, w.engine.ContinueRollout(w.ctx, d.ID))
		w.finish(all[1], models.CommandExecuteRecipes, protocol.Successful)
		if got := w.deployment(d); got.Batch != 2 || got.NextBatchAt == nil {
			t.Fatalf("the pause between batches is gone: %+v", got)
		}
		ok(t, w.engine.ContinueRollout(w.ctx, d.ID)) // ends that pause
		w.sent(all[2], models.CommandExecuteRecipes)
		wantRefusal(t, w.engine.StopRollout(w.ctx, d.ID), models.CodeConflict, "no batches left")
		w.finish(all[2], models.CommandExecuteRecipes, protocol.Successful)
		w.deploymentEnds(d, models.DeploymentSuccessful)

		d = w.roll(models.Rollout{BatchSize: 1})
		ok(t, w.engine.StopRollout(w.ctx, d.ID))
		w.finish(all[0], models.CommandExecuteRecipes, protocol.Successful)
		if d = w.deploymentEnds(d, models.DeploymentFailed); d.StopReason != "stopped after batch 1 of 3 by test" {
			t.Errorf("it says %q", d.StopReason)
		}

		d = w.roll(models.Rollout{BatchSize: 1})
		ok(t, w.engine.CancelDeployment(w.ctx, d.ID))
		w.drain()
		w.deploymentEnds(d, models.DeploymentFailed)
		if got := w.states(d); got != "successful skipped skipped" {
			t.Errorf("canceled: %s", got)
		}
	})
}

func TestNobodyWaitsForInstancesThatAreGone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(4)
		d := w.roll(models.Rollout{BatchSize: 1})
		ok(t, w.engine.StopInstance(w.ctx, all[1].ID, false))
		w.finish(all[0], models.CommandExecuteRecipes, protocol.Successful)
		w.sent(all[2], models.CommandExecuteRecipes)
		// The third goes away with the command that it was sent.
		lost := must(w.store.Instances.Get(w.ctx, all[2].ID))(t)
		ok(t, w.engine.lose(models.AsEngine(w.ctx), lost, models.Cause{Kind: models.CauseAgent, Text: "its agent is silent"}, "gone"))
		w.answer(all[3], models.CommandExecuteRecipes, protocol.Successful)
		if got := w.states(d); !strings.HasPrefix(got, "successful skipped ") || !strings.HasSuffix(got, " successful") {
			t.Errorf("it is %s", got)
		}
	})
}

func TestWhatTakesItsInstanceAwayCountsAsFailed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(2)
		d := w.roll(models.Rollout{BatchSize: 1, StopAfterFailures: 1})
		run := w.sent(all[0], models.CommandExecuteRecipes)
		w.engine.AcknowledgeCommand(all[0].ID, models.CommandID(run.CommandID))
		w.commandBecomes(models.CommandID(run.CommandID), models.CommandRunning)
		lost := must(w.store.Instances.Get(w.ctx, all[0].ID))(t)
		ok(t, w.engine.lose(models.AsEngine(w.ctx), lost, models.Cause{Kind: models.CauseAgent, Text: "its agent is silent"}, "gone"))
		w.eventually("it stops", func() bool { return w.deployment(d).StopReason != "" })
		if got := w.states(d); got != "running skipped" {
			t.Errorf("it is %s", got)
		}
	})
}

func TestRollingSetupTakesOutOneBatchAtATime(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(2)
		d := must(w.engine.Deploy(w.ctx, DeploymentRequest{
			StackID: w.stack.ID, Command: models.DeploymentCommand{Name: models.CommandSetup}, Rollout: models.Rollout{BatchSize: 1},
		}))(t)
		if a, b := w.status(all[0]), w.status(all[1]); a != models.InstanceRunningSetup || b != models.InstanceOnline {
			t.Fatalf("%s and %s", a, b)
		}
		w.finish(all[0], models.CommandSetup, protocol.Successful)
		w.becomes(all[0], models.InstanceOnline)
		w.becomes(all[1], models.InstanceRunningSetup)
		w.answer(all[1], models.CommandSetup, protocol.Successful)
		w.becomes(all[1], models.InstanceOnline)
		w.deploymentEnds(d, models.DeploymentSuccessful)
	})
}

func TestDryRunOfSetupLeavesTheInstanceOnline(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, DryRun: true, Command: models.DeploymentCommand{Name: models.CommandSetup}}))(t)
		if run := w.sent(i, models.CommandSetup); !run.DryRun {
			t.Error("the agent is not told that it is a dry run")
		}
		// A connection that is lost meanwhile makes no Setup of it either.
		now := must(w.store.Instances.Get(w.ctx, i.ID))(t)
		ok(t, w.engine.lose(models.AsEngine(w.ctx), now, models.Cause{Kind: models.CauseAgent, Text: "its agent is silent"}, "gone"))
		w.connect(i)
		if got := w.status(i); got != models.InstanceOnline {
			t.Fatalf("it is %s", got)
		}
		w.finish(i, models.CommandSetup, protocol.Failed)
		w.deploymentEnds(d, models.DeploymentFailed)
		if got := w.status(i); got != models.InstanceOnline {
			t.Errorf("it is %s", got)
		}
	})
}

func TestRolloutNeedsTheLevelDeploy(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fleet(2)
		d := w.roll(models.Rollout{BatchSize: 1})
		u := w.user("reader", false)
		for name, deed := range map[string]func() error{
			"pause":    func() error { return w.engine.PauseRollout(w.as(u), d.ID) },
			"continue": func() error { return w.engine.ContinueRollout(w.as(u), d.ID) },
			"stop":     func() error { return w.engine.StopRollout(w.as(u), d.ID) },
			"retry":    func() error { _, err := w.engine.RetryDeployment(w.as(u), d.ID); return err },
			"plan": func() error {
				_, err := w.engine.Plan(w.as(u), DeploymentRequest{StackID: w.stack.ID, Command: someRecipe})
				return err
			},
		} {
			if err := deed(); models.CodeOf(err) != models.CodeNotFound {
				t.Errorf("%s by a stranger: %v", name, err)
			}
		}
		ok(t, w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: u.ID, Level: models.LevelShow}))
		if err := w.engine.StopRollout(w.as(u), d.ID); models.CodeOf(err) != models.CodeForbidden {
			t.Errorf("stop by a reader: %v", err)
		}
		ok(t, w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: u.ID, Level: models.LevelDeploy}))
		ok(t, w.engine.StopRollout(w.as(u), d.ID))
	})
}

// A batch of a rolling Setup may reach an instance that somebody is setting up
// already; and what is held says nothing of its instance.
func TestRollingSetupMeetsAnotherSetup(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(3)
		w.drain()
		setup := models.DeploymentCommand{Name: models.CommandSetup}
		d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: setup, Rollout: models.Rollout{BatchSize: 1}}))(t)
		other := must(w.engine.Deploy(w.ctx, DeploymentRequest{
			StackID: w.stack.ID, Command: setup, InstanceIDs: []models.InstanceID{all[1].ID, all[2].ID},
		}))(t)
		for _, c := range must(w.store.Commands.OfDeployment(w.ctx, d.ID))(t) {
			if c.InstanceID == all[2].ID {
				ok(t, w.engine.CancelCommand(w.ctx, c.ID))
			}
		}
		if got := w.status(all[2]); got != models.InstanceRunningSetup {
			t.Errorf("its held command was cancelled, and %s is %s", all[2].Hostname, got)
		}
		w.answer(all[0], models.CommandSetup, protocol.Successful)
		w.eventually("the second batch has begun", func() bool { return !strings.Contains(w.states(d), "held") })
		// Two of them are all[1]'s, whichever it is sent first.
		for _, i := range []*models.Instance{all[1], all[2], all[1]} {
			w.answer(i, models.CommandSetup, protocol.Successful)
		}
		w.deploymentEnds(other, models.DeploymentSuccessful)
		w.eventually("the rolling one has ended", func() bool { return w.deployment(d).Status != models.DeploymentRunning })
		for _, i := range all {
			w.becomes(i, models.InstanceOnline)
		}
	})
}

// There is nothing to wait for after a batch in which nothing was begun, or when
// nobody is left.
func TestEmptyBatchesDoNotPause(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		all := w.fleet(4)
		d := w.roll(models.Rollout{BatchSize: 1, PauseSeconds: 3600})
		for _, i := range []*models.Instance{all[1], all[3]} {
			ok(t, w.engine.StopInstance(w.ctx, i.ID, false))
		}
		w.answer(all[0], models.CommandExecuteRecipes, protocol.Successful)
		if got := w.deployment(d); got.Batch != 1 || got.NextBatchAt == nil {
			t.Fatalf("no pause after a batch that ran: %+v", got)
		}
		ok(t, w.engine.ContinueRollout(w.ctx, d.ID))
		if got := w.deployment(d); got.Batch != 3 || got.NextBatchAt != nil {
			t.Fatalf("batch %d, next at %v", got.Batch, got.NextBatchAt)
		}
		w.answer(all[2], models.CommandExecuteRecipes, protocol.Successful)
		w.deploymentEnds(d, models.DeploymentSuccessful)
	})
}
