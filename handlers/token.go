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

// Days that a token lasts.
const (
	tokenDays    = 90
	maxTokenDays = 365
)

// showNewToken is the form for one more token.
func (h *Handlers) showNewToken(w http.ResponseWriter, r *http.Request) {
	p, err := h.tokenForm(w, r, views.Form{Values: url.Values{"Days": {strconv.Itoa(tokenDays)}}})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, http.StatusOK, views.TokenNew(p))
}

func (h *Handlers) tokenForm(w http.ResponseWriter, r *http.Request, form views.Form) (views.TokenForm, error) {
	stacks, err := h.Engine.VisibleStacks(r.Context())
	p := views.TokenForm{Form: form, Stacks: stacks}
	p.Page = h.page(w, r, "New token", "me", crumb("My settings", "/me"), crumb("Keys and tokens", "/me/keys"), crumb("New token", ""))
	return p, err
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
		h.again(w, r, err, func(sentence, field string) templ.Component {
			if field == "ExpiresAt" {
				field = "Days" // that is what was asked for
			}
			p, err := h.tokenForm(w, r, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
			if err != nil {
				return failed{err}
			}
			return views.TokenNew(p)
		})
		return
	}
	h.drawMyKeys(w, r, http.StatusOK, views.MeKeysPage{FreshToken: &views.FreshToken{Name: made.Name, Secret: secret, Expires: made.ExpiresAt}})
}

func (h *Handlers) typedToken(r *http.Request) (models.Token, error) {
	t := models.Token{UserID: auth.User(r.Context()).ID, Name: trimmed(r.PostForm, "Name"), Scope: models.Scope{Level: models.Level(r.PostForm.Get("Level"))}}
	for _, id := range r.PostForm["Stacks"] {
		t.Scope.Stacks = append(t.Scope.Stacks, models.StackID(id))
	}
	days, err := strconv.Atoi(trimmed(r.PostForm, "Days"))
	if err != nil || days < 1 || days > maxTokenDays {
		return t, models.InvalidField("Days", "Ends after days: write a number from 1 to %d.", maxTokenDays)
	}
	t.ExpiresAt = h.Now().Add(time.Duration(days) * 24 * time.Hour)
	return t, nil
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

// tokenRows are somebody's tokens, with the stacks by name.
func (h *Handlers) tokenRows(ctx context.Context, id models.UserID) ([]views.TokenRow, error) {
	tokens, err := h.Store.Tokens.OfUser(ctx, id)
	if err != nil || len(tokens) == 0 {
		return nil, err
	}
	stacks, err := h.Engine.VisibleStacks(ctx)
	names := make(map[models.StackID]string, len(stacks))
	for _, s := range stacks {
		names[s.ID] = s.Name
	}
	rows := make([]views.TokenRow, len(tokens))
	for n, t := range tokens {
		rows[n] = views.TokenRow{ID: string(t.ID), Name: t.Name, Level: t.Scope.Level, Created: t.CreatedAt, Expires: t.ExpiresAt, LastUsed: t.LastUsed}
		for _, s := range t.Scope.Stacks {
			name, ok := names[s]
			if !ok {
				name = "a stack that is gone or hidden"
			}
			rows[n].Stacks = append(rows[n].Stacks, name)
		}
	}
	return rows, err
}
