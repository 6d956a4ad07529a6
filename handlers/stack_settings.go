package handlers

import (
	"net/http"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showStackSettings is the form of a stack's attributes.
func (h *Handlers) showStackSettings(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	page, err := h.stackSettings(w, r, stack, stackForm(stack))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.StackSettingsPage(page))
}

func (h *Handlers) stackSettings(w http.ResponseWriter, r *http.Request, stack *models.Stack, form views.Form) (views.StackSettings, error) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		return views.StackSettings{}, err
	}
	frame = h.framed(w, r, frame, "settings", "Settings of "+stack.Name, "", crumb("Settings", ""))
	form.Values.Set("Region", stack.Region) // fixed: not in the form, but its summary tells
	form.Values.Set("VpcId", stack.VpcID)
	return views.StackSettings{Frame: frame, Stack: h.stackFields(form), Provider: stack.Provider, Region: stack.Region, VpcID: stack.VpcID}, nil
}

// updateStack stores a stack's attributes.
func (h *Handlers) updateStack(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	_, err := h.Engine.UpdateStack(r.Context(), stack.ID, func(s *models.Stack) error {
		fillStack(s, r.PostForm)
		return nil
	})
	if err != nil {
		h.again(w, r, err, func(sentence, field string) templ.Component {
			page, err := h.stackSettings(w, r, stack, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
			if err != nil {
				return failed{err}
			}
			return views.StackSettingsPage(page)
		})
		return
	}
	h.done(w, r, views.StackHref(stack.ID)+"/settings", "The settings were saved.")
}
