package engine

import (
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// One instance migrates: of the app's layer, and one that is sent the command.
func TestOneInstanceMigrates(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		app := w.app("Shop")
		w.online(w.lb)
		all := w.fleet(3)
		w.drain()
		deploy := DeploymentRequest{
			StackID: w.stack.ID, AppID: app.ID, Command: models.DeploymentCommand{Name: models.CommandDeploy, Args: map[string][]string{"migrate": {"true"}}},
			InstanceIDs: []models.InstanceID{all[1].ID, all[2].ID},
		}
		must(w.engine.Deploy(w.ctx, deploy))(t)
		for _, i := range all[1:] {
			if run := w.sent(i, models.CommandDeploy); run.Migrator != string(all[1].ID) {
				t.Errorf("%s is told that %q migrates", i.Hostname, run.Migrator)
			}
		}
		w.drain()

		// Nobody of the first batch has the app, and of the second one is gone.
		deploy.InstanceIDs, deploy.Rollout = nil, models.Rollout{BatchSize: 2}
		d := must(w.engine.Deploy(w.ctx, deploy))(t)
		ok(t, w.engine.StopInstance(w.ctx, all[1].ID, false))
		w.answer(all[0], models.CommandDeploy, protocol.Successful)
		first := w.deployment(d).MigratorID
		if first != all[0].ID {
			t.Errorf("%s migrates", first)
		}
		w.drain()

		deploy.Command.Args = nil
		deploy.Rollout = models.Rollout{}
		d = must(w.engine.Deploy(w.ctx, deploy))(t)
		w.drain()
		if got := w.deployment(d).MigratorID; got != "" {
			t.Errorf("%s migrates, and nobody has asked for it", got)
		}
	})
}
