package handlers

import (
	"context"
	"slices"
	"strconv"
	"time"

	"opsyard/models"
	"opsyard/views"
)

const (
	// mostMarks bounds what one page marks of each kind.
	mostMarks = 300
	// oneMark is how long the moves of one healing or scaling may go on: they
	// are marked once.
	oneMark = 15 * time.Minute
)

// markCauses are the rules whose deeds are marked.
var markCauses = []models.CauseKind{models.CauseHealing, models.CauseLoad, models.CauseSchedule}

// stackMarks are the deployments, healings and scalings of a stack; of the
// given instances only, when there are any.
func (h *Handlers) stackMarks(ctx context.Context, stack *models.Stack, span views.ChartSpan, only []models.Instance) ([]views.ChartMark, error) {
	deployments, err := h.Store.Deployments.Asked(ctx, stack.ID, span.From, h.Now(), mostMarks)
	if err != nil {
		return nil, err
	}
	events, err := h.Store.Events.Caused(ctx, stack.ID, span.From, h.Now(), mostMarks, markCauses...)
	if err != nil {
		return nil, err
	}
	if only != nil {
		of := make(map[models.InstanceID]bool, len(only))
		for _, i := range only {
			of[i.ID] = true
		}
		events = slices.DeleteFunc(events, func(e models.StackEvent) bool { return !of[e.InstanceID] })
	}
	return h.marks(ctx, stack, deployments, events)
}

// instanceMarks are the deployments that ran on an instance, and its healings
// and scalings.
func (h *Handlers) instanceMarks(ctx context.Context, stack *models.Stack, i *models.Instance, span views.ChartSpan) ([]views.ChartMark, error) {
	deployments, err := h.Store.Deployments.Asked(ctx, stack.ID, span.From, h.Now(), mostMarks)
	if err != nil {
		return nil, err
	}
	commands, err := h.Store.Commands.OfInstance(ctx, i.ID, mostMarks)
	if err != nil {
		return nil, err
	}
	ran := make(map[models.DeploymentID]bool, len(commands))
	for _, c := range commands {
		ran[c.DeploymentID] = true
	}
	deployments = slices.DeleteFunc(deployments, func(d models.Deployment) bool { return !ran[d.ID] })
	events, err := h.Store.Events.Caused(ctx, stack.ID, span.From, h.Now(), mostMarks, markCauses...)
	if err != nil {
		return nil, err
	}
	events = slices.DeleteFunc(events, func(e models.StackEvent) bool { return e.InstanceID != i.ID })
	return h.marks(ctx, stack, deployments, events)
}

// marks are in the order of time.
func (h *Handlers) marks(ctx context.Context, stack *models.Stack, deployments []models.Deployment, events []models.StackEvent) ([]views.ChartMark, error) {
	title, _, err := h.titles(ctx, stack.ID)
	if err != nil {
		return nil, err
	}
	var marks []views.ChartMark
	for _, d := range deployments {
		marks = append(marks, views.ChartMark{
			ID: "mark-" + string(d.ID), At: d.CreatedAt, State: views.DeploymentState(d.Status), Text: "#" + strconv.FormatInt(d.Number, 10) + " " + title(d),
			Why: views.CauseText(d.Cause), Href: views.DeploymentHref(d.ID),
		})
	}
	for _, e := range firstMoves(events) {
		marks = append(marks, views.ChartMark{
			ID: "mark-" + strconv.FormatInt(e.ID, 10), At: e.At, State: views.RuleState(e.Cause.Kind), Text: e.Text,
			Why: e.Cause.Text, Href: views.InstanceHref(e.InstanceID),
		})
	}
	slices.SortStableFunc(marks, func(a, b views.ChartMark) int { return a.At.Compare(b.At) })
	return marks, nil
}

// firstMoves leaves the first of the moves that one healing or scaling makes.
func firstMoves(events []models.StackEvent) []models.StackEvent {
	type deed struct {
		instance models.InstanceID
		kind     models.CauseKind
	}
	last := map[deed]time.Time{}
	var first []models.StackEvent
	for _, e := range events {
		d := deed{e.InstanceID, e.Cause.Kind}
		if before, ok := last[d]; !ok || e.At.Sub(before) > oneMark {
			first = append(first, e)
		}
		last[d] = e.At
	}
	return first
}
