package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/views"
	"opsyard/views/ui"
)

// notificationEngine is what the pages of notifications ask of the engine.
type notificationEngine interface {
	NotificationSenders() engine.NotificationSenders
	AuthorizeNotifications(ctx context.Context, stack models.StackID, action models.Action) error
	CreateNotificationChannel(ctx context.Context, c models.NotificationChannel) (*models.NotificationChannel, error)
	UpdateNotificationChannel(ctx context.Context, id models.NotificationChannelID, change func(*models.NotificationChannel) error) (*models.NotificationChannel, error)
	DeleteNotificationChannel(ctx context.Context, id models.NotificationChannelID) error
	PauseNotificationChannel(ctx context.Context, id models.NotificationChannelID) error
	ResumeNotificationChannel(ctx context.Context, id models.NotificationChannelID) error
	TestNotificationChannel(ctx context.Context, id models.NotificationChannelID) (*models.NotificationDelivery, error)
	SendNotificationAgain(ctx context.Context, id models.NotificationChannelID, delivery int64) error
}

// stackPage is a page of a stack, or without one of all stacks.
type stackPage func(http.ResponseWriter, *http.Request, *models.Stack)

// channelPage is a page of one channel.
type channelPage func(http.ResponseWriter, *http.Request, *models.Stack, *models.NotificationChannel)

// notificationRoutes are the pages of a stack's channels, and of those of all
// stacks.
func (h *Handlers) notificationRoutes(mux *http.ServeMux) {
	const show, manage = models.ActionShow, models.ActionManage
	mux.HandleFunc("GET /stacks/{stack}/notifications", h.withStack(show, h.showChannels))
	mux.HandleFunc("GET /stacks/{stack}/notifications/new", h.withStack(manage, h.showNewChannel))
	mux.HandleFunc("POST /stacks/{stack}/notifications", h.withStack("CreateNotificationChannel", h.createChannel))
	mux.HandleFunc("GET /stacks/{stack}/notifications/{channel}", h.withStack(show, h.withChannel(h.showChannel)))
	mux.HandleFunc("POST /stacks/{stack}/notifications/{channel}", h.withStack("UpdateNotificationChannel", h.withChannel(h.updateChannel)))
	mux.HandleFunc("POST /stacks/{stack}/notifications/{channel}/secret", h.withStack("UpdateNotificationChannel", h.withChannel(h.renewSecret)))
	mux.HandleFunc("POST /stacks/{stack}/notifications/{channel}/test", h.withStack("TestNotificationChannel", h.withChannel(h.testChannel)))
	mux.HandleFunc("POST /stacks/{stack}/notifications/{channel}/pause", h.withStack("PauseNotificationChannel", h.withChannel(h.pauseChannel)))
	mux.HandleFunc("POST /stacks/{stack}/notifications/{channel}/resume", h.withStack("ResumeNotificationChannel", h.withChannel(h.resumeChannel)))
	mux.HandleFunc("POST /stacks/{stack}/notifications/{channel}/again", h.withStack("SendNotificationAgain", h.withChannel(h.sendAgain)))
	mux.HandleFunc("POST /stacks/{stack}/notifications/{channel}/delete", h.withStack("DeleteNotificationChannel", h.withChannel(h.deleteChannel)))

	mux.HandleFunc("GET /settings/notifications", h.ofAllStacks(h.showChannels))
	mux.HandleFunc("GET /settings/notifications/new", h.ofAllStacks(h.showNewChannel))
	mux.HandleFunc("POST /settings/notifications", h.ofAllStacks(h.createChannel))
	mux.HandleFunc("GET /settings/notifications/{channel}", h.ofAllStacks(h.withChannel(h.showChannel)))
	mux.HandleFunc("POST /settings/notifications/{channel}", h.ofAllStacks(h.withChannel(h.updateChannel)))
	mux.HandleFunc("POST /settings/notifications/{channel}/secret", h.ofAllStacks(h.withChannel(h.renewSecret)))
	mux.HandleFunc("POST /settings/notifications/{channel}/test", h.ofAllStacks(h.withChannel(h.testChannel)))
	mux.HandleFunc("POST /settings/notifications/{channel}/pause", h.ofAllStacks(h.withChannel(h.pauseChannel)))
	mux.HandleFunc("POST /settings/notifications/{channel}/resume", h.ofAllStacks(h.withChannel(h.resumeChannel)))
	mux.HandleFunc("POST /settings/notifications/{channel}/again", h.ofAllStacks(h.withChannel(h.sendAgain)))
	mux.HandleFunc("POST /settings/notifications/{channel}/delete", h.ofAllStacks(h.withChannel(h.deleteChannel)))
}

