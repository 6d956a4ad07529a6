// Package agenttest fakes the far side: a Server that speaks the protocol over
// real HTTP for tests of the agent, and an Agent for tests of the server.
package agenttest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
)

// Server is a server with one instance at a time: it enrols whoever has its
// token, stores logs and ends, and sends what a test tells it to.
type Server struct {
	URL string

	mu       sync.Mutex
	cond     *sync.Cond
	http     *httptest.Server
	tokens   map[string]string // token → instance id
	keys     map[string][]byte // instance id → public key
	enrolled int
	sessions int
	conn     *websocket.Conn
	write    sync.Mutex
	hello    protocol.Hello
	beats    []protocol.Heartbeat
	metrics  []protocol.Metrics
	applied  []protocol.AccountsApplied
	accounts *protocol.Accounts // sent first in each session
	seconds  int                // Welcome.MetricsSeconds
	accepted map[string]int
	started  map[string]int
	logs     map[string]*Log
	done     map[string][]protocol.Done
	content  map[string][]byte
	fetched  map[string]int
	hold     bool // store nothing, acknowledge nothing
	held     []any
	lose     int // chunks to be lost
}

// Log is what the server has stored of a command's output.
type Log struct {
	Seq   int64
	Data  []byte
	Steps []protocol.Step
	// Problem says what was wrong with a chunk, "" if nothing ever was.
	Problem string
}

// NewServer starts a server that ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		tokens: map[string]string{}, keys: map[string][]byte{},
		accepted: map[string]int{}, started: map[string]int{},
		logs: map[string]*Log{}, done: map[string][]protocol.Done{},
		content: map[string][]byte{}, fetched: map[string]int{},
	}
	s.cond = sync.NewCond(&s.mu)
	s.start(Listen(t))
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) start(listener net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+protocol.PathEnroll, s.enrol)
	mux.HandleFunc("GET "+protocol.PathSession, s.session)
	mux.HandleFunc("GET "+protocol.PathContent+"/{digest}", s.serveContent)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.http = &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	s.http.Start()
	s.URL = s.http.URL
}

// Stop ends the server and its session; it is safe twice.
func (s *Server) Stop() {
	s.mu.Lock()
	h := s.http
	s.http = nil
	s.mu.Unlock()
	s.Cut()
	if h != nil {
		h.Close()
	}
}

// Restart stops the server and starts it at the same address; what it stored stays.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	s.start(ListenAgain(t, strings.TrimPrefix(s.URL, "http://")))
}

// Token allows one enrolment.
func (s *Server) Token(token, instanceID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = instanceID
}

// Forget makes an instance unknown.
func (s *Server) Forget(instanceID string) {
	s.mu.Lock()
	delete(s.keys, instanceID)
	s.mu.Unlock()
	s.Cut()
}

// Publish makes content and returns its digest.
func (s *Server) Publish(body []byte) string {
	sum := sha256.Sum256(body)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content[digest] = body
	return digest
}

// Send writes a message to the session there is; without one it is lost.
func (s *Server) Send(message any) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		s.writeTo(conn, message)
	}
}

func (s *Server) writeTo(conn *websocket.Conn, message any) error {
	wire, err := protocol.Encode(message)
	if err != nil {
		panic(err) // a test's own mistake
	}
	s.write.Lock()
	defer s.write.Unlock()
	return conn.WriteMessage(websocket.BinaryMessage, wire)
}

// Cut breaks the session's line without a goodbye.
func (s *Server) Cut() {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		conn.NetConn().Close()
	}
}

// Refuse ends the session with a code.
func (s *Server) Refuse(code string) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		s.write.Lock()
		defer s.write.Unlock()
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.ClosePolicyViolation, code+": the test wants it"), time.Now().Add(time.Second))
	}
}

// Hold lets chunks and ends pile up unconfirmed until it is called with false.
func (s *Server) Hold(hold bool) {
	s.mu.Lock()
	s.hold = hold
	held, conn := s.held, s.conn
	if !hold {
		s.held = nil
	}
	s.mu.Unlock()
	if !hold && conn != nil {
		for _, m := range held {
			s.take(conn, m)
		}
	}
}

