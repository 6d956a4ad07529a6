package metrics

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"opsyard/agent/protocol"
)

// tree writes a fake /proc or control group.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func same(t *testing.T, got protocol.Figures, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d figures, want %d", len(got), len(want))
	}
	for n := range want {
		if g := float64(got[n]); got[n] != float32(want[n]) && !(math.IsNaN(g) && math.IsNaN(want[n])) {
			t.Errorf("figure %d is %v, want %v", n, g, want[n])
		}
	}
}

const meminfo = "MemTotal:        8000000 kB\nMemFree:         1000000 kB\nMemAvailable:    6000000 kB\nBuffers:          200000 kB\n" +
	"Cached:          3000000 kB\nSwapCached:            7 kB\nSwapTotal:       2000000 kB\nSwapFree:        1500000 kB\nSReclaimable:     300000 kB\n"

// nan is what is not known.
var nan = math.NaN()

func TestHost(t *testing.T) {
	t.Parallel()
	no, proc := false, t.TempDir()
	tree(t, proc, map[string]string{
		"stat":    "cpu  1000 100 500 8000 200 50 50 100 7 0\ncpu0 1 1 1 1\n",
		"meminfo": meminfo, "loadavg": "1.25 0.50 0.10 2/345 678\n",
		"1/stat": "", "20/stat": "", "345/stat": "", "net/dev": "", "sys/kernel/x": "",
	})
	r := New(Source{Proc: proc, Cgroup: t.TempDir(), Contained: &no})
	take := r.Window()
	tree(t, proc, map[string]string{"stat": "cpu  1300 200 600 8300 300 70 80 150 9 0\n"})
	same(t, take(), 30, 10, 15, 30, 10, 5, 8e6, 3.5e6, 1e6, 2e5, 3.3e6, 5e5, 1.25, 0.5, 0.1, 3)
	// No time has passed, and a counter has stepped back.
	tree(t, proc, map[string]string{"stat": "cpu  1300 200 600 8300 300 70 80 150 9 0\n"})
	if f := take(); !math.IsNaN(float64(f[cpuIdle])) {
		t.Errorf("no time gave %v", f)
	}
	tree(t, proc, map[string]string{"stat": "cpu  1400 200 600 8300 290 70 80 150 9 0\n"})
	if f := take(); f[cpuWaitIO] != 0 || f[cpuUser] != 100 {
		t.Errorf("a step back gave %v", f)
	}
}

func TestNothingToRead(t *testing.T) {
	t.Parallel()
	no := false
	take := New(Source{Proc: filepath.Join(t.TempDir(), "none"), Contained: &no}).Window()
	same(t, take(), nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, 0)
}

// The processors of a container are those that it may use, its memory ends at
// its limit, and its load is that of its own tasks.
func TestContainer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		yes, proc, group := true, t.TempDir(), t.TempDir()
		tree(t, proc, map[string]string{
			"stat": "cpu  9 9 9 9 9 9 9 9\n", "meminfo": meminfo, "loadavg": "77 77 77 1/1 1\n",
			"1/task/1/stat": "1 (init) S 0", "7/task/7/stat": "7 (a) R 1) R 1", "7/task/8/stat": "8 (b) D 1", "7/task/9/stat": "9 (c) S 1",
		})
		usage := func(user, system, nice int) {
			tree(t, group, map[string]string{"cpu.stat": fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec %d\nnice_usec %d\nnr_throttled 3\n", user+system, user, system, nice)})
		}
		tree(t, group, map[string]string{
			"cpu.max": "50000 100000\n", "memory.max": "1048576000\n", "memory.current": "524288000\n", "memory.swap.current": "10240\n",
			"memory.stat": "anon 1\nfile 102400000\nslab_reclaimable 1024000\nfile_mapped 5\n",
		})
		usage(1e6, 1e6, 0)
		r := New(Source{Proc: proc, Cgroup: group, Contained: &yes})
		take := r.Window()
		time.Sleep(10 * time.Second) // of which it may use five
		usage(3e6, 15e5, 5e5)
		same(t, take(), 50, 10, 10, 30, nan, nan, 1024000, 411000, 512000, 0, 101000, 10, nan, nan, nan, 2)

		for range 12 * 60 {
			r.Load(time.Now())
			time.Sleep(SampleLoad)
		}
		load := take()[load1:load15]
		if math.Abs(float64(load[0])-2) > 0.02 || math.Abs(float64(load[1])-2) > 0.02 {
			t.Errorf("an hour of two busy tasks is the load %v", load)
		}

		tree(t, group, map[string]string{"cpu.max": "max 100000\n", "memory.max": "max\n",
			"cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"})
		r = New(Source{Proc: proc, Cgroup: group, Contained: &yes, CPUs: 0.25})
		take = r.Window()
		time.Sleep(10 * time.Second)
		usage(5e6, 15e5, 5e5)
		if f := take(); f[cpuUser] != 80 || f[cpuIdle] != 20 || f[cpuSteal] != 0 || f[memoryTotal] != 8e6 {
			t.Errorf("with a limit from outside: %v", f)
		}
		for waited, want := range map[int][2]float32{7_250_000: {10, 90}, 9_000_000: {80, 20}} { // of 2.5 s
			usage(5e6, 15e5, 5e5)
			tree(t, group, map[string]string{"cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\n"})
			take()
			time.Sleep(10 * time.Second)
			tree(t, group, map[string]string{"cpu.pressure": fmt.Sprintf("some avg10=9.99 avg60=0.00 avg300=0.00 total=%d\n", waited)})
			if f := take(); f[cpuSteal] != want[0] || f[cpuIdle] != want[1] {
				t.Errorf("denied %d µs: %v", waited, f)
			}
		}
	})
}

