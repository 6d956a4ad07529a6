package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// DeploymentRequest asks for a command on instances of a stack.
type DeploymentRequest = models.DeploymentRequest

// Deploy runs a command on instances of a stack; the commands wait in the
// order in which they were asked for. All app and stack commands come this way.
// With a PlanID it runs what that plan has shown, or says what has changed; the
// rest of the request is then the plan's, but for a Comment.
func (e *Engine) Deploy(ctx context.Context, r DeploymentRequest) (*models.Deployment, error) {
	stack, err := e.Authorize(ctx, r.StackID, "CreateDeployment")
	if err != nil {
		return nil, err
	}
	var shown *models.Plan
	if r.PlanID != "" {
		if shown, err = e.upToDate(ctx, stack, r.PlanID); err != nil {
			return nil, err
		}
		r = asShown(shown, r)
	}
	if err := checkRequest(stack, &r); err != nil {
		return nil, err
	}
	var d *models.Deployment
	err = e.tx(ctx, func(t *tx) error {
		d, err = t.deploy(ctx, stack, r, shown)
		return err
	})
	return d, err
}

func checkRequest(stack *models.Stack, r *DeploymentRequest) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if manager := stack.ConfigurationManager; !manager.Offers(r.Command.Name) {
		return models.InvalidField("Command", "Command: %s is not available on %s stacks.", r.Command.Name, manager)
	}
	return nil
}

func (t *tx) deploy(ctx context.Context, stack *models.Stack, r DeploymentRequest, shown *models.Plan) (*models.Deployment, error) {
	actor := models.ActorFrom(ctx)
	d := models.Deployment{
		Command: r.Command, Comment: r.Comment, CustomJSON: r.CustomJSON, DryRun: r.DryRun,
		Rollout: r.Rollout, PlanID: r.PlanID, RetryOf: r.RetryOf,
		UserID: actor.UserID, Cause: byWhom(ctx, r.Comment),
	}
	if err := t.checkApp(ctx, &r); err != nil {
		return nil, err
	}
	d.AppID = r.AppID
	if actor.Kind == models.ActorUser {
		u, err := t.Users.Get(ctx, actor.UserID)
		if err != nil {
			return nil, err
		}
		d.IamUserArn = u.IamUserArn
	}
	targets, _, err := t.targets(ctx, &r)
	if err != nil {
		return nil, err
	}
	if shown != nil {
		if err := t.stillAsShown(ctx, stack, shown, targets); err != nil {
			return nil, err
		}
	}
	if err := t.createDeployment(ctx, stack, &d, targets); err != nil {
		return nil, err
	}
	if err := t.refuseWhileRolling(ctx, &d); err != nil {
		return nil, err
	}
	if r.Command.Name == models.CommandSetup && !r.DryRun {
		if err := t.takeOutForSetup(ctx, idsOf(targets[:r.Rollout.Size(len(targets))]), d.Cause); err != nil {
			return nil, err
		}
	}
	return &d, t.audit(ctx, "CreateDeployment", onDeployment(&d), nil, &d, d.Cause)
}

func idsOf(members []store.Member) []models.InstanceID {
	ids := make([]models.InstanceID, len(members))
	for n, m := range members {
		ids[n] = m.ID
	}
	return ids
}

func (t *tx) checkApp(ctx context.Context, r *DeploymentRequest) error {
	if !r.Command.Name.NeedsApp() {
		r.AppID = ""
		return nil
	}
	app, err := t.Apps.Get(ctx, r.AppID)
	if err != nil {
		return err
	}
	if app.StackID != r.StackID {
		return models.NotFound("app", r.AppID)
	}
	return nil
}

// targets are the instances that a request reaches, in the stack's order, and
// those that it leaves out, with the reason.
func (t *tx) targets(ctx context.Context, r *DeploymentRequest) ([]store.Member, []models.PlanLeftOut, error) {
	all, err := t.Instances.Members(ctx, r.StackID)
	if err != nil {
		return nil, nil, err
	}
	there := make(map[models.InstanceID]bool, len(all))
	for _, i := range all {
		there[i.ID] = true
	}
	for _, id := range r.InstanceIDs {
		if !there[id] {
			return nil, nil, models.NotFound("instance", id)
		}
	}
	if err := t.checkLayers(ctx, r); err != nil {
		return nil, nil, err
	}
	chosen, left, away := choose(all, r)
	switch {
	case len(chosen) == 0:
		return nil, nil, models.InvalidField("InstanceIds", "Please provide at least an instance ID of one running instance")
	case away != nil:
		return nil, nil, models.InvalidField("InstanceIds", "Instance ids: %s is %s; commands run on instances that are online.", away.Hostname, away.Status)
	}
	return chosen, left, nil
}

