package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"opsyard/agent/protocol"
	"opsyard/engine"
	"opsyard/models"
)

// Operators get the figures of the process and of the instances.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := newServer(ctx, serveFlags{
		dataFlags: dataFlags{Data: t.TempDir(), Database: "sqlite"}, Listen: "127.0.0.1:0", Provider: "sim",
	}, slog.New(slog.DiscardHandler), engine.Times{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	stack := models.Stack{ID: models.NewID[models.StackID](), Name: `Shop "one"`}
	layers := []models.Layer{models.NewLayer(stack.ID, models.LayerWeb), models.NewLayer(stack.ID, models.LayerLB)}
	one := models.Instance{ID: models.NewID[models.InstanceID](), StackID: stack.ID, Hostname: "web1", Status: models.InstanceOnline}
	if err := s.store.Stacks.Create(ctx, &stack); err != nil {
		t.Fatal(err)
	}
	for n := range layers {
		layers[n].Name = string(layers[n].Type)
		layers[n].Shortname, layers[n].ID = string(layers[n].Type), models.NewID[models.LayerID]()
		if err := s.store.Layers.Create(ctx, &layers[n]); err != nil {
			t.Fatal(err)
		}
		one.LayerIDs = append(one.LayerIDs, layers[n].ID)
	}
	if err := s.store.Instances.Create(ctx, &one); err != nil {
		t.Fatal(err)
	}
	values := protocol.Figures{80, 1, 4, 15, 0}
	s.engine.RecordMetrics(one.ID, protocol.Metrics{At: time.Now().Add(-2 * time.Minute), Seconds: 60, Values: values})
	for n := range scrapedInstances + 10 { // gone from the store
		s.engine.RecordMetrics(models.InstanceID(fmt.Sprintf("z%05d", n)), protocol.Metrics{At: time.Now(), Seconds: 60, Values: values})
	}
	answer := httptest.NewRecorder()
	s.adminHandler().ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	text := answer.Body.String()
	for _, line := range []string{
		`opsyard_instance_cpu_ratio{hostname="web1",layer="lb,web",mode="idle",stack="Shop \"one\""} 0.8`,
		`opsyard_instances{status="online"} 1`, `opsyard_agents_connected 0`, `opsyard_build_info{version="` + version + `"} 1`,
		fmt.Sprintf("opsyard_metrics_received_total %d", scrapedInstances+11), `opsyard_instances_not_exported 11`,
		`go_sql_open_connections{db_name="sqlite"}`, "go_goroutines",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the page lacks %s", line)
		}
	}
	if answer.Code != http.StatusOK || strings.Contains(text, "NaN") || strings.Contains(text, "opsyard_instance_processes") {
		t.Errorf("the answer is %d\n%s", answer.Code, text)
	}
}

// The page about metrics, and the dashboard, know the names that there are.
func TestDocMetrics(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models.Metrics {
		if !strings.Contains(string(page), "`"+string(m)+"`") {
			t.Errorf("docs/monitoring.md does not tell of %s", m)
		}
	}
	dashboard, err := os.ReadFile("docs/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(dashboard) {
		t.Error("docs/grafana-dashboard.json is not JSON")
	}
	known := map[string]bool{"opsyard_agents_connected": true}
	descs := make(chan *prometheus.Desc, 20)
	fleetCollector{}.Describe(descs)
	close(descs)
	name := regexp.MustCompile(`opsyard_[a-z_]+`)
	for d := range descs {
		known[name.FindString(d.String())] = true
	}
	for _, used := range append(name.FindAllString(string(dashboard), -1), name.FindAllString(string(page), -1)...) {
		if !known[used] {
			t.Errorf("the docs use %s, which is not exported", used)
		}
	}
	for exported := range known {
		if !strings.Contains(string(page), "`"+exported+"`") {
			t.Errorf("docs/monitoring.md does not tell of %s", exported)
		}
	}
}

func TestMetricsRetentionIsLongEnough(t *testing.T) {
	t.Parallel()
	for _, f := range []serveFlags{{MetricsRetention: time.Hour}, {ShellRetention: time.Hour}, {ShellRetention: -time.Hour}} {
		if err := f.checkRetention(); err == nil || !strings.Contains(err.Error(), "too short") {
			t.Errorf("an hour is answered with %v", err)
		}
	}
}