// The machine that the test runs on has figures that make sense.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	r := New(Source{})
	r.Load(time.Now())
	take := r.Window()
	done := time.Now().Add(100 * time.Millisecond)
	for time.Now().Before(done) {
		_ = fmt.Sprint(done)
	}
	f := take()
	sum := 0.0
	for n := cpuIdle; n <= cpuSteal; n++ {
		if v := float64(f[n]); !math.IsNaN(v) {
			sum += v
		}
	}
	if sum < 95 || sum > 105 || f[cpuUser] == 0 {
		t.Errorf("the processors' shares are %v", f[:memoryTotal])
	}
	if parts := f[memoryUsed] + f[memoryFree] + f[memoryBuffers] + f[memoryCached]; f[memoryTotal] < 1e5 || math.Abs(float64(parts/f[memoryTotal])-1) > 0.01 {
		t.Errorf("the memory is %v", f[memoryTotal:load1])
	}
	if f[procs] < 2 || f[load1] < 0 {
		t.Errorf("load and processes are %v", f[load1:])
	}
}

// pace runs a Pacer for some time and returns what was sent, and when.
func pace(p *Pacer, span time.Duration, session func(time.Duration) bool) (sent []protocol.Metrics, at []time.Duration) {
	start := time.Now()
	for end := start.Add(span); ; {
		now := time.Now()
		words, next := p.Step(now, session(now.Sub(start)))
		for _, m := range words.Figures {
			sent, at = append(sent, m), append(at, now.Sub(start))
		}
		if next.IsZero() || next.After(end) {
			time.Sleep(time.Until(end))
			return sent, at
		}
		// A wake-up beside the ones asked for does no harm.
		time.Sleep(min(time.Until(next), 7*time.Second))
	}
}

func windows(measured *int) func() func() protocol.Figures {
	return func() func() protocol.Figures {
		return func() protocol.Figures { *measured++; return protocol.Figures{float32(*measured)} }
	}
}

func always(time.Duration) bool { return true }

func TestPacer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		measured := 0
		p := NewPacer(windows(&measured))
		p.turn = turns / 2
		if sent, _ := pace(p, time.Minute, always); len(sent) > 0 || measured > 0 {
			t.Error("it measures before anybody wants it")
		}
		time.Sleep(20 * time.Second)
		ahead := time.Hour + 5*time.Second // our clock is wrong
		server := time.Now().Add(ahead)
		p.Welcome(time.Now(), ahead, ahead, 60)
		sent, at := pace(p, 3*time.Minute, always)
		if len(sent) != 3 {
			t.Fatalf("sent %+v at %v", sent, at)
		}
		for n, m := range sent {
			if want := server.Truncate(time.Minute).Add(time.Duration(n) * time.Minute); !m.At.Equal(want) || m.Seconds != 60 {
				t.Errorf("measurement %d is of %v and %d s, want %v", n, m.At, m.Seconds, want)
			}
			if want := 40*time.Second + time.Duration(n)*time.Minute; at[n] != want { // 35 s to the minute, 5 s later
				t.Errorf("measurement %d was sent after %v, want %v", n, at[n], want)
			}
		}
	})
}

func TestPacerWatchedAndAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		measured := 0
		p := NewPacer(windows(&measured))
		p.turn = 0
		p.Welcome(time.Now(), 0, 0, 60)
		p.Watch(time.Now(), 10)
		p.Watch(time.Now(), 60) // no more often than usual
		sent, _ := pace(p, 2*time.Minute+30*time.Second, always)
		live := 0
		for _, m := range sent {
			if m.Seconds == 10 {
				live++
			}
		}
		if live != 6 || len(sent) != 8 {
			t.Errorf("watched for a minute: %+v", sent)
		}
		// Away for half an hour: the last quarter is told.
		sent, at := pace(p, 32*time.Minute, func(since time.Duration) bool { return since > 30*time.Minute })
		if len(sent) < keepUnsent || at[0] < 30*time.Minute || time.Now().Add(-18*time.Minute).After(sent[0].At) {
			t.Errorf("after 30 minutes away: %d, the first %+v at %v", len(sent), sent[0], at[0])
		}
		for n := range sent[1:] {
			if sent[n+1].At.Sub(sent[n].At) != time.Minute {
				t.Errorf("after %v comes %v", sent[n].At, sent[n+1].At)
			}
		}
		// A server that wants other times, or none.
		p.Welcome(time.Now(), 0, 0, 2)
		if sent, _ := pace(p, 10*time.Second, always); len(sent) < 4 || sent[0].Seconds != 2 {
			t.Errorf("every two seconds: %+v", sent)
		}
		p.Welcome(time.Now(), 0, 0, 0)
		if sent, _ := pace(p, time.Hour, always); len(sent) != 0 {
			t.Errorf("never: %+v", sent)
		}
		// The machine sleeps for an hour.
		p.Welcome(time.Now(), 0, 0, 60)
		time.Sleep(time.Hour + 30*time.Second)
		words, _ := p.Step(time.Now(), true)
		if m := words.Figures; len(m) != 1 || !m[0].At.Equal(time.Now().Truncate(time.Minute).Add(-time.Minute)) {
			t.Errorf("after a sleep until %v: %+v", time.Now(), m)
		}
	})
}

// spoken runs a Pacer with a session for some time and returns when it spoke.
func spoken(p *Pacer, span time.Duration) (at []time.Duration) {
	start := time.Now()
	for time.Since(start) < span {
		words, next := p.Step(time.Now(), true)
		if words.Beat || len(words.Figures) > 0 {
			at = append(at, time.Since(start))
		}
		time.Sleep(min(time.Until(next), time.Until(start.Add(span))) + 20*time.Millisecond) // a timer is late
	}
	return at
}

// Twice a minute an agent is heard, in its turn, and never twice in a turn: its
// figures are a heartbeat too.
func TestPacerBeats(t *testing.T) {
	t.Parallel()
	for name, seconds := range map[string]int{"with figures": 60, "without": 0} {
		synctest.Test(t, func(t *testing.T) {
			p := NewPacer(windows(new(int)))
			p.turn = 3
			time.Sleep(11 * time.Second)
			p.Welcome(time.Now(), 0, 0, seconds)
			at := spoken(p, 4*time.Minute)
			if len(at) != 9 {
				t.Fatalf("%s: %v", name, at)
			}
			for n, when := range at {
				want := max(0, time.Duration(n)*protocol.HeartbeatEvery-8*time.Second) // 11 s to 3 s after the half minute
				if late := when - want; late < 0 || late > 100*time.Millisecond {
					t.Errorf("%s: it spoke at %v", name, at)
				}
			}
			if words, _ := p.Step(time.Now(), false); words.Beat {
				t.Errorf("%s: it speaks to nobody", name)
			}
		})
	}
}

// What a slow line hides says nothing about a clock.
func TestPacerSkew(t *testing.T) {
	t.Parallel()
	p := NewPacer(windows(new(int)))
	for _, c := range []struct{ least, most, want time.Duration }{
		{-3 * time.Second, time.Millisecond, 0},
		{time.Minute, time.Minute + time.Second, time.Minute},
		{time.Minute - time.Second, time.Minute + time.Second, time.Minute},
		{-time.Second, time.Second, -time.Second},
		{-time.Hour, -time.Minute, -time.Hour},
	} {
		if p.Welcome(time.Now(), c.least, c.most, 60); p.skew != c.want {
			t.Errorf("between %v and %v: got %v, want %v", c.least, c.most, p.skew, c.want)
		}
	}
}
