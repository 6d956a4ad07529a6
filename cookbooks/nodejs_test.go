package cookbooks_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// TestNodejsOnMachines runs a Node.js app through its life. One of its versions
// ends as soon as it is started, and must not have been.
func TestNodejsOnMachines(t *testing.T) {
	t.Parallel()
	app := newSample("nodejs")
	app.Environment = map[string]string{"GREETING": `it's "$5"`}
	s := newAppStory(t, "nodejs-app", app, "nginx", "opsyard-app-hello@1", "opsyard-app-hello@2")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s.begin(t, ctx)
	if _, body := get(s.client, s.url); body != `first it's "$5" {}` {
		t.Errorf("the app says %s", body)
	}
	s.deploy(t, ctx, "second")
	current := s.bash(t, ctx, "app1", "readlink /srv/www/hello/current")
	app.release("broken")
	s.through(t, "second", func() {
		out, ok := s.try(t, ctx, "app1", s.recipes("app1", models.CommandDeploy)...)
		if ok || !strings.Contains(out, "ends as soon as it is started") || !strings.Contains(out, "this version is broken") {
			t.Errorf("a version that does not start was deployed:\n%s", out)
		}
	})
	if is := s.bash(t, ctx, "app1", "readlink /srv/www/hello/current"); is != current {
		t.Errorf("current is %s, was %s", is, current)
	}
	s.rollback(t, ctx, "first")
	first := s.bash(t, ctx, "app1", "systemctl show --property=MainPID --value 'opsyard-app-hello@*'")
	s.bash(t, ctx, "app1", "kill -9 "+first)
	eventually(t, "an app that crashed runs again", func() bool {
		now := s.bash(t, ctx, "app1", "systemctl show --property=MainPID --value 'opsyard-app-hello@*'")
		return now != first && now != "0" && now != ""
	})
	s.controls(t, ctx, "first")
	s.end(t, ctx)
	if left := s.bash(t, ctx, "app1", "ls -d /etc/opsyard-apps/* /etc/systemd/system/opsyard-app-* /etc/nginx/conf.d/opsyard-app-* /etc/logrotate.d/opsyard-app-* 2>/dev/null"); left != "" {
		t.Errorf("undeploying left %s", left)
	}
}
