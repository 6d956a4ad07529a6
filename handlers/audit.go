package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"
	"opsyard/views/ui"
	"opsyard/web"

	"github.com/a-h/templ"
)

// auditEngine is what the pages of the audit ask of the engine.
type auditEngine interface {
	// AuthorizeAudit refuses who may not read a stack's audit, or without a
	// stack everybody's.
	AuthorizeAudit(ctx context.Context, stack models.StackID) error
	// ExportAudit hands out the entries of a filter; scope is the stack whose
	// audit the asker may read, empty for all.
	ExportAudit(ctx context.Context, scope models.StackID, f models.AuditFilter, write func([]models.AuditEntry) error) error
	AuditCopy(ctx context.Context) (receiver string, feed *models.AuditFeed, err error)
}

// auditRoutes are the pages of the audit: of everything, and of a stack.
func (h *Handlers) auditRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /audit", h.ofAllAudit(h.showAudit))
	mux.HandleFunc("GET /audit/export", h.exportAudit)
	mux.HandleFunc("GET /stacks/{stack}/audit", h.withStack(models.ActionReadStackAudit, h.showAudit))
	mux.HandleFunc("GET /stacks/{stack}/audit/export", h.withStack(models.ActionReadStackAudit, h.exportStackAudit))
	h.register("audit", h.liveAudit)
}

// ofAllAudit is for administrators.
func (h *Handlers) ofAllAudit(page stackPage) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.Engine.AuthorizeAudit(r.Context(), ""); err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, nil)
	}
}

// showAudit lists the entries that the address asks for, and shows one of them
// beside.
func (h *Handlers) showAudit(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	q := r.URL.Query()
	p := views.AuditPage{Now: h.Now(), Form: views.Form{Values: q}, Path: views.AuditHref(idOf(stack)), Limit: perPage}
	status := http.StatusOK
	var err error
	if p.Filter, err = models.ParseAuditFilter(q); err == nil {
		if stack != nil {
			p.Filter.StackID = stack.ID
		}
		err = h.fillAudit(r.Context(), &p, q)
	}
	switch {
	case refusal(err):
		p.Form.Problem, p.Form.Field, status = models.Sentence(err), fieldOf(err), http.StatusUnprocessableEntity
	case err != nil:
		h.fail(w, r, err)
		return
	}
	if err := h.frameAudit(w, r, &p, stack); err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, status, views.Audit(p))
}

// fillAudit reads one page, and what surrounds it.
func (h *Handlers) fillAudit(ctx context.Context, p *views.AuditPage, q url.Values) error {
	var err error
	if p.Head, err = h.Store.Audit.Head(ctx); err != nil {
		return err
	}
	cursor := store.AuditCursor{Before: auditID(q, "before"), After: auditID(q, "after"), Limit: perPage + 1}
	list, err := h.Store.Audit.Page(ctx, p.Filter, cursor)
	if err != nil {
		return err
	}
	more := len(list) > perPage
	if cursor.After > 0 {
		list = list[len(list)-min(len(list), perPage):]
		p.Newer, p.Older = more, true
	} else {
		list = list[:min(len(list), perPage)]
		p.Newer, p.Older = cursor.Before > 0, more
	}
	p.Newest = !p.Newer
	if p.Rows, err = h.auditRows(ctx, list); err != nil {
		return err
	}
	return h.chooseAudit(ctx, p, auditID(q, "entry"))
}

// chooseAudit finds the entry beside the list. One of another stack is not there.
func (h *Handlers) chooseAudit(ctx context.Context, p *views.AuditPage, id int64) error {
	if id == 0 {
		return nil
	}
	e, err := h.Store.Audit.Get(ctx, id)
	if err != nil || p.OfStack() != "" && e.StackID != p.OfStack() {
		if err == nil {
			err = models.NotFound("audit entry", id)
		}
		return err
	}
	rows, err := h.auditRows(ctx, []models.AuditEntry{*e})
	if err == nil {
		p.Chosen = &rows[0]
	}
	return err
}

// auditRows adds which of the people are still there to be linked.
func (h *Handlers) auditRows(ctx context.Context, list []models.AuditEntry) ([]views.AuditRow, error) {
	known := map[string]bool{}
	for _, e := range list {
		for _, id := range []string{e.ActorID, e.TargetID} {
			if _, looked := known[id]; looked || id == "" {
				continue
			}
			known[id] = false
			_, err := h.Store.Users.Get(ctx, models.UserID(id))
			if err != nil && models.CodeOf(err) != models.CodeNotFound {
				return nil, err
			}
			known[id] = err == nil
		}
	}
	rows := make([]views.AuditRow, len(list))
	for n, e := range list {
		rows[n] = views.AuditRow{AuditEntry: e, ActorKnown: e.ActorKind == models.ActorUser && known[e.ActorID], TargetKnown: known[e.TargetID]}
	}
	return rows, nil
}

