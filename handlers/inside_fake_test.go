package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
)

// Verbs inside a stack, over the real store and without machines: they keep
// what pages show true, and refuse what the models refuse.

func (f *fakeEngine) Level(ctx context.Context, id models.StackID) (models.Level, error) {
	if models.ActorFrom(ctx).Admin {
		return models.LevelManage, nil
	}
	return f.level(ctx, id), nil
}

func (f *fakeEngine) LayerTypes() []models.LayerType {
	return models.LayerTypes
}

func (f *fakeEngine) RunLists(_ context.Context, l *models.Layer) (models.Recipes, error) {
	return models.Recipes{
		Setup: []string{"opsworks_initial_setup", "ssh_users", string(l.Type)}, Configure: []string{"ssh_users", string(l.Type) + "::configure"},
		Deploy: []string{"deploy::default"}, Shutdown: []string{string(l.Type) + "::stop"},
	}, nil
}

func (f *fakeEngine) UpdateStack(ctx context.Context, id models.StackID, change func(*models.Stack) error) (*models.Stack, error) {
	s, err := f.Authorize(ctx, id, models.ActionManage)
	if err != nil {
		return nil, err
	}
	before := *s
	if err := change(s); err != nil {
		return nil, err
	}
	if s.CustomCookbooksSource, err = s.CustomCookbooksSource.KeepSecrets(before.CustomCookbooksSource); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, f.store.Stacks.Save(ctx, s)
}

func (f *fakeEngine) DeleteStack(ctx context.Context, id models.StackID) error {
	return f.store.Stacks.Delete(ctx, id)
}

func (f *fakeEngine) StartStack(context.Context, models.StackID) (int, error) { return 3, nil }

func (f *fakeEngine) StopStack(context.Context, models.StackID) (int, error) { return 36, nil }

func (f *fakeEngine) CreateLayer(ctx context.Context, l models.Layer) (*models.Layer, error) {
	l.ID, l.CreatedAt, l.UpdatedAt = models.NewID[models.LayerID](), time.Now(), time.Now()
	l.Normalize()
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return &l, f.store.Layers.Create(ctx, &l)
}

func (f *fakeEngine) UpdateLayer(ctx context.Context, id models.LayerID, change func(*models.Layer) error) (*models.Layer, error) {
	before, err := f.store.Layers.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	l := *before
	l.Attributes = map[string]string{}
	for k, v := range before.Attributes {
		l.Attributes[k] = v
	}
	if err := change(&l); err != nil {
		return nil, err
	}
	for k, v := range l.Attributes {
		if v == models.Filtered {
			l.Attributes[k] = before.Attributes[k]
		}
	}
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return &l, f.store.Layers.Save(ctx, &l)
}

func (f *fakeEngine) DeleteLayer(ctx context.Context, id models.LayerID) error {
	return f.store.Layers.Delete(ctx, id)
}

func (f *fakeEngine) SuggestHostname(context.Context, models.LayerID) (string, error) {
	return "worker14", nil
}

func (f *fakeEngine) InstanceTypes(*models.Stack) []string {
	return []string{"local.micro", "local.small", "local.large"}
}

func (f *fakeEngine) CreateInstance(ctx context.Context, i models.Instance) (*models.Instance, error) {
	i.ID, i.CreatedAt, i.UpdatedAt, i.StatusSince = models.NewID[models.InstanceID](), time.Now(), time.Now(), time.Now()
	if i.Hostname == "" {
		i.Hostname = "worker14"
	}
	i.Normalize()
	if err := i.Validate(); err != nil {
		return nil, err
	}
	return &i, f.store.Instances.Create(ctx, &i)
}

func (f *fakeEngine) UpdateInstance(ctx context.Context, id models.InstanceID, change func(*models.Instance) error) (*models.Instance, error) {
	i, err := f.store.Instances.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := i.CanUpdate(); err != nil {
		return nil, err
	}
	if err := change(i); err != nil {
		return nil, err
	}
	i.Normalize()
	if err := i.Validate(); err != nil {
		return nil, err
	}
	return i, f.store.Instances.Save(ctx, i)
}

func (f *fakeEngine) DeleteInstance(ctx context.Context, id models.InstanceID, _ engine.DeleteOptions) error {
	i, err := f.store.Instances.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := i.CanDelete(); err != nil {
		return err
	}
	return f.store.Instances.Delete(ctx, id)
}

// move is what the real engine's verbs end with: a state, and news of it.
func (f *fakeEngine) move(ctx context.Context, id models.InstanceID, can func(*models.Instance) error, to models.InstanceStatus) error {
	i, err := f.store.Instances.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := can(i); err != nil {
		return err
	}
	if _, err := f.store.SQL().ExecContext(ctx, "UPDATE instances SET status = ?, status_since = ? WHERE id = ?", to, time.Now().UTC(), id); err != nil {
		return err
	}
	f.hub.Publish(engine.TopicStack(i.StackID), pubsub.Message{Kind: "instance", ID: string(id)})
	f.hub.Publish(engine.TopicInstance(id), pubsub.Message{Kind: "instance", ID: string(id)})
	return nil
}

func (f *fakeEngine) StartInstance(ctx context.Context, id models.InstanceID) error {
	return f.move(ctx, id, (*models.Instance).CanStart, models.InstanceRequested)
}

func (f *fakeEngine) StopInstance(ctx context.Context, id models.InstanceID, force bool) error {
	return f.move(ctx, id, func(i *models.Instance) error { return i.CanStop(force) }, models.InstanceStopping)
}

func (f *fakeEngine) RebootInstance(ctx context.Context, id models.InstanceID) error {
	return f.move(ctx, id, (*models.Instance).CanReboot, models.InstanceRebooting)
}

