package bench

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// rawServer is the baseline: a bare websocket server and as many clients.
type rawServer struct {
	conns   []*websocket.Conn // the server's ends
	missing atomic.Int64
	done    chan struct{}
	stop    func()
}

// newRaw connects n clients to a bare server with the same buffers as ours.
func newRaw(tb testing.TB, n int) *rawServer {
	tb.Helper()
	r := &rawServer{}
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	var mu sync.Mutex
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(tb, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		conn, err := upgrader.Upgrade(w, req, nil)
		if err != nil {
			return
		}
		mu.Lock()
		r.conns = append(r.conns, conn)
		mu.Unlock()
		go drain(conn, nil)
	})}
	go func() { _ = server.Serve(listener) }()
	dialer := websocket.Dialer{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	var clients []*websocket.Conn
	for range n {
		conn, _, err := dialer.Dial("ws://"+listener.Addr().String(), nil)
		check(tb, err)
		clients = append(clients, conn)
		go drain(conn, r.received)
	}
	until(tb, "all are connected", time.Minute, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(r.conns) == n
	})
	r.stop = func() {
		for _, c := range append(clients, r.conns...) {
			_ = c.Close()
		}
		_ = server.Close()
	}
	return r
}

func drain(conn *websocket.Conn, message func()) {
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		if message != nil {
			message()
		}
	}
}

func (r *rawServer) received() {
	if r.missing.Add(-1) == 0 {
		close(r.done)
	}
}

// loop writes a message of the size to each connection, one after the other,
// and tells how long it took until the last client had it.
func (r *rawServer) loop(tb testing.TB, size int) time.Duration {
	tb.Helper()
	message := make([]byte, size)
	r.done = make(chan struct{})
	r.missing.Store(int64(len(r.conns)))
	begin := time.Now()
	for _, conn := range r.conns {
		check(tb, conn.WriteMessage(websocket.BinaryMessage, message))
	}
	<-r.done
	return time.Since(begin)
}
