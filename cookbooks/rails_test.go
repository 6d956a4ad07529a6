package cookbooks_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// TestRailsOnMachines deploys a Rails app, whose gems are the distribution's,
// and migrates it; and one with a Gemfile beside it, under a domain of its own.
func TestRailsOnMachines(t *testing.T) {
	t.Parallel()
	app := newSample("rails")
	app.Environment = map[string]string{"GREETING": `it's "$5"`}
	s := newAppStory(t, "rails-app", app, "nginx", "opsyard-app-hello@1", "opsyard-app-hello@2")
	s.layer(models.Layer{Shortname: "rails-app", Type: models.LayerRailsApp, Packages: []string{"ruby-rails", "ruby-sqlite3"}})
	s.yard.app(&sample{App: protocol.App{ID: "tiny-1", Shortname: "tiny", Name: "Tiny", Type: "rails", Domains: []string{"tiny.example.com"}}, dir: "rack", version: "tiny"})
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s.begin(t, ctx)
	s.says(t, "first empty production it's \"$5\"\n")
	if out := s.bash(t, ctx, "app1", "curl -s -H 'Host: tiny.example.com' 127.0.0.1; stat -c '%U %a' /srv/www/hello/shared/config/secret_key_base"); out != "tiny from a bundle\ndeploy 600" {
		t.Errorf("the app with a Gemfile and the secret of the other are %q", out)
	}
	samples := s.samples
	s.samples = samples[1:]
	s.do(t, ctx, "app1", models.CommandUndeploy)
	s.samples = samples[:1]
	s.private = map[string]any{"args": map[string]any{"migrate": []string{"true"}}, "migrator": "app1"}
	s.deploy(t, ctx, "second")
	s.says(t, "second migrated production it's \"$5\"\n")
	s.private = nil
	s.rollback(t, ctx, "first")
	s.controls(t, ctx, "first")
	s.end(t, ctx)
}

func (s *appStory) says(t *testing.T, want string) {
	t.Helper()
	if _, body := get(s.client, s.url); body != want {
		t.Errorf("the app says %q, want %q", body, want)
	}
}

// TestRailsFiles fills what Rails apps are told of their database and caches.
func TestRailsFiles(t *testing.T) {
	i := setup(t)
	i.script(t, "files", `cd ../deploy
opsyard-agent template database.yml.tmpl /database.yml --private --set app=hello --set env=staging
opsyard-agent template memcached.yml.tmpl /memcached.yml --set env=staging`)
	i.attributes(t, map[string]any{"opsworks": map[string]any{"layers": map[string]any{"cache": map[string]any{
		"type": "memcached", "instances": map[string]any{"c1": map[string]any{"private_ip": "10.1.0.7"}, "c2": map[string]any{"private_ip": "10.1.0.8"}},
	}}}})
	i.apps(t, protocol.App{Shortname: "hello", Database: &protocol.Database{Adapter: "mysql2", Host: "db.example.com", Port: 3306, Username: "u", Password: "a: \"b\" <%= 1 %>", Database: "shop"}})
	i.run(t, "check::files")
	want := `# Written by Opsyard; changes made here are lost.
"staging":
  adapter: "mysql2"
  host: "db.example.com"
  port: 3306
  database: "shop"
  username: "u"
  password: "a: \"b\" \u003c%= 1 %\u003e"
  encoding: utf8mb4
  reconnect: true
  pool: 5
`
	if got := i.read(t, "database.yml"); got != want {
		t.Errorf("database.yml is\n%s", got)
	}
	if got := i.read(t, "memcached.yml"); !strings.HasSuffix(got, "\nstaging:\n  host: 10.1.0.7\n  port: 11211\n  servers: [10.1.0.7, 10.1.0.8]\n") {
		t.Errorf("memcached.yml is\n%s", got)
	}
	i.attributes(t, map[string]any{"opsworks": map[string]any{"layers": map[string]any{}}})
	i.run(t, "check::files")
	if got := i.read(t, "memcached.yml"); !strings.HasSuffix(got, "\nstaging:\n  host:\n  port: 11211\n  servers: []\n") {
		t.Errorf("without servers memcached.yml is\n%s", got)
	}
}

// TestRailsConfigure finds the apps where they are deployed, also elsewhere than
// in /srv/www.
func TestRailsConfigure(t *testing.T) {
	i := setup(t)
	for path, content := range map[string]string{
		"etc/opsyard-apps/hello.json": "{}", "etc/opsyard-apps/shop.json": "{}", "etc/opsyard-apps/rack.json": "{}",
		"srv/www/hello/shared/config/memcached.yml": "# old\nproduction:\n  servers: []\n",
		"opt/shop/shared/config/memcached.yml":      "# old\nstaging:\n  servers: []\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(i.root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(i.root, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i.attributes(t, map[string]any{"deploy": map[string]any{"shop": map[string]any{"deploy_to": "/opt/shop"}}, "opsworks": map[string]any{
		"layers": map[string]any{"cache": map[string]any{"type": "memcached", "instances": map[string]any{"c1": map[string]any{"private_ip": "10.1.0.7"}}}},
	}})
	if _, changed := i.run(t, "rails::configure"); changed != 2 {
		t.Errorf("%d files were changed", changed)
	}
	for path, env := range map[string]string{"srv/www/hello": "production", "opt/shop": "staging"} {
		if got := i.read(t, path+"/shared/config/memcached.yml"); !strings.HasSuffix(got, "\n"+env+":\n  host: 10.1.0.7\n  port: 11211\n  servers: [10.1.0.7]\n") {
			t.Errorf("%s is told\n%s", path, got)
		}
	}
	if _, changed := i.run(t, "rails::configure"); changed != 0 {
		t.Errorf("once more, %d files were changed", changed)
	}
}

// TestSELinux switches on what is off, and does nothing where SELinux is not.
func TestSELinux(t *testing.T) {
	i := setup(t)
	bin := t.TempDir()
	i.job.Env = append(i.job.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	program := func(name, script string) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/bash\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program("selinuxenabled", "exit 1")
	program("getsebool", "cat "+bin+"/$1")
	program("setsebool", `echo "$2 --> on" > `+bin+`/$2`)
	for name, state := range map[string]string{"httpd_can_network_connect": "off", "httpd_enable_cgi": "on"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(name+" --> "+state+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i.script(t, "selinux", "bash -euo pipefail ../opsyard_initial_setup/files/selinux.sh httpd_can_network_connect httpd_enable_cgi")
	if _, changed := i.run(t, "check::selinux"); changed != 0 {
		t.Errorf("without SELinux %d were changed", changed)
	}
	program("selinuxenabled", "exit 0")
	for _, want := range []int{1, 0} {
		if out, changed := i.run(t, "check::selinux"); changed != want {
			t.Errorf("%d were changed, want %d\n%s", changed, want, out)
		}
	}
}
