package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"opsyard/models"

	"github.com/chromedp/chromedp"
)

// demo is the sample stack as the first command of the README brings it up.
type demo struct {
	*server
	app    string // address of the load balancer
	source string // working copy of the app
	pass   string
	stack  models.StackID
	byName map[string]models.InstanceID
}

// The story of the sample stack: it comes up, is deployed to, loses a web
// server to a stop and another to a crash, and gets both back.
func TestDemo(t *testing.T) {
	t.Parallel()
	needMachines(t)
	d := startDemo(t, "hello")
	for _, chapter := range []struct {
		name string
		tell func(*testing.T, *demo)
	}{
		{"answers in turn", bothAnswer},
		{"deploys a commit live", deployLive},
		{"stop loses no request", stopLosesNothing},
		{"a killed machine is healed", killMachine},
	} {
		if !t.Run(chapter.name, func(t *testing.T) { d.in(t); chapter.tell(t, d) }) {
			return
		}
	}
}

func startDemo(t *testing.T, sample string) *demo {
	t.Helper()
	began := time.Now()
	d := &demo{server: newServer(t, "demo", "--provider", "local", "--stack", sample), byName: map[string]models.InstanceID{}}
	d.start()
	d.pass = d.said(`login +demo (\S+)`, 10*time.Second)
	d.app = d.said(`app +(\S+)`, 5*time.Minute)
	d.source = d.said(`source +(\S+)`, time.Second)
	d.stack = models.StackID(d.said(`stack +\S+/stacks/(\S+)`, time.Second))
	t.Logf("the demo was up after %s", time.Since(began).Round(100*time.Millisecond))
	d.data = filepath.Join(filepath.Dir(filepath.Dir(d.source)), "data")
	instances, err := d.store().Instances.InStack(context.Background(), d.stack)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range instances {
		d.byName[i.Hostname] = i.ID
	}
	return d
}

func (d *demo) console(t *testing.T) *console {
	t.Helper()
	c := visit(t, d.url)
	c.post("/sign-in", url.Values{"name": {"demo"}, "password": {d.pass}})
	return c
}

// servers asks the load balancer n times and returns who answered with what.
func (d *demo) servers(t *testing.T, n int) (names, bodies []string) {
	t.Helper()
	c := visit(t, strings.TrimSuffix(d.app, "/"))
	for range n {
		response, err := c.http.Get(d.app)
		if err != nil {
			t.Fatal(err)
		}
		status, body := c.answer(d.app, response, nil)
		if status != http.StatusOK {
			t.Fatalf("the app answers with status %d", status)
		}
		names, bodies = append(names, response.Header.Get("X-Served-By")), append(bodies, body)
	}
	return names, bodies
}

func bothAnswer(t *testing.T, d *demo) {
	wait(t, "both web servers have passed a health check", 20*time.Second, func() bool {
		names, _ := d.servers(t, 2)
		return names[0] != names[1]
	})
	var names []string
	wait(t, "they answer in turn", 20*time.Second, func() bool {
		names, _ = d.servers(t, 10)
		return len(slices.Compact(slices.Clone(names))) == len(names)
	})
	t.Logf("answered by %v", names)
}

