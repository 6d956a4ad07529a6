package engine

import (
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
)

// Recipes of the stack's own need a configuration manager, which the plan misses
// where the agent says that it is not there.
func TestPlanMissesTheConfigurationManager(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.update(w.stack, func(s *models.Stack) {
			s.ConfigurationManager = models.ConfigurationManager{Name: models.ManagerPuppet}
		})
		all := w.fleet(3)
		w.drain()
		said := func(i *models.Instance, managers []string) {
			ok(t, w.store.Instances.SetAgent(w.ctx, i.ID, store.AgentFacts{Os: &models.ReportedOs{Name: "Debian", Managers: managers}}))
		}
		said(all[0], nil) // an older agent
		said(all[1], []string{"chef"})
		said(all[2], []string{"puppet"})
		warned := func() string {
			return strings.Join(w.planOf(DeploymentRequest{Command: someRecipe}).Content.Warnings, "\n")
		}
		if got := warned(); !strings.Contains(got, "Puppet is not installed on web2: the command that the agent was given for that installs it first") {
			t.Errorf("the plan warns %q", got)
		}
		// Setup installs it.
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: models.DeploymentCommand{Name: models.CommandSetup}, InstanceIDs: []models.InstanceID{all[1].ID}}))(t)
		run := w.sent(all[1], models.CommandSetup)
		ok(t, w.engine.FinishCommand(w.ctx, all[1].ID, protocol.Done{CommandID: run.CommandID, Outcome: protocol.Successful, Managers: []string{"puppet", "of evil\nname"}}))
		w.becomes(all[1], models.InstanceOnline)
		if i := must(w.store.Instances.Get(w.ctx, all[1].ID))(t); len(i.ReportedOs.Managers) != 1 || i.ReportedOs.Name != "Debian" {
			t.Errorf("it is %+v", i.ReportedOs)
		}
		if got := warned(); strings.Contains(got, "is not installed") {
			t.Errorf("the plan still warns %q", got)
		}
	})
}
