package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"opsyard/models"
	"opsyard/views"
)

// liveKey splits the key of a live view into an id and the page's query.
func liveKey(key string) (id string, q url.Values) {
	id, query, _ := strings.Cut(key, "?")
	q, _ = url.ParseQuery(query) // a broken query is an empty one
	return id, q
}

// startStack starts the stack's 24/7 instances.
func (h *Handlers) startStack(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	n, err := h.Engine.StartStack(r.Context(), stack.ID)
	if err != nil {
		h.refused(w, r, err, views.StackHref(stack.ID))
		return
	}
	h.done(w, r, views.StackHref(stack.ID), fmt.Sprintf("%s being started in %s.", areIs(n, "instance"), stack.Name))
}

// stopStack stops the stack's 24/7 instances.
func (h *Handlers) stopStack(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	n, err := h.Engine.StopStack(r.Context(), stack.ID)
	if err != nil {
		h.refused(w, r, err, views.StackHref(stack.ID))
		return
	}
	h.done(w, r, views.StackHref(stack.ID), fmt.Sprintf("%s being stopped in %s; Shutdown recipes run first.", areIs(n, "instance"), stack.Name))
}

func areIs(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return views.Count(n, noun) + " are"
}

// deleteStack deletes an empty stack; its name was typed to confirm.
func (h *Handlers) deleteStack(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	if err := typed(r, stack.Name); err != nil {
		h.refused(w, r, err, views.StackHref(stack.ID))
		return
	}
	if err := h.Engine.DeleteStack(r.Context(), stack.ID); err != nil {
		h.refused(w, r, err, views.StackHref(stack.ID))
		return
	}
	h.done(w, r, "/stacks", "Stack "+stack.Name+" was deleted.")
}

// typed checks the word that confirms what cannot be undone.
func typed(r *http.Request, word string) error {
	if strings.TrimSpace(r.PostForm.Get("confirm")) == word {
		return nil
	}
	return models.Invalid("Nothing was deleted: type %s to confirm.", word)
}
