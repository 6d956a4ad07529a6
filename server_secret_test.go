package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/engine"
)

// canary is part of every secret of the test, followed by where it was put.
const canary = "c4n4ry-"

// heard gathers what several write.
type heard struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}

// watched is a server with a secret in everything that it is told, and what
// leaves it.
type watched struct {
	t      *testing.T
	client *http.Client
	url    string
	log    heard
	syslog heard
	// made are the secrets of the server's own, by name.
	made map[string]string
}

// What the server is started with, what is made at its first run, and what
// people give it then, is in none of its logs, figures, copies of the audit,
// and names of files, nor in the copy that a backup is, as it stands.
func TestSecretsStayInTheServer(t *testing.T) { // not parallel: it reads standard output
	dir := t.TempDir()
	w := &watched{t: t, made: map[string]string{}}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	w.client = &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer transport.CloseIdleConnections()
	flags := serveFlags{
		dataFlags: dataFlags{Data: filepath.Join(dir, "data"), Database: "sqlite"}, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Provider: "sim",
		Prometheus:  "http://scraper:" + canary + "prometheus@127.0.0.1:1",
		notifyFlags: notifyFlags{SMTP: "smtp://mail:" + canary + "smtp@127.0.0.1:1"},
		oidcFlags:   oidcFlags{OIDCIssuer: "http://127.0.0.1:1", OIDCClientID: "opsyard", OIDCClientSecretFile: filepath.Join(dir, "oidc")},
		auditFlags:  auditFlags{AuditSyslog: "tcp://" + w.receiver()},
	}
	if err := os.WriteFile(flags.OIDCClientSecretFile, []byte(canary+"oidc"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := newServer(t.Context(), flags, slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), engine.Times{})
	if err != nil {
		t.Fatal(err)
	}
	printed := printedBy(t, func() { err = s.inviteFirst(t.Context()) })
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`/setup/([A-Z0-9]+)`).FindStringSubmatch(printed)
	if first == nil {
		t.Fatalf("no set-up address is printed: %s", printed)
	}
	w.made["token of the first run"] = first[1]
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	w.url = s.localURL()
	printed = printedBy(t, func() {
		go func() { ended <- s.serve(ctx) }()
		w.live(first[0])
	})
	w.look("standard output", printed)
	w.look("/metrics", w.get("http://"+s.admin.Addr().String()+"/metrics"))
	w.look("the exported audit", w.get(w.url+"/audit/export"))
	for until := time.Now().Add(20 * time.Second); !strings.Contains(w.syslog.String(), "CreateToken"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the syslog receiver hears nothing")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.look("the log", w.log.String())
	w.look("the syslog stream", w.syslog.String())
	copied := filepath.Join(dir, "backup.tar.gz")
	code, text := said(t, "backup", "--data", flags.Data, copied)
	if code != 0 {
		t.Fatalf("backup ends with %d: %s", code, text)
	}
	w.look("what backup prints", text)
	w.lookInto(copied)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		w.look("the name of a file", path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// receiver is a syslog receiver that hears everything.
func (w *watched) receiver() string {
	w.t.Helper()
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var hearing sync.WaitGroup
	hearing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			hearing.Go(func() {
				_, _ = io.Copy(&w.syslog, conn)
				conn.Close()
			})
		}
	})
	w.t.Cleanup(func() {
		listener.Close()
		hearing.Wait()
	})
	return listener.Addr().String()
}

