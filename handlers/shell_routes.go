package handlers

import (
	"context"
	"net/http"

	"opsyard/engine"
	"opsyard/models"
)

// shellEngine is about shells in the browser and their recordings.
type shellEngine interface {
	// MayOpenShell refuses those who may not log in to the instance, and asks for
	// a proof who they are; MayKeepShell is the same without.
	MayOpenShell(ctx context.Context, id models.InstanceID) error
	MayKeepShell(ctx context.Context, id models.InstanceID) error
	OpenShell(ctx context.Context, id models.InstanceID, size models.ShellSize) (*engine.Shell, error)
	// ShellSessions lists those that the asker may read.
	ShellSessions(ctx context.Context, id models.InstanceID) ([]models.ShellSession, error)
	ShellSession(ctx context.Context, id models.ShellID) (*models.ShellSession, error)
	// ReadShellRecording leaves an entry in the audit.
	ReadShellRecording(ctx context.Context, id models.ShellID) (*engine.ShellRecording, error)
}

// shellRoutes are the addresses of shells.
func (h *Handlers) shellRoutes(user *http.ServeMux) {
	user.HandleFunc("GET /instances/{instance}/shell", h.withInstance(models.ActionShow, h.showShells))
	user.HandleFunc("POST /instances/{instance}/shell", h.withInstance(models.ActionShow, h.showTerminal))
	user.HandleFunc("GET /ws/shell", h.shell)
	user.HandleFunc("GET /shells/{shell}", h.showRecording)
	user.HandleFunc("GET /shells/{shell}/recording", h.readRecording)
}
