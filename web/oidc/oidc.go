// Package oidc lets people sign in at an OpenID provider: authorization code
// with PKCE, state and nonce. It asks the provider and checks what it says;
// whom that makes somebody here is the engine's to decide. Tokens of the
// provider do not leave this package.
package oidc

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"opsyard/models"
)

// CallbackPath is where the provider sends people back to.
const CallbackPath = "/sign-in/oidc/callback"

// Config is what the administrators of both sides have agreed on.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client
	// GroupClaim names the claim that lists groups, so that who has none is in no
	// group. Empty: nothing was agreed on, and "groups" counts where it is there.
	GroupClaim string
	Name       string // of the provider, for people; empty: its host
	PublicURL  string // of this server
	Now        func() time.Time
	// Client asks the provider; nil for one with limits.
	Client *http.Client
}

// Provider is an OpenID provider. It is asked about itself when somebody first
// wants to sign in, so that the server starts without it.
type Provider struct {
	c Config

	mu   sync.Mutex
	meta *gooidc.Provider // nil until it has answered
}

// patience is how long the provider may take for one answer, and longest how
// much it may say.
const (
	patience = 10 * time.Second
	longest  = 1 << 20
)

// New checks the settings. The provider itself is not asked yet.
func New(c Config) (*Provider, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("the OpenID issuer is not an https address without query and fragment")
	}
	if c.ClientID == "" {
		return nil, errors.New("the OpenID provider needs a client id")
	}
	if c.Name == "" {
		c.Name = u.Hostname()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: patience, Transport: limited{http.DefaultTransport}}
	}
	return &Provider{c: c}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// limited reads no endless answer.
type limited struct{ http.RoundTripper }

// RoundTrip asks, and cuts the answer.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, longest), answer.Body}
	}
	return answer, err
}

// Name is the provider's name for people.
func (p *Provider) Name() string { return p.c.Name }

// away is what people are told when the provider cannot be asked.
func (p *Provider) away(err error) error {
	return models.Invalid("%s cannot be reached at present. Sign in with your password, or try again later.", p.c.Name).Because(err)
}

// with lets the libraries ask by our client.
func (p *Provider) with(ctx context.Context) context.Context {
	return gooidc.ClientContext(ctx, p.c.Client)
}

// discover asks the provider about itself, until it has answered once.
func (p *Provider) discover() (*gooidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.meta != nil {
		return p.meta, nil
	}
	// What is found keeps this context to fetch keys later: it outlives the
	// request that asks first. The client limits each question.
	meta, err := gooidc.NewProvider(p.with(context.Background()), p.c.Issuer)
	if err != nil {
		return nil, p.away(fmt.Errorf("ask %s about itself: %w", p.c.Issuer, err))
	}
	p.meta = meta
	return meta, nil
}

func (p *Provider) client(meta *gooidc.Provider) *oauth2.Config {
	scopes := []string{gooidc.ScopeOpenID, "profile", "email"}
	var says struct {
		Scopes []string `json:"scopes_supported"`
	}
	if meta.Claims(&says) == nil && slices.Contains(says.Scopes, "groups") {
		scopes = append(scopes, "groups")
	}
	return &oauth2.Config{
		ClientID: p.c.ClientID, ClientSecret: p.c.ClientSecret, Endpoint: meta.Endpoint(), Scopes: scopes,
		RedirectURL: strings.TrimSuffix(p.c.PublicURL, "/") + CallbackPath,
	}
}

// Address is where the person goes to sign in. fresh asks the provider to
// prove again who they are, whatever session they have there.
//
// max_age is always asked for, because a provider that is asked for it has to
// say when it last saw the proof (OpenID Connect Core 3.1.2.1, auth_time).
func (p *Provider) Address(state, nonce, verifier string, fresh bool) (string, error) {
	meta, err := p.discover()
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{gooidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)}
	age := models.SessionAbsolute
	if fresh {
		age, options = 0, append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	options = append(options, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(age.Seconds()))))
	return p.client(meta).AuthCodeURL(state, options...), nil
}

// errRefused is what people are told of an answer that is not good; the log
// tells why.
func errRefused(err error) error {
	return models.Forbidden("The provider's answer was not accepted. Begin again.").Because(err)
}

// algorithms are the signatures that are taken: none is not among them, and
// nothing that is made with the client's secret.
var algorithms = []string{gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.PS256, gooidc.PS384, gooidc.PS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.EdDSA}