// frameAudit surrounds the page with the stack's tabs, or with the choices that
// only everybody's audit has.
func (h *Handlers) frameAudit(w http.ResponseWriter, r *http.Request, p *views.AuditPage, stack *models.Stack) error {
	var err error
	if p.Actions, err = h.Store.Audit.Actions(r.Context()); err != nil {
		return err
	}
	live := ""
	if p.Newest && p.Form.Problem == "" {
		live = "audit/" + p.LiveKey()
	}
	if stack != nil {
		frame, _, err := h.frame(r.Context(), stack)
		if err != nil {
			return err
		}
		frame = h.framed(w, r, frame, "audit", "Audit of "+stack.Name, live, crumb("Audit", ""))
		p.Frame, p.Page = &frame, frame.Page
		return nil
	}
	if p.Stacks, err = h.Engine.VisibleStacks(r.Context()); err != nil {
		return err
	}
	if p.Receiver, p.Feed, err = h.Engine.AuditCopy(r.Context()); err != nil {
		return err
	}
	p.Page = h.page(w, r, "Audit", "audit", ui.Crumb{Label: "Audit"})
	p.Page.Live = live
	return nil
}

// auditID is the number of an entry in the address; what is none is no entry.
func auditID(q url.Values, name string) int64 {
	id, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

// mostNew is where counting what is new ends.
const mostNew = 100

// liveAudit tells how many entries have come since the page was drawn.
func (h *Handlers) liveAudit(ctx context.Context, key string) (liveView, error) {
	q, err := url.ParseQuery(key)
	if err != nil {
		return liveView{}, models.Invalid("The live view cannot be read.")
	}
	f, err := models.ParseAuditFilter(q)
	if err != nil {
		return liveView{}, err
	}
	scope := models.StackID(q.Get("of"))
	if scope != "" {
		f.StackID = scope
	}
	if err := h.Engine.AuthorizeAudit(ctx, scope); err != nil {
		return liveView{}, err
	}
	topic := engine.TopicAudit
	if f.StackID != "" {
		topic = engine.TopicAuditOf(f.StackID)
	}
	seen := auditID(q, "seen")
	return liveView{
		Topics: []string{topic},
		Render: func(ctx context.Context, _ []pubsub.Message) (templ.Component, error) {
			n, err := h.Store.Audit.CountSince(ctx, f, seen, mostNew)
			return views.AuditNew(views.AuditNews{N: n, Most: mostNew, Href: views.AuditFilterHref(scope, f)}), err
		},
	}, nil
}

// exportAudit is everything that the filter of the address asks for.
func (h *Handlers) exportAudit(w http.ResponseWriter, r *http.Request) {
	h.sendAudit(w, r, "")
}

func (h *Handlers) exportStackAudit(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	h.sendAudit(w, r, stack.ID)
}

// exportPatience is how long a reader may take for one batch of an export.
const exportPatience = time.Minute

// sendAudit streams entries as JSON lines. What goes wrong after the first byte
// cuts the connection, so that half an export does not look like a whole one.
func (h *Handlers) sendAudit(w http.ResponseWriter, r *http.Request, scope models.StackID) {
	f, err := models.ParseAuditFilter(r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if scope != "" {
		f.StackID = scope
	}
	began := false
	begin := func() {
		began = true
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Content-Disposition", `attachment; filename="opsyard-audit-`+h.Now().UTC().Format("20060102-150405")+`.jsonl"`)
	}
	out := http.NewResponseController(w)
	err = h.Engine.ExportAudit(r.Context(), scope, f, func(list []models.AuditEntry) error {
		if !began {
			begin()
		}
		_ = out.SetWriteDeadline(time.Now().Add(exportPatience)) // a recorder in a test has none
		for n := range list {
			line, err := list[n].Line(0)
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil && !began: // nothing matches
		begin()
	case err != nil && !began:
		h.fail(w, r, err)
	case err != nil:
		if r.Context().Err() == nil {
			h.Log.WarnContext(r.Context(), "the export of the audit was cut", slog.Any("error", err), slog.String("request_id", web.RequestID(r.Context())))
		}
		panic(http.ErrAbortHandler)
	}
}
