package handlers

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

const goodPassword = "a long pass sentence"

// fakeEngine stands in for the engine's verbs about people and stacks over a
// real store. Verbs that a test does not need are nil and panic.
type fakeEngine struct {
	Engine
	store *store.Store
	hub   *pubsub.Hub

	mu       sync.Mutex
	sessions map[string]models.UserID // by cookie
	setup    string                   // the open set-up token
	fails    error                    // what the next lookup ends with
	stepUp   bool                     // sessions are old: some deeds need a proof

	asked     []engine.DeploymentRequest // of Deploy
	cancelled []string                   // ids of deployments and commands
	rolled    []string                   // what was asked of rolling deployments
	stale     bool                       // plans are out of date
	metrics   fakeMetrics
	healing   fakeHealing
}

func (f *fakeEngine) SessionUser(ctx context.Context, cookie string) (*models.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		return nil, f.fails
	}
	id, ok := f.sessions[cookie]
	if !ok {
		return nil, &models.Error{Code: models.CodeUnauthenticated, Message: "Sign in again."}
	}
	return f.store.Users.Get(ctx, id)
}

func (f *fakeEngine) Session(ctx context.Context, cookie string) (*models.Session, *models.User, error) {
	u, err := f.SessionUser(ctx, cookie)
	if err != nil {
		return nil, nil, err
	}
	s := &models.Session{Hash: cookie, UserID: u.ID, CreatedAt: time.Now()}
	if f.stepUp {
		s.CreatedAt = s.CreatedAt.Add(-time.Hour)
	}
	return s, u, nil
}

func (f *fakeEngine) Passkeys() bool { return false }

func (f *fakeEngine) SignIn(ctx context.Context, name, password string, _ models.Browser) (*models.SignedIn, error) {
	if name == "hasty" {
		return nil, &models.Error{Code: models.CodeThrottled, Message: "Too many tries. Wait 1 min."}
	}
	u, err := f.store.Users.ByName(ctx, name)
	if err != nil || password != goodPassword {
		return nil, &models.Error{Code: models.CodeUnauthenticated, Message: "Name or password is not right."}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	cookie := string(models.NewID[models.UserID]())
	f.sessions[cookie] = u.ID
	return &models.SignedIn{User: u, Cookie: cookie}, nil
}

func (f *fakeEngine) SignOut(_ context.Context, cookie string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sessions, cookie)
	return nil
}

func (f *fakeEngine) SetupNeeded(context.Context) (bool, error) { return f.setup != "", nil }

func (f *fakeEngine) FirstRun(ctx context.Context, token, name, password string) (*models.User, error) {
	if token != f.setup {
		return nil, models.NotFound("set-up address", token)
	}
	u, err := f.CreateUser(ctx, models.User{Name: name, Admin: true}, password)
	if err == nil {
		f.setup = ""
	}
	return u, err
}

func (f *fakeEngine) CreateUser(ctx context.Context, u models.User, password string) (*models.User, error) {
	if err := errors.Join(u.Validate(), models.CheckPassword(password)); err != nil {
		return nil, err
	}
	u.ID, u.IamUserArn = models.NewID[models.UserID](), "arn:"+u.Name
	u.CreatedAt, u.UpdatedAt = time.Now(), time.Now()
	return &u, f.store.Users.Create(ctx, &u)
}

func (f *fakeEngine) ChangePassword(_ context.Context, current, password, _ string) error {
	if current != goodPassword {
		return models.InvalidField("Current", "Current password: is not right.")
	}
	return models.CheckPassword(password)
}

func (f *fakeEngine) FactorsOf(context.Context, models.UserID) (*engine.Factors, error) {
	return &engine.Factors{Password: true}, nil
}

func (f *fakeEngine) SessionsOf(ctx context.Context, id models.UserID) ([]models.Session, error) {
	return f.store.Sessions.OfUser(ctx, id)
}

func (f *fakeEngine) ConfirmSession(_ context.Context, p models.Proof) error {
	if p.Password != goodPassword {
		return models.InvalidField("Confirm-Password", "The password is wrong.")
	}
	return nil
}

func (f *fakeEngine) SetTheme(ctx context.Context, theme string) error {
	u, err := f.store.Users.Get(ctx, models.ActorFrom(ctx).UserID)
	if err != nil {
		return err
	}
	u.Theme = theme
	return f.store.Users.Save(ctx, u)
}

func (f *fakeEngine) Permit(ctx context.Context, p models.Permission) error {
	p.UpdatedAt = time.Now()
	return f.store.Permissions.Set(ctx, p)
}

func (f *fakeEngine) GrantSSH(ctx context.Context, stack models.StackID, user models.UserID, sudo bool, d time.Duration) error {
	return f.SetPermission(ctx, stack, user, func(p *models.Permission) error {
		until := time.Now().Add(d)
		p.SSHUntil, p.UntilSudo = &until, sudo
		return models.CheckLogin(d)
	})
}

func (f *fakeEngine) EndSSH(ctx context.Context, stack models.StackID, user models.UserID) error {
	return f.SetPermission(ctx, stack, user, func(p *models.Permission) error {
		p.SSHUntil, p.UntilSudo = nil, false
		return nil
	})
}

func (f *fakeEngine) InstanceAccounts(context.Context, models.InstanceID) (*models.InstanceAccounts, error) {
	return &models.InstanceAccounts{}, nil
}

func (f *fakeEngine) SetPermission(ctx context.Context, stack models.StackID, user models.UserID, change func(*models.Permission) error) error {
	p, err := f.store.Permissions.Get(ctx, stack, user)
	if err != nil {
		p = &models.Permission{StackID: stack, UserID: user, Level: models.LevelIAMOnly}
	}
	if err := change(p); err != nil {
		return err
	}
	return f.Permit(ctx, *p)
}

