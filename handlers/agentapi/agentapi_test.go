package agentapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"opsyard/agent/protocol"
	"opsyard/engine/dispatch"
	"opsyard/models"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine knows one instance, "web1", and one command of it, "mine".
type fakeEngine struct {
	key ed25519.PublicKey

	mu       sync.Mutex
	link     dispatch.Link
	facts    protocol.Facts
	beats    int
	metrics  []protocol.Metrics
	accepted []string
	done     []string
	shells   []string // types of what came from shells
	fail     error
}

func (e *fakeEngine) EnrollAgent(_ context.Context, r protocol.EnrollRequest) (*protocol.EnrollResponse, error) {
	if r.Token != "good" {
		return nil, &models.Error{Code: models.CodeUnauthenticated, Message: "The token is no good."}
	}
	return &protocol.EnrollResponse{InstanceID: "web1", Hostname: "web1"}, nil
}

func (e *fakeEngine) AgentInstance(_ context.Context, id models.InstanceID) (*models.Instance, error) {
	if id != "web1" {
		return nil, models.NotFound("instance", id)
	}
	return &models.Instance{ID: id, AgentKey: e.key}, nil
}

func (e *fakeEngine) ConnectAgent(_ context.Context, _ models.InstanceID, hello protocol.Hello, l dispatch.Link) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.link, e.facts = l, hello.Facts
	return e.fail
}

func (e *fakeEngine) ShellOutput(_ models.InstanceID, m protocol.ShellOutput) { e.shell(m) }

func (e *fakeEngine) ShellTaken(_ models.InstanceID, m protocol.ShellTaken) { e.shell(m) }

func (e *fakeEngine) ShellEnded(_ models.InstanceID, m protocol.ShellEnded) { e.shell(m) }

func (e *fakeEngine) shell(message any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shells = append(e.shells, fmt.Sprintf("%T", message))
}

func (e *fakeEngine) AccountsApplied(context.Context, models.InstanceID, protocol.AccountsApplied) error {
	return nil
}

func (e *fakeEngine) DisconnectAgent(models.InstanceID, dispatch.Link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.link = nil
}

func (e *fakeEngine) ProbeAnswered(models.InstanceID, protocol.ProbeResult) {}

func (e *fakeEngine) Heartbeat(models.InstanceID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.beats++
}

func (e *fakeEngine) RebootAfter(_ context.Context, _ models.InstanceID, done protocol.Done) (bool, error) {
	return done.RebootOf != "", nil
}

func (e *fakeEngine) MetricsSeconds() int { return 7 }

func (e *fakeEngine) RecordMetrics(_ models.InstanceID, m protocol.Metrics) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.metrics = append(e.metrics, m)
}

func (e *fakeEngine) AcknowledgeCommand(_ models.InstanceID, c models.CommandID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.accepted = append(e.accepted, string(c))
}

func (e *fakeEngine) FinishCommand(_ context.Context, _ models.InstanceID, d protocol.Done) error {
	if d.CommandID != "mine" {
		return models.NotFound("command", d.CommandID)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done = append(e.done, d.CommandID)
	return nil
}

func (e *fakeEngine) OwnsCommand(_ context.Context, _ models.InstanceID, c models.CommandID) (bool, error) {
	return c == "mine", nil
}

func (e *fakeEngine) Content(_ context.Context, digest string) ([]byte, error) {
	if digest != "sha256:known" {
		return nil, models.NotFound("content", digest)
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, _ = zip.Write([]byte("the document"))
	_ = zip.Close()
	return out.Bytes(), nil
}

type fakeLogs struct {
	mu   sync.Mutex
	text map[models.CommandID]string
}

func (l *fakeLogs) Append(_ context.Context, c models.CommandID, chunk protocol.LogChunk) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch chunk.Seq {
	case 13:
		return 0, errors.New("disk full")
	case 14:
		return 0, models.Invalid("The chunk begins at the wrong byte.")
	}
	l.text[c] += string(chunk.Data)
	return chunk.Seq, nil
}

func (l *fakeLogs) StoredSeq(context.Context, models.CommandID) (int64, error) { return 7, nil }

type bench struct {
	t      *testing.T
	engine *fakeEngine
	logs   *fakeLogs
	api    *API
	url    string
	key    ed25519.PrivateKey
}

func setup(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, engine: &fakeEngine{key: public}, logs: &fakeLogs{text: map[models.CommandID]string{}}, key: private}
	downloads := t.TempDir()
	if err := os.WriteFile(filepath.Join(downloads, "opsyard-agent"), []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	api := New(b.engine, b.logs, slog.New(slog.DiscardHandler), downloads)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	t.Cleanup(api.Stop)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	b.url, b.api = server.URL, api
	return b
}

// dial opens a session as far as the Challenge.
func (b *bench) dial() (*websocket.Conn, protocol.Challenge) {
	b.t.Helper()
	socket, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(b.url, "http")+protocol.PathSession, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = socket.Close() })
	return socket, receive[protocol.Challenge](b.t, socket)
}

