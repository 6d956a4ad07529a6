package agentapi

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// Times and sizes of a session.
const (
	handshakeLimit = 15 * time.Second
	queueLength    = 64
	maxHello       = 256 << 10
	closeRefused   = 4400 // the close text is "code: sentence"
)

// lean: thousands of sessions are idle most of the time, so that buffers are
// small or shared, and the HTTP handler's own are given back by returning.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: handshakeLimit,
	ReadBufferSize:   1024,
	WriteBufferPool:  &sync.Pool{},
	// An agent is not a browser: what a page could do with it needs a key.
	CheckOrigin: func(*http.Request) bool { return true },
}

// session is one agent's connection. It implements dispatch.Link.
type session struct {
	api    *API
	id     models.InstanceID
	socket *websocket.Conn
	queue  chan any
	ctx    context.Context
	cancel context.CancelCauseFunc
	owned  map[string]bool // commands whose owner has been checked
	signs
}

func (a *API) session(w http.ResponseWriter, r *http.Request) {
	if a.ctx.Err() != nil {
		refuse(w, http.StatusServiceUnavailable, protocol.RefusedBusy, "The server is stopping.")
		return
	}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	socket.SetReadLimit(maxHello) // until we know who it is
	ctx, cancel := context.WithCancelCause(a.ctx)
	s := &session{api: a, socket: socket, queue: make(chan any, queueLength), ctx: ctx, cancel: cancel, owned: map[string]bool{}}
	if !a.begin(s) {
		_ = socket.Close()
	}
}

// refusal ends a session with a word to the agent.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

// run is the session's reading side; the writing side is a goroutine beside it.
func (s *session) run() {
	defer s.socket.Close()
	hello, err := s.greet()
	if err != nil {
		s.bye(err)
		return
	}
	token := s.api.openToken(s.id)
	defer s.api.closeToken(token)
	welcome, err := s.welcome(hello, token)
	if err == nil {
		err = s.say(welcome)
	}
	if err == nil {
		err = s.api.engine.ConnectAgent(s.ctx, s.id, hello, s)
	}
	if err != nil {
		s.bye(err)
		return
	}
	defer s.api.engine.DisconnectAgent(s.id, s)
	defer s.api.keepWatch(s)()
	var writer sync.WaitGroup
	writer.Go(s.pump)
	err = s.read()
	s.cancel(err)
	writer.Wait()
}

// greet checks who calls: a fresh nonce must come back signed with the key that
// the instance enrolled.
func (s *session) greet() (protocol.Hello, error) {
	_ = s.socket.SetReadDeadline(time.Now().Add(handshakeLimit))
	// A caller who says nothing must not hold up a stop.
	defer context.AfterFunc(s.ctx, func() { _ = s.socket.SetReadDeadline(time.Now()) })()
	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails, see crypto/rand
	if err := s.say(protocol.Challenge{Nonce: nonce, ServerTime: time.Now().UTC()}); err != nil {
		return protocol.Hello{}, err
	}
	message, err := s.receive()
	if err != nil {
		return protocol.Hello{}, err
	}
	hello, ok := message.(protocol.Hello)
	if !ok {
		return hello, &refusal{protocol.RefusedVersion, "the first message must be a hello"}
	}
	if hello.Version < protocol.Version-1 || hello.Version > protocol.Version {
		return hello, &refusal{protocol.RefusedVersion, fmt.Sprintf("the agent speaks version %d, the server %d", hello.Version, protocol.Version)}
	}
	unknown := &refusal{protocol.RefusedIdentity, "the instance is unknown or the key is not its own"}
	i, err := s.api.engine.AgentInstance(s.ctx, models.InstanceID(hello.InstanceID))
	if models.CodeOf(err) == models.CodeNotFound && err != nil {
		return hello, unknown
	}
	if err != nil {
		return hello, err
	}
	if !ed25519.Verify(i.AgentKey, protocol.SignedText(nonce, hello.InstanceID), hello.Signature) {
		return hello, unknown
	}
	s.id = i.ID
	s.socket.SetReadLimit(protocol.MaxFrame)
	hello.Facts = hello.Facts.Plausible()
	return hello, nil
}

