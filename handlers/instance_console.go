package handlers

import (
	"io"
	"net/http"

	"opsyard/models"
	"opsyard/web"
)

// maxConsole is how much of a machine's boot output is shown.
const maxConsole = 8 << 20

// showConsole answers with what the instance's machine printed while it booted.
func (h *Handlers) showConsole(w http.ResponseWriter, r *http.Request, _ *models.Stack, i *models.Instance) {
	output, err := h.Engine.Console(r.Context(), i.ID)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer output.Close()
	web.NoWriteLimit(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.Copy(w, io.LimitReader(output, maxConsole)) // a reader that has gone needs no answer
}
