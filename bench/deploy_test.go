package bench

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/engine/compute"
	"opsyard/engine/compute/local"
	"opsyard/models"
)

// appLayers are the layers that serve apps, each with a sample app of its kind.
var appLayers = []struct {
	name    string
	app     models.AppType
	sample  string // directory of the cookbooks' sample apps
	packs   []string
	program bool // the app is a program that has to be built
}{
	{name: "static", app: models.AppStatic, sample: "static"},
	{name: "php", app: models.AppPHP, sample: "php"},
	{name: "nodejs", app: models.AppNodejs, sample: "nodejs"},
	{name: "java", app: models.AppJava, sample: "java"},
	{name: "rails", app: models.AppRails, sample: "rails", packs: []string{"ruby-rails", "ruby-sqlite3"}},
	{name: "program", app: models.AppOther, sample: "program", program: true},
}

// deployRounds is how many versions each app is deployed in.
const deployRounds = 5

// BenchmarkDeploy tells how long it takes from the deploy of an app until its
// new version is served, on a real machine of each layer that serves apps.
func BenchmarkDeploy(b *testing.B) {
	s := serveMachines(b)
	y := newYard(b, s)
	for n, l := range appLayers {
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
				var served, ended []time.Duration
				for range deployRounds {
					at, over := y.deploy(b, n)
					served, ended = append(served, at), append(ended, over)
				}
				if testing.Verbose() {
					fmt.Fprintln(os.Stderr, l.name, "served", served, "ended", ended)
				}
				b.ReportMetric(milliseconds(median(served)), "ms-served")
				b.ReportMetric(milliseconds(median(ended)), "ms-ended")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// serveMachines starts a server whose machines are real; the benchmark is
// skipped where there can be none.
func serveMachines(b *testing.B) *server {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Skip("local machines need root")
	}
	dir := b.TempDir()
	agent := buildProgram(b, dir, "opsyard-agent", "opsyard/agent/cmd/opsyard-agent")
	p, err := local.New(local.Config{Dir: filepath.Join(dir, "local"), AgentCommand: []string{agent}, Ephemeral: true})
	check(b, err)
	for _, f := range p.Check(b.Context()) {
		if f.Needed && !f.OK {
			_ = p.Close()
			b.Skipf("local machines do not work here: %s: %s", f.Name, f.Detail)
		}
	}
	s := serveOn(b, "local", func(string, *slog.Logger) (compute.Provider, error) { return p, nil })
	b.Cleanup(s.stop)
	return s
}

// buildProgram compiles a package for machines, whatever their libraries.
func buildProgram(b *testing.B, dir, name, pkg string) string {
	b.Helper()
	program := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return program
}

// yard is a stack with a layer, a machine and an app of each kind.
type yard struct {
	*server
	stack   *models.Stack
	apps    []*sampleApp
	client  *http.Client
	address []string // of each app's machine
}

// sampleApp is an app whose archive the benchmark serves.
type sampleApp struct {
	id      models.AppID
	machine models.InstanceID
	version atomic.Int64
	files   map[string]string // with @VERSION@ for the version
}

func (a *sampleApp) next() string { return fmt.Sprintf("version-%d-", a.version.Add(1)) }

func (a *sampleApp) serve(b *testing.B) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		files := map[string]string{}
		for name, text := range a.files {
			files[name] = strings.ReplaceAll(text, "@VERSION@", fmt.Sprintf("version-%d-", a.version.Load()))
		}
		_, _ = w.Write(packed(b, files))
	}
}