func deployLive(t *testing.T, d *demo) {
	const news = "Second edition"
	page, err := os.ReadFile(filepath.Join(d.source, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	commit(t, d.source, map[string]string{"index.html": strings.Replace(string(page), "<h1>Hello</h1>", "<h1>"+news+"</h1>", 1)})

	b := openTab(t, d.url, 2*time.Minute)
	b.signIn("demo", d.pass)
	b.open("/stacks/" + string(d.stack))
	b.clickText("Apps")
	b.until("the apps are here", `location.pathname.endsWith('/apps') && document.readyState === 'complete'`, 20*time.Second)
	b.clickText("Deploy")
	b.until("the form is here", `document.querySelector('form[data-run]')`, 10*time.Second)
	b.do(chromedp.Click(`button[value="review"]`), chromedp.WaitVisible(`form[action^="/plans/"] button`))
	b.do(chromedp.Click(`form[action^="/plans/"] button`), chromedp.WaitVisible("#deployment-head"))
	b.until("a line of the log is seen", `document.querySelector('log-pane .ln code')?.innerText.trim()`, 30*time.Second)
	id := models.DeploymentID(filepath.Base(pathOf(eval[string](b, `location.origin + location.pathname`), d.url)))
	b.until("the page says that it succeeded", `document.querySelector('#deployment-head h1').innerText.includes('successful')`, time.Minute)
	d.successful(id, time.Second)
	names, bodies := d.servers(t, 4)
	for n, body := range bodies {
		if !strings.Contains(body, news) {
			t.Errorf("%s still serves the old page", names[n])
		}
	}
}

// stopLosesNothing stops a web server by the console while requests run.
func stopLosesNothing(t *testing.T, d *demo) {
	c := d.console(t)
	web := d.byName["web1"]
	load := startLoad(d.app)
	load.reach(t, 50)
	c.post("/instances/"+string(web)+"/stop", nil)
	d.becomes(models.InstanceStopped, time.Minute, web)
	load.reach(t, load.count()+150)
	total, failed := load.stop()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %.300s", len(failed), total, strings.Join(failed, "; "))
	}
	t.Logf("%d requests, %d failed", total, len(failed))
	names, _ := d.servers(t, 4)
	for _, name := range names {
		if name != "web2" {
			t.Errorf("after the stop %s answers", name)
		}
	}
	c.post("/instances/"+string(web)+"/start", nil)
	d.becomes(models.InstanceOnline, 2*time.Minute, web)
}

// killMachine kills the first process of a machine, as a power cut would: it
// comes back by itself and serves again.
func killMachine(t *testing.T, d *demo) {
	c := d.console(t)
	web := d.byName["web2"]
	page := "/instances/" + string(web)
	if err := syscall.Kill(machinePid(t, d.data, web), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d.becomes(models.InstanceConnectionLost, 45*time.Second, web)
	t.Logf("the console knew after %s: %s", time.Since(began).Round(10*time.Millisecond), d.instance(web).StatusReason)
	if reason := d.instance(web).StatusReason; reason == "" || !strings.Contains(text(c.get(page)), reason) {
		t.Errorf("the page does not say why (%q): %.400s", reason, text(c.get(page)))
	}
	before := d.instance(web)
	d.becomes(models.InstanceOnline, 3*time.Minute, web)
	t.Logf("it was healed after %s", time.Since(began).Round(time.Second))
	if after := d.instance(web); after.Hostname != before.Hostname || after.PrivateIP != before.PrivateIP {
		t.Errorf("it was %s at %s, and is %s at %s", before.Hostname, before.PrivateIP, after.Hostname, after.PrivateIP)
	}
	wait(t, "the history of healing tells how it went", 10*time.Second, func() bool {
		history := text(c.get("/stacks/" + string(d.stack) + "/healing"))
		return strings.Contains(history, "its provider says that its machine is stopped") && strings.Contains(history, "It was online again after")
	})
	if overview := text(c.get("/stacks/" + string(d.stack))); !strings.Contains(overview, "web2 is healed") {
		t.Errorf("the timeline does not tell of it: %.600s", overview)
	}
	wait(t, "both web servers answer again", 30*time.Second, func() bool {
		names, _ := d.servers(t, 2)
		return names[0] != names[1]
	})
}

// machinePid is the first process of a local machine.
func machinePid(t *testing.T, data string, id models.InstanceID) int {
	t.Helper()
	var state struct {
		Process struct {
			Pid int `json:"pid"`
		} `json:"process"`
	}
	b, err := os.ReadFile(filepath.Join(data, "local", "instances", string(id), "state.json"))
	if err == nil {
		err = json.Unmarshal(b, &state)
	}
	if err != nil || state.Process.Pid < 2 {
		t.Fatalf("find the machine's process: %v, %s", err, strconv.Quote(string(b)))
	}
	return state.Process.Pid
}

// load is several clients that ask without a pause.
type load struct {
	done    chan struct{}
	clients sync.WaitGroup
	n       atomic.Int64
	mu      sync.Mutex
	failed  []string
}

func startLoad(address string) *load {
	l := &load{done: make(chan struct{})}
	for range 4 {
		l.clients.Go(func() { l.ask(address) })
	}
	return l
}

func (l *load) ask(address string) {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-pause.C:
		}
		response, err := client.Get(address)
		problem := ""
		if err != nil {
			problem = err.Error()
		} else {
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				problem = response.Status
			}
		}
		l.n.Add(1)
		if problem != "" {
			l.mu.Lock()
			l.failed = append(l.failed, problem)
			l.mu.Unlock()
		}
	}
}

func (l *load) count() int64 { return l.n.Load() }

func (l *load) reach(t *testing.T, n int64) {
	t.Helper()
	wait(t, "requests were answered", time.Minute, func() bool { return l.count() >= n })
}

func (l *load) stop() (total int64, failed []string) {
	close(l.done)
	l.clients.Wait()
	return l.count(), l.failed
}