// Lose makes the server lose the next n chunks, as if its store had failed.
func (s *Server) Lose(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

// Measure makes the server want metrics that often, from the next session on.
func (s *Server) Measure(seconds int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seconds = seconds
}

// Accounts is what each session from now on begins with.
func (s *Server) Accounts(m protocol.Accounts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts = &m
}

// View is a look at what the server knows; it is valid during the call only.
type View struct {
	Enrolled, Sessions int
	Connected          bool
	Hello              protocol.Hello
	Heartbeats         []protocol.Heartbeat
	Metrics            []protocol.Metrics
	Applied            []protocol.AccountsApplied
	Accepted, Started  map[string]int // how often, by command
	Logs               map[string]*Log
	Done               map[string][]protocol.Done
	Fetched            map[string]int // content, by digest
}

// See gives a look.
func (s *Server) See(look func(View)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	look(s.view())
}

func (s *Server) view() View {
	return View{s.enrolled, s.sessions, s.conn != nil, s.hello, s.beats, s.metrics, s.applied, s.accepted, s.started, s.logs, s.done, s.fetched}
}

// Wait returns when the condition holds, and fails the test after a minute.
func (s *Server) Wait(t testing.TB, what string, holds func(View) bool) {
	t.Helper()
	late := false
	timer := time.AfterFunc(time.Minute, func() {
		s.mu.Lock()
		late = true
		s.mu.Unlock()
		s.cond.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !holds(s.view()) {
		if late {
			t.Fatalf("waited in vain for: %s", what)
		}
		s.cond.Wait()
	}
}

// WaitDone returns a command's end when its log is there too.
func (s *Server) WaitDone(t testing.TB, id string) (done protocol.Done, log Log) {
	t.Helper()
	s.Wait(t, "the end of command "+id, func(v View) bool {
		ends := v.Done[id]
		if len(ends) == 0 {
			return false
		}
		done = ends[len(ends)-1]
		if l := v.Logs[id]; l != nil {
			log = *l
		}
		return log.Seq >= done.LastSeq
	})
	if log.Problem != "" {
		t.Errorf("log of command %s: %s", id, log.Problem)
	}
	return done, log
}

func (s *Server) enrol(w http.ResponseWriter, r *http.Request) {
	var req protocol.EnrollRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.tokens[req.Token]
	if key := s.keys[id]; !ok || key != nil && string(key) != string(req.PublicKey) {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(protocol.Refusal{Code: protocol.RefusedToken, Message: "The token is not known."})
		return
	}
	s.keys[id] = req.PublicKey
	s.enrolled++
	s.cond.Broadcast()
	json.NewEncoder(w).Encode(protocol.EnrollResponse{InstanceID: id, Hostname: "host-" + id})
}

func (s *Server) serveContent(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, ok := s.content[r.PathValue("digest")]
	switch {
	case r.Header.Get("Authorization") != "Bearer session-token":
		w.WriteHeader(http.StatusUnauthorized)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		s.fetched[r.PathValue("digest")]++
		w.Write(body)
	}
}

func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetReadLimit(protocol.MaxFrame)
	nonce := make([]byte, 32)
	rand.Read(nonce)
	if s.writeTo(conn, protocol.Challenge{Nonce: nonce, ServerTime: time.Now()}) != nil {
		return
	}
	hello, ok := read(conn).(protocol.Hello)
	if !ok {
		return
	}
	s.mu.Lock()
	key, seconds := s.keys[hello.InstanceID], s.seconds
	var stored []protocol.LogStored
	for _, id := range hello.Unfinished {
		if l := s.logs[id]; l != nil {
			stored = append(stored, protocol.LogStored{CommandID: id, Seq: l.Seq})
		}
	}
	s.mu.Unlock()
	if key == nil || !ed25519.Verify(key, protocol.SignedText(nonce, hello.InstanceID), hello.Signature) {
		s.writeTo(conn, protocol.Refusal{Code: protocol.RefusedIdentity, Message: "The instance is not known."})
		return
	}
	if s.writeTo(conn, protocol.Welcome{SessionToken: "session-token", LogStored: stored, MetricsSeconds: seconds}) != nil {
		return
	}
	s.mu.Lock()
	accounts := s.accounts
	s.mu.Unlock()
	if accounts != nil && s.writeTo(conn, *accounts) != nil {
		return
	}
	s.mu.Lock()
	s.conn, s.hello = conn, hello
	s.sessions++
	s.cond.Broadcast()
	s.mu.Unlock()
	for {
		message := read(conn)
		if message == nil {
			break
		}
		s.take(conn, message)
	}
	s.mu.Lock()
	if s.conn == conn {
		s.conn = nil
	}
	s.cond.Broadcast()
	s.mu.Unlock()
}

func read(conn *websocket.Conn) any {
	_, wire, err := conn.ReadMessage()
	if err != nil {
		return nil
	}
	message, err := protocol.Decode(wire)
	if err != nil {
		return nil
	}
	return message
}

// take stores a message and confirms what wants to be confirmed.
func (s *Server) take(conn *websocket.Conn, message any) {
	var answer any
	s.mu.Lock()
	switch m := message.(type) {
	case protocol.Heartbeat:
		s.beats = append(s.beats, m)
	case protocol.Metrics:
		s.metrics = append(s.metrics, m)
	case protocol.AccountsApplied:
		s.applied = append(s.applied, m)
	case protocol.Accepted:
		s.accepted[m.CommandID]++
	case protocol.Started:
		s.started[m.CommandID]++
	case protocol.LogChunk:
		if s.hold {
			s.held = append(s.held, m)
			break
		}
		answer = s.store(m)
	case protocol.Done:
		if s.hold {
			s.held = append(s.held, m)
			break
		}
		s.done[m.CommandID] = append(s.done[m.CommandID], m)
		answer = protocol.DoneStored{CommandID: m.CommandID}
	}
	s.cond.Broadcast()
	s.mu.Unlock()
	if answer != nil {
		s.writeTo(conn, answer)
	}
}

func (s *Server) store(c protocol.LogChunk) protocol.LogStored {
	l := s.logs[c.CommandID]
	if l == nil {
		l = &Log{}
		s.logs[c.CommandID] = l
	}
	switch {
	case s.lose > 0:
		s.lose--
	case c.Seq > l.Seq+1: // not taken: the answer tells from where to send again
	case c.Seq <= l.Seq:
		if c.Offset+int64(len(c.Data)) > int64(len(l.Data)) || string(l.Data[c.Offset:c.Offset+int64(len(c.Data))]) != string(c.Data) {
			l.Problem = fmt.Sprintf("chunk %d came back changed", c.Seq)
		}
	case c.Offset != int64(len(l.Data)) || len(c.Data) > protocol.ChunkSize:
		l.Problem = fmt.Sprintf("chunk %d of %d bytes at %d after chunk %d and %d bytes", c.Seq, len(c.Data), c.Offset, l.Seq, len(l.Data))
	default:
		l.Seq = c.Seq
		l.Data = append(l.Data, c.Data...)
		l.Steps = append(l.Steps, c.Steps...)
	}
	return protocol.LogStored{CommandID: c.CommandID, Seq: l.Seq}
}
