package handlers

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"opsyard/engine"
	"opsyard/engine/compute"
	"opsyard/engine/logstream"
	"opsyard/engine/logstream/blob"
	"opsyard/models"
)

// need is what somebody must be for a route to answer.
type need int

const (
	anybody  need = iota // also who has not signed in
	signedIn             // every user
	show
	deploy
	manage
	admin
	// login is show, and SSH, which nobody has here.
	login
)

// needs is every route of the console with whom it answers. A route that is
// missing here fails the test: whoever adds one decides.
var needs = map[string]need{
	"GET /static/": anybody, "GET /sign-in": anybody, "POST /sign-in": anybody, "POST /sign-out": anybody,
	"GET /setup/{token}": anybody, "POST /setup/{token}": anybody, "POST /theme": anybody, "/": anybody,

	"GET /{$}": signedIn, "GET /stacks": signedIn, "GET /me": signedIn, "GET /me/security": signedIn, "GET /me/keys": signedIn, "GET /me/access": signedIn, "GET /me/session": signedIn,
	"POST /me/password": signedIn, "POST /me/sessions/end": signedIn, "GET /ws/live": show, "GET /gallery": signedIn,
	"GET /stacks/new": admin, "POST /stacks": admin,

	"GET /stacks/{stack}": show, "GET /stacks/{stack}/layers": show, "GET /stacks/{stack}/layers/{layer}": show,
	"GET /stacks/{stack}/instances": show, "GET /instances/{instance}": show, "GET /instances/{instance}/console": manage,
	"GET /stacks/{stack}/apps": show, "GET /stacks/{stack}/apps/{app}": show,
	"GET /stacks/{stack}/deployments": show, "GET /deployments/{deployment}": show,
	"GET /commands/{command}": show, "GET /commands/{command}/log": show, "GET /commands/{command}/log/lines": show,
	"GET /commands/{command}/log/search": show, "GET /ws/commands/{command}/log": show,

	"GET /stacks/{stack}/run": deploy, "POST /stacks/{stack}/run": deploy,
	"GET /stacks/{stack}/apps/{app}/edit": deploy, "POST /stacks/{stack}/apps/{app}/edit": deploy,
	"POST /deployments/{deployment}/cancel": deploy, "POST /deployments/{deployment}/retry": deploy,
	"POST /deployments/{deployment}/pause": deploy, "POST /deployments/{deployment}/continue": deploy, "POST /deployments/{deployment}/stop": deploy,
	"GET /plans/{plan}": show, "POST /plans/{plan}/run": deploy,
	"POST /commands/{command}/cancel": deploy,

	"GET /stacks/{stack}/settings": manage, "POST /stacks/{stack}/settings": manage,
	"POST /stacks/{stack}/start": manage, "POST /stacks/{stack}/stop": manage, "POST /stacks/{stack}/delete": manage,
	"GET /stacks/{stack}/layers/new": manage, "POST /stacks/{stack}/layers": manage,
	"POST /stacks/{stack}/layers/{layer}/recipes": manage, "POST /stacks/{stack}/layers/{layer}/settings": manage,
	"POST /stacks/{stack}/layers/{layer}/delete": manage,
	"GET /stacks/{stack}/instances/new":          manage, "POST /stacks/{stack}/instances": manage,
	"GET /instances/{instance}/edit": manage, "POST /instances/{instance}/edit": manage,
	"POST /instances/{instance}/start": manage, "POST /instances/{instance}/stop": manage,
	"POST /instances/{instance}/reboot": manage, "POST /instances/{instance}/delete": manage,
	"GET /stacks/{stack}/apps/new": manage, "POST /stacks/{stack}/apps": manage, "POST /stacks/{stack}/apps/{app}/delete": manage,
}

// namesNothing are routes whose form names a thing, and an empty one names
// none: who is let in is told so.
var namesNothing = []string{"POST /me/sessions/end"}

// routesInSource are the patterns that this package registers, read from its
// source: http.ServeMux does not tell.
func routesInSource(t *testing.T) []string {
	t.Helper()
	packages, err := parser.ParseDir( //nolint:staticcheck // build tags do not matter here
		token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, p := range packages {
		ast.Inspect(p, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || method.Sel.Name != "HandleFunc" && method.Sel.Name != "Handle" {
				return true
			}
			pattern, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("a route is registered by something else than a literal, which nobody can look up")
				return true
			}
			text, err := strconv.Unquote(pattern.Value)
			if err != nil {
				t.Error(err)
			}
			routes = append(routes, text)
			return true
		})
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}

func TestEveryRouteSaysWhoMayUseIt(t *testing.T) {
	t.Parallel()
	routes := routesInSource(t)
	for _, r := range routes {
		if _, ok := needs[r]; !ok {
			t.Errorf("route %q is not in the table of needs", r)
		}
	}
	for r := range needs {
		if !slices.Contains(routes, r) {
			t.Errorf("the table of needs has %q, which is no route", r)
		}
	}
}