func (f *fakeEngine) level(ctx context.Context, id models.StackID) models.Level {
	p, err := f.store.Permissions.Get(ctx, id, models.ActorFrom(ctx).UserID)
	if err != nil {
		return models.LevelIAMOnly
	}
	return p.Level
}

func (f *fakeEngine) Authorize(ctx context.Context, id models.StackID, action models.Action) (*models.Stack, error) {
	s, err := f.store.Stacks.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	level := f.level(ctx, id)
	switch {
	case models.MayDo(models.ActorFrom(ctx), level, action):
		return s, nil
	case models.MayDo(models.ActorFrom(ctx), level, models.ActionShow):
		return nil, models.Forbidden("You may see stack %s, but not do this.", s.Name)
	}
	return nil, models.NotFound("stack", id)
}

func (f *fakeEngine) May(ctx context.Context, action models.Action, id models.StackID) (bool, error) {
	r := models.RightsOf(models.ActorFrom(ctx))
	if p, err := f.store.Permissions.Get(ctx, id, models.ActorFrom(ctx).UserID); err == nil {
		r.Grants = []models.Grant{{Level: p.Level, AllowSSH: p.AllowSSH}}
	}
	return r.Decide(action, nil).Allowed, nil
}

func (f *fakeEngine) RefusedForeign(context.Context) {}

func (f *fakeEngine) RefusedPage(context.Context, models.Action, models.StackID) {}

func (f *fakeEngine) AuthorizeTeam(ctx context.Context, _ models.Action, _ string) error {
	if models.ActorFrom(ctx).Admin {
		return nil
	}
	return models.Forbidden("Only an administrator may see the team.")
}

func (f *fakeEngine) VisibleStacks(ctx context.Context) ([]models.Stack, error) {
	all, err := f.store.Stacks.List(ctx)
	var seen []models.Stack
	for _, s := range all {
		if models.MayDo(models.ActorFrom(ctx), f.level(ctx, s.ID), models.ActionShow) {
			seen = append(seen, s)
		}
	}
	return seen, err
}

func (f *fakeEngine) CreateStack(ctx context.Context, s models.Stack) (*models.Stack, error) {
	s.Normalize()
	if err := s.Validate(); err != nil {
		return nil, err
	}
	s.ID, s.CreatedAt, s.UpdatedAt = models.NewID[models.StackID](), time.Now(), time.Now()
	err := f.store.Stacks.Create(ctx, &s)
	f.hub.Publish("stacks", pubsub.Message{Kind: "stack", ID: string(s.ID)})
	return &s, err
}

func (f *fakeEngine) Providers() []string { return []string{"local", "process", "sim"} }

// console is a running console with one administrator, ana.
type console struct {
	t      *testing.T
	engine *fakeEngine
	store  *store.Store
	hub    *pubsub.Hub
	h      *Handlers
	url    string
}

func setup(t *testing.T) *console {
	t.Helper()
	box, err := store.NewSecretBox([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	st, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "db"), Secrets: box, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	hub := pubsub.NewHub()
	eng := &fakeEngine{store: st, hub: hub, sessions: map[string]models.UserID{}}
	h, err := New(Config{Engine: eng, Store: st, Hub: hub, Log: quiet, Dev: true, Version: "0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(h.Stop)
	c := &console{t: t, engine: eng, store: st, hub: hub, h: h, url: server.URL}
	c.user("ana", true)
	return c
}

func (c *console) user(name string, admin bool) *models.User {
	c.t.Helper()
	u, err := c.engine.CreateUser(c.t.Context(), models.User{Name: name, Admin: admin}, goodPassword)
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

func (c *console) stack(name string) *models.Stack {
	c.t.Helper()
	s, err := c.engine.CreateStack(c.t.Context(), models.Stack{Name: name, Provider: "sim"})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *console) permit(u *models.User, s *models.Stack, level models.Level) {
	c.t.Helper()
	if err := c.engine.Permit(c.t.Context(), models.Permission{StackID: s.ID, UserID: u.ID, Level: level}); err != nil {
		c.t.Fatal(err)
	}
}

// browser keeps cookies and does not follow redirects by itself.
type browser struct {
	c      *console
	client *http.Client
}

func (c *console) browser() *browser {
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &browser{c, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is a browser in which the user is signed in.
func (c *console) as(name string) *browser {
	c.t.Helper()
	b := c.browser()
	if got := b.post("/sign-in", "name", name, "password", goodPassword); got.status != http.StatusSeeOther {
		c.t.Fatalf("sign in as %s: got %d", name, got.status)
	}
	return b
}

type answer struct {
	status   int
	location string
	body     string
	header   http.Header
}

func (b *browser) do(method, path string, form url.Values, header ...string) answer {
	b.c.t.Helper()
	req, err := http.NewRequestWithContext(b.c.t.Context(), method, b.c.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.c.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(body), resp.Header}
}

func (b *browser) get(path string) answer { b.c.t.Helper(); return b.do("GET", path, nil) }

func (b *browser) post(path string, pairs ...string) answer {
	b.c.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.do("POST", path, form)
}

// want checks status and, in the body, every text.
func (a answer) want(t *testing.T, status int, texts ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got status %d, want %d: %.400s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	return a
}

func (a answer) wantLocation(t *testing.T, path string) {
	t.Helper()
	if a.status != http.StatusSeeOther || a.location != path {
		t.Fatalf("got %d to %q, want 303 to %q: %.200s", a.status, a.location, path, a.body)
	}
}
