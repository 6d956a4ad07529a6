package cookbooks_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// appStory is the life of an app on a layer behind a balancer: machine app1 is
// of the layer, lb1 balances. The app answers with its version first.
type appStory struct {
	*yard
	app    *sample
	client *http.Client
	url    string
	// stopped are the systemd units that must not run after Shutdown.
	stopped []string
}

// newAppStory prepares a stack of a balancer and a machine of the layer. What
// else the stack has is added before begin.
func newAppStory(t *testing.T, layer string, app *sample, stopped ...string) *appStory {
	t.Helper()
	s := &appStory{yard: newYard(t), app: app, stopped: stopped, client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	s.yard.app(app)
	s.machine("lb1", "lb")
	s.machine("app1", layer)
	return s
}

// begin starts the machines and sets them up until the balancer serves the app.
func (s *appStory) begin(t *testing.T, ctx context.Context) {
	t.Helper()
	s.start(t, ctx)
	s.url = "http://" + s.address("lb1") + "/"
	before := s.bash(t, ctx, "app1", "find /etc /srv /usr/lib/systemd -type f | sort | md5sum")
	s.dry = true
	s.do(t, ctx, "app1", models.CommandSetup)
	if after := s.bash(t, ctx, "app1", "find /etc /srv /usr/lib/systemd -type f | sort | md5sum"); before != after {
		t.Error("a dry run changed files")
	}
	s.dry = false
	s.everywhere(t, func(id string) { s.do(t, ctx, id, models.CommandSetup) })
	for id := range s.machines {
		s.join(id)
	}
	s.everywhere(t, func(id string) { s.do(t, ctx, id, models.CommandConfigure) })
	s.serves(t, "first")
	s.do(t, ctx, "app1", models.CommandDeploy) // the app learns its peers
	if out, changed := s.do(t, ctx, "app1", models.CommandSetup); changed != "0" {
		t.Errorf("a run without news changed something:\n%s", out)
	}
}

// serves waits for a version, through the balancer.
func (s *appStory) serves(t *testing.T, version string) {
	t.Helper()
	body := ""
	defer func() {
		if t.Failed() {
			t.Logf("the last answer is %q", body)
			t.Log(s.bash(t, context.WithoutCancel(t.Context()), "app1", "journalctl --no-pager -n 60 -u nginx -u 'opsyard-app-*' -u apache2; tail -n 20 /var/log/nginx/* /var/log/apache2/*error.log; curl -sS -i -X OPTIONS -A opsyard-health http://127.0.0.1/; curl -sS -i http://127.0.0.1/"))
		}
	}()
	eventually(t, "version "+version+" is served", func() bool {
		_, body = get(s.client, s.url)
		return strings.HasPrefix(body, version)
	})
}

// through does something while requests come in, none of which may fail, and
// waits for the version to be served then.
func (s *appStory) through(t *testing.T, version string, do func()) {
	t.Helper()
	finish := hammer(t, s.client, s.url)
	do()
	s.serves(t, version)
	if n := finish(); n < 20 {
		t.Errorf("only %d requests were made", n)
	}
}

// deploy deploys a version while requests come in.
func (s *appStory) deploy(t *testing.T, ctx context.Context, version string) {
	t.Helper()
	s.app.release(version)
	s.through(t, version, func() { s.do(t, ctx, "app1", models.CommandDeploy) })
}

// rollback goes back to a version while requests come in.
func (s *appStory) rollback(t *testing.T, ctx context.Context, version string) {
	t.Helper()
	s.through(t, version, func() { s.do(t, ctx, "app1", models.CommandRollback) })
}

// controls stops, starts and restarts the app's server.
func (s *appStory) controls(t *testing.T, ctx context.Context, version string) {
	t.Helper()
	s.do(t, ctx, "app1", models.CommandStop)
	eventually(t, "the stopped app serves nothing", func() bool { status, _ := get(s.client, s.url); return status >= 500 })
	s.do(t, ctx, "app1", models.CommandStart)
	s.serves(t, version)
	s.do(t, ctx, "app1", models.CommandRestart)
	s.serves(t, version)
}

// end undeploys the app and shuts the machine down.
func (s *appStory) end(t *testing.T, ctx context.Context) {
	t.Helper()
	s.do(t, ctx, "app1", models.CommandUndeploy)
	eventually(t, "the app is gone", func() bool {
		_, body := get(s.client, s.url)
		return strings.Contains(body, "No app is deployed here yet")
	})
	if out := s.bash(t, ctx, "app1", "ls -d /srv/www/hello"); !strings.Contains(out, "No such file") {
		t.Errorf("undeploying left %s", out)
	}
	s.leave("app1")
	s.do(t, ctx, "app1", models.CommandShutdown)
	for _, unit := range s.stopped {
		if out := s.bash(t, ctx, "app1", "systemctl is-active "+unit); strings.HasPrefix(out, "active") {
			t.Errorf("%s is %s after Shutdown", unit, out)
		}
	}
}

// tell is the whole story, as most layers have it.
func (s *appStory) tell(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s.begin(t, ctx)
	s.deploy(t, ctx, "second")
	s.rollback(t, ctx, "first")
	s.controls(t, ctx, "first")
	s.end(t, ctx)
}
