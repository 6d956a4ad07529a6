package handlers

import (
	"context"
	"io"
	"net/http"

	"opsyard/engine"
	"opsyard/models"
)

// insideEngine is what the pages inside a stack ask of the engine.
type insideEngine interface {
	UpdateStack(ctx context.Context, id models.StackID, change func(*models.Stack) error) (*models.Stack, error)
	DeleteStack(ctx context.Context, id models.StackID) error
	StartStack(ctx context.Context, id models.StackID) (int, error)
	StopStack(ctx context.Context, id models.StackID) (int, error)

	CreateLayer(ctx context.Context, l models.Layer) (*models.Layer, error)
	UpdateLayer(ctx context.Context, id models.LayerID, change func(*models.Layer) error) (*models.Layer, error)
	DeleteLayer(ctx context.Context, id models.LayerID) error
	RunLists(ctx context.Context, l *models.Layer) (models.Recipes, error)
	LayerTypes() []models.LayerType

	SuggestHostname(ctx context.Context, id models.LayerID) (string, error)
	CreateInstance(ctx context.Context, i models.Instance) (*models.Instance, error)
	UpdateInstance(ctx context.Context, id models.InstanceID, change func(*models.Instance) error) (*models.Instance, error)
	DeleteInstance(ctx context.Context, id models.InstanceID, opts engine.DeleteOptions) error
	StartInstance(ctx context.Context, id models.InstanceID) error
	StopInstance(ctx context.Context, id models.InstanceID, force bool) error
	RebootInstance(ctx context.Context, id models.InstanceID) error
	Console(ctx context.Context, id models.InstanceID) (io.ReadCloser, error)

	CreateApp(ctx context.Context, a models.App) (*models.App, error)
	UpdateApp(ctx context.Context, id models.AppID, change func(*models.App) error) (*models.App, error)
	DeleteApp(ctx context.Context, id models.AppID) error

	Deploy(ctx context.Context, r engine.DeploymentRequest) (*models.Deployment, error)
	planEngine
	CancelDeployment(ctx context.Context, id models.DeploymentID) error
	CancelCommand(ctx context.Context, id models.CommandID) error
}

// stackRoutes are the pages inside a stack.
func (h *Handlers) stackRoutes(mux *http.ServeMux) {
	const show, deploy, manage = models.ActionShow, models.ActionDeploy, models.ActionManage

	mux.HandleFunc("GET /stacks/{stack}", h.withStack(show, h.showStack))
	mux.HandleFunc("POST /stacks/{stack}/start", h.withStack("StartStack", h.startStack))
	mux.HandleFunc("POST /stacks/{stack}/stop", h.withStack("StopStack", h.stopStack))
	mux.HandleFunc("POST /stacks/{stack}/delete", h.withStack("DeleteStack", h.deleteStack))

	mux.HandleFunc("GET /stacks/{stack}/layers", h.withStack(show, h.showLayers))
	mux.HandleFunc("GET /stacks/{stack}/layers/new", h.withStack(manage, h.showNewLayer))
	mux.HandleFunc("POST /stacks/{stack}/layers", h.withStack("CreateLayer", h.createLayer))
	mux.HandleFunc("GET /stacks/{stack}/layers/{layer}", h.withLayer(show, h.showLayer))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/recipes", h.withLayer("UpdateLayer", h.updateRecipes))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/delete", h.withLayer("DeleteLayer", h.deleteLayer))
	h.settingsRoutes(mux)
	h.monitoringRoutes(mux)
	h.alarmRoutes(mux)
	h.healingRoutes(mux)

	mux.HandleFunc("GET /stacks/{stack}/instances", h.withStack(show, h.showInstances))
	mux.HandleFunc("GET /stacks/{stack}/instances/new", h.withStack(manage, h.showNewInstance))
	mux.HandleFunc("POST /stacks/{stack}/instances", h.withStack("CreateInstance", h.createInstance))
	mux.HandleFunc("GET /instances/{instance}", h.withInstance(show, h.showInstance))
	mux.HandleFunc("GET /instances/{instance}/edit", h.withInstance(manage, h.showEditInstance))
	mux.HandleFunc("GET /instances/{instance}/console", h.withInstance("ReadConsole", h.showConsole))
	mux.HandleFunc("POST /instances/{instance}/edit", h.withInstance("UpdateInstance", h.updateInstance))
	mux.HandleFunc("POST /instances/{instance}/start", h.withInstance("StartInstance", h.startInstance))
	mux.HandleFunc("POST /instances/{instance}/stop", h.withInstance("StopInstance", h.stopInstance))
	mux.HandleFunc("POST /instances/{instance}/reboot", h.withInstance("RebootInstance", h.rebootInstance))
	mux.HandleFunc("POST /instances/{instance}/delete", h.withInstance("DeleteInstance", h.deleteInstance))

	mux.HandleFunc("GET /stacks/{stack}/apps", h.withStack(show, h.showApps))
	mux.HandleFunc("GET /stacks/{stack}/apps/new", h.withStack(manage, h.showNewApp))
	mux.HandleFunc("POST /stacks/{stack}/apps", h.withStack("CreateApp", h.createApp))
	mux.HandleFunc("GET /stacks/{stack}/apps/{app}", h.withApp(show, h.showApp))
	mux.HandleFunc("GET /stacks/{stack}/apps/{app}/edit", h.withApp(deploy, h.showEditApp))
	mux.HandleFunc("POST /stacks/{stack}/apps/{app}/edit", h.withApp("UpdateApp", h.updateApp))
	mux.HandleFunc("POST /stacks/{stack}/apps/{app}/delete", h.withApp("DeleteApp", h.deleteApp))

	mux.HandleFunc("GET /stacks/{stack}/run", h.withStack(deploy, h.showRun))
	mux.HandleFunc("POST /stacks/{stack}/run", h.withStack(deploy, h.run))
	mux.HandleFunc("GET /stacks/{stack}/deployments", h.withStack(show, h.showDeployments))
	mux.HandleFunc("GET /deployments/{deployment}", h.withDeployment(show, h.showDeployment))
	mux.HandleFunc("POST /deployments/{deployment}/cancel", h.withDeployment("CancelDeployment", h.cancelDeployment))
	mux.HandleFunc("POST /deployments/{deployment}/retry", h.withDeployment("RetryDeployment", h.retryDeployment))
	mux.HandleFunc("POST /deployments/{deployment}/pause", h.withDeployment("PauseDeployment", h.rolloutDeed((planEngine).PauseRollout, "#%d pauses when this batch has ended.")))
	mux.HandleFunc("POST /deployments/{deployment}/continue", h.withDeployment("ContinueDeployment", h.rolloutDeed((planEngine).ContinueRollout, "#%d goes on.")))
	mux.HandleFunc("POST /deployments/{deployment}/stop", h.withDeployment("StopDeployment", h.rolloutDeed((planEngine).StopRollout, "#%d is stopped: what runs comes to its own end.")))
	mux.HandleFunc("GET /plans/{plan}", h.withPlan(show, h.showPlan))
	mux.HandleFunc("POST /plans/{plan}/run", h.withPlan(deploy, h.runPlan))
	mux.HandleFunc("POST /commands/{command}/cancel", h.cancelCommand)

	h.register("stack", h.liveStack)
	h.register("instances", h.liveInstances)
	h.register("layers", h.liveLayers)
	h.register("layer", h.liveLayer)
	h.register("app", h.liveApp)
	h.register("instance", h.liveInstance)
	h.register("deployments", h.liveDeployments)
	h.register("deployment", h.liveDeployment)
}