// ofAllStacks is for administrators.
func (h *Handlers) ofAllStacks(page stackPage) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.Engine.AuthorizeNotifications(r.Context(), "", models.ActionManageServer); err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, nil)
	}
}

// withChannel loads the channel of the path; one of another stack is not found.
func (h *Handlers) withChannel(page channelPage) stackPage {
	return func(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
		id := models.NotificationChannelID(r.PathValue("channel"))
		c, err := h.Store.Notifications.Channel(r.Context(), id)
		if err == nil && c.StackID != idOf(stack) {
			err = models.NotFound("notification channel", id)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		page(w, r, stack, c)
	}
}

func idOf(stack *models.Stack) models.StackID {
	if stack == nil {
		return ""
	}
	return stack.ID
}

// notificationScope is the frame of the pages.
func (h *Handlers) notificationScope(w http.ResponseWriter, r *http.Request, stack *models.Stack, title string, crumbs ...ui.Crumb) (views.NotificationScope, error) {
	can := h.Engine.NotificationSenders()
	s := views.NotificationScope{Mail: can.Mail, Internal: can.Internal}
	if stack == nil {
		s.Page = h.page(w, r, title+" of all stacks", "notifications", crumbs...)
		return s, nil
	}
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		return s, err
	}
	frame = h.framed(w, r, frame, "settings", title+" of "+stack.Name, "", crumbs...)
	s.Frame, s.Page = &frame, frame.Page
	return s, nil
}

func (h *Handlers) showChannels(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	p := views.NotificationsPage{}
	var err error
	if p.Rows, err = h.channelRows(r.Context(), idOf(stack)); err != nil {
		h.fail(w, r, err)
		return
	}
	if stack != nil {
		all, err := h.Store.Notifications.Channels(r.Context(), "")
		if err != nil {
			h.fail(w, r, err)
			return
		}
		p.Elsewhere = len(all)
	}
	if p.NotificationScope, err = h.notificationScope(w, r, stack, "Notifications", crumb("Notifications", "")); err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.Notifications(p))
}

