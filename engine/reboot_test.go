package engine

import (
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
)

// An update that may reboot does it as a person would: the instance is not lost.
func TestUpdatesRebootTheirInstance(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		w.drain()
		ok(t, w.store.Instances.SetAgent(w.ctx, i.ID, store.AgentFacts{BootID: "boot-1"}))
		update := models.DeploymentCommand{Name: models.CommandUpdateDependencies}
		ends := func() protocol.Done {
			must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: update}))(t)
			run := w.sent(i, models.CommandUpdateDependencies)
			done := protocol.Done{CommandID: run.CommandID, Outcome: protocol.Successful, RebootOf: "boot-1"}
			ok(t, w.engine.FinishCommand(w.ctx, i.ID, done))
			return done
		}
		if itself := must(w.engine.RebootAfter(w.ctx, i.ID, ends()))(t); itself || w.status(i) != models.InstanceOnline {
			t.Errorf("nobody has allowed it, and the instance is %s (%v)", w.status(i), itself)
		}
		update.Args = map[string][]string{"allow_reboot": {"true"}}
		done := ends()
		if itself := must(w.engine.RebootAfter(w.ctx, i.ID, done))(t); itself {
			t.Error("the agent reboots a machine that its provider can")
		}
		w.becomes(i, models.InstanceRebooting)
		w.eventually("the provider reboots it", func() bool { return w.provider.did("reboot", i.ID) })
		w.connect(i)
		w.becomes(i, models.InstanceOnline)
		ok(t, w.store.Instances.SetAgent(w.ctx, i.ID, store.AgentFacts{BootID: "boot-2"}))
		must(w.engine.RebootAfter(w.ctx, i.ID, done))(t) // told once more after the boot
		if got := w.status(i); got != models.InstanceOnline {
			t.Errorf("it is rebooted once more: %s", got)
		}
	})
}
