package engine

import (
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// TestCancelWhileTheAgentIsAway: a wish that the agent could not hear reaches
// it when it is back.
func TestCancelWhileTheAgentIsAway(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		i := w.online(w.web)
		d, run := w.execute(i)
		w.engine.AcknowledgeCommand(i.ID, run)
		w.commandBecomes(run, models.CommandRunning)
		w.engine.DisconnectAgent(i.ID, w.links[i.ID])
		if err := w.engine.CancelDeployment(w.ctx, d.ID); err != nil {
			t.Fatal(err)
		}
		link := w.connect(i, string(run))
		w.eventually("the agent is asked to cancel", func() bool { return link.asked(run) })
	})
}

// TestCancelOfWhatNeverArrived: a command that was cancelled on its way to an
// agent that then lost it is not sent again.
func TestCancelOfWhatNeverArrived(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	i := w.online(w.web)
	d, run := w.execute(i)
	w.engine.DisconnectAgent(i.ID, w.links[i.ID])
	if err := w.engine.CancelDeployment(w.ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	link := w.connect(i)
	w.commandBecomes(run, models.CommandSkipped)
	if len(link.runs()) > 0 {
		t.Error("a cancelled command was sent again")
	}
}

// execute runs recipes on all instances until the instance's agent is sent its command.
func (w *world) execute(i *models.Instance) (*models.Deployment, models.CommandID) {
	w.t.Helper()
	d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: models.DeploymentCommand{
		Name: models.CommandExecuteRecipes, Args: map[string][]string{"recipes": {"a::b"}},
	}}))(w.t)
	return d, models.CommandID(w.sent(i, models.CommandExecuteRecipes).CommandID)
}

func (w *world) commandBecomes(id models.CommandID, want models.CommandStatus) {
	w.t.Helper()
	w.eventually("the command is "+string(want), func() bool { return must(w.store.Commands.Get(w.ctx, id))(w.t).Status == want })
}

// asked tells whether the agent was asked to end the command.
func (l *fakeLink) asked(id models.CommandID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.sent {
		if c, ok := m.(protocol.Cancel); ok && c.CommandID == string(id) {
			return true
		}
	}
	return false
}
