package cookbooks_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/models"
)

// TestHelpersOnMachine calls the helpers that need a machine of their own, each
// twice: the second call must change nothing.
func TestHelpersOnMachine(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	y.machine("host1")
	y.start(t, ctx)
	helper := func(args string) (string, int) {
		t.Helper()
		out, code, err := y.Exec(ctx, "host1", []string{"bash", "-c", y.program + " agent " + args})
		if err != nil {
			t.Fatal(err)
		}
		return string(out), code
	}
	for _, args := range []string{
		"group crew --system",
		"user jane --group crew --groups adm,games --home /srv/jane --shell /bin/sh --system",
		"user jane --shell /bin/bash --groups users",
		"directory /srv/jane/box --owner jane --group crew --mode 2750",
		"file /srv/jane/box/f --content x --owner jane",
		"package less --no-recommends",
		"package less --state latest",
		"service systemd-logind --stop",
		"service systemd-logind --start",
		"package less --state absent",
		"user jane --state absent",
	} {
		first, code := helper(args)
		if code != 0 {
			t.Errorf("%s: code %d\n%s", args, code, first)
		}
		again, code := helper(args)
		if code != 0 || strings.Contains(strings.ReplaceAll(again, ": unchanged", ""), ": ") {
			t.Errorf("%s, again: code %d\n%s", args, code, again)
		}
	}
	helper("user joe --home /srv/joe")
	for args, want := range map[string]string{
		"exec --user joe -- sh -c 'id -un; echo $HOME'": "joe\n/srv/joe\n",
		"package no-such-package-at-all":                "apt-get install: exit status 100",
		"service no-such-service --start":               "no-such-service.service not found",
		"service systemd-logind --restart":              "systemd-logind: restarted",
	} {
		if out, _ := helper(args); !strings.Contains(out, want) {
			t.Errorf("%s says %q, want %q", args, out, want)
		}
	}
}

// TestLayersOnMachines sets up a balancer and two web servers, and stops one of
// them under load.
func TestLayersOnMachines(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	y.machine("lb1", "lb")
	y.machine("web1", "web")
	y.machine("web2", "web")
	app := y.app(newSample("static"))
	y.start(t, ctx)
	setup := func(id string) { y.do(t, ctx, id, models.CommandSetup) }
	y.dry = true
	y.everywhere(t, setup)
	if out := y.bash(t, ctx, "web1", "ls -d /etc/nginx /srv/www /etc/systemd/system/nginx.service.d 2>/dev/null"); out != "" {
		t.Errorf("a dry run left %s", out)
	}
	y.dry = false
	y.everywhere(t, setup)
	for id := range y.machines {
		y.join(id)
	}
	y.do(t, ctx, "lb1", models.CommandConfigure)
	url := "http://" + y.address("lb1") + "/"
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "the balancer serves the app", func() bool { _, body := get(client, url); return body == "first" })
	y.everywhere(t, func(id string) {
		setup(id) // learns its peers
		if out, changed := y.do(t, ctx, id, models.CommandSetup); changed != "0" {
			t.Errorf("%s: a run without news changed something:\n%s", id, out)
		}
	})

	seen := map[string]bool{}
	eventually(t, "both web servers answer", func() bool {
		if resp, err := client.Get(url); err == nil {
			seen[resp.Header.Get("X-Served-By")] = true
			_ = resp.Body.Close()
		}
		return seen["web1"] && seen["web2"]
	})

	finish := hammer(t, client, url)
	y.leave("web1")
	var wg sync.WaitGroup
	wg.Go(func() { y.do(t, ctx, "web1", models.CommandShutdown) })
	wg.Go(func() { y.do(t, ctx, "lb1", models.CommandConfigure) })
	wg.Wait()
	if n := finish(); n < 200 {
		t.Errorf("only %d requests were made", n)
	}
	if out := y.bash(t, ctx, "web1", "systemctl is-active nginx"); out == "active" {
		t.Error("nginx of web1 is active")
	}

	app.release("second")
	y.do(t, ctx, "web2", models.CommandDeploy)
	eventually(t, "the new release is served", func() bool { _, body := get(client, url); return body == "second" })
	y.do(t, ctx, "web2", models.CommandRollback)
	eventually(t, "the old release is served", func() bool { _, body := get(client, url); return body == "first" })
	if out := y.bash(t, ctx, "web2", "stat -c '%U:%G %a' /srv/www/hello/shared/log /srv/www/hello/current/index.html"); out != "deploy:www-data 770\ndeploy:www-data 644" {
		t.Errorf("the app's files are %s", out)
	}
	y.do(t, ctx, "web2", models.CommandUndeploy)
	eventually(t, "the app is gone", func() bool { _, body := get(client, url); return strings.Contains(body, "No app is deployed here yet") })
	y.do(t, ctx, "lb1", models.CommandShutdown)
	if status, _ := get(client, url); status != 0 {
		t.Errorf("a stopped balancer answers with %d", status)
	}
}
