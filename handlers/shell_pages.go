package handlers

import (
	"log/slog"
	"net/http"

	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"

	"github.com/a-h/templ"
)

var terminalSheets = []string{"vendor/xterm/xterm.css"}

// showShells lists the shells on an instance, and leads to a new one.
func (h *Handlers) showShells(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	h.drawShells(w, r, stack, i, false)
}

// showTerminal is the page of a new shell. It answers a form, so that no link of
// another site can open one, and so that whoever has not proved for a while who
// they are is asked first.
func (h *Handlers) showTerminal(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	if err := h.Engine.MayOpenShell(r.Context(), i.ID); err != nil {
		h.refused(w, r, err, views.ShellHref(i.ID))
		return
	}
	h.drawShells(w, r, stack, i, true)
}

func (h *Handlers) drawShells(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, open bool) {
	ctx := r.Context()
	frame, _, err := h.frame(ctx, stack)
	p := views.ShellPage{Frame: frame, Now: h.Now(), Instance: *i, Open: open, All: frame.CanManage}
	if err == nil && !open {
		p.Sessions, err = h.Engine.ShellSessions(ctx, i.ID)
	}
	if err == nil {
		if refusal := h.Engine.MayKeepShell(ctx, i.ID); models.CodeOf(refusal) == models.CodeForbidden && refusal != nil {
			p.Refused = models.Sentence(refusal)
		}
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Frame = h.framed(w, r, p.Frame, "instances", "Shell on "+i.Hostname, "",
		crumb("Instances", views.StackHref(stack.ID)+"/instances"), crumb(i.Hostname, views.InstanceHref(i.ID)), crumb("Shell", ""))
	if open {
		p.Frame.Page.Path = views.ShellHref(i.ID)
		p.Frame.Page.Scripts, p.Frame.Page.Sheets = []string{"js/shell.js"}, terminalSheets
	}
	h.render(w, r, http.StatusOK, views.ShellShow(p))
}

// showRecording is the page that plays a recording.
func (h *Handlers) showRecording(w http.ResponseWriter, r *http.Request) {
	s, err := h.Engine.ShellSession(r.Context(), models.ShellID(r.PathValue("shell")))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.RecordingPage{Session: *s, Page: h.page(w, r, "Shell on "+s.Hostname, "stacks",
		crumb("Stacks", "/stacks"), crumb(s.Hostname, views.InstanceHref(s.InstanceID)),
		ui.Crumb{Label: "Shell", Href: templ.SafeURL(views.ShellHref(s.InstanceID))}, crumb("Recording", ""))}
	p.Page.Scripts, p.Page.Sheets = []string{"js/recording.js"}, terminalSheets
	h.render(w, r, http.StatusOK, views.RecordingShow(p))
}

// readRecording is the recording itself, as a file of asciicast 2.
func (h *Handlers) readRecording(w http.ResponseWriter, r *http.Request) {
	recording, err := h.Engine.ReadShellRecording(r.Context(), models.ShellID(r.PathValue("shell")))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	web.NoWriteLimit(w)
	w.Header().Set("Content-Type", "application/x-asciicast; charset=utf-8")
	if err := recording.Write(r.Context(), w); err != nil && r.Context().Err() == nil {
		h.Log.ErrorContext(r.Context(), "read a recording", slog.Any("error", err), slog.String("shell_id", r.PathValue("shell")))
		panic(http.ErrAbortHandler) // what was sent must not pass for the whole
	}
}
