package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/simulated"
)

// BenchmarkIdleMemory tells how much memory of the server a connected agent
// with nothing to do takes, beside a connection of a bare websocket server with
// a reader and a writer. The other ends are in a process of their own.
func BenchmarkIdleMemory(b *testing.B) {
	n := min(fleetSize, 1600)
	for b.Loop() {
		ours, raw := connectedMemory(b, n), bareMemory(b, n)
		b.ReportMetric(ours/raw, "x-bare-server")
		b.ReportMetric(ours/1000, "KB/agent")
		b.ReportMetric(0, "ns/op")
	}
}

func connectedMemory(b *testing.B, n int) float64 {
	s := serve(b, simulated.Script{}, nil)
	defer s.stop()
	call := farCall{URL: s.url}
	for _, m := range s.members(b, n) {
		call.Disks = append(call.Disks, simulated.Disk{Seed: m.key.Seed(), InstanceID: string(m.instance.ID)})
	}
	before := inUse()
	defer far(b, call)()
	until(b, "all agents are connected", time.Minute, func() bool { return s.engine.Dispatcher().ConnectedCount() == n })
	time.Sleep(2 * time.Second) // what the hellos wrote is settled
	return (inUse() - before) / float64(n)
}

// bareMemory is what one connection takes of a server with the same buffers that
// keeps a goroutine to read and one to write.
func bareMemory(b *testing.B, n int) float64 {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	var mu sync.Mutex
	var conns []*websocket.Conn
	done := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		queue := make(chan []byte, 16)
		go drain(conn, nil)
		go func() {
			select {
			case message := <-queue:
				_ = conn.WriteMessage(websocket.BinaryMessage, message)
			case <-done:
			}
		}()
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	defer close(done)
	before := inUse()
	defer far(b, farCall{URL: "http://" + listener.Addr().String(), Bare: n})()
	until(b, "all are connected", time.Minute, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(conns) == n
	})
	time.Sleep(time.Second)
	return (inUse() - before) / float64(n)
}

// inUse is the memory of live objects and stacks. Each collection halves the
// stacks that have once been deep, so it takes several.
func inUse() float64 {
	for range 6 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// farCall says what the process at the far end connects: agents with these
// disks, or bare websockets.
type farCall struct {
	URL   string
	Disks []simulated.Disk
	Bare  int
}

const farEnv = "OPSYARD_BENCH_FAR_END"

// far starts the process with the other ends; the returned function ends it.
func far(b *testing.B, call farCall) (stop func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestFarEnd$")
	cmd.Env = append(os.Environ(), farEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(b, err)
	check(b, cmd.Start())
	check(b, json.NewEncoder(in).Encode(call))
	return func() {
		_ = in.Close() // it ends with its input
		_ = cmd.Wait()
	}
}

// TestFarEnd is the process with the other ends of connections; by itself it
// does nothing.
func TestFarEnd(t *testing.T) {
	if os.Getenv(farEnv) == "" {
		t.Skip("only for the benchmark of memory")
	}
	in := bufio.NewReader(os.Stdin)
	var call farCall
	check(t, json.NewDecoder(in).Decode(&call))
	for n, disk := range call.Disks {
		agent := simulated.New(simulated.Config{Server: call.URL, Host: fmt.Sprintf("member%d", n), Disk: &disk})
		go agent.Run(t.Context())
	}
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	for range call.Bare {
		conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(call.URL, "http"), nil)
		check(t, err)
		go drain(conn, nil)
	}
	_, _ = io.Copy(io.Discard, in)
}