// Finish trades the code of the callback for what the provider says of the
// person. issuer is the callback's iss, if it had one (RFC 9207).
func (p *Provider) Finish(ctx context.Context, code, issuer, nonce, verifier string) (models.Claims, error) {
	meta, err := p.discover()
	if err != nil {
		return models.Claims{}, err
	}
	if issuer != "" && issuer != p.c.Issuer {
		return models.Claims{}, errRefused(fmt.Errorf("the answer came from issuer %.100q", issuer))
	}
	tokens, err := p.client(meta).Exchange(p.with(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		var said *oauth2.RetrieveError
		if errors.As(err, &said) && said.Response.StatusCode < http.StatusInternalServerError {
			return models.Claims{}, errRefused(withoutBody(said))
		}
		return models.Claims{}, p.away(errors.New("trade the code for a token: no answer"))
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := meta.VerifierContext(p.with(ctx), &gooidc.Config{ClientID: p.c.ClientID, SupportedSigningAlgs: algorithms, Now: p.c.Now}).Verify(p.with(ctx), raw)
	if err != nil {
		return models.Claims{}, errRefused(err)
	}
	if nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return models.Claims{}, errRefused(errors.New("the token is for another sign-in"))
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(tokens.AccessToken); err != nil {
			return models.Claims{}, errRefused(err)
		}
	}
	return p.claims(ctx, meta, token, tokens)
}

// withoutBody is the error of a token endpoint without the answer's body, which
// may hold a token.
func withoutBody(said *oauth2.RetrieveError) error {
	return fmt.Errorf("trade the code for a token: %s %.60q", said.Response.Status, said.ErrorCode)
}

func (p *Provider) claims(ctx context.Context, meta *gooidc.Provider, token *gooidc.IDToken, tokens *oauth2.Token) (models.Claims, error) {
	var who struct {
		Party string `json:"azp"`
		Name  string `json:"preferred_username"`
		Email string `json:"email"`
		Asked int64  `json:"auth_time"`
	}
	all := map[string]any{}
	if err := errors.Join(token.Claims(&who), token.Claims(&all)); err != nil {
		return models.Claims{}, errRefused(err)
	}
	if who.Party != "" && who.Party != p.c.ClientID {
		return models.Claims{}, errRefused(errors.New("the token was issued to another client"))
	}
	c := models.Claims{Issuer: token.Issuer, Subject: token.Subject, Name: who.Name, Email: who.Email}
	if who.Asked > 0 {
		c.AuthenticatedAt = time.Unix(who.Asked, 0)
	}
	var err error
	c.Groups, c.HasGroups, err = p.groups(all, func() (map[string]any, error) { return p.userInfo(ctx, meta, token.Subject, tokens) })
	return c, err
}

// groups are those of the token, or else of the userinfo. Many providers leave
// the claim out for who is in no group: where it was agreed on, who comes without
// it has none, and does not keep what a group gave that they have lost.
func (p *Provider) groups(token map[string]any, userInfo func() (map[string]any, error)) (groups []string, known bool, err error) {
	name, agreed := cmp.Or(p.c.GroupClaim, "groups"), p.c.GroupClaim != ""
	if groups, known = groupsIn(token, name); known {
		return groups, true, nil
	}
	more, err := userInfo()
	if groups, known = groupsIn(more, name); known {
		return groups, true, nil
	}
	switch {
	case agreed && (elsewhere(token, name) || elsewhere(more, name)):
		return nil, false, models.Forbidden("You are in more groups than %s sends. Ask an administrator there to send this application only the groups that it needs.", p.c.Name)
	case err != nil && agreed:
		return nil, false, models.Forbidden("%s did not say which groups you are in, so you cannot be let in. Try again later.", p.c.Name).Because(err)
	}
	return nil, agreed, nil
}

// userInfo is what the provider says of the person beside the token; nil when it
// is not a provider that says more.
func (p *Provider) userInfo(ctx context.Context, meta *gooidc.Provider, subject string, tokens *oauth2.Token) (map[string]any, error) {
	if meta.UserInfoEndpoint() == "" {
		return nil, nil
	}
	info, err := meta.UserInfo(p.with(ctx), oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, fmt.Errorf("ask for the userinfo: %.200s", err.Error()) // it ends with the whole answer
	}
	if info.Subject != subject {
		return nil, errors.New("the userinfo is somebody else's")
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return nil, fmt.Errorf("read the userinfo: %w", err)
	}
	return more, nil
}

// elsewhere tells whether there is a claim that is too long to be sent. Entra
// then says where it can be asked for, or only that there is one.
func elsewhere(claims map[string]any, name string) bool {
	names, _ := claims["_claim_names"].(map[string]any)
	_, named := names[name]
	return named || name == "groups" && fmt.Sprint(claims["hasgroups"]) == "true"
}

// groupsIn reads a claim that is a list of names, or one.
func groupsIn(claims map[string]any, name string) (groups []string, there bool) {
	switch v := claims[name].(type) {
	case string:
		return []string{v}, true
	case []any:
		for _, g := range v {
			if s, ok := g.(string); ok {
				groups = append(groups, s)
			}
		}
		return groups, true
	}
	return nil, false
}
