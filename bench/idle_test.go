package bench

import (
	"fmt"
	"os"
	"runtime/pprof"
	"testing"
	"time"

	"opsyard/agent/simulated"
	"opsyard/models"
)

// idleSize is how many agents do nothing in BenchmarkIdle.
var idleSize = sizeFromEnv("OPSYARD_BENCH_AGENTS", 10_000)

const (
	idleFor = time.Minute      // as long as it takes to see everything that is done now and then
	away    = 10 * time.Minute // longer than the silence after which an agent counts as lost
	history = 10               // commands that each instance has had
)

// BenchmarkIdle tells what a server costs whose agents have nothing to do but
// to say that they live and how their machines are; and what it costs when it
// restarts and all come back, of which none may be taken for lost. The agents
// are in another process.
func BenchmarkIdle(b *testing.B) {
	s := serve(b, simulated.Script{}, nil)
	defer s.stop()
	members := s.members(b, idleSize)
	s.remember(b, members)
	for b.Loop() {
		before := inUse()
		end := far(b, farCall{URL: s.url, Disks: disks(members)})
		s.allConnected(b, idleSize)
		time.Sleep(5 * time.Second) // what the hellos wrote is settled
		memory := (inUse() - before) / float64(idleSize)
		profiled := profile(b)
		cpu := cpuTime()
		time.Sleep(idleFor)
		idle := cpuTime() - cpu
		profiled()

		cpu = cpuTime()
		begin := time.Now()
		s.restart(b, away)
		back := s.engine.Clock()
		s.allConnected(b, idleSize)
		all, spent := time.Since(begin), cpuTime()-cpu
		time.Sleep(4 * s.engine.Times().Reminder) // whoever would be taken for lost, is
		b.ReportMetric(100*idle.Seconds()/idleFor.Seconds(), "%core")
		b.ReportMetric(float64(idle.Microseconds())/float64(idleSize)/idleFor.Minutes(), "cpu-µs/agent/min")
		b.ReportMetric(memory/1000, "KB/agent")
		b.ReportMetric(all.Seconds(), "s/all-back")
		b.ReportMetric(float64(spent.Microseconds())/float64(idleSize), "cpu-µs/return")
		b.ReportMetric(float64(s.alarms(b, back)), "false-alarms")
		b.ReportMetric(0, "ns/op")
		end.stop()
	}
}

// profile writes where the time goes to the file of OPSYARD_BENCH_PROFILE,
// until the returned function is called.
func profile(b *testing.B) (stop func()) {
	b.Helper()
	name := os.Getenv("OPSYARD_BENCH_PROFILE")
	if name == "" {
		return func() {}
	}
	file, err := os.Create(name)
	check(b, err)
	check(b, pprof.StartCPUProfile(file))
	return func() {
		pprof.StopCPUProfile()
		check(b, file.Close())
	}
}

func (s *server) allConnected(b *testing.B, n int) {
	b.Helper()
	until(b, "all agents are connected", 5*time.Minute, func() bool {
		time.Sleep(50 * time.Millisecond)
		return s.engine.Dispatcher().ConnectedCount() == n
	})
}

// alarms counts the instances that have been anything but online since.
func (s *server) alarms(b *testing.B, since time.Time) (n int) {
	b.Helper()
	all, err := s.store.Instances.WithStatus(s.ctx, models.InstanceStatuses...)
	check(b, err)
	for _, i := range all {
		if i.Status != models.InstanceOnline || i.StatusSince.After(since) {
			n++
		}
	}
	return n
}

// remember gives the members a past: commands that have ended.
func (s *server) remember(b *testing.B, members []member) {
	b.Helper()
	for range history {
		commands, err := s.commandFor(members)
		check(b, err)
		_, err = s.store.SQL().ExecContext(s.ctx, "UPDATE commands SET status = 'successful' WHERE status = 'running'")
		check(b, err)
		_, err = s.store.SQL().ExecContext(s.ctx, "UPDATE deployments SET status = 'successful' WHERE id = ?", string(commands[0].DeploymentID))
		check(b, err)
	}
}

// messageRounds is how often the system and its baseline take turns.
const (
	messageRounds = 5
	messageLines  = 2000
)

// BenchmarkMessages tells what a heartbeat and a row of metrics cost, from the
// wire into the database, beside a bare websocket server that reads messages of
// the same bytes and forgets them. The senders are in another process.
func BenchmarkMessages(b *testing.B) {
	s := serve(b, simulated.Script{}, nil)
	defer s.stop()
	bare := newBare(b)
	defer bare.stop()
	ours := far(b, farCall{URL: s.url, Disks: disks(s.members(b, messageLines)), Puppet: true})
	defer ours.stop()
	theirs := far(b, farCall{URL: bare.url, Bare: messageLines})
	defer theirs.stop()
	s.allConnected(b, messageLines)
	until(b, "all are connected", time.Minute, func() bool { return bare.connected.Load() == messageLines })
	for _, what := range []string{"heartbeat", "metrics"} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				var with, raw []time.Duration
				for n := range messageRounds {
					raw = append(raw, theirs.cost(b, what, n))
					with = append(with, ours.cost(b, what, n))
				}
				if testing.Verbose() {
					fmt.Fprintln(os.Stderr, what, with, "raw", raw)
				}
				b.ReportMetric(microseconds(median(with)), "cpu-µs/message")
				b.ReportMetric(microseconds(median(raw)), "cpu-µs/raw")
				b.ReportMetric(ratio(with, raw), "x-raw")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// cost is the processor time of this process for a message that the far end
// sends, beyond what it spends anyway. Each time has minutes of its own.
func (f *farEnd) cost(b *testing.B, what string, n int) time.Duration {
	b.Helper()
	const rounds, every = 3, time.Second
	cpu := cpuTime()
	time.Sleep(rounds * every)
	anyway := cpuTime() - cpu
	cpu = cpuTime()
	f.say(b, order{Say: what, Minute: 1 + n*rounds, Rounds: rounds, Every: every})
	return max(0, cpuTime()-cpu-anyway) / (rounds * messageLines)
}