func (f *fakeEngine) Console(context.Context, models.InstanceID) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("Linux version 6\n<b>systemd</b> started\n")), nil
}

func (f *fakeEngine) CreateApp(ctx context.Context, a models.App) (*models.App, error) {
	a.ID, a.CreatedAt, a.UpdatedAt = models.NewID[models.AppID](), time.Now(), time.Now()
	a.Normalize()
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return &a, f.store.Apps.Create(ctx, &a)
}

func (f *fakeEngine) UpdateApp(ctx context.Context, id models.AppID, change func(*models.App) error) (*models.App, error) {
	a, err := f.store.Apps.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	before := *a
	before.Environment = append([]models.EnvironmentVariable(nil), a.Environment...)
	if err := change(a); err != nil {
		return nil, err
	}
	if err := a.KeepSecrets(before); err != nil {
		return nil, err
	}
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return a, f.store.Apps.Save(ctx, a)
}

func (f *fakeEngine) DeleteApp(ctx context.Context, id models.AppID) error {
	return f.store.Apps.Delete(ctx, id)
}

// Deploy writes a deployment on the named instances, or on one.
func (f *fakeEngine) Deploy(ctx context.Context, r engine.DeploymentRequest) (*models.Deployment, error) {
	if f.stale {
		return nil, models.Conflict("What runs would not be what the plan has shown.")
	}
	if r.PlanID != "" {
		p, err := f.store.Plans.Get(ctx, r.PlanID)
		if err != nil {
			return nil, err
		}
		id := r.PlanID
		r = p.Request
		r.PlanID = id
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	f.asked = append(f.asked, r)
	d := models.Deployment{
		ID: models.NewID[models.DeploymentID](), StackID: r.StackID, AppID: r.AppID, Command: r.Command, CommandName: r.Command.Name,
		Comment: r.Comment, CustomJSON: r.CustomJSON, DryRun: r.DryRun, Status: models.DeploymentRunning, CreatedAt: time.Now(),
		Cause: models.Cause{Kind: models.CauseUser, Actor: models.ActorFrom(ctx).Name, Text: r.Comment}, UserID: models.ActorFrom(ctx).UserID,
	}
	var commands []models.Command
	for n, id := range r.InstanceIDs {
		commands = append(commands, models.Command{
			ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: r.StackID, InstanceID: id, Hostname: fmt.Sprintf("host-%d", n),
			Type: r.Command.Name, Status: models.CommandPending, TimeoutSeconds: 60, CreatedAt: time.Now(),
		})
	}
	d.Commands = len(commands)
	if err := f.store.Deployments.Create(ctx, &d); err != nil {
		return nil, err
	}
	return &d, f.store.Commands.Create(ctx, commands)
}

func (f *fakeEngine) RetryDeployment(ctx context.Context, id models.DeploymentID) (*models.Deployment, error) {
	d, err := f.store.Deployments.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	ids, err := f.store.Commands.InstancesWith(ctx, id, models.CommandFailed, models.CommandExpired, models.CommandSkipped)
	if err != nil || len(ids) == 0 {
		return nil, errors.Join(err, models.Conflict("Deployment #%d was successful everywhere: there is nothing to run again.", d.Number))
	}
	return f.Deploy(ctx, engine.DeploymentRequest{
		StackID: d.StackID, AppID: d.AppID, Command: d.Command, InstanceIDs: ids, Comment: fmt.Sprintf("Retry of #%d", d.Number), RetryOf: d.ID,
	})
}

// Plan keeps a plan on the named instances, as Deploy would run it.
func (f *fakeEngine) Plan(ctx context.Context, r engine.DeploymentRequest) (*models.Plan, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	p := &models.Plan{ID: models.NewID[models.PlanID](), StackID: r.StackID, Author: models.ActorFrom(ctx).Name, CreatedAt: time.Now(), Request: r}
	group := models.PlanGroup{Layers: []string{"web"}, Recipes: []models.RunItem{{Recipe: "nginx::default", BuiltIn: true}}}
	for n, id := range r.InstanceIDs {
		group.Instances = append(group.Instances, models.PlanInstance{ID: id, Hostname: fmt.Sprintf("host-%d", n), Status: models.InstanceOnline})
	}
	p.Content = models.PlanContent{Groups: []models.PlanGroup{group}, Batches: r.Rollout.Batches(len(group.Instances))}
	return p, f.store.Plans.Create(ctx, p, 10)
}

// Replan plans again and says that something has changed.
func (f *fakeEngine) Replan(ctx context.Context, id models.PlanID) (*models.Plan, error) {
	old, err := f.store.Plans.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	p := *old
	p.ID, p.Previous, p.Changes = models.NewID[models.PlanID](), id, []string{"The source of app Shop has changed."}
	return &p, f.store.Plans.Create(ctx, &p, 10)
}

func (f *fakeEngine) PauseRollout(_ context.Context, id models.DeploymentID) error {
	f.rolled = append(f.rolled, "pause "+string(id))
	return nil
}

func (f *fakeEngine) ContinueRollout(_ context.Context, id models.DeploymentID) error {
	f.rolled = append(f.rolled, "continue "+string(id))
	return nil
}

func (f *fakeEngine) StopRollout(_ context.Context, id models.DeploymentID) error {
	f.rolled = append(f.rolled, "stop "+string(id))
	return nil
}

func (f *fakeEngine) CancelDeployment(ctx context.Context, id models.DeploymentID) error {
	f.cancelled = append(f.cancelled, string(id))
	return nil
}

func (f *fakeEngine) CancelCommand(ctx context.Context, id models.CommandID) error {
	f.cancelled = append(f.cancelled, string(id))
	return nil
}