func (b *bench) open() (*websocket.Conn, protocol.Welcome) {
	b.t.Helper()
	socket, challenge := b.dial()
	send(b.t, socket, protocol.Hello{
		Version: protocol.Version, InstanceID: "web1", Unfinished: []string{"mine", "theirs"},
		Signature: ed25519.Sign(b.key, protocol.SignedText(challenge.Nonce, "web1")),
	})
	return socket, receive[protocol.Welcome](b.t, socket)
}

func send(t *testing.T, socket *websocket.Conn, message any) {
	t.Helper()
	wire, err := protocol.Encode(message)
	if err != nil {
		t.Fatal(err)
	}
	if err := socket.WriteMessage(websocket.BinaryMessage, wire); err != nil {
		t.Fatal(err)
	}
}

func receive[T any](t *testing.T, socket *websocket.Conn) T {
	t.Helper()
	_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, wire, err := socket.ReadMessage()
	if err != nil {
		t.Fatalf("receive %T: %v", *new(T), err)
	}
	message, err := protocol.Decode(wire)
	if err != nil {
		t.Fatal(err)
	}
	want, ok := message.(T)
	if !ok {
		t.Fatalf("received %#v instead of %T", message, want)
	}
	return want
}

// ends waits for the end of the session and returns the code the agent is told.
func ends(t *testing.T, socket *websocket.Conn) string {
	t.Helper()
	_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		_, _, err := socket.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			code, _, _ := strings.Cut(closed.Text, ":")
			return code
		}
		if err != nil {
			t.Fatalf("the session ended without a word: %v", err)
		}
	}
}

func TestSession(t *testing.T) {
	b := setup(t)
	socket, welcome := b.open()
	pongs := 0
	socket.SetPongHandler(func(string) error { pongs++; return nil })
	if len(welcome.LogStored) != 1 || welcome.LogStored[0] != (protocol.LogStored{CommandID: "mine", Seq: 7}) || welcome.MetricsSeconds != 7 {
		t.Errorf("the welcome is %+v", welcome)
	}
	send(t, socket, protocol.Heartbeat{})
	send(t, socket, protocol.Metrics{Seconds: 7, Values: protocol.Figures{1}})
	send(t, socket, protocol.Accepted{CommandID: "mine"})
	send(t, socket, protocol.LogChunk{CommandID: "mine", Seq: 8, Data: []byte("hello")})
	if got := receive[protocol.LogStored](t, socket); got.Seq != 8 {
		t.Errorf("stored up to %d", got.Seq)
	}
	send(t, socket, protocol.Done{CommandID: "mine", LastSeq: 8})
	receive[protocol.DoneStored](t, socket)
	b.engine.mu.Lock()
	defer b.engine.mu.Unlock()
	if b.engine.beats != 2 || pongs != 2 || len(b.engine.metrics) != 1 || len(b.engine.accepted) != 1 || len(b.engine.done) != 1 {
		t.Errorf("the engine heard %d beats and answered %d, %v accepted, %v done", b.engine.beats, pongs, b.engine.accepted, b.engine.done)
	}
}

func TestShellFramesReachTheEngine(t *testing.T) {
	b := setup(t)
	socket, _ := b.open()
	send(t, socket, protocol.ShellOutput{ID: "s1", Data: []byte("$ ")})
	send(t, socket, protocol.ShellTaken{ID: "s1"})
	send(t, socket, protocol.ShellEnded{ID: "s1"})
	send(t, socket, protocol.LogChunk{CommandID: "mine", Seq: 8, Data: []byte("x")})
	receive[protocol.LogStored](t, socket) // what came before it has been read
	b.engine.mu.Lock()
	defer b.engine.mu.Unlock()
	if want := []string{"protocol.ShellOutput", "protocol.ShellTaken", "protocol.ShellEnded"}; !slices.Equal(b.engine.shells, want) {
		t.Errorf("the engine heard %v", b.engine.shells)
	}
}