func (h *Handlers) channelRows(ctx context.Context, stack models.StackID) ([]views.ChannelRow, error) {
	channels, err := h.Store.Notifications.Channels(ctx, stack)
	if err != nil {
		return nil, err
	}
	rows := make([]views.ChannelRow, len(channels))
	for n := range channels {
		if rows[n], err = h.channelRow(ctx, &channels[n]); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (h *Handlers) channelRow(ctx context.Context, c *models.NotificationChannel) (views.ChannelRow, error) {
	counts, err := h.Store.Notifications.Counts(ctx, []models.NotificationChannelID{c.ID})
	n := counts[c.ID]
	return views.ChannelRow{NotificationChannel: *c, Pending: n.Pending, Delivered: n.Delivered, Failed: n.Failed}, err
}

// showNewChannel is the form of a new channel, of the kind in the address.
func (h *Handlers) showNewChannel(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	kind := models.NotificationChannelKind(r.URL.Query().Get("kind"))
	if kind.Label() == string(kind) {
		kind = models.ChannelWebhook
	}
	types := []models.NotificationType{models.NotifyInstance, models.NotifyDeployment, models.NotifyAlert}
	if kind == models.ChannelWebhook {
		types = models.NotificationTypes
	}
	fresh := models.NotificationChannel{Types: types, TroubleOnly: kind != models.ChannelWebhook}
	h.drawNewChannel(w, r, stack, kind, views.Form{Values: views.NotificationForm(fresh)}, http.StatusOK)
}

func (h *Handlers) drawNewChannel(w http.ResponseWriter, r *http.Request, stack *models.Stack, kind models.NotificationChannelKind, form views.Form, status int) {
	scope, err := h.notificationScope(w, r, stack, "New channel", crumb("Notifications", views.NotificationsHref(idOf(stack))), crumb("New channel", ""))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, status, views.ChannelNew(views.ChannelForm{NotificationScope: scope, Kind: kind, Form: form}))
}

func (h *Handlers) createChannel(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	c := models.NotificationChannel{StackID: idOf(stack), Kind: models.NotificationChannelKind(r.PostForm.Get("Kind"))}
	fillChannel(&c, r.PostForm)
	c.Secret = trimmed(r.PostForm, "Secret")
	made, err := h.Engine.CreateNotificationChannel(r.Context(), c)
	switch {
	case err != nil && !refusal(err):
		h.fail(w, r, err)
	case err != nil:
		h.drawNewChannel(w, r, stack, c.Kind, refusedForm(r.PostForm, err), http.StatusUnprocessableEntity)
	case made.Kind == models.ChannelWebhook && c.Secret == "":
		h.drawChannel(w, r, stack, made, views.Form{}, made.Secret, http.StatusOK)
	default:
		h.done(w, r, channelHref(made), made.Name+" hears of what happens from now on. Send a test.")
	}
}

func channelHref(c *models.NotificationChannel) string {
	return views.NotificationsHref(c.StackID) + "/" + string(c.ID)
}

// fillChannel puts a form into a channel; an empty address stays.
func fillChannel(c *models.NotificationChannel, form url.Values) {
	c.Name, c.TroubleOnly, c.Types = trimmed(form, "Name"), form.Get("TroubleOnly") != "", nil
	if address := trimmed(form, "URL"); address != "" {
		c.URL = address
	}
	for _, t := range form["Types"] {
		c.Types = append(c.Types, models.NotificationType(t))
	}
	c.Recipients = strings.FieldsFunc(form.Get("Recipients"), func(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) })
}

func (h *Handlers) showChannel(w http.ResponseWriter, r *http.Request, stack *models.Stack, c *models.NotificationChannel) {
	h.drawChannel(w, r, stack, c, views.Form{}, "", http.StatusOK)
}

// drawChannel shows a channel with its deliveries; fresh is a secret that was
// just made, which the answer to the form alone holds.
func (h *Handlers) drawChannel(w http.ResponseWriter, r *http.Request, stack *models.Stack, c *models.NotificationChannel, form views.Form, fresh string, status int) {
	p := views.ChannelPage{Fresh: fresh}
	var err error
	if p.Channel, err = h.channelRow(r.Context(), c); err == nil {
		p.Deliveries, err = h.deliveryRows(r.Context(), c.ID, r.URL.Query())
	}
	if err == nil {
		p.NotificationScope, err = h.notificationScope(w, r, stack, c.Name, crumb("Notifications", views.NotificationsHref(c.StackID)), crumb(c.Name, ""))
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p.Newer = r.URL.Query().Get("before") != ""
	if len(p.Deliveries) == perPage {
		p.Older = channelHref(c) + "?before=" + strconv.FormatInt(p.Deliveries[perPage-1].ID, 10)
	}
	if form.Values == nil {
		form.Values = views.NotificationForm(*c)
	}
	p.Editor = views.ChannelForm{NotificationScope: p.NotificationScope, Kind: c.Kind, Form: form, ID: c.ID, Address: c.Address()}
	if fresh != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	h.render(w, r, status, views.ChannelShow(p))
}

func (h *Handlers) deliveryRows(ctx context.Context, id models.NotificationChannelID, q url.Values) ([]views.DeliveryRow, error) {
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64)
	log, err := h.Store.Notifications.Log(ctx, id, before, perPage)
	rows := make([]views.DeliveryRow, len(log))
	for n, d := range log {
		rows[n] = views.DeliveryRow{
			ID: d.ID, Status: d.Status, Attempts: d.Attempts, Code: d.Code, Answer: d.Answer, At: d.CreatedAt, NextAt: d.NextAt, TriedAt: d.TriedAt,
			Type: d.Notification.Type, Text: d.Notification.Stack + ": " + d.Notification.Text, EventID: d.NotificationID, Body: d.Notification.Body,
		}
	}
	return rows, err
}

