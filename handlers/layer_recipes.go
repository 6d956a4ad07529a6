package handlers

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"
)

// updateRecipes takes the editor of the five lists. Its buttons say what to
// do: save stores all lists; add, remove, up and down give the form back
// changed, so that the editor works without script.
func (h *Handlers) updateRecipes(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer) {
	lists := recipesOf(r)
	deed := strings.Fields(r.PostForm.Get("do"))
	if len(deed) > 0 && deed[0] != "save" {
		edit(&lists, deed)
		h.editRecipes(w, r, stack, l, lists, "", http.StatusOK)
		return
	}
	_, err := h.Engine.UpdateLayer(r.Context(), l.ID, func(l *models.Layer) error {
		l.CustomRecipes = lists
		return nil
	})
	switch {
	case err == nil:
		h.done(w, r, views.LayerHref(stack.ID, l.ID), "The recipes of "+l.Name+" were saved. Instances run them at their next event.")
	case models.CodeOf(err) == models.CodeInvalid:
		h.editRecipes(w, r, stack, l, lists, models.Sentence(err), http.StatusUnprocessableEntity)
	default:
		h.fail(w, r, err)
	}
}

func (h *Handlers) editRecipes(w http.ResponseWriter, r *http.Request, stack *models.Stack, l *models.Layer, lists models.Recipes, problem string, status int) {
	shown := *l
	shown.CustomRecipes = lists
	page, err := h.layerPage(r.Context(), stack, &shown, "recipes")
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.Editing, page.EditError = true, problem
	for n := range page.Events {
		page.Events[n].Error = wrongRecipe(page.Events[n].Custom)
	}
	h.drawLayer(w, r, status, page)
}

// wrongRecipe says which name of a list is not one.
func wrongRecipe(list []string) string {
	for _, name := range list {
		if !models.ValidRecipe(name) {
			return strconv.Quote(name) + " is not a recipe name; write cookbook::recipe."
		}
	}
	return ""
}

// recipesOf reads the five lists; emptied lines are removed ones, and what
// stands in the field below a list is added to it.
func recipesOf(r *http.Request) models.Recipes {
	var lists models.Recipes
	for _, e := range models.Events {
		var list []string
		for _, name := range append(slices.Clone(r.PostForm[string(e)]), r.PostForm.Get("add-"+string(e))) {
			for _, one := range strings.FieldsFunc(name, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
				list = append(list, strings.TrimSuffix(one, ".rb"))
			}
		}
		lists.Set(e, list)
	}
	return lists
}

// edit does what a button of the editor asks: "up setup 2", "remove deploy 0".
func edit(lists *models.Recipes, deed []string) {
	if len(deed) != 3 {
		return // "add": reading the form has added it
	}
	event := models.Event(deed[1])
	list := slices.Clone(lists.For(event))
	n, err := strconv.Atoi(deed[2])
	if err != nil || n < 0 || n >= len(list) {
		return
	}
	switch deed[0] {
	case "remove":
		list = slices.Delete(list, n, n+1)
	case "up":
		if n > 0 {
			list[n], list[n-1] = list[n-1], list[n]
		}
	case "down":
		if n < len(list)-1 {
			list[n], list[n+1] = list[n+1], list[n]
		}
	}
	lists.Set(event, list)
}
