package cookbooks_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/recipetest"
	"opsyard/agent/recipe/shell"
	"opsyard/cookbooks"
	"opsyard/engine/compute"
	"opsyard/engine/compute/computetest"
	"opsyard/engine/compute/local"
)

// runWord, as first argument, makes the test program run recipes in a machine.
const runWord = "run-recipes"

// order is what a machine is to run.
type order struct {
	Recipes    []string
	DryRun     bool
	Attributes map[string]any
	Apps       []protocol.App
}

// runOrder runs an order as an agent would, prints the log and how much
// changed, and returns the exit code.
func runOrder(encoded string) int {
	changed, err := tryOrder(encoded)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Printf("CHANGED %d\n", changed)
	return 0
}

func tryOrder(encoded string) (changed int, err error) {
	var o order
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "run-*")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	job := recipe.Job{DryRun: o.DryRun, Dir: dir, Cookbooks: []string{filepath.Join(dir, "built-in")}, Attributes: filepath.Join(dir, "a.json"), Private: filepath.Join(dir, "p.json")}
	if err := os.CopyFS(job.Cookbooks[0], cookbooks.FS); err != nil {
		return 0, err
	}
	for path, doc := range map[string]any{job.Attributes: o.Attributes, job.Private: map[string]any{"apps": o.Apps}} {
		data, err := json.Marshal(doc)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return 0, err
		}
	}
	if job.Agent, err = os.Executable(); err != nil {
		return 0, err
	}
	for _, name := range o.Recipes {
		n, err := recipe.ParseName(name)
		if err != nil {
			return 0, err
		}
		job.Items = append(job.Items, recipe.Item{Recipe: n, BuiltIn: true})
	}
	out := &recipetest.Recorder{}
	err = shell.New().Run(context.Background(), job, out)
	for _, step := range out.Steps("recipe") {
		changed += step.Result.Changed
	}
	fmt.Print(out.Output(), "\n", out.Outline())
	return changed, err
}

// yard is a stack of real machines.
type yard struct {
	*local.Provider
	program string
	version atomic.Value // what the app's page says
	dry     bool
	content string // address of the app's archive as machines see it
	mu      sync.Mutex
	online  map[string]map[string]any // by layer and host name
}

