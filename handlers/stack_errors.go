package handlers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"opsyard/models"
	"opsyard/views"
)

// recentErrors is how long a service error stands on the overview.
const recentErrors = 7 * 24 * time.Hour

// showErrors lists a stack's service errors.
func (h *Handlers) showErrors(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset")) // anything else is the first page
	offset = max(offset, 0)
	rows, total, err := h.serviceErrors(r.Context(), stack.ID, time.Time{}, perPage, offset)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.ServiceErrorList{Now: h.Now(), Rows: rows}
	p.Frame = h.framed(w, r, frame, "overview", "Service errors of "+stack.Name, "", crumb("Service errors", ""))
	p.Pager = views.Pager{Path: frame.Href("/errors"), Offset: offset, Limit: perPage, Total: total, Overall: total}
	h.render(w, r, http.StatusOK, views.ServiceErrorsPage(p))
}

// serviceErrors reads service errors with the names of their instances.
func (h *Handlers) serviceErrors(ctx context.Context, stack models.StackID, since time.Time, limit, offset int) ([]views.ServiceErrorRow, int, error) {
	list, total, err := h.Store.ServiceErrors.Page(ctx, stack, since, limit, offset)
	if err != nil || len(list) == 0 {
		return nil, total, err
	}
	ids := make([]models.InstanceID, len(list))
	for n, e := range list {
		ids[n] = e.InstanceID
	}
	names, err := h.Store.Instances.HostnamesOf(ctx, ids)
	if err != nil {
		return nil, 0, err
	}
	rows := make([]views.ServiceErrorRow, len(list))
	for n, e := range list {
		rows[n] = views.ServiceErrorRow{ServiceError: e, Hostname: names[e.InstanceID]}
	}
	return rows, total, nil
}
