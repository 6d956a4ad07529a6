package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"opsyard/engine"
)

// outside are the routes beside the console's, by the words of their source,
// and what somebody gets there who is no agent and has no key: not even an
// administrator's browser is let in. 200 is for what everybody may have.
var outside = map[string]struct {
	method, path string
	status       int
}{
	`"POST " + protocol.PathEnroll`:               {"POST", "/agent/enroll", 400},
	`"GET " + protocol.PathSession`:               {"GET", "/agent/session", 400}, // no websocket; see below for one
	`"GET " + protocol.PathContent + "/{digest}"`: {"GET", "/agent/content/0123", 401},
	`"GET /agent/install.sh"`:                     {"GET", "/agent/install.sh", 200},
	`"GET " + engine.InstallerPath`:               {"GET", engine.InstallerPath, 200},
	`"GET /agent/download/{os}/{arch}"`:           {"GET", "/agent/download/plan9/mips", 404}, // or the program, which is no secret
	`"POST /{$}"`:                                 {"POST", "/", 400},
	`awsapi.LogPattern`:                           {"GET", "/aws/logs/x?Expires=9999999999&Signature=AAAA", 403},
	`"GET /livez"`:                                {"GET", "/livez", 200},
	`"GET /readyz"`:                               {"GET", "/readyz", 200},
	`"/agent/"`:                                   {"GET", "/agent/nowhere", 404},
	`"/"`:                                         {"GET", "/nowhere", 404}, // the console: handlers.TestPermissions
	`"GET /metrics"`:                              {"GET", "/metrics", 404}, // of the admin listener, here and below
	`"GET /debug/pprof/"`:                         {"GET", "/debug/pprof/", 404},
	`"GET /debug/pprof/profile"`:                  {"GET", "/debug/pprof/profile", 404},
	`"GET /debug/pprof/trace"`:                    {"GET", "/debug/pprof/trace", 404},
	`"GET /debug/pprof/symbol"`:                   {"GET", "/debug/pprof/symbol", 404},
}

// routesOf are the patterns that a file registers, as they are written there.
func routesOf(t *testing.T, files ...string) (routes []string) {
	t.Helper()
	for _, file := range files {
		set := token.NewFileSet()
		source, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(source, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && (method.Sel.Name == "Handle" || method.Sel.Name == "HandleFunc") {
				var text bytes.Buffer
				if err := printer.Fprint(&text, set, call.Args[0]); err != nil {
					t.Fatal(err)
				}
				routes = append(routes, text.String())
			}
			return true
		})
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}

// TestRoutesBesideTheConsole asks every route that is not the console's as
// somebody without a right there. A route that is not in the table fails.
func TestRoutesBesideTheConsole(t *testing.T) {
	t.Parallel()
	routes := routesOf(t, "server.go", "handlers/agentapi/agentapi.go")
	if want := slices.Sorted(maps.Keys(outside)); !slices.Equal(routes, want) {
		t.Errorf("the source has %q, the table %q", routes, want)
	}
	s, err := newServer(t.Context(), serveFlags{
		dataFlags: dataFlags{Data: t.TempDir(), Database: "sqlite"}, Listen: "127.0.0.1:0", Provider: "sim",
	}, slog.New(slog.DiscardHandler), engine.Times{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	server := httptest.NewServer(s.secured(s.routes()))
	defer server.Close()
	setup, err := s.engine.NewSetupToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	root, stranger := &http.Client{Jar: jar, CheckRedirect: stay}, &http.Client{CheckRedirect: stay}
	form := url.Values{"name": {"root"}, "password": {"a long pass sentence"}, "again": {"a long pass sentence"}}
	in, err := root.PostForm(server.URL+"/setup/"+setup, form)
	if err != nil {
		t.Fatal(err)
	}
	in.Body.Close()
	if at, _ := url.Parse(server.URL); len(jar.Cookies(at)) == 0 {
		t.Fatalf("the set-up answers %s", in.Status)
	}
	for route, want := range outside {
		for who, client := range map[string]*http.Client{"a stranger": stranger, "an administrator's browser": root} {
			r, err := http.NewRequestWithContext(t.Context(), want.method, server.URL+want.path, strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != want.status && (client == root || answer.StatusCode != http.StatusSeeOther || want.status != http.StatusNotFound) {
				t.Errorf("%s as %s: got %d, want %d", route, who, answer.StatusCode, want.status)
			}
		}
	}
	// A websocket opens before an agent says who it is; who does not is cut.
	conn, answer, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1)+"/agent/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	defer conn.Close()
	_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"hello","hello":{"instance_id":"x"}}`))
	for told := 0; ; told++ {
		if _, _, err := conn.ReadMessage(); err != nil {
			break
		}
		if told > 5 {
			t.Fatal("whoever says nothing of themselves is told more and more")
		}
	}
}