func newYard(t *testing.T) *yard {
	t.Helper()
	if testing.Short() {
		t.Skip("real machines take a minute")
	}
	if os.Geteuid() != 0 {
		t.Skip("local machines need root")
	}
	agent := computetest.AgentCommand(t)
	p, err := local.New(local.Config{Dir: t.TempDir(), AgentCommand: agent, Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range p.Check(t.Context()) {
		if f.Needed && !f.OK {
			t.Skipf("local machines do not work here: %s: %s", f.Name, f.Detail)
		}
	}
	y := &yard{Provider: p, program: "/opt/opsyard/" + filepath.Base(agent[0]), online: map[string]map[string]any{"lb": {}, "web": {}}}
	y.version.Store("first")
	return y
}

// page is the app as an archive.
func (y *yard) page(w http.ResponseWriter, _ *http.Request) {
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	content := []byte(y.version.Load().(string))
	_ = archive.WriteHeader(&tar.Header{Name: "index.html", Mode: 0o644, Size: int64(len(content))})
	_, _ = archive.Write(content)
	_ = archive.Close()
	_ = zip.Close()
}

// start starts the machines, all at once, and returns their addresses.
func (y *yard) start(t *testing.T, ctx context.Context, ids ...string) map[string]string {
	t.Helper()
	reports := computetest.NewServer(t)
	mux := http.NewServeMux()
	mux.Handle("/hello", reports)
	mux.HandleFunc("/app.tar.gz", y.page)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	addresses := map[string]string{}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			m, err := y.Start(ctx, compute.Spec{ID: id, Hostname: id, Size: "local.small", Enroll: compute.Enrollment{ServerURL: server.URL, Token: id}})
			if err != nil {
				t.Error(err)
				return
			}
			y.mu.Lock()
			addresses[id] = m.PrivateIP
			y.mu.Unlock()
			reports.Await(t, id, func(computetest.Hello) bool { return true })
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	out, _, err := y.Exec(ctx, ids[0], []string{"cat", "/etc/opsyard/agent.json"})
	url := regexp.MustCompile(`http://[0-9.:]+`).Find(out)
	if err != nil || url == nil {
		t.Fatalf("the machine's server is not in %s, %v", out, err)
	}
	y.content = string(url) + "/app.tar.gz"
	return addresses
}

var changedLine = regexp.MustCompile(`CHANGED (\d+)`)

// run runs recipes on a machine with the stack's state as it is now.
func (y *yard) run(t *testing.T, ctx context.Context, id, layer string, recipes ...string) (output, changed string) {
	t.Helper()
	y.mu.Lock()
	o := order{DryRun: y.dry, Recipes: recipes, Attributes: y.state(id, layer), Apps: []protocol.App{{
		Shortname: "hello", Name: "Hello", Type: "static", Source: protocol.Source{Type: "archive", URL: y.content},
	}}}
	data, err := json.Marshal(o)
	y.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	out, code, err := y.Exec(ctx, id, []string{y.program, runWord, base64.StdEncoding.EncodeToString(data)})
	if err != nil || code != 0 {
		t.Errorf("%s: %v: code %d, %v\n%s", id, recipes, code, err, out)
		return "", ""
	}
	return string(out), changedLine.FindStringSubmatch(string(out))[1]
}

func (y *yard) state(id, layer string) map[string]any {
	layers := map[string]any{}
	for short, instances := range y.online {
		layers[short] = map[string]any{"id": short, "name": short, "type": short, "packages": []string{}, "attributes": map[string]any{}, "instances": instances}
	}
	return map[string]any{
		"opsworks": map[string]any{"stack": map[string]any{"name": "Yard"}, "layers": layers,
			"instance":     map[string]any{"hostname": id, "layers": []string{layer}},
			"applications": []any{map[string]any{"name": "Hello", "slug_name": "hello", "application_type": "web", "domains": nil}}},
		"deploy": map[string]any{"hello": map[string]any{"domains": []string{"hello"}, "document_root": "", "ssl_support": false, "deploy_to": "/srv/www/hello"}},
	}
}

func (y *yard) join(layer, host, address string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.online[layer][host] = map[string]any{"id": host, "private_ip": address, "backends": 10}
}

func (y *yard) leave(layer, host string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	delete(y.online[layer], host)
}

// TestHelpersOnMachine calls the helpers that need a machine of their own, each
// twice: the second call must change nothing.
func TestHelpersOnMachine(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	y.start(t, ctx, "host1")
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
	addresses := y.start(t, ctx, "lb1", "web1", "web2")
	setups := map[string][]string{
		"lb":  {"opsyard_initial_setup", "haproxy", "deploy", "haproxy::configure"},
		"web": {"opsyard_initial_setup", "nginx", "deploy", "deploy::web"},
	}
	everywhere := func(do func(id, layer string)) {
		t.Helper()
		var wg sync.WaitGroup
		for id, layer := range map[string]string{"lb1": "lb", "web1": "web", "web2": "web"} {
			wg.Go(func() { do(id, layer) })
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	y.dry = true
	everywhere(func(id, layer string) { y.run(t, ctx, id, layer, setups[layer]...) })
	if out, code, err := y.Exec(ctx, "web1", []string{"sh", "-c", "ls -d /etc/nginx /srv/www /etc/systemd/system/nginx.service.d"}); code == 0 || err != nil || strings.Contains(string(out), "\n/") {
		t.Errorf("a dry run left %s, %v", out, err)
	}
	y.dry = false
	everywhere(func(id, layer string) { y.run(t, ctx, id, layer, setups[layer]...) })
	for id, layer := range map[string]string{"lb1": "lb", "web1": "web", "web2": "web"} {
		y.join(layer, id, addresses[id])
	}
	y.run(t, ctx, "lb1", "lb", "opsyard_initial_setup::configure", "haproxy::configure")
	url := "http://" + addresses["lb1"] + "/"
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "the balancer serves the app", func() bool { _, body := get(client, url); return body == "first" })
	everywhere(func(id, layer string) {
		names := append([]string{}, setups[layer]...)
		y.run(t, ctx, id, layer, names...) // learns its peers
		if out, changed := y.run(t, ctx, id, layer, names...); changed != "0" {
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
	y.leave("web", "web1")
	var wg sync.WaitGroup
	wg.Go(func() { y.run(t, ctx, "web1", "web", "nginx::stop") })
	wg.Go(func() { y.run(t, ctx, "lb1", "lb", "haproxy::configure") })
	wg.Wait()
	if n := finish(); n < 200 {
		t.Errorf("only %d requests were made", n)
	}
	if out, _, err := y.Exec(ctx, "web1", []string{"systemctl", "is-active", "nginx"}); err != nil || strings.TrimSpace(string(out)) == "active" {
		t.Errorf("nginx of web1 is %s, %v", out, err)
	}

	y.version.Store("second")
	y.run(t, ctx, "web2", "web", "deploy", "deploy::web")
	eventually(t, "the new release is served", func() bool { _, body := get(client, url); return body == "second" })
	y.run(t, ctx, "web2", "web", "deploy::web-rollback")
	eventually(t, "the old release is served", func() bool { _, body := get(client, url); return body == "first" })
	if out, _, err := y.Exec(ctx, "web2", []string{"stat", "-c", "%U:%G %a", "/srv/www/hello/shared/log", "/srv/www/hello/current/index.html"}); err != nil ||
		string(out) != "deploy:www-data 770\ndeploy:www-data 644\n" {
		t.Errorf("the app's files are %s, %v", out, err)
	}
	y.run(t, ctx, "web2", "web", "deploy::web-undeploy")
	eventually(t, "the app is gone", func() bool { _, body := get(client, url); return strings.Contains(body, "No app is deployed here yet") })
	y.run(t, ctx, "lb1", "lb", "haproxy::stop")
	if status, _ := get(client, url); status != 0 {
		t.Errorf("a stopped balancer answers with %d", status)
	}
}