// withLayer loads the layer of the path after its stack; a layer of another
// stack is not found.
func (h *Handlers) withLayer(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Stack, *models.Layer)) http.HandlerFunc {
	return h.withStack(action, func(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
		id := models.LayerID(r.PathValue("layer"))
		layer, err := h.Store.Layers.Get(r.Context(), id)
		if err == nil && layer.StackID != stack.ID {
			err = models.NotFound("layer", id)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, stack, layer)
	})
}

// withApp is withLayer for apps.
func (h *Handlers) withApp(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Stack, *models.App)) http.HandlerFunc {
	return h.withStack(action, func(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
		id := models.AppID(r.PathValue("app"))
		app, err := h.Store.Apps.Get(r.Context(), id)
		if err == nil && app.StackID != stack.ID {
			err = models.NotFound("app", id)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, stack, app)
	})
}

// withInstance loads the instance of the path and asks for a level in its stack.
func (h *Handlers) withInstance(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Stack, *models.Instance)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stack, instance, err := h.openInstance(r.Context(), models.InstanceID(r.PathValue("instance")), action)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, stack, instance)
	}
}

func (h *Handlers) openInstance(ctx context.Context, id models.InstanceID, action models.Action) (*models.Stack, *models.Instance, error) {
	instance, err := h.Store.Instances.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	stack, err := h.inStackOf(ctx, instance.StackID, action, "instance", string(id))
	return stack, instance, err
}

// withDeployment loads the deployment of the path and asks for a level in its stack.
func (h *Handlers) withDeployment(action models.Action, page func(http.ResponseWriter, *http.Request, *models.Stack, *models.Deployment)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stack, d, err := h.openDeployment(r.Context(), models.DeploymentID(r.PathValue("deployment")), action)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, stack, d)
	}
}

func (h *Handlers) openDeployment(ctx context.Context, id models.DeploymentID, action models.Action) (*models.Stack, *models.Deployment, error) {
	d, err := h.Store.Deployments.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	stack, err := h.inStackOf(ctx, d.StackID, action, "deployment", string(id))
	return stack, d, err
}

// inStackOf asks for a level in the stack of a thing. Who may not see the
// stack is told that the thing does not exist, and learns nothing of the stack.
func (h *Handlers) inStackOf(ctx context.Context, id models.StackID, action models.Action, kind, thing string) (*models.Stack, error) {
	stack, err := h.Engine.Authorize(ctx, id, action)
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil, models.NotFound(kind, thing)
	}
	return stack, err
}