func TestForeignCommandsAreForgotten(t *testing.T) {
	b := setup(t)
	socket, _ := b.open()
	send(t, socket, protocol.LogChunk{CommandID: "theirs", Seq: 1, Data: []byte("forged")})
	receive[protocol.LogStored](t, socket)
	send(t, socket, protocol.Done{CommandID: "theirs"})
	receive[protocol.DoneStored](t, socket)
	if b.logs.text["theirs"] != "" {
		t.Error("an agent wrote into another one's log")
	}
}

func TestWhoMayOpenASession(t *testing.T) {
	b := setup(t)
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		hello func(nonce []byte) any
		want  string
	}{
		"WrongKey": {func(nonce []byte) any {
			return protocol.Hello{Version: protocol.Version, InstanceID: "web1", Signature: ed25519.Sign(other, protocol.SignedText(nonce, "web1"))}
		}, protocol.RefusedIdentity},
		"OldNonce": {func([]byte) any {
			return protocol.Hello{Version: protocol.Version, InstanceID: "web1", Signature: ed25519.Sign(b.key, protocol.SignedText(make([]byte, 32), "web1"))}
		}, protocol.RefusedIdentity},
		"UnknownInstance": {func(nonce []byte) any {
			return protocol.Hello{Version: protocol.Version, InstanceID: "web2", Signature: ed25519.Sign(b.key, protocol.SignedText(nonce, "web2"))}
		}, protocol.RefusedIdentity},
		"TooNew":    {func([]byte) any { return protocol.Hello{Version: protocol.Version + 1, InstanceID: "web1"} }, protocol.RefusedVersion},
		"NotAHello": {func([]byte) any { return protocol.Heartbeat{} }, protocol.RefusedVersion},
	} {
		t.Run(name, func(t *testing.T) {
			socket, challenge := b.dial()
			send(t, socket, test.hello(challenge.Nonce))
			if got := ends(t, socket); got != test.want {
				t.Errorf("refused as %q, want %q", got, test.want)
			}
		})
	}
	b.engine.mu.Lock()
	defer b.engine.mu.Unlock()
	if b.engine.link != nil {
		t.Error("a refused agent is connected")
	}
}

func TestStoppedInstanceIsToldToComeBack(t *testing.T) {
	b := setup(t)
	b.engine.fail = models.Conflict("Instance web1 is stopped.")
	socket, _ := b.open()
	if got := ends(t, socket); got != protocol.RefusedBusy {
		t.Errorf("refused as %q", got)
	}
}

func TestUnstoredChunkIsNotConfirmed(t *testing.T) {
	b := setup(t)
	socket, _ := b.open()
	send(t, socket, protocol.LogChunk{CommandID: "mine", Seq: 13})
	if got := ends(t, socket); got != protocol.RefusedBusy {
		t.Errorf("refused as %q", got)
	}
}

func TestChunkThatDoesNotFitIsDropped(t *testing.T) {
	b := setup(t)
	socket, _ := b.open()
	send(t, socket, protocol.LogChunk{CommandID: "mine", Seq: 14, Data: []byte("odd")})
	if got := receive[protocol.LogStored](t, socket); got.Seq != 14 {
		t.Errorf("stored up to %d", got.Seq)
	}
	send(t, socket, protocol.Done{CommandID: "mine"})
	receive[protocol.DoneStored](t, socket)
}

func TestSlowAgentIsDropped(t *testing.T) {
	b := setup(t)
	b.open()
	var link dispatch.Link
	for deadline := time.Now().Add(10 * time.Second); link == nil && time.Now().Before(deadline); runtime.Gosched() {
		b.engine.mu.Lock()
		link = b.engine.link
		b.engine.mu.Unlock()
	}
	big := protocol.Run{CommandID: strings.Repeat("x", 1<<20)}
	var err error
	for range 1000 {
		if err = link.Send(big); err != nil {
			return
		}
	}
	t.Errorf("an agent that reads nothing was sent 1000 messages: %v", err)
}