// realConsole is a console over the real engine, store and logs; its engine's
// loops do not run.
type realConsole struct {
	*console
	fleet *fleet
	other *fleet // a stack in which nobody has a level
	// subject is a user whom the others' pages are about.
	subject models.UserID
}

// simulated is a provider that is only asked what it can do.
type simulated struct{ compute.Provider }

func (simulated) Name() string { return "sim" }

func (simulated) Caps() compute.Caps { return compute.Caps{Simulated: true, Reboot: true} }

func (simulated) Terminate(context.Context, string) error { return nil }

func (simulated) Console(context.Context, string) (io.ReadCloser, error) {
	return nil, compute.ErrUnsupported
}

func setupReal(t *testing.T, log *slog.Logger) *realConsole {
	t.Helper()
	c := &realConsole{console: setup(t)}
	blobs, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	logs := logstream.New(logstream.Config{Store: c.store.Logs, Blobs: blobs, Log: log})
	if err := logs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eng, err := engine.New(t.Context(), engine.Config{Store: c.store, Hub: c.hub, Logs: logs, Log: log, FastPasswords: true,
		Providers: map[string]compute.Provider{"sim": simulated{}}, DefaultProvider: "sim"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Engine: eng, Store: c.store, Logs: logs, Hub: c.hub, Log: log, Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	c.url, c.h = server.URL, h
	t.Cleanup(func() { // before the store is closed
		server.Close()
		h.Stop()
		logs.Stop()
	})
	c.fleet = seedFleet(t, c.store, h.Now(), 12)
	c.other = &fleet{store: c.store, t: t, ctx: t.Context(), now: h.Now()}
	c.other.stack = models.Stack{ID: models.NewID[models.StackID](), Name: "vault", Provider: "sim", CreatedAt: h.Now(), UpdatedAt: h.Now()}
	c.other.stack.Normalize()
	c.other.must(c.store.Stacks.Create(t.Context(), &c.other.stack))
	c.other.makeLayers()
	c.other.makeInstances(12)
	c.other.makeApp()
	c.other.makeDeployments()
	c.other.makeHealings()
	setup := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup})
	for _, u := range []models.User{{Name: "root", Admin: true}, {Name: "subject"}, {Name: "nobody"}, {Name: "deny"}, {Name: "iam_only"}, {Name: "show"}, {Name: "deploy"}, {Name: "manage"}} {
		u.AllowSelfManagement = true
		made, err := eng.CreateUser(setup, u, goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if u.Name == "subject" {
			c.subject = made.ID
		}
		if level := models.Level(u.Name); slices.Contains(models.Levels, level) {
			if err := eng.Permit(setup, models.Permission{StackID: c.fleet.stack.ID, UserID: made.ID, Level: level}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

// path fills a pattern with the things of a fleet.
func (c *realConsole) path(f *fleet, pattern string) string {
	commands, err := c.store.Commands.OfDeployment(c.t.Context(), f.running.ID)
	f.must(err)
	return strings.NewReplacer(
		"{channel}", c.channel(f, pattern), "{group}", c.group(pattern), "{policy}", c.policy(pattern), "{alarm}", c.alarm(f, pattern),
		"{$}", "", "{stack}", string(f.stack.ID), "{layer}", string(f.layers[0].ID), "{instance}", string(f.instances[0].ID), "{app}", string(f.app.ID),
		"{user}", string(c.subject), "{deployment}", string(f.running.ID), "{plan}", string(f.plan.ID), "{command}", string(commands[0].ID), "{token}", "wrong", "{healing}", string(f.healed.ID),
		"/ws/live", "/ws/live?view=stack/"+string(f.stack.ID), "/ws/shell", "/ws/shell?instance="+string(f.instances[0].ID),
		"{shell}", c.shell(f, pattern),
	).Replace(pattern)
}

// may is what an answer says: whether the asker was let in.
func may(a answer) string {
	switch {
	case a.status >= 500:
		return fmt.Sprintf("crashed (%d)", a.status)
	case a.status == http.StatusUnauthorized, a.status == http.StatusSeeOther && strings.HasPrefix(a.location, "/sign-in"):
		return "sign in"
	case a.status == http.StatusForbidden:
		return "forbidden"
	case a.status == http.StatusNotFound:
		return "not found"
	}
	return "yes"
}

// TestPermissions walks every route as everybody: somebody below the need is
// refused, and learns nothing of a stack that they may not see.
func TestPermissions(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	rank := map[string]need{"nobody": signedIn, "deny": signedIn, "iam_only": signedIn, "show": show, "deploy": deploy, "manage": manage, "root": admin}
	stranger := c.browser()
	browsers := map[string]*browser{}
	for name := range rank {
		browsers[name] = c.as(name)
	}
	c.countWrites()
	for _, pattern := range slices.Sorted(maps.Keys(needs)) {
		need := needs[pattern]
		method, path, ok := strings.Cut(pattern, " ")
		if need == anybody || !ok {
			continue
		}
		mine, theirs := c.path(c.fleet, path), c.path(c.other, path)
		inStack := mine != theirs
		before := c.writes()
		if got := may(stranger.do(method, mine, nil)); got != "sign in" {
			t.Errorf("%s %s without a session: %s", method, path, got)
		}
		c.wantNoWrites(before, method, path, "somebody without a session")
		for _, name := range []string{"nobody", "deny", "iam_only", "show", "deploy", "manage", "root"} { // less first: more may change things
			want := "yes"
			switch has := rank[name]; {
			case need == login && has >= show:
				want = "forbidden"
			case has >= need && slices.Contains(namesNothing, pattern):
				want = "not found"
			case has >= need:
			case inStack && has < show:
				want = "not found"
			default:
				want = "forbidden"
			}
			mine := c.path(c.fleet, path) // what somebody deleted is made again
			before := c.writes()
			got := browsers[name].do(method, mine, nil)
			if may(got) != want {
				t.Errorf("%s %s as %s: %s, want %s", method, path, name, may(got), want)
			}
			if want != "yes" || method == http.MethodGet && !slices.Contains(keepWhatTheyShow, pattern) {
				c.wantNoWrites(before, method, path, name)
			}
			if strings.HasPrefix(got.body, "<!doctype html>") && !strings.Contains(path, "/welcome") && !strings.Contains(got.body, `action="/sign-out"`) {
				t.Errorf("%s %s has no way to sign out", method, path)
			}
			if !inStack || name == "root" {
				continue
			}
			before = c.writes()
			if got := may(browsers[name].do(method, theirs, nil)); got != "not found" {
				t.Errorf("%s %s of another stack as %s: %s", method, path, name, got)
			}
			c.wantNoWrites(before, method, path, name)
			gone := c.pathOfNothing(path)
			if got := may(browsers[name].do(method, gone, nil)); got != "not found" {
				t.Errorf("%s %s of no stack as %s: %s", method, path, name, got)
			}
			c.wantNoWrites(before, method, path, name)
		}
	}
	if c.writes().rows == 0 {
		t.Error("nobody has written anything: the count counts nothing")
	}
}

// keepWhatTheyShow are pages that make a secret to show it: the key of an
// authenticator app, and a token to enrol with. Nothing else changes by a GET.
var keepWhatTheyShow = []string{"GET /me/security/app", "GET /stacks/{stack}/platform"}

// uncounted are written by every request: when a session was seen, and that
// somebody was refused.
var uncounted = []string{"sessions", "audit_entries", "walk_writes"}

// countWrites lets the database count each row that is written from now on.
func (c *realConsole) countWrites() {
	c.t.Helper()
	var statements []string
	rows, err := c.store.SQL().QueryContext(c.t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	c.fleet.must(err)
	for rows.Next() {
		var table string
		c.fleet.must(rows.Scan(&table))
		if slices.Contains(uncounted, table) {
			continue
		}
		for _, deed := range []string{"INSERT", "UPDATE", "DELETE"} {
			statements = append(statements, fmt.Sprintf("CREATE TRIGGER walk_%s_%s AFTER %s ON %q BEGIN UPDATE walk_writes SET n = n + 1, last = '%s %s'; END", table, deed, deed, table, deed, table))
		}
	}
	c.fleet.must(rows.Err())
	c.fleet.must(rows.Close())
	for _, s := range append([]string{"CREATE TABLE walk_writes (n INTEGER, last TEXT)", "INSERT INTO walk_writes VALUES (0, '')"}, statements...) {
		_, err := c.store.SQL().ExecContext(c.t.Context(), s)
		c.fleet.must(err)
	}
}

// written is how many rows have been written, and which was the last.
type written struct {
	rows int
	last string
}

func (c *realConsole) writes() (w written) {
	c.t.Helper()
	c.fleet.must(c.store.SQL().QueryRowContext(c.t.Context(), "SELECT n, last FROM walk_writes").Scan(&w.rows, &w.last))
	return w
}

func (c *realConsole) wantNoWrites(before written, method, path, who string) {
	c.t.Helper()
	if now := c.writes(); now.rows != before.rows {
		c.t.Errorf("%s %s as %s is refused and has written %d rows, the last by %s", method, path, who, now.rows-before.rows, now.last)
	}
}

// pathOfNothing fills a pattern with things that do not exist.
func (c *realConsole) pathOfNothing(pattern string) string {
	none := string(models.NewID[models.StackID]())
	return namesInPath.ReplaceAllString(strings.Replace(pattern, "/ws/live", "/ws/live?view=stack/"+none, 1), none)
}

var namesInPath = regexp.MustCompile(`\{[a-z]+\}`)

// TestNothingOfAnotherStack opens things of one stack by the path of another.
func TestNothingOfAnotherStack(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	b := c.as("manage")
	for pattern := range needs {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.HasPrefix(path, "/stacks/{stack}/") || !strings.Contains(path, "{layer}") && !strings.Contains(path, "{app}") {
			continue
		}
		mixed := c.path(c.other, strings.Replace(path, "{stack}", string(c.fleet.stack.ID), 1))
		if got := may(b.do(method, mixed, nil)); got != "not found" {
			t.Errorf("%s %s with a thing of another stack: %s", method, path, got)
		}
	}
}

// TestOtherSitesChangeNothing sends every form as a page of another site would,
// from the browser of an administrator; and opens the websockets from there.
func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	root := c.as("root")
	c.countWrites()
	for _, pattern := range slices.Sorted(maps.Keys(needs)) {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			continue
		}
		path = c.path(c.fleet, path)
		before := c.writes()
		if strings.HasPrefix(path, "/ws/") {
			conn, answer, err := root.dial(path, "https://evil.example")
			if err == nil {
				conn.Close()
				t.Errorf("%s is opened from another site", pattern)
			} else if answer == nil || answer.StatusCode != http.StatusForbidden {
				t.Errorf("%s from another site: %d, %v", pattern, statusOf(answer), err)
			}
		}
		if method == http.MethodGet {
			continue
		}
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			if a := root.do(method, path, nil, header[0], header[1]); a.status != http.StatusForbidden {
				t.Errorf("%s with %s %s: got %d", pattern, header[0], header[1], a.status)
			}
		}
		c.wantNoWrites(before, method, path, "another site")
	}
}

// TestLiveViewsAskForAPermission opens a websocket for every kind of live view as
// everybody: of their own stack, of another one, and of one that is not there.
func TestLiveViewsAskForAPermission(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	none := map[string]string{}
	for kind := range c.fleet.liveKeys() {
		none[kind] = string(models.NewID[models.StackID]())
	}
	none["audit"] = "of=" + none["audit"]
	const hidden, forbidden = http.StatusNotFound, http.StatusForbidden
	for _, person := range []struct {
		name               string
		views, audit       int // of their own stack
		others, everywhere int // of another stack; the audit of everything
	}{
		{"nobody", hidden, hidden, hidden, forbidden},
		{"deny", hidden, hidden, hidden, forbidden},
		{"iam_only", hidden, hidden, hidden, forbidden},
		{"show", opened101, forbidden, hidden, forbidden},
		{"deploy", opened101, forbidden, hidden, forbidden},
		{"manage", opened101, opened101, hidden, forbidden},
		{"root", opened101, opened101, opened101, opened101},
	} {
		b := c.as(person.name)
		opens := func(view string, want int) {
			t.Helper()
			conn, answer, err := b.dial("/ws/live?view="+url.QueryEscape(view), c.url)
			if err == nil {
				conn.Close()
			}
			if answer == nil || answer.StatusCode != want {
				t.Errorf("live view %s as %s: %v, %v; want %d", view, person.name, statusOf(answer), err, want)
			}
		}
		opens("stacks/", opened101) // lists what one may see, and none is an answer too
		opens("audit/", person.everywhere)
		for kind := range c.h.views {
			if kind == "stacks" {
				continue
			}
			mine, ok := c.fleet.liveKeys()[kind]
			if !ok {
				t.Errorf("live view %q is not in this test", kind)
			}
			want := person.views
			if kind == "audit" {
				want = person.audit
			}
			opens(kind+"/"+mine, want)
			opens(kind+"/"+c.other.liveKeys()[kind], person.others)
			opens(kind+"/"+none[kind], hidden)
		}
	}
}

// liveKeys are the things of the fleet that the live views are about, by kind.
func (f *fleet) liveKeys() map[string]string {
	stack, layer, instance := string(f.stack.ID), string(f.layers[0].ID), string(f.instances[0].ID)
	return map[string]string{
		"stacks": "", "stack": stack, "instances": stack, "layers": stack, "layer": layer, "layer-figures": layer, "instance-figures": instance, "app": string(f.app.ID),
		"instance": instance, "deployments": stack, "deployment": string(f.running.ID), "healing": stack, "alarms": stack, "audit": "of=" + stack,
	}
}

func statusOf(answer *http.Response) int {
	if answer == nil {
		return 0
	}
	return answer.StatusCode
}

// opened101 is the answer to who gets a websocket.
const opened101 = http.StatusSwitchingProtocols