// choose divides a stack's instances into those that a request reaches and
// those that it does not; away is one that it names and that is not there.
func choose(all []store.Member, r *DeploymentRequest) (chosen []store.Member, left []models.PlanLeftOut, away *store.Member) {
	everybody := len(r.InstanceIDs)+len(r.LayerIDs) == 0
	byName := make(map[models.InstanceID]bool, len(r.InstanceIDs))
	for _, id := range r.InstanceIDs {
		byName[id] = true
	}
	for n, i := range all {
		named := byName[i.ID]
		wanted := everybody || named || slices.ContainsFunc(r.LayerIDs, func(l models.LayerID) bool { return slices.Contains(i.LayerIDs, l) })
		can := reachable(i.Status, r.Command.Name)
		if wanted && can {
			chosen = append(chosen, i)
			continue
		}
		if named && away == nil {
			away = &all[n]
		}
		left = append(left, models.PlanLeftOut{ID: i.ID, Hostname: i.Hostname, Status: i.Status, Reason: whyNot(i.Status, wanted, r)})
	}
	return chosen, left, away
}

func whyNot(s models.InstanceStatus, wanted bool, r *DeploymentRequest) string {
	switch {
	case !wanted && len(r.InstanceIDs) == 0:
		return "in no chosen layer"
	case !wanted:
		return "not chosen"
	case s == models.InstanceRunningSetup || s == models.InstanceBooting || s == models.InstancePending || s == models.InstanceRequested:
		return string(s) + ": its Setup deploys all apps"
	}
	return string(s)
}

// checkLayers refuses layers that are not the stack's.
func (t *tx) checkLayers(ctx context.Context, r *DeploymentRequest) error {
	if len(r.LayerIDs) == 0 {
		return nil
	}
	layers, err := t.Layers.InStack(ctx, r.StackID)
	if err != nil {
		return err
	}
	for _, id := range r.LayerIDs {
		if !slices.ContainsFunc(layers, func(l models.Layer) bool { return l.ID == id }) {
			return models.NotFound("layer", id)
		}
	}
	return nil
}

// reachable tells whether a command that somebody asks for may run in this
// state: online, and for commands that mend a failed setup also there.
func reachable(s models.InstanceStatus, name models.CommandName) bool {
	switch s {
	case models.InstanceOnline:
		return true
	case models.InstanceSetupFailed:
		return name == models.CommandSetup || name == models.CommandExecuteRecipes || name == models.CommandUpdateCustomCookbooks
	case models.InstanceRegistered: // in no layer, so without lifecycle events
		return name == models.CommandExecuteRecipes || name == models.CommandUpdateDependencies || name == models.CommandUpdateCustomCookbooks
	}
	return false
}

// takeOutForSetup moves the instances out of online while Setup runs again. One
// that a later batch reaches while it is being set up already, or boots, stays
// as it is: the command waits for it.
func (t *tx) takeOutForSetup(ctx context.Context, ids []models.InstanceID, cause models.Cause) error {
	instances, err := t.Instances.ByIDs(ctx, ids)
	if err != nil {
		return err
	}
	cause.Text = "the setup command was run"
	for n := range instances {
		if !instances[n].Status.CanBecome(models.InstanceRunningSetup) {
			continue
		}
		if err := t.move(ctx, &instances[n], models.InstanceRunningSetup, cause, store.InstanceChange{ClearSetup: true}); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) timeoutOf(name models.CommandName, layers []models.Layer) time.Duration {
	if name != models.CommandShutdown {
		return e.times.Command
	}
	seconds := 1
	for _, l := range layers {
		seconds = max(seconds, l.Shutdown.ExecutionTimeout)
	}
	return time.Duration(seconds) * time.Second
}

// rollUp finishes a deployment whose last command has finished, and lets a
// rolling one go on. It failed when one of its commands failed, or when it was
// stopped before its last batch; skipped and superseded ones do not count.
func (t *tx) rollUp(ctx context.Context, stack models.StackID, id models.DeploymentID) error {
	t.tellDeployment(stack, id)
	// Of two commands that end at the same time, the second must see the first.
	rolling, err := t.Deployments.LockRollout(ctx, id)
	if err != nil {
		return err
	}
	if err := t.advance(ctx, rolling); err != nil {
		return err
	}
	ended, err := t.Commands.AllFinished(ctx, id)
	if err != nil || !ended {
		return err
	}
	counts, err := t.Commands.CountByStatus(ctx, id)
	if err != nil {
		return err
	}
	failed := counts[models.CommandFailed] + counts[models.CommandExpired]
	status := models.DeploymentSuccessful
	if failed > 0 || rolling.StopReason != "" {
		status = models.DeploymentFailed
	}
	err = t.Deployments.Finish(ctx, id, status, t.e.Clock())
	if models.CodeOf(err) == models.CodeConflict && err != nil {
		return nil // finished already
	}
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s failed on %s", rolling.CommandName, count(failed, "instance"))
	if rolling.StopReason != "" {
		what = fmt.Sprintf("%s was %s", rolling.CommandName, rolling.StopReason)
	}
	if err := t.notifyEnded(ctx, rolling, status, what); err != nil || status == models.DeploymentSuccessful {
		return err
	}
	return t.event(ctx, models.StackEvent{
		StackID: stack, Kind: "deployment", Tone: "bad", DeploymentID: id, Text: what, Cause: rolling.Cause,
	})
}