func TestGarbage(t *testing.T) {
	b := setup(t)
	for _, wire := range [][]byte{nil, {1}, []byte("\xff\xff\xff\xffgarbage"), bytes.Repeat([]byte("x"), 5000)} {
		socket, _ := b.open()
		if err := socket.WriteMessage(websocket.BinaryMessage, wire); err != nil {
			t.Fatal(err)
		}
		ends(t, socket)
	}
}

func TestEnroll(t *testing.T) {
	b := setup(t)
	for body, want := range map[string]int{
		`{"token":"good"}`: 200, `{"token":"bad"}`: 403, `{`: 400, `{"token":"` + strings.Repeat("x", maxEnroll) + `"}`: 400,
	} {
		resp, err := http.Post(b.url+protocol.PathEnroll, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var refusal protocol.Refusal
		_ = json.NewDecoder(resp.Body).Decode(&refusal)
		resp.Body.Close()
		if resp.StatusCode != want || want != 200 && refusal.Message == "" {
			t.Errorf("%.30s: got %d %+v, want %d", body, resp.StatusCode, refusal, want)
		}
	}
}

func TestContentNeedsAnOpenSession(t *testing.T) {
	b := setup(t)
	socket, welcome := b.open()
	get := func(token, digest string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+protocol.PathContent+"/"+digest, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if code, body := get(welcome.SessionToken, "sha256:known"); code != 200 || body != "the document" {
		t.Errorf("got %d %q", code, body)
	}
	for _, bad := range [][2]string{{"", "sha256:known"}, {"guess", "sha256:known"}, {welcome.SessionToken, "sha256:other"}} {
		if code, _ := get(bad[0], bad[1]); code == 200 {
			t.Errorf("%q was given %s", bad[0], bad[1])
		}
	}
	_ = socket.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if code, _ := get(welcome.SessionToken, "sha256:known"); code == http.StatusUnauthorized {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the token outlives its session")
		}
	}
}

func TestDownload(t *testing.T) {
	b := setup(t)
	for path, want := range map[string]int{
		"/agent/download/" + runtime.GOOS + "/" + runtime.GOARCH: 200, "/agent/download/plan9/mips": 404,
		"/agent/download/..%2f..%2fetc/passwd": 404, "/agent/install.sh": 200,
	} {
		resp, err := http.Get(b.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// What an agent says of its machine reaches the configuration files of others.
func TestFactsCannotHoldASecondLine(t *testing.T) {
	b := setup(t)
	socket, challenge := b.dial()
	send(t, socket, protocol.Hello{
		Version: protocol.Version, InstanceID: "web1", Signature: ed25519.Sign(b.key, protocol.SignedText(challenge.Nonce, "web1")),
		Facts: protocol.Facts{PrivateIP: "10.0.0.1:80\nprogram x\n command sh", PublicIP: "192.0.2.7", OSName: "Debian\nevil"},
	})
	receive[protocol.Welcome](t, socket)
	send(t, socket, protocol.Heartbeat{})
	send(t, socket, protocol.Done{CommandID: "mine"})
	receive[protocol.DoneStored](t, socket)
	b.engine.mu.Lock()
	defer b.engine.mu.Unlock()
	if f := b.engine.facts; f.PrivateIP != "" || f.PublicIP != "192.0.2.7" || f.OSName != "Debianevil" {
		t.Errorf("the engine was told %+v", f)
	}
}

func TestStopDoesNotWaitForACallerWhoSaysNothing(t *testing.T) {
	b := setup(t)
	b.dial()
	stopped := make(chan struct{})
	go func() { defer close(stopped); b.api.Stop() }()
	select {
	case <-stopped:
	case <-time.After(handshakeLimit / 2):
		t.Error("Stop waits for a handshake that does not go on")
		<-stopped
	}
}

func TestAStrangerMaySendLittle(t *testing.T) {
	b := setup(t)
	socket, _ := b.dial()
	_ = socket.WriteMessage(websocket.BinaryMessage, make([]byte, maxHello+1)) // the server may cut it short
	_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := socket.ReadMessage(); err == nil || os.IsTimeout(err) {
		t.Errorf("the line is still open: %v", err)
	}
}
