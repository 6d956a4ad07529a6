package handlers

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"opsyard/models"
	"opsyard/views"
)

// platformEngine tells what machines of a stack can be.
type platformEngine interface {
	OperatingSystems() []models.OperatingSystem
	AgentVersions(manager models.ConfigurationManager) []models.AgentVersion
	Provisioning(ctx context.Context, id models.StackID) (installer string, parameters map[string]string, err error)
}

// showPlatform lists operating systems, agent versions and what a host needs
// to register itself.
func (h *Handlers) showPlatform(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	installer, parameters, err := h.Engine.Provisioning(r.Context(), stack.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.StackPlatform{
		Manager: stack.ConfigurationManager, DefaultOs: stack.DefaultOs, AgentVersion: stack.AgentVersion, All: r.URL.Query().Get("all") != "",
		Agents: h.Engine.AgentVersions(stack.ConfigurationManager), Systems: h.Engine.OperatingSystems(), Installer: installer,
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if value := parameters[name]; value != "" {
			p.Parameters = append(p.Parameters, views.Fact{Name: name, Value: value, Code: true})
		}
	}
	p.Frame = h.framed(w, r, frame, "settings", "Platform of "+stack.Name, "", crumb("Settings", frame.Href("/settings")), crumb("Platform", ""))
	h.render(w, r, http.StatusOK, views.StackPlatformPage(p))
}
