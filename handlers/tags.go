package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"opsyard/models"
	"opsyard/views"
)

// tagEngine is what the pages of tags ask of the engine.
type tagEngine interface {
	TagResource(ctx context.Context, arn string, tags map[string]string) error
	UntagResource(ctx context.Context, arn string, keys []string) error
}

// showStackTags is the page of a stack's tags.
func (h *Handlers) showStackTags(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	h.drawStackTags(w, r, stack, views.Form{Values: views.TagsForm(stack.Tags, nil)}, http.StatusOK)
}

func (h *Handlers) drawStackTags(w http.ResponseWriter, r *http.Request, stack *models.Stack, form views.Form, status int) {
	frame, _, err := h.frame(r.Context(), stack)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	p := views.TagsPage{Rows: views.TagRows(stack.Tags, nil)}
	p.Frame = h.framed(w, r, frame, "settings", "Tags of "+stack.Name, "", crumb("Tags", ""))
	p.Editor = views.TagEditorProps{Action: frame.Href("/tags"), Form: form}
	h.render(w, r, status, views.StackTags(p))
}

// updateStackTags stores a stack's tags.
func (h *Handlers) updateStackTags(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	if editRows(r.PostForm, "TagKey", "TagValue") {
		h.drawStackTags(w, r, stack, views.Form{Values: r.PostForm}, http.StatusOK)
		return
	}
	if err := h.saveTags(r.Context(), stack.Arn, stack.Tags, nil, r.PostForm); err != nil {
		if !refusal(err) {
			h.fail(w, r, err)
			return
		}
		h.drawStackTags(w, r, stack, tagProblem(r.PostForm, err), http.StatusUnprocessableEntity)
		return
	}
	h.done(w, r, views.StackHref(stack.ID)+"/tags", "The tags were saved. The layers of "+stack.Name+" inherit them.")
}

// updateLayerTags stores a layer's tags.
func (h *Handlers) updateLayerTags(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	if editRows(r.PostForm, "TagKey", "TagValue") {
		h.layerAgain(w, r, stack, l, "tags", views.Form{Values: r.PostForm}, http.StatusOK)
		return
	}
	if err := h.saveTags(r.Context(), l.Arn, l.Tags, stack.Tags, r.PostForm); err != nil {
		if !refusal(err) {
			h.fail(w, r, err)
			return
		}
		h.layerAgain(w, r, stack, l, "tags", tagProblem(r.PostForm, err), http.StatusUnprocessableEntity)
		return
	}
	h.done(w, r, views.LayerHref(stack.ID, l.ID)+"?tab=tags", "The tags were saved.")
}

func tagProblem(form url.Values, err error) views.Form {
	return views.Form{Values: form, Problem: models.Sentence(err), Field: "Tags"}
}

// saveTags makes the resource's own tags those of the form: what changed is
// tagged, then what is gone is untagged.
func (h *Handlers) saveTags(ctx context.Context, arn string, own, inherited map[string]string, form url.Values) error {
	want, err := tagsOf(form, inherited)
	if err != nil {
		return err
	}
	changed := map[string]string{}
	for key, value := range want {
		if have, ok := own[key]; !ok || have != value {
			changed[key] = value
		}
	}
	var gone []string
	for key := range own {
		if _, ok := want[key]; !ok {
			gone = append(gone, key)
		}
	}
	if len(changed) > 0 {
		if err := h.Engine.TagResource(ctx, arn, changed); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		return h.Engine.UntagResource(ctx, arn, gone)
	}
	return nil
}

// tagsOf reads the own tags out of a form; lines without key and value are
// none, and an inherited tag is own only with another value.
func tagsOf(form url.Values, inherited map[string]string) (map[string]string, error) {
	want := map[string]string{}
	for n, key := range form["TagKey"] {
		key, value := strings.TrimSpace(key), strings.TrimSpace(at(form["TagValue"], n))
		if key == "" && value == "" {
			continue
		}
		if _, twice := want[key]; twice {
			return nil, models.InvalidField("Tags", "Tags: the key %q is given twice.", key)
		}
		want[key] = value
	}
	for n, key := range form["InheritedKey"] {
		value := strings.TrimSpace(at(form["InheritedValue"], n))
		if stacks, ok := inherited[key]; ok && value != stacks {
			want[key] = value
		}
	}
	return want, nil
}

// refusal tells whether an error is about what was typed.
func refusal(err error) bool {
	switch models.CodeOf(err) {
	case models.CodeInvalid, models.CodeConflict, models.CodeThrottled:
		return true
	}
	return false
}
