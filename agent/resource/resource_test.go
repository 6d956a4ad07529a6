package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bundle is a host in a directory. The environment is the process's own, so
// tests that set the documents are not parallel.
type bundle struct {
	root string
	dry  bool
	now  time.Time
	out  bytes.Buffer
	// machine runs the services of apps.
	machine appMachine
}

func setup(t *testing.T) *bundle {
	t.Helper()
	t.Setenv("OPSYARD_ATTRIBUTES", "")
	t.Setenv("OPSYARD_PRIVATE", "")
	return &bundle{root: t.TempDir(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// run runs a helper and tells what it changed.
func (b *bundle) run(t *testing.T, args ...string) (code int, host *host) {
	t.Helper()
	b.out.Reset()
	host = newHost()
	host.machine = b.machine
	host.root, host.dryRun, host.now = b.root, b.dry, func() time.Time { return b.now }
	p := &program{host: host, out: &b.out, errs: &b.out}
	return p.run(t.Context(), args), host
}

// changes runs a helper and fails unless it changed and left alone so many.
func (b *bundle) changes(t *testing.T, changed, unchanged int, args ...string) {
	t.Helper()
	code, h := b.run(t, args...)
	if code != 0 || h.changed != changed || h.unchanged != unchanged {
		t.Errorf("%v: code %d, %d changed and %d unchanged, want 0, %d, %d\n%s",
			args, code, h.changed, h.unchanged, changed, unchanged, b.out.String())
	}
}

// fails runs a helper that must fail and say so.
func (b *bundle) fails(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	if got, _ := b.run(t, args...); got != code || !strings.Contains(b.out.String(), says) {
		t.Errorf("%v: code %d, want %d and %q\n%s", args, got, code, says, b.out.String())
	}
}

func (b *bundle) path(p string) string { return filepath.Join(b.root, p) }

func (b *bundle) write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path(path), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(b.path(path)); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, want)
	}
}

func (b *bundle) gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(b.path(path)); err == nil {
		t.Errorf("%s is there", path)
	}
}

func (b *bundle) document(t *testing.T, variable string, doc any) {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "doc.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(variable, path)
}

func TestEveryHelperIsListedAndHasHelp(t *testing.T) {
	b := setup(t)
	for _, name := range helpers {
		if code, _ := b.run(t, name, "--help"); code != 0 || !strings.Contains(b.out.String(), "Usage: opsyard-agent "+name) {
			t.Errorf("%s --help: code %d\n%s", name, code, b.out.String())
		}
		if !IsHelper(name) {
			t.Errorf("%s is no helper", name)
		}
	}
	if IsHelper("serve") || IsHelper("") {
		t.Error("anything is a helper")
	}
	b.fails(t, 2, "unexpected argument", "file", "/a", "/b")
	b.fails(t, 2, "--help", "file")
}

