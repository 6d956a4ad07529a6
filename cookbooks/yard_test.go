package cookbooks_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
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
	"opsyard/engine/lifecycle"
	"opsyard/models"
)

// runWord, as first argument, makes the test program run recipes in a machine.
const runWord = "run-recipes"

// order is what a machine is to run.
type order struct {
	Recipes    []string
	DryRun     bool
	Attributes map[string]any
	Private    map[string]any
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
	for path, doc := range map[string]any{job.Attributes: o.Attributes, job.Private: o.Private} {
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

// yard is a stack of real machines. A test says first which layers, machines
// and apps there are, and then starts them.
type yard struct {
	*local.Provider
	program string // the agent, as machines name it
	dry     bool
	server  string         // where machines fetch apps
	enroll  string         // the same as this host sees it
	custom  map[string]any // custom JSON
	private map[string]any // added to what only recipes see, such as args

	mu       sync.Mutex
	layers   map[string]models.Layer
	machines map[string]*machine
	samples  []*sample
}

// machine is an instance of the yard.
type machine struct {
	layers  []string
	volumes []compute.Volume
	address string
	online  bool
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
	return &yard{Provider: p, program: "/opt/opsyard/" + filepath.Base(agent[0]), layers: map[string]models.Layer{}, machines: map[string]*machine{}}
}

// layer adds a layer. One whose type is also its short name need not be added,
// unless it has attributes.
func (y *yard) layer(l models.Layer) {
	l.ID = models.LayerID(l.Shortname)
	y.layers[l.Shortname] = l
}

// machine adds a machine, an instance of the layers with these short names.
func (y *yard) machine(id string, layers ...string) {
	for _, short := range layers {
		if _, ok := y.layers[short]; !ok {
			y.layer(models.Layer{Shortname: short, Name: short, Type: models.LayerType(short)})
		}
	}
	y.machines[id] = &machine{layers: layers}
}

// app adds an app.
func (y *yard) app(s *sample) *sample {
	y.samples = append(y.samples, s)
	return s
}

// start starts the machines, all at once.
func (y *yard) start(t *testing.T, ctx context.Context) {
	t.Helper()
	reports := computetest.NewServer(t)
	mux := http.NewServeMux()
	mux.Handle("/hello", reports)
	for _, s := range y.samples {
		mux.HandleFunc("/"+s.file(), s.serve)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	y.enroll = server.URL
	y.everywhere(t, func(id string) {
		if y.boot(t, ctx, id); t.Failed() {
			return
		}
		reports.Await(t, id, func(computetest.Hello) bool { return true })
		if out, _, err := y.Exec(ctx, id, []string{"cat", "/etc/opsyard/agent.json"}); err == nil {
			y.mu.Lock()
			y.server = string(regexp.MustCompile(`http://[0-9.:]+`).Find(out))
			y.mu.Unlock()
		}
	})
	if y.server == "" {
		t.Fatal("the machines know no server")
	}
}

func (y *yard) boot(t *testing.T, ctx context.Context, id string) {
	m, err := y.Start(ctx, compute.Spec{
		ID: id, Hostname: id, Size: "local.small", Volumes: y.machines[id].volumes, Enroll: compute.Enrollment{ServerURL: y.enroll, Token: id},
	})
	if err != nil {
		t.Error(err)
		return
	}
	y.machines[id].address = m.PrivateIP
}

// restart stops a machine and starts it again with its disk and its volumes.
func (y *yard) restart(t *testing.T, ctx context.Context, id string) {
	t.Helper()
	if err := y.Stop(ctx, id, 20*time.Second); err != nil {
		t.Error(err)
	}
	y.boot(t, ctx, id)
	eventually(t, id+" has booted", func() bool {
		state := y.bash(t, ctx, id, "systemctl is-system-running")
		return state == "running" || state == "degraded"
	})
}

// everywhere does something for all machines at once.
func (y *yard) everywhere(t *testing.T, do func(id string)) {
	t.Helper()
	y.these(t, slices.Collect(maps.Keys(y.machines)), do)
}

// these does something for some machines at once.
func (y *yard) these(t *testing.T, ids []string, do func(id string)) {
	t.Helper()
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() { do(id) })
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func (y *yard) address(id string) string { return y.machines[id].address }

// join and leave make an instance online and no longer so; Configure is left to
// the caller.
func (y *yard) join(id string)  { y.setOnline(id, true) }
func (y *yard) leave(id string) { y.setOnline(id, false) }

func (y *yard) setOnline(id string, online bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.machines[id].online = online
}

var changedLine = regexp.MustCompile(`CHANGED (\d+)`)

// do runs what the engine would have the machine run for a command. The test
// fails if the machine does.
func (y *yard) do(t *testing.T, ctx context.Context, id string, command models.CommandName) (output, changed string) {
	t.Helper()
	return y.run(t, ctx, id, y.recipes(id, command)...)
}

func (y *yard) recipes(id string, command models.CommandName) (names []string) {
	var layers []models.Layer
	for _, short := range y.machines[id].layers {
		layers = append(layers, y.layers[short])
	}
	for _, item := range lifecycle.RunList(command, layers, nil, true).Items {
		names = append(names, item.Recipe)
	}
	return names
}

// run runs recipes on a machine with the stack's state as it is now.
func (y *yard) run(t *testing.T, ctx context.Context, id string, recipes ...string) (output, changed string) {
	t.Helper()
	output, ok := y.try(t, ctx, id, recipes...)
	if !ok {
		t.Errorf("%s: %v failed\n%s", id, recipes, output)
		return "", ""
	}
	return output, changedLine.FindStringSubmatch(output)[1]
}

// try runs recipes that may fail.
func (y *yard) try(t *testing.T, ctx context.Context, id string, recipes ...string) (output string, ok bool) {
	t.Helper()
	y.mu.Lock()
	data, err := json.Marshal(order{DryRun: y.dry, Recipes: recipes, Attributes: y.state(id), Private: y.secrets(id)})
	y.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	out, code, err := y.Exec(ctx, id, []string{y.program, runWord, base64.StdEncoding.EncodeToString(data)})
	if err != nil {
		t.Errorf("%s: %v: %v", id, recipes, err)
	}
	return string(out), code == 0 && err == nil
}

// bash runs a line of bash on a machine and returns what it prints.
func (y *yard) bash(t *testing.T, ctx context.Context, id, line string) string {
	t.Helper()
	out, _, err := y.Exec(ctx, id, []string{"bash", "-c", line})
	if err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(string(out))
}

// state is what the engine tells all instances, as far as recipes need it.
func (y *yard) state(id string) map[string]any {
	layers, apps, deploy := map[string]any{}, []any{}, map[string]any{}
	for short, l := range y.layers {
		layers[short] = map[string]any{
			"id": short, "name": l.Name, "type": l.Type, "engine": l.Engine, "packages": append([]string{}, l.Packages...),
			"attributes": l.Attributes, "instances": y.online(short),
		}
	}
	for _, s := range y.samples {
		kind := lifecycle.RecipeType(models.AppType(s.Type))
		apps = append(apps, map[string]any{"name": s.Name, "slug_name": s.Shortname, "application_type": kind, "domains": s.Domains})
		if y.serves(id, s) {
			deploy[s.Shortname] = s.attributes()
		}
	}
	doc := map[string]any{"deploy": deploy, "opsworks": map[string]any{
		"stack": map[string]any{"name": "Yard"}, "layers": layers, "applications": apps,
		"instance": map[string]any{"id": id, "hostname": id, "layers": y.machines[id].layers, "private_ip": y.machines[id].address},
	}}
	lifecycle.Merge(doc, y.custom)
	return doc
}

func (y *yard) online(layer string) map[string]any {
	instances := map[string]any{}
	for id, m := range y.machines {
		if m.online && slices.Contains(m.layers, layer) {
			instances[id] = map[string]any{"id": id, "status": "online", "private_ip": m.address, "backends": 10}
		}
	}
	return instances
}

// serves tells whether the machine has a layer for the app.
func (y *yard) serves(id string, s *sample) bool {
	return slices.ContainsFunc(y.machines[id].layers, func(short string) bool {
		t := y.layers[short].Type
		return t == models.LayerCustom || t == models.AppType(s.Type).LayerType()
	})
}

// secrets is the document that only the machine's recipes see.
func (y *yard) secrets(id string) map[string]any {
	apps := []protocol.App{}
	for _, s := range y.samples {
		if y.serves(id, s) {
			a := s.App
			a.Source = protocol.Source{Type: "archive", URL: fmt.Sprintf("%s/%s", y.server, s.file())}
			apps = append(apps, a)
		}
	}
	doc := map[string]any{"apps": apps, "args": map[string]any{}}
	maps.Copy(doc, y.private)
	return doc
}
