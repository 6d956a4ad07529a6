package awsapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"opsyard/models"
	"opsyard/web"
	"opsyard/web/sigv4"
)

// credential is what a request proves: whose it is, and how far it goes.
type credential struct {
	id    string // of the key or token
	user  models.UserID
	scope *models.Scope
	used  func() // notes its use
}

// authenticate finds the key that signed the request, or the token that it
// shows. AWS clients sign; a script with curl has it easier with a token. tried
// is the id of the key that the request names, also when it is not good.
func (a *API) authenticate(r *http.Request, body []byte, service string) (with *credential, tried string, err error) {
	if text, ok := bearer(r); ok {
		with, err = a.byToken(r.Context(), text)
		return with, "", err
	}
	var key *models.AccessKey
	_, err = sigv4.Verify(r, body, a.Now(), service, func(id string) (string, bool, error) {
		tried = id
		found, err := a.Store.AccessKeys.Get(r.Context(), id)
		if err != nil {
			if models.CodeOf(err) == models.CodeNotFound {
				err = nil
			}
			return "", false, err
		}
		if found.Expired(a.Now()) {
			return "", false, nil
		}
		key = found
		return key.Secret, true, nil
	})
	if err != nil {
		return nil, tried, err
	}
	return &credential{id: key.ID, user: key.UserID, scope: key.Scope.Limits(), used: func() { a.Engine.KeyUsed(key.ID) }}, tried, nil
}

// bearer is the token of the request; the name of the scheme has no case (RFC
// 9110, 11.1).
func bearer(r *http.Request) (string, bool) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(text), strings.EqualFold(scheme, "Bearer")
}

func (a *API) byToken(ctx context.Context, text string) (*credential, error) {
	t, err := a.Engine.TokenOf(ctx, text)
	if err != nil {
		return nil, err
	}
	return &credential{id: string(t.ID), user: t.UserID, scope: t.Scope.Limits(), used: func() { a.Engine.TokenUsed(t.ID) }}, nil
}

// actAs makes the owner of a key or token the actor, within its scope.
func (a *API) actAs(ctx context.Context, r *http.Request, with *credential) (context.Context, error) {
	u, err := a.Store.Users.Get(ctx, with.user)
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return nil, &sigv4.Error{Type: sigv4.Unrecognized, Message: "The security token included in the request is invalid."}
	}
	if err != nil {
		return nil, err
	}
	return models.WithActor(ctx, models.Actor{
		Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: u.Admin, Scope: with.scope,
		SourceAddr: web.SourceAddr(r), RequestID: web.RequestID(ctx), Surface: "api",
	}), nil
}

// badCredential has the audit know of a key or token that was not good, and is
// what the client is told: after many, not even what was wrong. A request
// without any has tried none.
func (a *API) badCredential(r *http.Request, tried string, err error) error {
	var signature *sigv4.Error
	switch {
	case errors.As(err, &signature) && signature.Type == sigv4.Missing:
		return err
	case !errors.As(err, &signature) && models.CodeOf(err) != models.CodeUnauthenticated:
		return err // ours to mend, and logged
	}
	ctx := models.WithActor(r.Context(), models.Actor{
		Kind: models.ActorUser, SourceAddr: web.SourceAddr(r), RequestID: web.RequestID(r.Context()), Surface: "api",
	})
	return cmp.Or(a.Engine.RefusedCredential(ctx, tried, failureOf(err).Type), err)
}
