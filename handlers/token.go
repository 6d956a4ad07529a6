package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web/auth"

	"github.com/a-h/templ"
)

// Days that a token lasts, and a key if nobody says otherwise.
const (
	tokenDays    = 90
	maxTokenDays = 365
)

// showNewToken is the form for one more token.
func (h *Handlers) showNewToken(w http.ResponseWriter, r *http.Request) {
	p, err := h.limitsForm(w, r, "New token", views.Form{Values: url.Values{"Days": {strconv.Itoa(tokenDays)}}})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.TokenNew(p))
}

// limitsForm is the form of what acts for a person, and is limited.
func (h *Handlers) limitsForm(w http.ResponseWriter, r *http.Request, title string, form views.Form) (views.LimitsForm, error) {
	stacks, err := h.Engine.VisibleStacks(r.Context())
	p := views.LimitsForm{Form: form, Stacks: stacks}
	p.Page = h.page(w, r, title, "me", crumb("My settings", "/me"), crumb("Keys and tokens", "/me/keys"), crumb(title, ""))
	return p, err
}

// againLimits draws the form once more, with what was typed and what is wrong.
func (h *Handlers) againLimits(w http.ResponseWriter, r *http.Request, err error, title string, page func(views.LimitsForm) templ.Component) {
	h.again(w, r, err, func(sentence, field string) templ.Component {
		if field == "ExpiresAt" {
			field = "Days" // that is what was asked for
		}
		p, err := h.limitsForm(w, r, title, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
		if err != nil {
			return failed{err}
		}
		return page(p)
	})
}

// createMyToken makes a token and shows its text: the answer to the form is the
// only place where it is ever seen.
func (h *Handlers) createMyToken(w http.ResponseWriter, r *http.Request) {
	typed, err := h.typedToken(r)
	var made *models.Token
	var secret string
	if err == nil {
		made, secret, err = h.Engine.CreateToken(r.Context(), typed)
	}
	if err != nil {
		h.againLimits(w, r, err, "New token", views.TokenNew)
		return
	}
	h.drawMyKeys(w, r, http.StatusOK, views.MeKeysPage{FreshToken: &views.FreshToken{Name: made.Name, Secret: secret, Expires: made.ExpiresAt}})
}

func (h *Handlers) typedToken(r *http.Request) (models.Token, error) {
	ends, err := h.typedEnd(r.PostForm)
	return models.Token{UserID: auth.User(r.Context()).ID, Name: trimmed(r.PostForm, "Name"), Scope: typedScope(r.PostForm), ExpiresAt: ends}, err
}

// typedScope is what a token or a key is limited to.
func typedScope(form url.Values) models.Scope {
	s := models.Scope{Level: models.Level(form.Get("Level"))}
	for _, id := range form["Stacks"] {
		s.Stacks = append(s.Stacks, models.StackID(id))
	}
	return s
}

// typedEnd is when a token or a key ends.
func (h *Handlers) typedEnd(form url.Values) (time.Time, error) {
	days, err := strconv.Atoi(trimmed(form, "Days"))
	if err != nil || days < 1 || days > maxTokenDays {
		return time.Time{}, models.InvalidField("Days", "Expires after days: write a number from 1 to %d.", maxTokenDays)
	}
	return h.Now().Add(time.Duration(days) * 24 * time.Hour), nil
}

func (h *Handlers) deleteMyToken(w http.ResponseWriter, r *http.Request) {
	h.endToken(w, r, auth.User(r.Context()).ID, "/me/keys")
}

func (h *Handlers) deleteUserToken(w http.ResponseWriter, r *http.Request, u *models.User) {
	h.endToken(w, r, u.ID, views.UserHref(u.ID))
}

// endToken ends a token of that person, whoever asks.
func (h *Handlers) endToken(w http.ResponseWriter, r *http.Request, owner models.UserID, back string) {
	id := models.TokenID(r.PostForm.Get("token"))
	t, err := h.Store.Tokens.Get(r.Context(), id)
	if err == nil && t.UserID != owner {
		err = models.NotFound("token", id)
	}
	if err == nil {
		err = h.Engine.DeleteToken(r.Context(), id)
	}
	if err != nil {
		h.refused(w, r, err, back)
		return
	}
	h.done(w, r, back, "The token "+t.Name+" is deleted; requests that carry it are refused.")
}

// stackNamer gives the limits of tokens and keys the names of their stacks, as
// far as the reader may see them.
func (h *Handlers) stackNamer(ctx context.Context) (func(models.Scope) []string, error) {
	stacks, err := h.Engine.VisibleStacks(ctx)
	names := make(map[models.StackID]string, len(stacks))
	for _, s := range stacks {
		names[s.ID] = s.Name
	}
	return func(scope models.Scope) (list []string) {
		for _, id := range scope.Stacks {
			name, ok := names[id]
			if !ok {
				name = "a stack that is gone or hidden"
			}
			list = append(list, name)
		}
		return list
	}, err
}

// tokenRows are somebody's tokens, with the stacks by name.
func (h *Handlers) tokenRows(ctx context.Context, id models.UserID) ([]views.TokenRow, error) {
	tokens, err := h.Store.Tokens.OfUser(ctx, id)
	if err != nil || len(tokens) == 0 {
		return nil, err
	}
	names, err := h.stackNamer(ctx)
	rows := make([]views.TokenRow, len(tokens))
	for n, t := range tokens {
		rows[n] = views.TokenRow{ID: string(t.ID), Name: t.Name, Created: t.CreatedAt, LastUsed: t.LastUsed}
		rows[n].Limits = views.Limits{Level: t.Scope.Level, Stacks: names(t.Scope), Expires: &t.ExpiresAt}
	}
	return rows, err
}