// live is a first day: the first run, a stack with secrets, keys, and tries
// that fail.
func (w *watched) live(setup string) {
	const password = canary + "first-password"
	w.post(setup, http.StatusSeeOther, "name", "ana", "password", password, "again", password)
	stack := w.post("/stacks", http.StatusSeeOther, "Name", "shop", "Provider", "sim", "ConfigurationManager", "Shell", "UseCustomCookbooks", "on", "SourceType", "git",
		"SourceUrl", "https://builder:"+canary+"url@git.example/c.git", "SourceSshKey", canary+"deploy-key", "CustomJson", `{"password": "`+canary+`custom-json"}`)
	w.post(stack+"/apps", http.StatusSeeOther, "Name", "web", "Type", "other", "EnvKey", "KEY", "EnvValue", canary+"environment", "EnvSecure", "0")
	w.made["secret of a key"] = w.shown("/me/keys", `[A-Z2-7]{40}`)
	w.made["token"] = w.shown("/me/tokens", `opsyard_[A-Z0-9]{32}`, "Name", "script", "Days", "30")
	w.made["enrolment token"] = w.shown(stack+"/register", `oye_[A-Z0-9]+`)
	w.made["link of an invitation"] = w.shown("/team/invitations", `/invitation/[A-Z0-9]+`, "Name", "leo")
	w.made["recovery code"] = w.shown("/me/security/codes", `[a-z2-7]{4}(?:-[a-z2-7]{4}){3}`, "for", "account")
	u, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range w.client.Jar.Cookies(u) {
		if c.Name == "opsyard" {
			w.made["session"] = c.Value
		}
	}
	w.post("/sign-in", http.StatusUnauthorized, "name", "ana", "password", canary+"mistyped")
	w.get(w.url + "/sign-in/oidc")
	w.get(w.url + "/sign-in/oidc/callback?code=" + canary + "code&state=" + canary + "state")
	w.get(w.url + w.made["link of an invitation"])
	w.get(w.url + setup)
	for _, token := range []string{w.made["token"], "opsyard_" + canary + "wrong"} {
		r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/", strings.NewReader("{}"))
		if err != nil {
			w.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("X-Amz-Target", "OpsWorks_20130218.DescribeStacks")
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		w.send(r)
	}
	for _, path := range []string{"/nothing", "/stacks/none", "/agent/nothing"} {
		w.look("the page of an error", w.get(w.url+path))
	}
}

func (w *watched) send(r *http.Request) (status int, location, body string) {
	w.t.Helper()
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(text)
}

func (w *watched) get(address string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	_, _, body := w.send(r)
	return body
}

func (w *watched) form(path string, pairs []string) (status int, location, body string) {
	w.t.Helper()
	form := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		form.Add(pairs[n], pairs[n+1])
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(r)
}

// post sends a form, which has to be answered so, and gives where it leads.
func (w *watched) post(path string, want int, pairs ...string) string {
	w.t.Helper()
	status, location, body := w.form(path, pairs)
	if status != want {
		w.t.Fatalf("%s answers %d: %s", path, status, regexp.MustCompile(`(?s)role="alert".{0,300}`).FindString(body))
	}
	return location
}

// shown is a secret that the answer to a form shows, the only time.
func (w *watched) shown(path, pattern string, pairs ...string) string {
	w.t.Helper()
	status, _, body := w.form(path, pairs)
	found := regexp.MustCompile(pattern).FindString(body)
	if found == "" {
		w.t.Fatalf("%s answers %d and shows no secret", path, status)
	}
	return found
}

func (w *watched) look(where, text string) {
	w.t.Helper()
	if text == "" {
		return
	}
	for name, secret := range w.made {
		if strings.Contains(text, secret) {
			w.t.Errorf("%s shows the %s", where, name)
		}
	}
	if n := strings.Index(text, canary); n >= 0 {
		w.t.Errorf("%s shows %s", where, text[n:min(len(text), n+30)])
	}
}

// lookInto reads a backup: its listing, and each file but the key, with which
// alone the secrets can be read.
func (w *watched) lookInto(file string) {
	w.t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	files := 0
	for archive := tar.NewReader(zip); ; files++ {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			w.t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			w.t.Fatal(err)
		}
		w.look("the listing of a backup", head.Name)
		w.look("the file "+head.Name+" of a backup", string(content))
	}
	if files < 2 {
		w.t.Errorf("a backup has %d files", files)
	}
}

// What is wrong about a setting is said without the secret in it.
func TestSettingsAreRefusedWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*serveFlags){
		"a database that is away":  func(f *serveFlags) { f.Database = "postgres://u:" + canary + "db@127.0.0.1:1/x?connect_timeout=1" },
		"a database's address":     func(f *serveFlags) { f.Database = "postgres://u:" + canary + "db@[x" },
		"another kind of database": func(f *serveFlags) { f.Database = "mysql://u:" + canary + "db@x" },
		"a mail server's port":     func(f *serveFlags) { f.SMTP = "smtp://u:" + canary + "smtp@x:99999" },
		"a mail server's address":  func(f *serveFlags) { f.SMTP = "smtp://u:" + canary + "%zz@x" },
		"a mail server without":    func(f *serveFlags) { f.SMTP = "smtp+plain://u:" + canary + "smtp@x" },
		"Prometheus":               func(f *serveFlags) { f.Prometheus = "ftp://u:" + canary + "prometheus@x" },
		"a syslog receiver":        func(f *serveFlags) { f.AuditSyslog = "udp://u:" + canary + "syslog@x" },
		"a syslog address":         func(f *serveFlags) { f.AuditSyslog = "udp://u:" + canary + "%zz@x" },
		"an OpenID provider":       func(f *serveFlags) { f.OIDCIssuer = "ftp://u:" + canary + "issuer@x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log heard
			f := serveFlags{dataFlags: dataFlags{Data: t.TempDir(), Database: "sqlite"}, Listen: "127.0.0.1:0", Provider: "sim"}
			change(&f)
			s, err := newServer(t.Context(), f, slog.New(slog.NewTextHandler(&log, nil)), engine.Times{})
			if err == nil {
				s.close()
				t.Fatal("it is taken")
			}
			if strings.Contains(err.Error()+log.String(), canary) {
				t.Errorf("the error shows it: %v %s", err, &log)
			}
		})
	}
}
