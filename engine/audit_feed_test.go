package engine

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/engine/compute"
	"opsyard/engine/pubsub"
	"opsyard/engine/syslog"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// logHost is a syslog receiver on TCP that keeps what it reads.
type logHost struct {
	t       *testing.T
	address string
	silent  bool // it takes connections and reads nothing

	mu       sync.Mutex
	messages []string
	conns    []net.Conn
	listener net.Listener
	done     sync.WaitGroup
}

func (h *logHost) start() {
	h.t.Helper()
	if h.address == "" {
		h.address = fmt.Sprint("127.0.0.1:", agenttest.FreePort(h.t))
	}
	listener := agenttest.ListenAgain(h.t, h.address)
	h.listener = listener
	h.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, conn)
			h.mu.Unlock()
			if !h.silent {
				h.done.Go(func() { h.read(conn) })
			}
		}
	})
}

func (h *logHost) read(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		length, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, _ := strconv.Atoi(strings.TrimSpace(length))
		text := make([]byte, n)
		if _, err := io.ReadFull(in, text); err != nil {
			return
		}
		h.mu.Lock()
		h.messages = append(h.messages, string(text))
		h.mu.Unlock()
	}
}

func (h *logHost) stop() {
	h.listener.Close()
	h.mu.Lock()
	for _, c := range h.conns {
		c.Close()
	}
	h.conns = nil
	h.mu.Unlock()
	h.done.Wait()
}

// ids are the entries that have come, each once, and all messages.
func (h *logHost) ids() (map[int64]bool, []string) {
	heads, messages := h.heads()
	seen := map[int64]bool{}
	for head := range heads {
		seen[head.ID] = true
	}
	return seen, messages
}

// heads are numbers and hashes of the entries that have come, and all messages.
func (h *logHost) heads() (map[models.AuditHead]bool, []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[models.AuditHead]bool{}
	for _, m := range h.messages {
		_, text, ok := strings.Cut(m, `"] `)
		var line struct {
			ID   int64
			Hash string
		}
		if !ok || json.Unmarshal([]byte(text), &line) != nil || line.Hash == "" {
			h.t.Errorf("not a message of the audit: %q", m)
		}
		for _, r := range m {
			if r < ' ' || r > '~' {
				h.t.Errorf("%q holds %q", m, r)
			}
		}
		seen[models.AuditHead{ID: line.ID, Hash: line.Hash}] = true
	}
	return seen, h.messages
}

// holds tells whether all of the audit has come, as it is now.
func (h *logHost) holds(st *store.Store) bool {
	rows := must(st.Audit.Since(h.t.Context(), models.AuditFilter{}, 0, math.MaxInt64, 1000))(h.t)
	seen, _ := h.heads()
	for _, e := range rows {
		if !seen[models.AuditHead{ID: e.ID, Hash: e.Hash}] {
			return false
		}
	}
	return true
}

// fedEngine is an engine without loops but the feed's, beside which tests write.
func fedEngine(t *testing.T, st *store.Store, address string) *Engine {
	t.Helper()
	return loggedEngine(t, st, address, io.Discard)
}

