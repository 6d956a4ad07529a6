package handlers

import (
	"context"
	"net/http"
	"slices"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"

	"github.com/a-h/templ"
)

const (
	timelineSpan  = 24 * time.Hour
	timelineMost  = 40
	troubleListed = 20
	failedListed  = 3
)

// showStack is the overview of a stack.
func (h *Handlers) showStack(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	q := r.URL.Query()
	page, err := h.overview(r.Context(), stack, timelineKind(q.Get("kind")))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.AsList = q.Get("view") == "list"
	live := "stack/" + string(stack.ID)
	if page.AsList || page.Timeline.Kind != "" {
		live += "?" + q.Encode()
	}
	page.Frame = h.framed(w, r, page.Frame, "overview", stack.Name, live)
	h.render(w, r, http.StatusOK, views.StackOverview(page))
}

// timelineKind keeps only the kinds of events that there are.
func timelineKind(kind string) string {
	if slices.Contains([]string{"instance", "deployment", "change"}, kind) {
		return kind
	}
	return ""
}

// overview reads everything the overview shows. Every query is bounded or
// counted by the database, so its cost hardly depends on the size of the stack.
func (h *Handlers) overview(ctx context.Context, stack *models.Stack, kind string) (views.StackShow, error) {
	now := h.Now()
	frame, counts, err := h.frame(ctx, stack)
	if err != nil {
		return views.StackShow{}, err
	}
	p := views.StackShow{Frame: frame, Now: now, Counts: counts}
	layers, err := h.Store.Layers.InStack(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	if p.Bands, err = h.bands(ctx, stack.ID, layers); err != nil {
		return p, err
	}
	trouble, err := h.Store.Instances.InStatus(ctx, stack.ID, troubleListed, views.TroubleStatuses()...)
	if err != nil {
		return p, err
	}
	refs := instanceRefs(trouble)
	p.Sentence = views.StackSentence(counts, refs, now)
	title, apps, err := h.titles(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	if p.Running, err = h.running(ctx, stack.ID, title); err != nil {
		return p, err
	}
	failed, err := h.failures(ctx, stack.ID, title, now)
	if err != nil {
		return p, err
	}
	p.Next = views.NextActions(frame, refs, failed, now)
	if p.Timeline, err = h.timeline(ctx, stack.ID, kind, now); err != nil {
		return p, err
	}
	if p.Apps, err = h.appVersions(ctx, stack.ID, apps); err != nil {
		return p, err
	}
	healing := 0
	for _, l := range layers {
		if l.HealingMode() == models.HealingHeal {
			healing++
		}
	}
	if p.Errors, p.ErrorCount, err = h.serviceErrors(ctx, stack.ID, now.Add(-recentErrors), 3, 0); err != nil {
		return p, err
	}
	p.Attributes = stack.Attributes
	if p.CanClone, err = h.Engine.May(ctx, "CloneStack", stack.ID); err != nil {
		return p, err
	}
	p.Facts = views.StackFacts(*stack, healing, len(layers))
	p.Deletable = frame.Instances == 0 && frame.Layers == 0 && frame.Apps == 0
	return p, h.startable(ctx, &p)
}

// startable counts what the two buttons of the stack would act on.
func (h *Handlers) startable(ctx context.Context, p *views.StackShow) (err error) {
	if !p.Frame.CanManage {
		return nil
	}
	p.Startable, err = h.Store.Instances.Count247(ctx, p.Frame.ID, models.InstanceStopped, models.InstanceStartFailed)
	if err != nil {
		return err
	}
	var stoppable []models.InstanceStatus
	for _, s := range models.InstanceStatuses {
		i := models.Instance{Status: s}
		if i.CanStop(false) == nil {
			stoppable = append(stoppable, s)
		}
	}
	p.Stoppable, err = h.Store.Instances.Count247(ctx, p.Frame.ID, stoppable...)
	return err
}

// bands are the layers with their instances: drawn up to MaxCells, else counted.
func (h *Handlers) bands(ctx context.Context, stack models.StackID, layers []models.Layer) ([]views.Band, error) {
	counts, err := h.Store.Instances.CountsByLayer(ctx, stack)
	if err != nil {
		return nil, err
	}
	bands := make([]views.Band, len(layers))
	at := map[models.LayerID]int{}
	var small []models.LayerID
	for n, l := range layers {
		bands[n] = views.Band{Layer: l, To: views.To(l, layers), Counts: counts[l.ID]}
		at[l.ID] = n
		if total := bands[n].Counts.Total(); total > 0 && total <= views.MaxCells {
			small = append(small, l.ID)
		}
	}
	cells, err := h.Store.Instances.Cells(ctx, small)
	if err != nil {
		return nil, err
	}
	for _, c := range cells {
		b := &bands[at[c.LayerID]]
		b.Cells = append(b.Cells, instanceRef(c))
	}
	return bands, nil
}

func instanceRef(c store.Cell) views.InstanceRef {
	return views.InstanceRef{ID: c.ID, Hostname: c.Hostname, Status: c.Status, Since: c.StatusSince}
}

func instanceRefs(cells []store.Cell) []views.InstanceRef {
	out := make([]views.InstanceRef, len(cells))
	for n, c := range cells {
		out[n] = instanceRef(c)
	}
	return out
}

func (h *Handlers) running(ctx context.Context, stack models.StackID, title func(models.Deployment) string) ([]views.RunningDeployment, error) {
	list, err := h.Store.Deployments.Running(ctx, stack)
	if err != nil {
		return nil, err
	}
	slices.Reverse(list) // newest first
	return h.withProgress(ctx, list[:min(len(list), 8)], title)
}

// failures are the failed deployments that no later one like them made good.
func (h *Handlers) failures(ctx context.Context, stack models.StackID, title func(models.Deployment) string, now time.Time) ([]views.RunningDeployment, error) {
	list, err := h.Store.Deployments.RecentFailures(ctx, stack, now.Add(-timelineSpan), failedListed)
	if err != nil {
		return nil, err
	}
	return h.withProgress(ctx, list, title)
}

func (h *Handlers) withProgress(ctx context.Context, list []models.Deployment, title func(models.Deployment) string) ([]views.RunningDeployment, error) {
	ids := make([]models.DeploymentID, len(list))
	for n, d := range list {
		ids[n] = d.ID
	}
	counts, err := h.Store.Commands.Counts(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]views.RunningDeployment, len(list))
	for n, d := range list {
		out[n] = views.RunningDeployment{Deployment: d, Title: title(d), Progress: counts[d.ID]}
	}
	return out, nil
}

// timeline reads the events of a day and, in one more query, the events that
// caused them.
func (h *Handlers) timeline(ctx context.Context, stack models.StackID, kind string, now time.Time) (views.Timeline, error) {
	t := views.Timeline{Kind: kind}
	events, err := h.Store.Events.Timeline(ctx, stack, kind, now.Add(-timelineSpan), timelineMost)
	if err != nil {
		return t, err
	}
	known := map[int64]models.StackEvent{}
	for _, e := range events {
		known[e.ID] = e
	}
	var missing []int64
	for _, e := range events {
		if id := e.Cause.EventID; id != 0 && known[id].ID == 0 && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	causes, err := h.Store.Events.ByIDs(ctx, missing)
	if err != nil {
		return t, err
	}
	for _, e := range causes {
		if e.StackID == stack {
			known[e.ID] = e
		}
	}
	for _, e := range events {
		t.Entries = append(t.Entries, views.TimelineEntry{Event: e, Why: views.Chain(e, known)})
	}
	return t, nil
}

func (h *Handlers) appVersions(ctx context.Context, stack models.StackID, apps []models.App) ([]views.AppVersion, error) {
	last, err := h.Store.Deployments.LastPerApp(ctx, stack)
	if err != nil {
		return nil, err
	}
	out := make([]views.AppVersion, len(apps))
	for n, a := range apps {
		out[n].App = a
		if d, ok := last[a.ID]; ok {
			out[n].Last = &d
		}
	}
	return out, nil
}

// liveStack is the live part of the overview. The key is the stack's id with
// the page's own query behind it.
func (h *Handlers) liveStack(ctx context.Context, key string) (liveView, error) {
	id, q := liveKey(key)
	return h.liveInStack(ctx, id, func(ctx context.Context, stack *models.Stack) (templ.Component, error) {
		p, err := h.overview(ctx, stack, timelineKind(q.Get("kind")))
		p.AsList = q.Get("view") == "list"
		return views.StackLive(p), err
	})
}
