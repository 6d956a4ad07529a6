package bench

import (
	"bufio"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
	"opsyard/models"
)

// farCall says what the process at the far end connects: simulated agents with
// these disks, the same ones saying only what they are told to, or bare
// websockets, which say the same.
type farCall struct {
	URL    string
	Disks  []simulated.Disk
	Puppet bool
	Bare   int
}

// order has each puppet and bare websocket say something, Rounds times and
// evenly spread over Every.
type order struct {
	Say    string // heartbeat or metrics
	Minute int    // of the first metrics: so many minutes ago, the next round's lie before
	Rounds int
	Every  time.Duration
}

const farEnv = "OPSYARD_BENCH_FAR_END"

// farEnd is the process with the other ends, so that their work is not counted
// as the server's.
type farEnd struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func far(b *testing.B, call farCall) *farEnd {
	b.Helper()
	f := &farEnd{cmd: exec.Command(os.Args[0], "-test.run", "^TestFarEnd$")}
	f.cmd.Env = append(os.Environ(), farEnv+"=1")
	f.cmd.Stderr = os.Stderr
	var err error
	f.in, err = f.cmd.StdinPipe()
	check(b, err)
	out, err := f.cmd.StdoutPipe()
	check(b, err)
	f.out = bufio.NewReader(out)
	check(b, f.cmd.Start())
	check(b, json.NewEncoder(f.in).Encode(call))
	return f
}

// say has an order carried out and returns when it is.
func (f *farEnd) say(b *testing.B, o order) {
	b.Helper()
	check(b, json.NewEncoder(f.in).Encode(o))
	_, err := f.out.ReadString('\n')
	check(b, err)
}

// stop ends the process; it ends with its input.
func (f *farEnd) stop() {
	_ = f.in.Close()
	_, _ = io.Copy(io.Discard, f.out)
	_ = f.cmd.Wait()
}

// disks are those of simulated agents that are the members.
func disks(members []member) (all []simulated.Disk) {
	for _, m := range members {
		all = append(all, simulated.Disk{Seed: m.key.Seed(), InstanceID: string(m.instance.ID)})
	}
	return all
}

// TestFarEnd is the process with the other ends of connections; by itself it
// does nothing.
func TestFarEnd(t *testing.T) {
	if os.Getenv(farEnv) == "" {
		t.Skip("only for benchmarks, as a process of its own")
	}
	in := json.NewDecoder(os.Stdin)
	var call farCall
	check(t, in.Decode(&call))
	var lines []speaker
	for n, disk := range call.Disks {
		if call.Puppet {
			lines = append(lines, puppet(t, call.URL, disk))
			continue
		}
		agent := simulated.New(simulated.Config{Server: call.URL, Host: fmt.Sprintf("member%d", n), Disk: &disk})
		go agent.Run(t.Context())
	}
	for range call.Bare {
		lines = append(lines, bareLine(t, call.URL))
	}
	for {
		var o order
		if in.Decode(&o) != nil {
			return
		}
		obey(t, lines, o)
		fmt.Println("done")
	}
}

// speaker sends a message; a bare websocket sends its bytes.
type speaker func(message any) error

// puppet is the session of an agent that says nothing by itself.
func puppet(t *testing.T, url string, disk simulated.Disk) speaker {
	m := member{instance: models.Instance{ID: models.InstanceID(disk.InstanceID)}, key: ed25519.NewKeyFromSeed(disk.Seed)}
	l, err := m.dial(url)
	check(t, err)
	go func() {
		for {
			if _, err := l.Receive(); err != nil {
				return
			}
		}
	}()
	return l.Send
}

func bareLine(t *testing.T, url string) speaker {
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	check(t, err)
	go drain(conn, nil)
	return func(message any) error {
		wire, err := protocol.Encode(message)
		if err != nil {
			return err
		}
		return conn.WriteMessage(websocket.BinaryMessage, wire)
	}
}

// obey carries an order out, evenly spread: thousands of agents do not speak
// at once.
func obey(t *testing.T, lines []speaker, o order) {
	begin := time.Now()
	for round := range o.Rounds {
		for n, send := range lines {
			time.Sleep(time.Until(begin.Add(time.Duration(round)*o.Every + time.Duration(n)*o.Every/time.Duration(len(lines)))))
			check(t, send(o.message(round)))
		}
	}
	time.Sleep(time.Until(begin.Add(time.Duration(o.Rounds) * o.Every)))
}

func (o order) message(round int) any {
	if o.Say == "metrics" {
		return protocol.Metrics{
			At: time.Now().Truncate(time.Minute).Add(-time.Duration(o.Minute+round) * time.Minute), Seconds: 60, Values: simulated.Busy(12.5),
		}
	}
	return protocol.Heartbeat{At: time.Now(), Load: [3]float64{0.1, 0.1, 0.1}}
}

// bareServer is a websocket server with the same buffers as ours, which keeps
// a goroutine to read and one to write and forgets what it reads.
type bareServer struct {
	url                 string
	connected, received atomic.Int64
	stop                func()
}

func newBare(b *testing.B) *bareServer {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	s := &bareServer{url: "http://" + listener.Addr().String()}
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	done := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		queue := make(chan []byte, 16)
		go drain(conn, func() { s.received.Add(1) })
		go func() {
			select {
			case message := <-queue:
				_ = conn.WriteMessage(websocket.BinaryMessage, message)
			case <-done:
				_ = conn.Close()
			}
		}()
		s.connected.Add(1)
	})}
	go func() { _ = server.Serve(listener) }()
	s.stop = func() {
		_ = server.Close()
		close(done)
	}
	return s
}
