package resource

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"opsyard/agent/protocol"
)

// hostile holds what each of the formats could trip over.
const hostile = `it's "quoted" $HOME ${HOME} $(id) %h \ back\\slash ` + "`id` #; <?php ?>"

func (s *site) withEnvironment(t *testing.T, env map[string]string, db *protocol.Database) {
	t.Helper()
	s.document(t, "OPSYARD_PRIVATE", map[string]any{"apps": []protocol.App{{
		Shortname: "hello", Type: "rails", Source: protocol.Source{Type: "git", URL: "file://" + s.repo}, Environment: env, Database: db,
	}}})
}

func TestAppEnvironmentInBash(t *testing.T) {
	s := setupSite(t)
	s.withEnvironment(t, map[string]string{"SECRET": hostile + "\nsecond line", "EMPTY": ""}, nil)
	s.changes(t, 1, 0, "app", "environment", "hello", "/etc/hello.env", "--format", "shell", "--set", "PORT=8080", "--set", "SECRET2=a=b")
	if strings.Contains(s.out.String(), "quoted") {
		t.Errorf("values are shown:\n%s", s.out.String())
	}
	if info, err := os.Stat(s.path("etc/hello.env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	out, err := exec.Command("bash", "-euc", `. "$1"; printf '%s|' "$SECRET" "$EMPTY" "$PORT" "$SECRET2"`, "-", s.path("etc/hello.env")).CombinedOutput()
	if want := hostile + "\nsecond line||8080|a=b|"; err != nil || string(out) != want {
		t.Errorf("bash reads %q, %v, want %q", out, err, want)
	}
	s.changes(t, 0, 1, "app", "environment", "hello", "/etc/hello.env", "--format", "shell", "--set", "PORT=8080", "--set", "SECRET2=a=b")
	s.changes(t, 1, 0, "app", "environment", "hello", "/etc/hello.env", "--format", "shell", "--notify", "touch "+s.path("notified"))
	s.holds(t, "notified", "")
}

func TestAppEnvironmentFormats(t *testing.T) {
	s := setupSite(t)
	s.withEnvironment(t, map[string]string{"V": hostile}, nil)
	for format, want := range map[string]string{
		"systemd": `V="it's \"quoted\" \$HOME \${HOME} \$(id) %h \\ back\\\\slash ` + "\\`id\\` #; <?php ?>\"\n",
		"apache":  `SetEnv V "it's \"quoted\" $HOME ${OPSYARD_DOLLAR}{HOME} $(id) %h \\ back\\\\slash ` + "`id` #; <?php ?>\"\n",
		"php":     `opsyard_environment('V', 'it\'s "quoted" $HOME ${HOME} $(id) %h \\ back\\\\slash ` + "`id` #; <?php ?>');\n",
	} {
		s.changes(t, 1, 0, "app", "environment", "hello", "/etc/"+format, "--format", format)
		data, err := os.ReadFile(s.path("etc/" + format))
		if err != nil || !strings.HasSuffix(string(data), want) {
			t.Errorf("%s: %v, got %s want %s", format, err, data, want)
		}
	}
	s.withEnvironment(t, map[string]string{"V": "one\ntwo"}, nil)
	s.changes(t, 1, 0, "app", "environment", "hello", "/etc/systemd")
	s.fails(t, 1, `the value of V holds the control character '\n'`, "app", "environment", "hello", "/etc/apache", "--format", "apache")
	s.withEnvironment(t, map[string]string{"V": "a\rb"}, nil)
	s.fails(t, 1, "holds the control character", "app", "environment", "hello", "/etc/systemd")
	s.withEnvironment(t, map[string]string{"A B": "x"}, nil)
	s.fails(t, 1, "cannot be the name of a variable", "app", "environment", "hello", "/etc/systemd")
	s.fails(t, 1, "--set takes NAME=VALUE", "app", "environment", "hello", "/etc/systemd", "--set", "secret")
	s.fails(t, 1, "not part of this command", "app", "environment", "other", "/etc/systemd")
}

func TestAppEnvironmentOfDatabase(t *testing.T) {
	s := setupSite(t)
	db := &protocol.Database{Adapter: "mysql2", Host: "10.0.0.5", Port: 3306, Username: "hello", Password: "p@ss/w:rd", Database: "hello db"}
	s.withEnvironment(t, map[string]string{"DATABASE_HOST": "mine"}, db)
	s.changes(t, 1, 0, "app", "environment", "hello", "/etc/db", "--format", "shell", "--mode", "0640")
	s.holds(t, "etc/db", "# Written by Opsyard.\n"+`export DATABASE_ADAPTER='mysql2'
export DATABASE_HOST='mine'
export DATABASE_NAME='hello db'
export DATABASE_PASSWORD='p@ss/w:rd'
export DATABASE_PORT='3306'
export DATABASE_URL='mysql2://hello:p%40ss%2Fw%3Ard@10.0.0.5:3306/hello%20db'
export DATABASE_USERNAME='hello'
`)
	if info, err := os.Stat(s.path("etc/db")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// hooks commits files below deploy/ and makes a release of them.
func (s *site) hooks(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(s.repo, "deploy", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.commit(t, "with hooks")
	if code, _ := s.run(t, "release", "create", "hello"); code != 0 {
		t.Fatal(s.out.String())
	}
}

func TestReleaseHooks(t *testing.T) {
	s := setupSite(t)
	t.Setenv("OPSYARD_SOMETHING", "of the agent")
	s.withEnvironment(t, map[string]string{"COLOUR": "red"}, nil)
	s.hooks(t, map[string]string{
		"before_migrate.sh": `echo "$APP $COLOUR ${OPSYARD_PRIVATE-none} ${OPSYARD_SOMETHING-none}" > "$SHARED_PATH/log/said"
test "$(pwd -P)" = "$(cd "$RELEASE_PATH"; pwd -P)"`,
		"before_symlink":   "#!/bin/sh\nexit 9\n",
		"after_restart.sh": "readlink \"$CURRENT_PATH\"\n",
	})
	s.changes(t, 1, 0, "release", "hook", "hello", "before_migrate")
	s.holds(t, "srv/www/hello/shared/log/said", "hello red none none\n")
	s.changes(t, 0, 1, "release", "hook", "hello", "before_migrate")
	s.fails(t, 9, "ended with exit code 9", "release", "hook", "hello", "before_symlink")
	s.fails(t, 9, "ended with exit code 9", "release", "hook", "hello", "before_symlink")
	s.changes(t, 0, 0, "release", "hook", "hello", "before_restart")
	s.fails(t, 2, "must be one of", "release", "hook", "hello", "before_lunch")
	s.changes(t, 1, 0, "release", "activate", "hello")
	s.changes(t, 1, 0, "release", "hook", "hello", "after_restart")
	if !strings.Contains(s.out.String(), "releases/20260301120000") {
		t.Errorf("the hook says %s", s.out.String())
	}
}

// Hooks of OpsWorks are parts of a Chef recipe.
func TestReleaseHookInRuby(t *testing.T) {
	if !found("ruby") {
		t.Skip("there is no ruby")
	}
	s := setupSite(t)
	s.withEnvironment(t, map[string]string{"RAILS_ENV": "production"}, nil)
	s.hooks(t, map[string]string{"before_migrate.rb": `
Chef::Log.info("Running deploy/before_migrate.rb...")
rails_env = new_resource.environment["RAILS_ENV"]
current_release = release_path
execute "write" do
  cwd current_release
  command 'echo "$RAILS_ENV $EXTRA" > made'
  environment "RAILS_ENV" => rails_env, "EXTRA" => 1
  not_if { false }
end
execute("never") { command "exit 1"; only_if "test -e nothing" }
run "cp made #{shared_path}/log/made"
`, "before_symlink.rb": "run 'exit 4'\n"})
	s.changes(t, 1, 0, "release", "hook", "hello", "before_migrate")
	s.holds(t, "srv/www/hello/shared/log/made", "production 1\n")
	s.fails(t, 1, "ended with exit code 4", "release", "hook", "hello", "before_symlink")
}

func TestReleaseMigrate(t *testing.T) {
	s := setupSite(t)
	s.hooks(t, nil)
	asked := func(migrate, chosen string) {
		s.document(t, "OPSYARD_PRIVATE", map[string]any{
			"apps": []protocol.App{{Shortname: "hello", Environment: map[string]string{"TO": "migrated"}}}, "args": map[string]any{"migrate": []string{migrate}}, "migrator": chosen,
		})
		s.document(t, "OPSYARD_ATTRIBUTES", map[string]any{"opsworks": map[string]any{"instance": map[string]any{"id": "web1"}}})
	}
	migrate := []string{"release", "migrate", "hello", "--", "sh", "-c", `echo "$TO" > "$TO"`}
	asked("false", "web1")
	s.changes(t, 0, 0, migrate...)
	asked("true", "")
	s.changes(t, 0, 0, migrate...)
	asked("true", "web2")
	s.changes(t, 0, 0, migrate...)
	if !strings.Contains(s.out.String(), "another instance") {
		t.Errorf("it says %s", s.out.String())
	}
	s.dry = true
	asked("true", "web1")
	s.changes(t, 1, 0, migrate...)
	s.gone(t, "srv/www/hello/releases/20260301120000/migrated")
	s.dry = false
	s.changes(t, 1, 0, migrate...)
	s.holds(t, "srv/www/hello/releases/20260301120000/migrated", "migrated\n")
	s.fails(t, 3, "ended with exit code 3", "release", "migrate", "hello", "--", "sh", "-c", "exit 3")
	s.fails(t, 2, "expected", "release", "migrate", "hello")
}
