package engine

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"opsyard/models"
	"opsyard/models/store"
)

// DeploymentRequest asks for a command on instances of a stack (OpsWorks:
// CreateDeployment). Targets are the given instances and those of the given
// layers; none given means all that are online.
type DeploymentRequest struct {
	StackID     models.StackID
	AppID       models.AppID
	Command     models.DeploymentCommand
	InstanceIDs []models.InstanceID
	LayerIDs    []models.LayerID
	Comment     string
	CustomJSON  string
	DryRun      bool
}

// Validate refuses what is wrong whatever the stack looks like.
func (r *DeploymentRequest) Validate() error {
	if err := r.Command.Validate(); err != nil {
		return err
	}
	if r.Command.Name.NeedsApp() && r.AppID == "" {
		return models.InvalidField("AppId", "App id: the command %s needs an app.", r.Command.Name)
	}
	if utf8.RuneCountInString(r.Comment) > 1000 {
		return models.InvalidField("Comment", "Comment: is too long (maximum is 1000 characters).")
	}
	return models.CheckCustomJSON(r.CustomJSON)
}

// Deploy runs a command on instances of a stack; the commands wait in the
// order in which they were asked for. All app and stack commands come this way.
func (e *Engine) Deploy(ctx context.Context, r DeploymentRequest) (*models.Deployment, error) {
	stack, err := e.Authorize(ctx, r.StackID, models.ActionDeploy)
	if err != nil {
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if manager := stack.ConfigurationManager; !manager.Offers(r.Command.Name) {
		return nil, models.InvalidField("Command", "Command: %s is not available on %s stacks.", r.Command.Name, manager)
	}
	actor := models.ActorFrom(ctx)
	d := models.Deployment{
		Command: r.Command, Comment: r.Comment, CustomJSON: r.CustomJSON, DryRun: r.DryRun,
		UserID: actor.UserID, Cause: byWhom(ctx, r.Comment),
	}
	err = e.tx(ctx, func(t *tx) error {
		if err := t.checkApp(ctx, &r); err != nil {
			return err
		}
		d.AppID = r.AppID
		if actor.Kind == models.ActorUser {
			u, err := t.Users.Get(ctx, actor.UserID)
			if err != nil {
				return err
			}
			d.IamUserArn = u.IamUserArn
		}
		targets, err := t.targets(ctx, &r)
		if err != nil {
			return err
		}
		if err := t.createDeployment(ctx, stack, &d, targets); err != nil {
			return err
		}
		if r.Command.Name == models.CommandSetup && !r.DryRun {
			if err := t.takeOutForSetup(ctx, targets, d.Cause); err != nil {
				return err
			}
		}
		return t.audit(ctx, "CreateDeployment", onDeployment(&d), nil, &d, d.Cause)
	})
	if err != nil {
		return nil, err
	}
	return &d, nil
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

// targets are the instances that a request reaches, in the stack's order.
func (t *tx) targets(ctx context.Context, r *DeploymentRequest) ([]store.Member, error) {
	all, err := t.Instances.Members(ctx, r.StackID)
	if err != nil {
		return nil, err
	}
	for _, id := range r.InstanceIDs {
		if !slices.ContainsFunc(all, func(i store.Member) bool { return i.ID == id }) {
			return nil, models.NotFound("instance", id)
		}
	}
	everybody := len(r.InstanceIDs)+len(r.LayerIDs) == 0
	if err := t.checkLayers(ctx, r); err != nil {
		return nil, err
	}
	var chosen []store.Member
	var away *store.Member // named, but not there
	for n, i := range all {
		named := slices.Contains(r.InstanceIDs, i.ID)
		wanted := everybody || named || slices.ContainsFunc(r.LayerIDs, func(l models.LayerID) bool { return slices.Contains(i.LayerIDs, l) })
		switch {
		case !wanted:
		case reachable(i.Status, r.Command.Name):
			chosen = append(chosen, i)
		case named && away == nil:
			away = &all[n]
		}
	}
	switch {
	case len(chosen) == 0:
		return nil, models.InvalidField("InstanceIds", "Please provide at least an instance ID of one running instance")
	case away != nil:
		return nil, models.InvalidField("InstanceIds", "Instance ids: %s is %s; commands run on instances that are online.", away.Hostname, away.Status)
	}
	return chosen, nil
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

// takeOutForSetup moves the instances out of online while Setup runs again.
func (t *tx) takeOutForSetup(ctx context.Context, members []store.Member, cause models.Cause) error {
	ids := make([]models.InstanceID, len(members))
	for n, m := range members {
		ids[n] = m.ID
	}
	instances, err := t.Instances.ByIDs(ctx, ids)
	if err != nil {
		return err
	}
	cause.Text = "the setup command was run"
	for n := range instances {
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

// rollUp finishes a deployment whose last command has finished. It failed when
// one of them failed; skipped and superseded ones do not count.
func (t *tx) rollUp(ctx context.Context, stack models.StackID, id models.DeploymentID) error {
	t.tellDeployment(stack, id)
	// Of two commands that end at the same time, the second must see the first.
	if err := t.Deployments.Lock(ctx, id); err != nil {
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
	if failed > 0 {
		status = models.DeploymentFailed
	}
	err = t.Deployments.Finish(ctx, id, status, t.e.Clock())
	if models.CodeOf(err) == models.CodeConflict && err != nil {
		return nil // finished already
	}
	if err != nil || failed == 0 {
		return err
	}
	d, err := t.Deployments.Get(ctx, id)
	if err != nil {
		return err
	}
	return t.event(ctx, models.StackEvent{
		StackID: stack, Kind: "deployment", Tone: "bad", DeploymentID: id,
		Text: fmt.Sprintf("%s failed on %s", d.CommandName, count(failed, "instance")), Cause: d.Cause,
	})
}