// loggedEngine is a fedEngine whose errors are written down.
func loggedEngine(t *testing.T, st *store.Store, address string, errors io.Writer) *Engine {
	t.Helper()
	log := slog.New(slog.NewTextHandler(errors, &slog.HandlerOptions{Level: slog.LevelError}))
	receiver, err := syslog.Parse("tcp://"+address, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test\x1b[31m\nü", Admin: true})
	e, err := New(ctx, Config{Store: st, Hub: pubsub.NewHub(), Log: log, AuditSyslog: receiver,
		Providers: map[string]compute.Provider{"fake": newFakeProvider()}, DefaultProvider: "fake", FastPasswords: true, Times: Times{Reminder: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.auditFeed.start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for !ready() {
		if time.Now().After(end) {
			t.Fatalf("in 30 s it did not come to this: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// certain tells whether all of the audit is known to have arrived.
func certain(t *testing.T, e *Engine, st *store.Store) bool {
	t.Helper()
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	_, feed, err := e.AuditCopy(ctx)
	return err == nil && feed != nil && feed.SentID == must(st.Audit.Head(ctx))(t).ID && feed.FailingSince == nil
}

// lockedBuffer is written by loops and read by the test.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Every entry arrives at least once, however the receiver and the server come
// and go, and no verb waits for it.
func TestTheAuditIsSentToSyslog(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		host := &logHost{t: t}
		host.start()
		host.stop() // an address that nobody has yet
		e := fedEngine(t, st, host.address)
		ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test\x1b[31m\nü", Admin: true, RequestID: "r"})
		change := func(name string) {
			t.Helper()
			must(e.CreateStack(ctx, models.Stack{Name: name}))(t)
		}
		arrived := func(what string) {
			t.Helper()
			head := must(st.Audit.Head(ctx))(t)
			eventually(t, what, func() bool {
				seen, _ := host.ids()
				return len(seen) == int(head.ID)
			})
		}
		change("while it is away")
		eventually(t, "the page can say that it fails", func() bool {
			_, feed, err := e.AuditCopy(ctx)
			return err == nil && feed != nil && feed.FailingSince != nil && feed.Problem != ""
		})
		host.start()
		arrived("what was written before")
		change("while it is there")
		arrived("what was written since")
		host.stop()
		for n := range 5 {
			change("while it is away again " + strconv.Itoa(n))
		}
		host.start()
		arrived("what was written meanwhile")
		eventually(t, "all is certain", func() bool { return certain(t, e, st) })
		e.Stop()
		_, before := host.ids()
		e = fedEngine(t, st, host.address)
		change("after a restart")
		arrived("what was written after a restart")
		if _, after := host.ids(); len(after) != len(before)+1 {
			t.Errorf("a restart sent %d messages for one entry", len(after)-len(before))
		}
		e.Stop()
		host.stop()
	})
}

// Whoever cuts off the end of the audit and lets it grow again takes nothing
// from the receiver: what came in its place is sent as well, and the server says
// so. It makes no difference whether the connection is there.
func TestAnAuditThatWasCutIsSentAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		host, log := &logHost{t: t}, &lockedBuffer{}
		host.start()
		e := loggedEngine(t, st, host.address, log)
		ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
		grow := func(name string) {
			t.Helper()
			for n := range 4 {
				must(e.CreateStack(ctx, models.Stack{Name: name + strconv.Itoa(n)}))(t)
			}
		}
		cut := func() {
			t.Helper()
			if _, err := st.SQL().ExecContext(ctx, fmt.Sprintf("DELETE FROM audit_entries WHERE id > %d", must(st.Audit.Head(ctx))(t).ID-3)); err != nil {
				t.Fatal(err)
			}
		}
		const said = "the audit is not what was sent of it"
		for n := range 2 {
			grow(fmt.Sprint("sent ", n))
			eventually(t, "all has come", func() bool { return host.holds(st) })
			if got := strings.Count(log.String(), said); got != n {
				t.Fatalf("before the cut %d it was said %d times: %s", n, got, log)
			}
			_, before := host.ids()
			if n == 1 {
				eventually(t, "all is certain", func() bool { return certain(t, e, st) })
				host.stop()
			}
			cut()
			grow(fmt.Sprint("written anew ", n))
			if n == 1 {
				host.start()
			}
			eventually(t, "what came in place of the end has come, too", func() bool { return host.holds(st) })
			eventually(t, "it is said", func() bool { return strings.Count(log.String(), said) == n+1 })
			if seen, all := host.ids(); n == 0 && len(all) != len(before)+4 || len(seen) != int(must(st.Audit.Head(ctx))(t).ID) {
				t.Errorf("cut %d: %d messages became %d", n, len(before), len(all))
			}
		}
		e.Stop()
		host.stop()
	})
}

// What the last process has sent is taken for what it was; an end that is
// missing is noticed, and so is the very entry that was sent last.
func TestAnAuditThatWasCutWhileNobodySent(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]string{
		"the end":        "DELETE FROM audit_entries WHERE id > 2",
		"the last sent":  "DELETE FROM audit_entries WHERE id = 4",
		"all up to that": "DELETE FROM audit_entries WHERE id <= 4",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cutWhileNobodySent(t, cut)
		})
	}
}

func cutWhileNobodySent(t *testing.T, cut string) {
	st := storetest.Open(t)
	host, log := &logHost{t: t}, &lockedBuffer{}
	host.start()
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	e := loggedEngine(t, st, host.address, log)
	for n := range 4 {
		must(e.CreateStack(ctx, models.Stack{Name: strconv.Itoa(n)}))(t)
	}
	eventually(t, "all is certain", func() bool { return certain(t, e, st) })
	e.Stop()
	quiet := quietEngine(t, st, time.Now)
	must(quiet.CreateUser(ctx, models.User{Name: "ana"}, pass))(t)
	if _, err := st.SQL().ExecContext(ctx, cut); err != nil {
		t.Fatal(err)
	}
	e = loggedEngine(t, st, host.address, log)
	eventually(t, "it is said", func() bool { return strings.Contains(log.String(), "the audit is not what was sent of it") })
	must(e.CreateStack(ctx, models.Stack{Name: "after"}))(t)
	eventually(t, "what came in place of the end has come, too", func() bool { return host.holds(st) })
	e.Stop()
	host.stop()
}

// A receiver that takes a connection and then reads nothing holds up nobody.
func TestASilentSyslogHoldsUpNobody(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	host := &logHost{t: t, silent: true}
	host.start()
	defer host.stop()
	e := fedEngine(t, st, host.address)
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	long := `{"a": "` + strings.Repeat("x", 50<<10) + `"}`
	for n := range 300 { // more than the sockets keep
		must(e.CreateStack(ctx, models.Stack{Name: "s" + strconv.Itoa(n), CustomJSON: long}))(t)
	}
	began := time.Now()
	e.Stop()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

// Two servers on one database do not send the same twice.
func TestOneServerSendsTheAudit(t *testing.T) {
	t.Parallel()
	st := storetest.OpenPostgres(t)
	host := &logHost{t: t}
	host.start()
	defer host.stop()
	one, two := fedEngine(t, st, host.address), fedEngine(t, st, host.address)
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	for n := range 10 {
		must([]*Engine{one, two}[n%2].CreateStack(ctx, models.Stack{Name: strconv.Itoa(n)}))(t)
	}
	eventually(t, "all has come", func() bool { seen, _ := host.ids(); return len(seen) == 10 })
	if _, all := host.ids(); len(all) != 10 {
		t.Errorf("%d messages came for 10 entries", len(all))
	}
	one.Stop()
	two.Stop()
}