func (s *session) welcome(hello protocol.Hello, token string) (protocol.Welcome, error) {
	w := protocol.Welcome{SessionToken: token, MetricsSeconds: s.api.engine.MetricsSeconds()}
	for _, id := range hello.Unfinished {
		if owns, err := s.owns(id); err != nil || !owns {
			if err != nil {
				return w, err
			}
			continue
		}
		seq, err := s.api.logs.StoredSeq(s.ctx, models.CommandID(id))
		if err != nil {
			return w, err
		}
		w.LogStored = append(w.LogStored, protocol.LogStored{CommandID: id, Seq: seq})
	}
	return w, nil
}

func (s *session) owns(command string) (bool, error) {
	if s.owned[command] {
		return true, nil
	}
	owns, err := s.api.engine.OwnsCommand(s.ctx, s.id, models.CommandID(command))
	if owns {
		s.owned[command] = true
	}
	return owns, err
}

// read takes the agent's messages until the line breaks or ctx ends.
func (s *session) read() error {
	if err := s.socket.SetReadDeadline(time.Time{}); err != nil { // watch does it from now on
		return err
	}
	s.socket.SetPongHandler(func(string) error { s.hear(); return nil })
	pong := s.socket.PingHandler()
	s.socket.SetPingHandler(func(text string) error { s.hear(); return pong(text) })
	for {
		message, err := s.receive()
		s.hear()
		if err == nil {
			err = s.handle(message)
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) hear() { s.heard.Store(int64(s.api.elapsed())) }

func (s *session) receive() (any, error) {
	_, wire, err := s.socket.ReadMessage()
	if err != nil {
		return nil, err
	}
	return protocol.Decode(wire)
}

func (s *session) handle(message any) error {
	switch m := message.(type) {
	case protocol.Heartbeat:
		s.api.engine.Heartbeat(s.id)
		s.pong()
		return nil
	case protocol.Metrics:
		s.api.engine.RecordMetrics(s.id, m)
		s.api.engine.Heartbeat(s.id) // it stands for one
		s.pong()
		return nil
	case protocol.AccountsApplied:
		return s.api.engine.AccountsApplied(s.ctx, s.id, m)
	case protocol.ProbeResult:
		s.api.engine.ProbeAnswered(s.id, m.Plausible())
		return nil
	case protocol.ShellOutput:
		s.api.engine.ShellOutput(s.id, m)
		return nil
	case protocol.ShellTaken:
		s.api.engine.ShellTaken(s.id, m)
		return nil
	case protocol.ShellEnded:
		s.api.engine.ShellEnded(s.id, m)
		return nil
	case protocol.Accepted:
		s.api.engine.AcknowledgeCommand(s.id, models.CommandID(m.CommandID))
		return nil
	case protocol.Started: // an Accepted may have been lost with an earlier line
		s.api.engine.AcknowledgeCommand(s.id, models.CommandID(m.CommandID))
		return nil
	case protocol.LogChunk:
		return s.logChunk(m)
	case protocol.Done:
		return s.finish(m)
	}
	return &refusal{protocol.RefusedVersion, fmt.Sprintf("%T is not a message for the server", message)}
}

// logChunk stores a chunk before it is confirmed. While the store is slow the
// agent's line is not read, and its output waits on its own disk.
func (s *session) logChunk(chunk protocol.LogChunk) error {
	owns, err := s.owns(chunk.CommandID)
	if err != nil {
		return err
	}
	if !owns { // deleted meanwhile: let the agent forget it
		return s.Send(protocol.LogStored{CommandID: chunk.CommandID, Seq: chunk.Seq})
	}
	stored, err := s.api.logs.Append(s.ctx, models.CommandID(chunk.CommandID), chunk)
	if models.CodeOf(err) == models.CodeInvalid && err != nil {
		// It does not fit to what is stored, and never will: an agent that
		// sent it for ever could report nothing else either.
		s.api.log.ErrorContext(s.ctx, "drop a log chunk that does not fit", slog.String("command", chunk.CommandID), slog.Int64("seq", chunk.Seq), slog.Any("error", err))
		return s.Send(protocol.LogStored{CommandID: chunk.CommandID, Seq: chunk.Seq})
	}
	if err != nil {
		return fmt.Errorf("store log of command %s: %w", chunk.CommandID, err)
	}
	return s.Send(protocol.LogStored{CommandID: chunk.CommandID, Seq: stored})
}

func (s *session) finish(done protocol.Done) error {
	err := s.api.engine.FinishCommand(s.ctx, s.id, done)
	if err != nil && models.CodeOf(err) != models.CodeNotFound {
		return fmt.Errorf("finish command %s: %w", done.CommandID, err)
	}
	delete(s.owned, done.CommandID)
	itself := false
	if err == nil {
		if itself, err = s.api.engine.RebootAfter(s.ctx, s.id, done); err != nil {
			return fmt.Errorf("reboot after command %s: %w", done.CommandID, err)
		}
	}
	return s.Send(protocol.DoneStored{CommandID: done.CommandID, Reboot: itself})
}

// Send queues a message for the agent. A full queue ends the session: an agent
// that far behind reads nothing, and is offered everything again later.
func (s *session) Send(message any) error {
	select {
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	case s.queue <- message:
		return nil
	default:
		err := &refusal{protocol.RefusedBusy, "the agent is too slow"}
		s.cancel(err)
		return err
	}
}

// Close ends the session with a reason for the agent.
func (s *session) Close(code, reason string) { s.cancel(&refusal{code, reason}) }

// ping, in the queue, has the agent asked for a sign of life.
type ping struct{}

// pump writes what is queued until the session ends.
func (s *session) pump() {
	defer s.socket.Close() // wakes the reader
	for {
		select {
		case <-s.ctx.Done():
			s.bye(context.Cause(s.ctx))
			return
		case message := <-s.queue:
			if err := s.write(message); err != nil {
				s.cancel(err)
				return
			}
		}
	}
}

// pong answers a heartbeat: the agent hears that the line and the server are
// there, and the server needs no ping and no answer to it. Where it cannot be
// written, the line is broken, which is noticed elsewhere.
func (s *session) pong() {
	defer s.writes()()
	_ = s.socket.WriteControl(websocket.PongMessage, nil, time.Time{})
}

func (s *session) write(message any) error {
	if _, ok := message.(ping); ok {
		defer s.writes()()
		return s.socket.WriteControl(websocket.PingMessage, nil, time.Time{})
	}
	wire, err := protocol.Encode(message)
	if err != nil {
		return err
	}
	defer s.writes()()
	return s.socket.WriteMessage(websocket.BinaryMessage, wire)
}

// say writes a message of the handshake, during which nobody watches.
func (s *session) say(message any) error {
	if err := s.socket.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	return errors.Join(s.write(message), s.socket.SetWriteDeadline(time.Time{}))
}

// writes notes that a write begins, for watch to see when it does not end.
func (s *session) writes() (end func()) {
	s.wrote.Store(int64(s.api.elapsed()))
	s.writing.Add(1)
	return func() { s.writing.Add(-1) }
}

// bye tells the agent why the session ends, and logs what is our own fault.
func (s *session) bye(err error) {
	var r *refusal
	text := protocol.RefusedBusy + ": the server could not go on"
	switch {
	case errors.As(err, &r):
		text = r.Error()
	case errors.Is(err, context.Canceled):
		text = protocol.RefusedBusy + ": the server is stopping"
	case models.CodeOf(err) != models.CodeInternal:
		text = protocol.RefusedBusy + ": " + models.Sentence(err)
	case !brokenLine(err):
		s.api.log.ErrorContext(s.ctx, "agent session", slog.String("instance", string(s.id)), slog.Any("error", err))
	}
	if len(text) > 120 { // the protocol's limit for close reasons is 123 bytes
		text = text[:120]
	}
	_ = s.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(closeRefused, text), time.Now().Add(writeLimit))
}

// brokenLine tells whether the other side or the network ended the session.
func brokenLine(err error) bool {
	var closed *websocket.CloseError
	var timeout interface{ Timeout() bool }
	return errors.As(err, &closed) || errors.As(err, &timeout) || errors.Is(err, protocol.ErrBadFrame) || errors.Is(err, websocket.ErrReadLimit)
}
