package handlers

import (
	"context"
	"net/http"

	"opsyard/engine/logstream"
	"opsyard/models"
)

// Logs is what the console asks of the logs of commands.
type Logs interface {
	Info(ctx context.Context, id models.CommandID) (logstream.Info, error)
	Lines(ctx context.Context, id models.CommandID, from int64, count int) (logstream.Page, error)
	Steps(ctx context.Context, id models.CommandID) ([]models.LogStep, error)
	Search(ctx context.Context, id models.CommandID, q logstream.Query) (logstream.Hits, error)
	Text(ctx context.Context, id models.CommandID, after int64) (*logstream.Text, error)
	Tail(ctx context.Context, id models.CommandID, from int64) (*logstream.Tail, error)
}

// logRoutes are the addresses of a command and its log.
func (h *Handlers) logRoutes(user *http.ServeMux) {
	user.HandleFunc("GET /commands/{command}", h.withCommand(h.showCommand))
	user.HandleFunc("GET /commands/{command}/log", h.withCommand(h.logText))
	user.HandleFunc("GET /commands/{command}/log/lines", h.withCommand(h.logLines))
	user.HandleFunc("GET /commands/{command}/log/search", h.withCommand(h.searchLog))
	user.HandleFunc("GET /ws/commands/{command}/log", h.withCommand(h.followLog))
}

// withCommand loads the command of the path for somebody who may see its stack.
func (h *Handlers) withCommand(page func(http.ResponseWriter, *http.Request, *models.Command)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := h.Store.Commands.Get(r.Context(), models.CommandID(r.PathValue("command")))
		if err == nil {
			err = h.maySee(r.Context(), c)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, c)
	}
}

// maySee answers a stranger as if there were no such command.
func (h *Handlers) maySee(ctx context.Context, c *models.Command) error {
	_, err := h.Engine.Authorize(ctx, c.StackID, models.ActionShow)
	if models.CodeOf(err) == models.CodeNotFound {
		return models.NotFound("command", c.ID)
	}
	return err
}
