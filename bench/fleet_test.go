package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
	"opsyard/engine"
	"opsyard/engine/compute/local"
	"opsyard/models"
)

// fleetSize is the number of instances in the large stack; set
// OPSYARD_BENCH_FLEET to look at another one.
var fleetSize = sizeFromEnv("OPSYARD_BENCH_FLEET", 1600)

func sizeFromEnv(name string, fallback int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return fallback
}

// perLayer is small enough for the console to draw every instance of a layer:
// the dearest overview page there is.
const perLayer = 40

// fleet is a stack whose instances are all online.
type fleet struct {
	*server
	stack   *models.Stack
	size    int
	arrived *arrivals

	online time.Duration // from StartStack until all were online
	settle time.Duration // … until no command was left
	cpu    time.Duration // of server and agents together, until then
	runs   int           // Configure commands made meanwhile
}

// arrivals notes when agents receive Configures.
type arrivals struct {
	mu     sync.Mutex
	want   int
	last   time.Time
	run    protocol.Run
	finish chan struct{}
}

// expect returns a channel that is closed when n more Configures have arrived.
func (a *arrivals) expect(n int) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.want, a.finish = n, make(chan struct{})
	return a.finish
}

func (a *arrivals) received(run protocol.Run) {
	if run.Type != string(models.CommandConfigure) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.run = time.Now(), run
	if a.want--; a.want == 0 {
		close(a.finish)
	}
}

// newFleet makes a stack of simulated instances and starts it.
func newFleet(tb testing.TB, size int) *fleet {
	tb.Helper()
	a := &arrivals{}
	f := &fleet{size: size, arrived: a}
	f.server = serve(tb, simulated.Script{
		Boot: 200 * time.Millisecond,
		// The agents are in this process: their answers come when all have got
		// what they answer to, so that their work is not counted as the server's.
		Lag: time.Second,
		Commands: map[string]simulated.Behaviour{
			"setup":     {Duration: time.Second, Lines: 10},
			"configure": {Duration: 2 * time.Second, Lines: 2},
		},
	}, a.received)
	var err error
	f.stack, err = f.engine.CreateStack(f.ctx, models.Stack{Name: fmt.Sprintf("Fleet of %d", size), DefaultRootDeviceType: models.RootDeviceEBS})
	check(tb, err)
	for n := range (size + perLayer - 1) / perLayer {
		l := models.NewLayer(f.stack.ID, models.LayerCustom)
		l.Name, l.Shortname = fmt.Sprintf("Tier %d", n+1), fmt.Sprintf("tier%d", n+1)
		l.CustomRecipes = models.Recipes{Setup: []string{"app::setup"}, Configure: []string{"app::configure"}}
		layer, err := f.engine.CreateLayer(f.ctx, l)
		check(tb, err)
		for i := range min(perLayer, size-n*perLayer) {
			_, err := f.engine.CreateInstance(f.ctx, models.Instance{
				StackID: f.stack.ID, LayerIDs: []models.LayerID{layer.ID}, Hostname: fmt.Sprintf("tier%d-%d", n+1, i+1),
			})
			check(tb, err)
		}
	}
	f.start(tb)
	return f
}

func (f *fleet) start(tb testing.TB) {
	tb.Helper()
	begin, cpu := time.Now(), cpuTime()
	_, err := f.engine.StartStack(f.ctx, f.stack.ID)
	check(tb, err)
	if testing.Verbose() {
		fmt.Fprintf(os.Stderr, "start stack of %d: the verb took %v\n", f.size, time.Since(begin))
	}
	until(tb, "all instances are online", 10*time.Minute, func() bool {
		time.Sleep(50 * time.Millisecond)
		return f.count(tb, models.InstanceOnline) == f.size
	})
	f.online = time.Since(begin)
	f.quiet(tb)
	f.settle, f.cpu = time.Since(begin), cpuTime()-cpu
	check(tb, f.store.SQL().QueryRow("SELECT count(*) FROM commands WHERE type = 'configure'").Scan(&f.runs))
}

func (f *fleet) count(tb testing.TB, status models.InstanceStatus) int {
	tb.Helper()
	n, err := f.store.Instances.Count247(f.ctx, f.stack.ID, status)
	check(tb, err)
	return n
}

// quiet waits until no command is left and no log is being packed, and
// collects the garbage.
func (f *fleet) quiet(tb testing.TB) {
	tb.Helper()
	until(tb, "all deployments have ended", 10*time.Minute, func() bool {
		time.Sleep(100 * time.Millisecond)
		running, err := f.store.Deployments.Running(f.ctx, f.stack.ID)
		check(tb, err)
		return len(running) == 0
	})
	before := -1
	until(tb, "no log is packed any more", 10*time.Minute, func() bool {
		time.Sleep(300 * time.Millisecond)
		var left int
		check(tb, f.store.SQL().QueryRow("SELECT count(*) FROM log_chunks").Scan(&left))
		done := left == 0 || left == before
		before = left
		if done && testing.Verbose() {
			fmt.Fprintf(os.Stderr, "%d chunks left\n", left)
		}
		return done
	})
	runtime.GC()
}

// configure runs one Configure on the whole fleet and tells how long it took
// until the last agent had it.
func (f *fleet) configure(tb testing.TB) (took time.Duration, d *models.Deployment) {
	tb.Helper()
	done := f.arrived.expect(f.size)
	begin := time.Now()
	d, err := f.engine.Deploy(f.ctx, engine.DeploymentRequest{StackID: f.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure}})
	check(tb, err)
	if testing.Verbose() {
		fmt.Fprintf(os.Stderr, "the verb took %v\n", time.Since(begin))
	}
	select {
	case <-done:
	case <-time.After(time.Minute):
		tb.Fatal("the Configure did not reach every agent")
	}
	return f.arrived.last.Sub(begin), d
}

// big is the fleet that several benchmarks share.
var big = sync.OnceValue(func() *fleet {
	tb := &stub{}
	return newFleet(tb, fleetSize)
})

// stub lets the shared fleet fail loudly outside of one benchmark.
type stub struct{ testing.TB }

func (*stub) Helper()                   {}
func (*stub) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (*stub) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestMain(m *testing.M) {
	local.MaybeChild() // of a machine, see BenchmarkDeploy
	code := m.Run()
	if started {
		big().stop()
	}
	os.Exit(code)
}

// started tells whether the shared fleet is there to be stopped.
var started bool

func shared(b *testing.B) *fleet {
	b.Helper()
	started = true
	f := big()
	f.quiet(b)
	return f
}
