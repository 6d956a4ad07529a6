package cookbooks_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

func TestMonitoringOnMachines(t *testing.T) {
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	y.layer(models.Layer{
		Shortname: "monitoring-master", Name: "Monitoring", Type: models.LayerMonitoring, Attributes: map[string]string{"GangliaPassword": `p"'$ %x`},
	})
	y.layer(models.Layer{Shortname: "app", Name: "App", Type: models.LayerCustom})
	y.machine("monitor1", "monitoring-master")
	y.machine("app1", "app")
	y.custom = map[string]any{"monitoring": map[string]any{"interval": "1s"}}
	y.start(t, ctx)
	y.dry = true
	y.everywhere(t, func(id string) { y.do(t, ctx, id, models.CommandSetup) })
	y.dry = false
	y.everywhere(t, func(id string) {
		y.do(t, ctx, id, models.CommandSetup)
		if out, changed := y.do(t, ctx, id, models.CommandSetup); changed != "0" {
			t.Errorf("%s: a run without news changed something:\n%s", id, out)
		}
		if out := y.bash(t, ctx, id, `grep -hE ' 0+:(238C|2382) ' /proc/net/tcp /proc/net/tcp6`); out != "" {
			t.Errorf("%s listens on all addresses: %s", id, out)
		}
	})
	page := func(path, password string) (int, string) {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+y.address("monitor1")+path, nil)
		req.SetBasicAuth("opsworks", password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	defer http.DefaultClient.CloseIdleConnections()
	y.join("app1")
	y.join("monitor1")
	y.everywhere(t, func(id string) { y.do(t, ctx, id, models.CommandConfigure) })
	if status, _ := page("/ganglia/", "guessed"); status != http.StatusUnauthorized {
		t.Errorf("a stranger gets status %d", status)
	}
	if status, body := page("/ganglia/", `p"'$ %x`); status != http.StatusOK || !strings.Contains(body, "Prometheus") {
		t.Errorf("the page has status %d:\n%.500s", status, body)
	}
	const up = "/ganglia/api/v1/query?query=up"
	eventually(t, "both instances are watched", func() bool {
		_, body := page(up, `p"'$ %x`)
		return strings.Count(body, `,"1"]`) == 2 && strings.Contains(body, `"instance":"app1"`) && strings.Contains(body, `"instance":"monitor1"`)
	})
	y.leave("app1")
	y.do(t, ctx, "monitor1", models.CommandConfigure)
	eventually(t, "an instance that has left is watched no more", func() bool {
		_, body := page(up, `p"'$ %x`)
		return !strings.Contains(body, `"instance":"app1"`)
	})
	y.do(t, ctx, "monitor1", models.CommandShutdown)
	if status, _ := page("/ganglia/", `p"'$ %x`); status != 0 {
		t.Errorf("after Shutdown it answers with %d", status)
	}
}
