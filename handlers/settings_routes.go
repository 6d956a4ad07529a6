package handlers

import (
	"net/http"

	"opsyard/models"
)

// settingsEngine is what the settings of stacks and layers ask of the engine.
type settingsEngine interface {
	cloneEngine
	tagEngine
	platformEngine
	scalingEngine
	alarmEngine
	// HasRecipes tells whether this version has built-in recipes for a type.
	HasRecipes(t models.LayerType) bool
}

// settingsRoutes are the settings of stacks and layers.
func (h *Handlers) settingsRoutes(mux *http.ServeMux) {
	const show, manage = models.ActionShow, models.ActionManage

	mux.HandleFunc("GET /stacks/{stack}/settings", h.withStack(manage, h.showStackSettings))
	mux.HandleFunc("POST /stacks/{stack}/settings", h.withStack(manage, h.updateStack))
	mux.HandleFunc("GET /stacks/{stack}/clone", h.withStack(show, h.showClone))
	mux.HandleFunc("POST /stacks/{stack}/clone", h.withStack(show, h.cloneStack))
	mux.HandleFunc("GET /stacks/{stack}/tags", h.withStack(show, h.showStackTags))
	mux.HandleFunc("POST /stacks/{stack}/tags", h.withStack("TagResource", h.updateStackTags))
	mux.HandleFunc("GET /stacks/{stack}/errors", h.withStack(show, h.showErrors))
	mux.HandleFunc("GET /stacks/{stack}/platform", h.withStack(manage, h.showPlatform))

	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/settings", h.withLayer("UpdateLayer", h.updateLayer))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/json", h.withLayer("UpdateLayer", h.updateLayerJSON))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/network", h.withLayer("UpdateLayer", h.updateLayerNetwork))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/volumes", h.withLayer("UpdateLayer", h.updateLayerVolumes))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/security", h.withLayer("UpdateLayer", h.updateLayerSecurity))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/logs", h.withLayer("UpdateLayer", h.updateLayerLogs))
	mux.HandleFunc("GET /stacks/{stack}/layers/{layer}/scaling/test", h.withLayer(show, h.testScaling))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/scaling", h.withLayer("SetLoadBasedAutoScaling", h.updateScaling))
	mux.HandleFunc("POST /stacks/{stack}/layers/{layer}/tags", h.withLayer("TagResource", h.updateLayerTags))
}