func (h *Handlers) updateChannel(w http.ResponseWriter, r *http.Request, stack *models.Stack, c *models.NotificationChannel) {
	_, err := h.Engine.UpdateNotificationChannel(r.Context(), c.ID, func(c *models.NotificationChannel) error {
		fillChannel(c, r.PostForm)
		return nil
	})
	switch {
	case err == nil:
		h.done(w, r, channelHref(c), "The channel was saved.")
	case refusal(err):
		h.drawChannel(w, r, stack, c, refusedForm(r.PostForm, err), "", http.StatusUnprocessableEntity)
	default:
		h.fail(w, r, err)
	}
}

// renewSecret makes another secret and shows it once.
func (h *Handlers) renewSecret(w http.ResponseWriter, r *http.Request, stack *models.Stack, c *models.NotificationChannel) {
	if c.Kind != models.ChannelWebhook {
		h.refused(w, r, models.Invalid("Only webhooks have a signing secret."), channelHref(c))
		return
	}
	changed, err := h.Engine.UpdateNotificationChannel(r.Context(), c.ID, func(c *models.NotificationChannel) error {
		c.Secret = "" // which has one made
		return nil
	})
	if err != nil {
		h.refused(w, r, err, channelHref(c))
		return
	}
	h.drawChannel(w, r, stack, changed, views.Form{}, changed.Secret, http.StatusOK)
}

func (h *Handlers) testChannel(w http.ResponseWriter, r *http.Request, _ *models.Stack, c *models.NotificationChannel) {
	d, err := h.Engine.TestNotificationChannel(r.Context(), c.ID)
	switch {
	case err != nil:
		h.refused(w, r, err, channelHref(c))
	case d.Status == models.DeliveryDelivered:
		h.done(w, r, channelHref(c), "The test was taken.")
	default:
		why := d.Answer
		if d.Code != 0 {
			why = strings.TrimSpace("The receiver answered " + strconv.Itoa(d.Code) + ". " + d.Answer)
		}
		h.refused(w, r, models.Conflict("The test was not taken. %s", why), channelHref(c))
	}
}

func (h *Handlers) pauseChannel(w http.ResponseWriter, r *http.Request, _ *models.Stack, c *models.NotificationChannel) {
	h.channelDeed(w, r, c, h.Engine.PauseNotificationChannel(r.Context(), c.ID), c.Name+" is paused: it hears of nothing that happens from now on.")
}

func (h *Handlers) resumeChannel(w http.ResponseWriter, r *http.Request, _ *models.Stack, c *models.NotificationChannel) {
	h.channelDeed(w, r, c, h.Engine.ResumeNotificationChannel(r.Context(), c.ID), c.Name+" delivers again, with what still waited.")
}

func (h *Handlers) sendAgain(w http.ResponseWriter, r *http.Request, _ *models.Stack, c *models.NotificationChannel) {
	id, _ := strconv.ParseInt(r.PostForm.Get("delivery"), 10, 64)
	h.channelDeed(w, r, c, h.Engine.SendNotificationAgain(r.Context(), c.ID, id), "The event is sent again.")
}

func (h *Handlers) deleteChannel(w http.ResponseWriter, r *http.Request, _ *models.Stack, c *models.NotificationChannel) {
	if err := typed(r, c.Name); err != nil {
		h.refused(w, r, err, channelHref(c))
		return
	}
	if err := h.Engine.DeleteNotificationChannel(r.Context(), c.ID); err != nil {
		h.refused(w, r, err, channelHref(c))
		return
	}
	h.done(w, r, views.NotificationsHref(c.StackID), c.Name+" was deleted.")
}

func (h *Handlers) channelDeed(w http.ResponseWriter, r *http.Request, c *models.NotificationChannel, err error, sentence string) {
	if err != nil {
		h.refused(w, r, err, channelHref(c))
		return
	}
	h.done(w, r, channelHref(c), sentence)
}