// newYard makes the stack and starts it; all machines are set up at once.
func newYard(b *testing.B, s *server) *yard {
	b.Helper()
	y := &yard{server: s, client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	var err error
	y.stack, err = s.engine.CreateStack(s.ctx, models.Stack{Name: "Yard", DefaultRootDeviceType: models.RootDeviceEBS})
	check(b, err)
	sources := http.NewServeMux()
	host := httptest.NewServer(sources)
	b.Cleanup(host.Close)
	reached, err := s.machines.(compute.Reacher).Reach(s.ctx, host.URL)
	check(b, err)
	for _, l := range appLayers {
		kind := models.LayerCustom
		if t := l.app.LayerType(); t != "" {
			kind = t
		}
		wanted := models.NewLayer(y.stack.ID, kind)
		wanted.Name, wanted.Packages = l.name, l.packs
		if kind == models.LayerCustom {
			wanted.Shortname, wanted.Engine = l.name, models.EngineProgram
		}
		layer, err := s.engine.CreateLayer(s.ctx, wanted)
		check(b, err)
		i, err := s.engine.CreateInstance(s.ctx, models.Instance{
			StackID: y.stack.ID, LayerIDs: []models.LayerID{layer.ID}, Hostname: l.name + "1", InstanceType: "local.small",
		})
		check(b, err)
		app, err := s.engine.CreateApp(s.ctx, models.App{
			StackID: y.stack.ID, Name: l.name, Shortname: l.name, Type: l.app,
			AppSource:   models.Source{Type: models.SourceArchive, URL: reached + "/" + l.name + ".tar.gz"},
			Environment: []models.EnvironmentVariable{{Key: "GREETING", Value: "hello"}},
		})
		check(b, err)
		a := &sampleApp{id: app.ID, machine: i.ID, files: sampleFiles(b, l.sample)}
		if l.program {
			text, err := os.ReadFile(buildProgram(b, b.TempDir(), "hello", "opsyard/cookbooks/testdata/program"))
			check(b, err)
			a.files["hello"] = string(text)
		}
		sources.HandleFunc("/"+l.name+".tar.gz", a.serve(b))
		y.apps = append(y.apps, a)
	}
	_, err = s.engine.StartStack(s.ctx, y.stack.ID)
	check(b, err)
	y.await(b)
	return y
}

// await waits until all machines are online and nothing is left to do.
func (y *yard) await(b *testing.B) {
	b.Helper()
	f := &fleet{server: y.server, stack: y.stack, size: len(y.apps)}
	until(b, "all machines are online", 15*time.Minute, func() bool {
		time.Sleep(100 * time.Millisecond)
		all, err := y.store.Instances.InStack(y.ctx, y.stack.ID)
		check(b, err)
		for _, i := range all {
			if strings.HasSuffix(string(i.Status), "_failed") {
				b.Fatalf("%s is %s: %s\n%s", i.Hostname, i.Status, i.StatusReason, y.failure(b, i.ID))
			}
		}
		return f.count(b, models.InstanceOnline) == f.size
	})
	f.quiet(b)
	for _, a := range y.apps {
		i, err := y.store.Instances.Get(y.ctx, a.machine)
		check(b, err)
		y.address = append(y.address, "http://"+i.PrivateIP+"/")
	}
}

// failure is what the newest failed command of an instance has printed.
func (y *yard) failure(b *testing.B, id models.InstanceID) string {
	b.Helper()
	commands, err := y.store.Commands.OfInstance(y.ctx, id, 10)
	check(b, err)
	var printed strings.Builder
	for _, c := range commands {
		if c.Status != models.CommandFailed {
			continue
		}
		text, err := y.logs.Text(y.ctx, c.ID, 0)
		check(b, err)
		_, err = text.WriteTo(&printed)
		check(b, err)
		break
	}
	return printed.String()
}

// deploy deploys another version of an app to its machine. It tells how long
// it took until that was served, and until the deployment had ended.
func (y *yard) deploy(b *testing.B, n int) (served, ended time.Duration) {
	b.Helper()
	a := y.apps[n]
	want := a.next()
	begin := time.Now()
	d, err := y.engine.Deploy(y.ctx, engine.DeploymentRequest{
		StackID: y.stack.ID, AppID: a.id, InstanceIDs: []models.InstanceID{a.machine}, Command: models.DeploymentCommand{Name: models.CommandDeploy},
	})
	check(b, err)
	until(b, want+" is served", time.Minute, func() bool {
		time.Sleep(5 * time.Millisecond) // the machines share the processors with those who ask
		return strings.HasPrefix(y.get(y.address[n]), want)
	})
	served = time.Since(begin)
	until(b, "the deployment has ended", 3*time.Minute, func() bool {
		d, err = y.store.Deployments.Get(y.ctx, d.ID)
		check(b, err)
		return d.Status != models.DeploymentRunning
	})
	if d.Status != models.DeploymentSuccessful {
		b.Fatalf("the deployment is %s\n%s", d.Status, y.failure(b, a.machine))
	}
	return served, time.Since(begin)
}

// get is the text of the page at an address, "" while there is none.
func (y *yard) get(url string) string {
	resp, err := y.client.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(text))
}

// sampleFiles reads a sample app of the cookbooks' tests.
func sampleFiles(b *testing.B, name string) map[string]string {
	b.Helper()
	files := map[string]string{}
	tree := os.DirFS(filepath.Join("..", "cookbooks", "testdata", "apps", name))
	check(b, fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, path)
		files[path] = string(text)
		return err
	}))
	return files
}
