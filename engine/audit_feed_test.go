package engine

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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

// ids are the entries that have come, each once, and whether they came in order.
func (h *logHost) ids() (map[int64]bool, []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[int64]bool{}
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
		seen[line.ID] = true
	}
	return seen, h.messages
}

// fedEngine is an engine without loops but the feed's, beside which tests write.
func fedEngine(t *testing.T, st *store.Store, address string) *Engine {
	t.Helper()
	receiver, err := syslog.Parse("tcp://"+address, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test\x1b[31m\nü", Admin: true})
	e, err := New(ctx, Config{Store: st, Hub: pubsub.NewHub(), Log: slog.New(slog.DiscardHandler), AuditSyslog: receiver,
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
		eventually(t, "all is certain", func() bool {
			_, feed, err := e.AuditCopy(ctx)
			return err == nil && feed.SentID == must(st.Audit.Head(ctx))(t).ID && feed.FailingSince == nil
		})
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