func TestFile(t *testing.T) {
	b := setup(t)
	b.changes(t, 1, 0, "file", "/etc/a/motd", "--content", "hello", "--mode", "0600")
	b.holds(t, "etc/a/motd", "hello\n")
	if !strings.Contains(b.out.String(), "+hello\n") {
		t.Errorf("there is no diff in\n%s", b.out.String())
	}
	b.changes(t, 0, 1, "file", "/etc/a/motd", "--content", "hello", "--mode", "0600")
	b.changes(t, 1, 0, "file", "/etc/a/motd", "--content", "hello", "--mode", "0640")
	b.changes(t, 1, 0, "file", "/etc/a/motd", "--content", "secret", "--sensitive")
	if strings.Contains(b.out.String(), "secret") {
		t.Errorf("a sensitive file is shown:\n%s", b.out.String())
	}
	if info, err := os.Stat(b.path("etc/a/motd")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, %v; it should have stayed", info.Mode(), err)
	}
	b.changes(t, 1, 0, "file", "/etc/a/motd", "--state", "absent")
	b.changes(t, 0, 1, "file", "/etc/a/motd", "--state", "absent")
	b.changes(t, 1, 0, "file", "/etc/empty")
	b.changes(t, 0, 1, "file", "/etc/empty")
	b.fails(t, 1, "is not a file", "file", "/etc", "--content", "x")
	b.fails(t, 1, "is not octal", "file", "/x", "--content", "x", "--mode", "rwx")
	entries, _ := os.ReadDir(b.path("etc/a"))
	if len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestFileThroughLink(t *testing.T) {
	b := setup(t)
	b.write(t, "real", "old\n")
	if err := os.Symlink("real", b.path("link")); err != nil {
		t.Fatal(err)
	}
	b.changes(t, 1, 0, "file", "/link", "--content", "new")
	b.holds(t, "real", "new\n")
	if _, err := os.Readlink(b.path("link")); err != nil {
		t.Error("the link is gone")
	}
}

func TestFileDryRun(t *testing.T) {
	b := setup(t)
	b.dry = true
	b.changes(t, 1, 0, "file", "/etc/motd", "--content", "hello", "--notify", "touch "+b.path("notified"))
	b.changes(t, 1, 0, "directory", "/srv/x")
	b.changes(t, 1, 0, "link", "/a", "/b")
	b.changes(t, 1, 0, "line", "/c", "text")
	b.changes(t, 1, 0, "exec", "--", "touch", b.path("ran"))
	if entries, _ := os.ReadDir(b.root); len(entries) > 0 {
		t.Errorf("a dry run left %v", entries)
	}
	if !strings.Contains(b.out.String(), "would be run") {
		t.Errorf("output is %q", b.out.String())
	}
}

func TestVerifyAndNotify(t *testing.T) {
	b := setup(t)
	b.write(t, "conf", "good\n")
	b.fails(t, 1, "the old one stays", "file", "/conf", "--content", "bad", "--verify", "grep -q good {}")
	b.holds(t, "conf", "good\n")
	b.changes(t, 1, 0, "file", "/conf", "--content", "good too", "--verify", "grep -q good {}", "--notify", "echo told >>"+b.path("told"))
	b.changes(t, 0, 1, "file", "/conf", "--content", "good too", "--notify", "echo told >>"+b.path("told"))
	b.holds(t, "told", "told\n")
	b.fails(t, 1, "notify:", "file", "/conf", "--content", "good again", "--notify", "exit 3")
	b.holds(t, "conf", "good too\n")
	b.fails(t, 1, "notify:", "file", "/fresh", "--content", "x", "--notify", "false")
	b.gone(t, "fresh")
}

func TestBlock(t *testing.T) {
	b := setup(t)
	b.write(t, "hosts", "127.0.0.1 localhost")
	b.changes(t, 1, 0, "file", "/hosts", "--content", "10.0.0.1 a", "--block", "ours")
	b.changes(t, 0, 1, "file", "/hosts", "--content", "10.0.0.1 a", "--block", "ours")
	b.changes(t, 1, 0, "file", "/hosts", "--content", "10.0.0.2 b", "--block", "ours")
	b.holds(t, "hosts", "127.0.0.1 localhost\n# BEGIN ours\n10.0.0.2 b\n# END ours\n")
}

func TestTemplate(t *testing.T) {
	b := setup(t)
	b.document(t, "OPSYARD_ATTRIBUTES", map[string]any{
		"port": 8080, "ratio": 0.5, "big": 80000000, "names": []string{"b", "a", "b"}, "on": "true",
		"apps": map[string]any{"www.example.com": map[string]any{"deep": "yes"}}, "password": "hunter2",
	})
	source := filepath.Join(t.TempDir(), "t")
	render := func(text string) (int, string) {
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _ := b.run(t, "template", source, "/out", "--set", "who=world")
		got, _ := os.ReadFile(b.path("out"))
		return code, string(got)
	}
	for text, want := range map[string]string{
		`{{ .port }} {{ .ratio }} {{ .big }}`:                       "8080 0.5 80000000",
		`{{ if gt .port 8000 }}high{{ end }}`:                       "high",
		`hello {{ .vars.who }}`:                                     "hello world",
		`{{ attr "no.such" "else" }}`:                               "else",
		`{{ attr "apps.www.example.com.deep" }}`:                    "yes",
		`{{ join "," (sort .names) }} {{ join "," (uniq .names) }}`: "a,b,b a,b",
		`{{ default "x" (attr "none") }}`:                           "x",
		`{{ quote "a\"b" }} {{ shellquote "it's" }}`:                `"a\"b" 'it'\''s'`,
		`{{ plain .port }} {{ plain "url_param userid" }}`:          "8080 url_param userid",
		`{{ json .names }}`:                                         `["b","a","b"]`,
		`{{ if bool .on }}on{{ end }} {{ add .port 1 }}`:            "on 8081",
		`{{ range keys . }}{{ . }} {{ end }}`:                       "apps big names on password port ratio vars ",
	} {
		if code, got := render(text); code != 0 || got != want {
			t.Errorf("%s gives %q, code %d; want %q\n%s", text, got, code, want, b.out.String())
		}
	}
	if code, _ := render(`password {{ secret .password }}`); code != 0 || strings.Contains(b.out.String(), "hunter2") {
		t.Errorf("code %d, a secret is shown:\n%s", code, b.out.String())
	}
	b.holds(t, "out", "password hunter2")
	for _, text := range []string{`{{ .nothing }}`, `{{ .port.x }}`, `{{ fail "no" }}`, `{{`,
		`{{ plain "80; include /etc/shadow" }}`, `{{ plain "a\nb" }}`, "{{ plain \"`id`\" }}", `{{ plain "x }" }}`} {
		if code, got := render(text); code != 1 || got != "password hunter2" {
			t.Errorf("%s: code %d, file %q", text, code, got)
		}
	}
}

func TestLine(t *testing.T) {
	b := setup(t)
	b.changes(t, 1, 0, "line", "/f", "a=1")
	b.changes(t, 0, 1, "line", "/f", "a=1")
	b.changes(t, 1, 0, "line", "/f", "b=2")
	b.changes(t, 1, 0, "line", "/f", "a=3", "--match", "^a=")
	b.changes(t, 0, 1, "line", "/f", "a=3", "--match", "^a=")
	b.holds(t, "f", "a=3\nb=2\n")
	b.changes(t, 1, 0, "line", "/f", "b=2", "--state", "absent")
	b.changes(t, 0, 1, "line", "/f", "b=2", "--state", "absent")
	b.holds(t, "f", "a=3\n")
	b.changes(t, 0, 1, "line", "/missing", "x", "--state", "absent")
	b.gone(t, "missing")
}

func TestDirectoryAndLink(t *testing.T) {
	b := setup(t)
	b.changes(t, 1, 0, "directory", "/a/b", "--mode", "2770")
	b.changes(t, 0, 1, "directory", "/a/b", "--mode", "2770")
	if info, err := os.Stat(b.path("a/b")); err != nil || info.Mode().Perm() != 0o770 || info.Mode()&os.ModeSetgid == 0 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	b.changes(t, 1, 0, "link", "b", "/a/l")
	b.changes(t, 0, 1, "link", "b", "/a/l")
	b.changes(t, 1, 0, "link", "c", "/a/l")
	b.fails(t, 1, "not a link", "link", "x", "/a/b")
	b.write(t, "file", "")
	b.fails(t, 1, "not a directory", "directory", "/file")
	b.changes(t, 1, 0, "directory", "/a", "--state", "absent")
	b.changes(t, 0, 1, "directory", "/a", "--state", "absent")
	b.fails(t, 1, "the root directory stays", "directory", "/", "--state", "absent")
}

func TestExec(t *testing.T) {
	b := setup(t)
	b.changes(t, 1, 0, "exec", "--", "sh", "-c", "echo hi; touch "+b.path("made"))
	if !strings.Contains(b.out.String(), "hi\n") {
		t.Errorf("output is %q", b.out.String())
	}
	b.changes(t, 0, 1, "exec", "--creates", "/made", "--", "false")
	b.changes(t, 0, 1, "exec", "--unless", "true", "--", "false")
	b.changes(t, 0, 1, "exec", "--only-if", "false", "--", "false")
	b.changes(t, 1, 0, "exec", "--only-if", "true", "--env", "A=1,2", "--", "sh", "-c", `test "$A" = 1,2`)
	b.fails(t, 9, "ended with exit code 9", "exec", "--", "sh", "-c", "exit 9")
	b.fails(t, 1, "not found", "exec", "--", "no-such-program")
	b.fails(t, 1, "there is no user", "exec", "--user", "no-such-user", "--", "true")
}

func TestExecEndsWithItsContext(t *testing.T) {
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	h := newHost()
	h.out, h.errs = cancelOn{cancel}, &b.out
	err := (&execCmd{Command: []string{"sh", "-c", "echo started; exec sleep 600"}}).Run(ctx, h)
	if err == nil {
		t.Error("a canceled command succeeded")
	}
}

type cancelOn struct{ cancel func() }

func (c cancelOn) Write(p []byte) (int, error) { c.cancel(); return len(p), nil }

func TestAttr(t *testing.T) {
	b := setup(t)
	b.document(t, "OPSYARD_ATTRIBUTES", map[string]any{
		"a": map[string]any{"b": []any{"x", 1, true}, "c": map[string]any{"z": 1, "y": 2}, "n": nil, "html": "<b>"},
	})
	b.document(t, "OPSYARD_PRIVATE", map[string]any{"apps": []any{map[string]any{"shortname": "hello", "type": "static", "private_key": "PEM"}}})
	for want, args := range map[string][]string{
		"x\n1\ntrue\n":        {"a.b"},
		"1\n":                 {"a.b.1"},
		"y\nz\n":              {"a.c"},
		"[\"x\",1,true]\n":    {"a.b", "--json"},
		"\"<b>\"\n":           {"a.html", "--json"},
		"none\n":              {"a.q", "--default", "none"},
		"":                    {"a.q", "--default", ""},
		"null-is-missing\n":   {"a.n", "--default", "null-is-missing"},
		"PEM\n":               {"--private", "apps.hello.private_key"},
		"{\"y\":2,\"z\":1}\n": {"--json", "a.c"},
	} {
		if code, _ := b.run(t, append([]string{"attr"}, args...)...); code != 0 || b.out.String() != want {
			t.Errorf("attr %v: code %d, %q; want %q", args, code, b.out.String(), want)
		}
	}
	b.fails(t, 1, "there is no attribute a.q", "attr", "a.q")
	if code, _ := b.run(t, "app", "list", "--type", "static"); code != 0 || b.out.String() != "hello\n" {
		t.Errorf("apps are %q", b.out.String())
	}
	b.changes(t, 1, 0, "file", "/key", "--private", "apps.hello.private_key", "--mode", "0600")
	if strings.Contains(b.out.String(), "PEM") {
		t.Errorf("a key is shown:\n%s", b.out.String())
	}
}

func TestSharedMachineIsLeftAlone(t *testing.T) {
	b := setup(t)
	for _, args := range [][]string{
		{"service", "cron", "--restart"}, {"user", "somebody-new"}, {"group", "some-group"}, {"package", "no-such-package-at-all"},
	} {
		b.fails(t, 1, "no machine of its own", args...)
	}
	b.fails(t, 1, "not a package name", "package", "--", "-o=x")
}

func TestArchiveHelper(t *testing.T) {
	b := setup(t)
	dir := t.TempDir()
	pack := func(content string) string {
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("tar", "czf", filepath.Join(dir, "a.tgz"), "-C", dir, "f").CombinedOutput(); err != nil {
			t.Fatalf("tar: %v %s", err, out)
		}
		return filepath.Join(dir, "a.tgz")
	}
	file := pack("one")
	b.changes(t, 1, 0, "archive", file, "/opt/tool")
	b.changes(t, 0, 1, "archive", file, "/opt/tool")
	b.holds(t, "opt/tool/f", "one")
	b.changes(t, 1, 0, "archive", pack("two"), "/opt/tool")
	b.holds(t, "opt/tool/f", "two")
	b.fails(t, 1, "digest", "archive", file, "/opt/tool", "--sha256", strings.Repeat("0", 64))
	b.holds(t, "opt/tool/f", "two")
	if entries, _ := os.ReadDir(b.path("opt")); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// Root writes into directories of apps, whose users lay links there.
func TestFileFollowsNoForeignLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	b := setup(t)
	b.write(t, "etc/secret", "root's\n")
	b.write(t, "srv/app/own", "")
	for name, target := range map[string]string{"file": "etc/secret", "dir": "etc", "mine": "srv/app/own"} {
		if err := os.Symlink(b.path(target), b.path("srv/app/"+name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(b.path("srv/app/"+name), 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(b.path("srv/app/own"), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	b.fails(t, 1, "is not followed", "file", "/srv/app/file", "--content", "x")
	b.fails(t, 1, "is not followed", "file", "/srv/app/dir/new", "--content", "x")
	b.holds(t, "etc/secret", "root's\n")
	b.gone(t, "etc/new")
	b.changes(t, 1, 0, "file", "/srv/app/mine", "--content", "x")
	b.holds(t, "srv/app/own", "x\n")
}

// Who may write custom JSON or an app's files may not thereby write more into a
// configuration file, install what he likes, or run anything as root.
func TestWhatOthersWriteStaysInItsPlace(t *testing.T) {
	b := setup(t)
	b.write(t, "book/templates/t.tmpl", "{{ .vars.a }}|{{ range $k, $v := attr \"names\" }}{{ word $k }}{{ end }}")
	b.document(t, "OPSYARD_ATTRIBUTES", map[string]any{"names": map[string]any{"max_connections": 1}})
	b.changes(t, 1, 0, "template", b.path("book/templates/t.tmpl"), "/etc/t", "--set", "a=1;b=2")
	b.holds(t, "etc/t", "1;b=2|max_connections")
	b.document(t, "OPSYARD_ATTRIBUTES", map[string]any{"names": map[string]any{"[client]": 1}})
	b.fails(t, 1, "is not a name", "template", b.path("book/templates/t.tmpl"), "/etc/t", "--set", "a=1")
	for _, name := range []string{"/tmp/x.deb", "./x.deb", "https://example.org/x.rpm", "nginx-", "-y"} {
		if packagePattern.MatchString(name) {
			t.Errorf("%s passes for a package", name)
		}
	}
	for _, name := range []string{"nginx", "libstdc++6", "redis=5:7.0.15-1~deb12u1", "libc6:amd64", "php8.2-fpm", "gcc-c++", "R", "@development"} {
		if !packagePattern.MatchString(name) {
			t.Errorf("%s is no package", name)
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of the agent")
	for _, v := range publicEnvironment() {
		if agentsOwn(v) {
			t.Errorf("an app is told %s", v)
		}
	}
}

func TestConditionsAreTheUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	b := setup(t)
	b.changes(t, 1, 0, "exec", "--user", "nobody", "--only-if", `test "$(id -un)" = nobody`, "--", "true")
}
