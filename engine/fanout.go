package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"opsyard/engine/dispatch"
	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// createDeployment writes a deployment and one command per instance. The caller
// has set Command, AppID, Cause and what else it knows.
func (t *tx) createDeployment(ctx context.Context, stack *models.Stack, d *models.Deployment, members []store.Member) error {
	if len(members) == 1 {
		var err error
		if d.Cause, err = t.because(ctx, d.Cause, members[0].ID); err != nil {
			return err
		}
	}
	now := t.e.Clock()
	d.ID, d.StackID, d.CommandName = models.NewID[models.DeploymentID](), stack.ID, d.Command.Name
	d.Status, d.CreatedAt, d.Commands = models.DeploymentRunning, now, len(members)
	if d.Rollout.InBatches() {
		d.Batch, d.Batches = 1, len(d.Rollout.Batches(len(members)))
	}
	if err := t.Deployments.Create(ctx, d); err != nil {
		return err
	}
	plans, err := t.plans(ctx, stack, d.Command)
	if err != nil {
		return err
	}
	commands := make([]models.Command, len(members))
	for n, m := range members {
		plan := plans.of(m.LayerIDs)
		batch := d.Rollout.BatchOf(n, len(members))
		deadline := new(now.Add(plan.timeout + toBegin)) // set anew when the agent has it
		if batch > 1 {
			deadline = nil // until its turn
		}
		commands[n] = models.Command{
			ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: stack.ID, InstanceID: m.ID, Hostname: m.Hostname,
			Type: d.Command.Name, Status: models.CommandPending, RunList: plan.list,
			TimeoutSeconds: int(plan.timeout / time.Second), Deadline: deadline, CreatedAt: now, LayerIDs: m.LayerIDs,
			Batch: batch, Held: batch > 1,
		}
	}
	if err := t.leaseAtBirth(ctx, stack.ID, commands); err != nil {
		return err
	}
	if err := t.Commands.Create(ctx, commands); err != nil {
		return err
	}
	t.tellDeployment(stack.ID, d.ID)
	if err := t.notifyBegun(ctx, d, members); err != nil {
		return err
	}
	return t.event(ctx, models.StackEvent{
		StackID: stack.ID, Kind: "deployment", Tone: "running", DeploymentID: d.ID,
		Text: fmt.Sprintf("%s%s started on %s", dryRun(d), d.CommandName, where(members)), Cause: d.Cause,
	})
}

// toBegin is how long a command may wait for its agent and its turn.
const toBegin = time.Hour

func dryRun(d *models.Deployment) string {
	if d.DryRun {
		return "dry run of "
	}
	return ""
}

// leaseAtBirth makes the commands of instances that are connected to this
// process and have nothing to do sent ones, and sends them after the commit:
// leasing each later would write it twice. The deployment's number, which is
// taken before, keeps others from doing the same for the stack.
func (t *tx) leaseAtBirth(ctx context.Context, stack models.StackID, commands []models.Command) error {
	busy, err := t.Commands.Busy(ctx, stack)
	if err != nil {
		return err
	}
	until := t.e.Clock().Add(dispatch.Lease)
	for n := range commands {
		c := &commands[n]
		if c.Held {
			continue
		}
		if busy[c.InstanceID] || !t.e.dispatcher.Connected(c.InstanceID) {
			t.wake = append(t.wake, c.InstanceID)
			continue
		}
		c.Status, c.Attempt, c.LeaseUntil = models.CommandSent, 1, &until
		t.send = append(t.send, *c)
	}
	return nil
}

// plans are the run lists and time limits of a deployment, each made once: the
// instances of a large stack share a few.
type plans struct {
	e       *Engine
	command models.DeploymentCommand
	layers  []models.Layer
	common  bool
	idle    bool // accepted, and there is nothing to do
	made    map[string]plan
}

type plan struct {
	list    []models.RunItem
	timeout time.Duration
}

func (t *tx) plans(ctx context.Context, stack *models.Stack, command models.DeploymentCommand) (*plans, error) {
	layers, err := t.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return nil, err
	}
	common, err := t.e.runsCommon(stack)
	return &plans{t.e, command, layers, common, stack.ConfigurationManager.IsIdle(command.Name), map[string]plan{}}, err
}

func (p *plans) of(ids []models.LayerID) plan {
	key := keyOf(ids)
	made, ok := p.made[key]
	if !ok {
		layers := lifecycle.LayersOf(models.Instance{LayerIDs: ids}, p.layers)
		if !p.idle {
			made.list = lifecycle.RunList(p.command.Name, layers, p.command.Args["recipes"], p.common).Items
		}
		made.timeout = p.e.timeoutOf(p.command.Name, layers)
		p.made[key] = made
	}
	return made
}

func where(members []store.Member) string {
	if len(members) == 1 {
		return members[0].Hostname
	}
	return count(len(members), "instance")
}

// deploymentsOf names the deployments of commands, each once, in an order that
// is the same for all: rolling them up locks them.
func deploymentsOf(commands []models.Command) []models.DeploymentID {
	ids := make([]models.DeploymentID, len(commands))
	for n := range commands {
		ids[n] = commands[n].DeploymentID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// configure sends Configure to all online instances of the stack and counts
// them. One that still waits is superseded: what it would do, the new one does
// with newer data (OpsWorks: "Configure", command status superseded).
func (t *tx) configure(ctx context.Context, id models.StackID, cause models.Cause) (told int, err error) {
	if _, err := t.Stacks.BumpVersion(ctx, id); err != nil {
		return 0, err
	}
	online, err := t.Instances.Members(ctx, id, models.InstanceOnline)
	if err != nil || len(online) == 0 {
		return 0, err
	}
	ids := make([]models.InstanceID, len(online))
	for n, m := range online {
		ids[n] = m.ID
	}
	superseded, err := t.Commands.SupersedeConfigures(ctx, id, ids, t.e.Clock())
	if err != nil {
		return 0, err
	}
	if err := t.notifyCommands(ctx, models.CommandSuperseded, superseded...); err != nil {
		return 0, err
	}
	for _, d := range deploymentsOf(superseded) {
		if err := t.rollUp(ctx, id, d); err != nil {
			return 0, err
		}
	}
	stack, err := t.Stacks.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	return len(online), t.createDeployment(ctx, stack, &models.Deployment{
		Command: models.DeploymentCommand{Name: models.CommandConfigure}, Cause: cause,
	}, online)
}
