package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
	"opsyard/engine"
	"opsyard/models"
)

const (
	talkers   = 50
	perSecond = 50 // lines of each
	talkFor   = 20 * time.Second
)

// BenchmarkLogLatency tells how long a line takes from the moment at which a
// recipe prints it until it is in the websocket of the browser that watches:
// 50 instances print 50 lines a second each, and each has a viewer. The agents
// gather lines for up to 300 ms, as real ones do.
func BenchmarkLogLatency(b *testing.B) {
	s := serve(b, simulated.Script{Commands: map[string]simulated.Behaviour{
		"execute_recipes": {Duration: talkFor, Lines: int(talkFor/time.Second) * perSecond, Output: func(l simulated.Line) string {
			return fmt.Sprintf("%d line %d: something that a recipe would say about its work on %s", l.At.UnixNano(), l.Index, l.Host)
		}},
	}}, nil)
	defer s.stop()
	stack := s.running(b, talkers)
	for b.Loop() {
		d, err := s.engine.Deploy(s.ctx, engine.DeploymentRequest{StackID: stack.ID, Command: models.DeploymentCommand{
			Name: models.CommandExecuteRecipes, Args: map[string][]string{"recipes": {"app::talk"}},
		}})
		check(b, err)
		commands, err := s.store.Commands.OfDeployment(s.ctx, d.ID)
		check(b, err)
		var mu sync.Mutex
		var took []time.Duration
		var viewers sync.WaitGroup
		for _, c := range commands {
			viewers.Go(func() {
				mine := s.view(b, c.ID)
				mu.Lock()
				defer mu.Unlock()
				took = append(took, mine...)
			})
		}
		viewers.Wait()
		if want := talkers * perSecond * int(talkFor/time.Second); len(took) != want {
			b.Fatalf("the viewers saw %d lines, want %d", len(took), want)
		}
		if testing.Verbose() {
			fmt.Fprintf(os.Stderr, "p99 %v, most %v\n", quantile(took, 0.99), quantile(took, 1))
		}
		b.ReportMetric(milliseconds(quantile(took, 0.5)), "ms-p50")
		b.ReportMetric(milliseconds(quantile(took, 0.95)), "ms-p95")
		b.ReportMetric(0, "ns/op")
	}
}

// running makes a stack of n instances that are online and have nothing to do.
func (s *server) running(tb testing.TB, n int) *models.Stack {
	tb.Helper()
	stack, err := s.engine.CreateStack(s.ctx, models.Stack{Name: "Talkers", DefaultRootDeviceType: models.RootDeviceEBS})
	check(tb, err)
	wanted := models.NewLayer(stack.ID, models.LayerCustom)
	wanted.Name, wanted.Shortname = "Talkers", "talkers"
	layer, err := s.engine.CreateLayer(s.ctx, wanted)
	check(tb, err)
	for range n {
		_, err := s.engine.CreateInstance(s.ctx, models.Instance{StackID: stack.ID, LayerIDs: []models.LayerID{layer.ID}})
		check(tb, err)
	}
	f := &fleet{server: s, stack: stack, size: n}
	f.start(tb)
	return stack
}

// view follows a log as a browser does, to its end, and tells how late each
// line was.
func (s *server) view(tb testing.TB, id models.CommandID) (took []time.Duration) {
	header := http.Header{"Cookie": {"opsyard=" + s.cookie}, "Origin": {s.url}}
	conn, _, err := (&websocket.Dialer{EnableCompression: true}).Dial("ws"+strings.TrimPrefix(s.url, "http")+"/ws/commands/"+string(id)+"/log?from=0", header)
	if err != nil {
		tb.Errorf("watch command %s: %v", id, err)
		return nil
	}
	defer conn.Close()
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			tb.Errorf("watch command %s: %v", id, err)
			return took
		}
		now := time.Now()
		if len(text) == 0 {
			continue // a sign of life
		}
		var frame struct {
			Lines    []string `json:"lines"`
			Complete bool     `json:"complete"`
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			tb.Errorf("watch command %s: %v", id, err)
			return took
		}
		for _, line := range frame.Lines {
			at, _, _ := strings.Cut(line, " ")
			nanos, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				tb.Errorf("a line without its time: %q", line)
			}
			took = append(took, now.Sub(time.Unix(0, nanos)))
		}
		if frame.Complete {
			return took
		}
	}
}

// BenchmarkLogIngest compares how fast logs are taken in, stored and confirmed
// with a bare websocket server that confirms the same chunks and forgets them.
func BenchmarkLogIngest(b *testing.B) {
	const senders, chunks = 4, 400
	line := strings.Repeat("x", 99) + "\n"
	data := []byte(strings.Repeat(line, protocol.ChunkSize/len(line)))
	s := serve(b, simulated.Script{Commands: map[string]simulated.Behaviour{"": {}}}, nil)
	defer s.stop()
	for b.Loop() {
		var ours, theirs []time.Duration
		for range 5 {
			theirs = append(theirs, rawIngest(b, senders, chunks, data))
			ours = append(ours, s.ingest(b, senders, chunks, data))
		}
		lines := float64(senders*chunks*len(data)) / float64(len(line))
		if testing.Verbose() {
			fmt.Fprintf(os.Stderr, "raw %v; ours %v\n", theirs, ours)
		}
		b.ReportMetric(1/ratio(ours, theirs), "x-raw-hub")
		b.ReportMetric(lines/median(ours).Seconds(), "lines/s")
		b.ReportMetric(0, "ns/op")
	}
}
