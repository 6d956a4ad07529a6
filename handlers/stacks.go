package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

func (h *Handlers) showStacks(w http.ResponseWriter, r *http.Request) {
	filter, show := strings.TrimSpace(r.Form.Get("filter")), r.Form.Get("show")
	p, err := h.stacksPage(r.Context(), filter, show)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Page = h.page(w, r, "Stacks", "stacks", ui.Crumb{Label: "Stacks"})
	p.Page.Dot = p.All > 0
	h.render(w, r, http.StatusOK, views.Stacks(p))
}

// stacksPage reads the stacks that the actor may see, worst first.
func (h *Handlers) stacksPage(ctx context.Context, filter, show string) (views.StacksPage, error) {
	stacks, err := h.Engine.VisibleStacks(ctx)
	if err != nil {
		return views.StacksPage{}, err
	}
	rows, err := h.stackRows(ctx, stacks)
	if err != nil {
		return views.StacksPage{}, err
	}
	rows = slices.DeleteFunc(rows, func(r views.StackRow) bool { return !shown(r, filter, show) })
	views.SortWorstFirst(rows)
	mayCreate, err := h.Engine.May(ctx, "CreateStack", "")
	return views.StacksPage{
		Rows: rows, All: len(stacks), Filter: filter, Show: show,
		CanCreate: mayCreate,
		Page:      views.Page{Now: h.Now()},
	}, err
}

func shown(r views.StackRow, filter, show string) bool {
	switch show {
	case "attention":
		if !r.NeedsSomebody() {
			return false
		}
	case "running":
		if !r.Moving() {
			return false
		}
	}
	return strings.Contains(strings.ToLower(r.Name), strings.ToLower(filter))
}

func (h *Handlers) stackRows(ctx context.Context, stacks []models.Stack) ([]views.StackRow, error) {
	ids := make([]models.StackID, len(stacks))
	for i, s := range stacks {
		ids[i] = s.ID
	}
	summaries, err := h.Store.Stacks.Summaries(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows := make([]views.StackRow, len(stacks))
	for i, s := range stacks {
		last, err := h.lastDeployment(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		rows[i] = stackRow(s, summaries[s.ID], last)
	}
	return rows, nil
}

func stackRow(s models.Stack, sum store.StackSummary, last *views.LastDeployment) views.StackRow {
	row := views.StackRow{
		ID: s.ID, Name: s.Name, Provider: s.Provider, Manager: s.ConfigurationManager.Name, Attributes: s.Attributes,
		Layers: sum.Layers, Total: sum.Instances, Online: sum.ByStatus[models.InstanceOnline], Last: last,
	}
	for _, status := range models.InstanceStatuses { // in a fixed order
		if n := sum.ByStatus[status]; n > 0 {
			row.Counts = append(row.Counts, ui.Count{State: string(status), N: n})
		}
	}
	return row
}

func (h *Handlers) lastDeployment(ctx context.Context, id models.StackID) (*views.LastDeployment, error) {
	list, err := h.Store.Deployments.InStack(ctx, id, 1, 0)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	d := list[0]
	last := &views.LastDeployment{ID: d.ID, Number: d.Number, Name: string(d.Command.Name), Status: string(d.Status), At: d.CreatedAt}
	if d.CompletedAt != nil {
		last.At = *d.CompletedAt
	}
	return last, nil
}

// liveStacks keeps a list true; its key is the list's filter as a query.
func (h *Handlers) liveStacks(_ context.Context, key string) (liveView, error) {
	asked, err := url.ParseQuery(key)
	if err != nil {
		return liveView{}, models.NotFound("list of stacks", key)
	}
	return liveView{
		Topics: []string{"stacks"},
		Render: func(ctx context.Context, _ []pubsub.Message) (templ.Component, error) {
			p, err := h.stacksPage(ctx, asked.Get("filter"), asked.Get("show"))
			if err != nil {
				return nil, err
			}
			return views.Fragments(views.StacksHead(p), views.StacksTable(p), views.StacksTotals(p)), nil
		},
	}, nil
}

func (h *Handlers) showNewStack(w http.ResponseWriter, r *http.Request) {
	if err := h.may(r.Context(), "CreateStack", "", "Only an administrator may make a stack."); err != nil {
		h.fail(w, r, err)
		return
	}
	s := newStack()
	s.Provider = first(h.Engine.Providers())
	h.render(w, r, http.StatusOK, h.newStackPage(w, r, stackForm(&s)))
}

// newStack is a stack with the defaults that the form begins with.
func newStack() models.Stack {
	s := models.Stack{UseOpsworksSecurityGroups: true, DefaultRootDeviceType: models.RootDeviceEBS}
	s.ConfigurationManager.Name = "Shell"
	s.Normalize()
	return s
}

func (h *Handlers) newStackPage(w http.ResponseWriter, r *http.Request, form views.Form) templ.Component {
	p := views.StackNewPage{
		Page:  h.page(w, r, "New stack", "stacks", ui.Crumb{Label: "Stacks", Href: "/stacks"}, ui.Crumb{Label: "New stack"}),
		Stack: h.stackFields(form),
	}
	p.Stack.New = true
	return views.StackNew(p)
}

func (h *Handlers) createStack(w http.ResponseWriter, r *http.Request) {
	asked := newStack()
	fillStack(&asked, r.PostForm)
	if r.PostForm.Get("form") != "whole" { // a box that was not there says nothing
		asked.UseOpsworksSecurityGroups = true
	}
	asked.Provider, asked.Region, asked.VpcID = r.PostForm.Get("Provider"), trimmed(r.PostForm, "Region"), trimmed(r.PostForm, "VpcId")
	made, err := h.Engine.CreateStack(r.Context(), asked)
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			return h.newStackPage(w, r, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
		})
		return
	}
	h.done(w, r, views.StackHref(made.ID), "Stack "+made.Name+" is made. Its first layer comes next.")
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
