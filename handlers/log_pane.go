package handlers

import (
	"context"
	"net/http"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web"
)

const (
	plainLines = 500      // of a log in a page without scripts
	plainBytes = 64 << 10 // at the most
)

// showCommand leads to the command's log on the page of its deployment; a
// line range behind # comes along.
func (h *Handlers) showCommand(w http.ResponseWriter, r *http.Request, c *models.Command) {
	web.SeeOther(w, r, views.CommandHref(c))
}

// logPane is the viewer of a command's log. A log that cannot be read must not
// take the page with it: the pane then says so and tries by itself.
func (h *Handlers) logPane(ctx context.Context, c *models.Command) views.LogPaneProps {
	p := views.LogPaneProps{Command: *c}
	page, err := h.Logs.Lines(ctx, c.ID, -plainLines, plainLines)
	if err != nil {
		h.Log.WarnContext(ctx, "read a log for its page", "command_id", string(c.ID), "error", err)
		return p
	}
	p.Lines, p.Bytes, p.Complete = page.Info.Lines, page.Info.Bytes, page.Info.Complete
	p.PlainFirst = page.First + int64(len(page.Lines))
	room := plainBytes
	for i := len(page.Lines) - 1; i >= 0 && room > len(page.Lines[i].Text); i-- {
		room -= len(page.Lines[i].Text)
		p.PlainFirst--
	}
	for _, line := range page.Lines[p.PlainFirst-page.First:] {
		p.Plain = append(p.Plain, views.PlainText(line.Text))
	}
	return p
}
