package logstream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/logstream"
	"opsyard/engine/logstream/blob"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// the client of the test server's shared connections ends with the process
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// bundle is a running Logs over a real database and a real directory.
type bundle struct {
	store  *store.Store
	rows   logstream.Store // what Logs sees of it
	blobs  *blob.Dir
	logs   *logstream.Logs
	id     models.CommandID
	memory int64
}

func setup(t *testing.T, st *store.Store) *bundle {
	t.Helper()
	blobs, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{store: st, rows: st.Logs, blobs: blobs, id: command(t, st)}
	b.start(t)
	return b
}

// each runs a test on both databases.
func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) { test(t, setup(t, st)) })
}

// command makes the row that a log belongs to.
func command(t *testing.T, st *store.Store) models.CommandID {
	t.Helper()
	id := models.NewID[models.CommandID]()
	err := st.Commands.Create(t.Context(), []models.Command{{
		ID: id, DeploymentID: "d", StackID: "s", InstanceID: models.NewID[models.InstanceID](),
		Type: models.CommandSetup, Status: models.CommandPending, TimeoutSeconds: 60, CreatedAt: time.Now(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// start makes a Logs as a new process would.
func (b *bundle) start(t *testing.T) {
	t.Helper()
	b.logs = logstream.New(logstream.Config{Store: b.rows, Blobs: b.blobs, Memory: b.memory, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err := b.logs.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.logs.Stop)
}

// agent cuts a text into chunks as a host does.
type agent struct {
	text   []byte
	chunks []protocol.LogChunk
}

var began = time.Date(2026, 11, 20, 13, 30, 0, 0, time.UTC)

func newAgent(text []byte, size func() int) *agent {
	a := &agent{text: text}
	for offset := 0; offset < len(text); {
		n := min(size(), len(text)-offset)
		a.chunks = append(a.chunks, protocol.LogChunk{
			Seq: int64(len(a.chunks) + 1), Offset: int64(offset), Data: text[offset : offset+n],
			At: began.Add(time.Duration(len(a.chunks)) * 100 * time.Millisecond),
		})
		offset += n
	}
	return a
}

func full() int { return protocol.ChunkSize }

// send appends all chunks behind stored and returns what is stored then.
func (a *agent) send(t *testing.T, l *logstream.Logs, id models.CommandID) {
	t.Helper()
	for _, c := range a.chunks {
		got, err := l.Append(t.Context(), id, c)
		if err != nil || got < c.Seq {
			t.Fatalf("chunk %d: stored %d, %v", c.Seq, got, err)
		}
	}
}

func text(t *testing.T, l *logstream.Logs, id models.CommandID) []byte {
	t.Helper()
	r, err := l.Text(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if _, err := r.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// numbered is n lines whose text is their number.
func numbered(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "line %07d of the log, with some more text to fill it\n", i)
	}
	return b.Bytes()
}

// finish ends the command and waits until its log is packed.
func (b *bundle) finish(t *testing.T, id models.CommandID, lastSeq int64) logstream.Info {
	t.Helper()
	b.end(t, id, lastSeq)
	if err := b.logs.Finish(t.Context(), id, lastSeq); err != nil {
		t.Fatal(err)
	}
	return b.packed(t, id)
}

// end is what the engine does when an agent says Done.
func (b *bundle) end(t *testing.T, id models.CommandID, lastSeq int64) {
	t.Helper()
	for _, move := range [][2]models.CommandStatus{{models.CommandPending, models.CommandSent}, {models.CommandSent, models.CommandSuccessful}} {
		err := b.store.Commands.Move(t.Context(), id, []models.CommandStatus{move[0]}, move[1], store.CommandChange{At: time.Now(), LogLastSeq: &lastSeq})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bundle) packed(t *testing.T, id models.CommandID) logstream.Info {
	t.Helper()
	for {
		info, err := b.logs.Info(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if info.SHA256 != "" {
			return info
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the log was not packed")
		}
	}
}

func TestAppend(t *testing.T) { each(t, testAppend) }

func testAppend(t *testing.T, b *bundle) {
	ctx := t.Context()
	a := newAgent(numbered(100), func() int { return 1000 })

	got, err := b.logs.Append(ctx, b.id, a.chunks[0])
	if err != nil || got != 1 {
		t.Fatalf("first: got %d, %v", got, err)
	}
	got, err = b.logs.Append(ctx, b.id, a.chunks[0])
	if err != nil || got != 1 {
		t.Fatalf("repeat: got %d, %v", got, err)
	}
	got, err = b.logs.Append(ctx, b.id, a.chunks[2])
	if err != nil || got != 1 {
		t.Fatalf("gap: got %d, %v; want 1", got, err)
	}
	wrong := a.chunks[1]
	wrong.Offset++
	if _, err = b.logs.Append(ctx, b.id, wrong); models.CodeOf(err) != models.CodeInvalid {
		t.Fatalf("wrong offset: got %v", err)
	}
	a.send(t, b.logs, b.id)
	if got := text(t, b.logs, b.id); !bytes.Equal(got, a.text) {
		t.Fatalf("got %d bytes, want %d", len(got), len(a.text))
	}
	info, err := b.logs.Info(ctx, b.id)
	if err != nil || info.Lines != 100 || info.Bytes != int64(len(a.text)) || info.Ended || info.Complete {
		t.Fatalf("got %+v, %v", info, err)
	}
	if _, err := b.logs.Info(ctx, "no such command"); models.CodeOf(err) != models.CodeNotFound {
		t.Fatalf("got %v", err)
	}
}

// TestMillionLines sends a million lines over a connection that is cut twenty
// times, with repeats, two sessions at once and restarts of the server.
func TestMillionLines(t *testing.T) {
	if testing.Short() {
		t.Skip("not in -short")
	}
	each(t, testMillionLines)
}

func testMillionLines(t *testing.T, b *bundle) {
	ctx := t.Context()
	a := newAgent(numbered(1_000_000), full)
	r := rand.New(rand.NewPCG(1, 2))
	next, cuts := 0, 0
	for next < len(a.chunks) {
		// One session: a window of chunks under way, cut at some point.
		stop := min(next+1+r.IntN(2*len(a.chunks)/20), len(a.chunks))
		var wait sync.WaitGroup
		for c := next; c < stop; c += 8 {
			for _, chunk := range a.chunks[c:min(c+8, stop)] {
				wait.Go(func() {
					if _, err := b.logs.Append(ctx, b.id, chunk); err != nil {
						t.Error(err)
					}
				})
			}
			if c%64 == 0 {
				wait.Wait()
			}
		}
		wait.Wait()
		if cuts++; cuts%5 == 0 {
			b.logs.Stop()
			b.start(t)
		}
		stored, err := b.logs.StoredSeq(ctx, b.id)
		if err != nil {
			t.Fatal(err)
		}
		next = max(int(stored)-r.IntN(5), 0) // some were not confirmed in time
	}
	a.send(t, b.logs, b.id) // all once more
	if got, want := sum(text(t, b.logs, b.id)), sum(a.text); got != want {
		t.Fatalf("while it runs: got %s, want %s", got, want)
	}
	info := b.finish(t, b.id, int64(len(a.chunks)))
	if got, want := sum(text(t, b.logs, b.id)), sum(a.text); got != want || info.SHA256 != want {
		t.Fatalf("packed: got %s and %s, want %s", got, info.SHA256, want)
	}
	if info.Lines != 1_000_000 || !info.Complete {
		t.Fatalf("got %+v", info)
	}
	t.Logf("%d chunks, %d cuts", len(a.chunks), cuts)
	for _, from := range []int64{0, 1, 499_999, 999_990} {
		p, err := b.logs.Lines(ctx, b.id, from, 5)
		if err != nil || len(p.Lines) != 5 {
			t.Fatalf("lines %d: got %d, %v", from, len(p.Lines), err)
		}
		for i, line := range p.Lines {
			if want := fmt.Sprintf("line %07d ", from+int64(i)); !strings.HasPrefix(string(line.Text), want) {
				t.Errorf("got %q, want %q", line.Text, want)
			}
		}
	}
	for _, q := range []logstream.Query{
		{Text: "line 0999998", Case: true}, {Text: "LINE 0999998"}, {Text: `ne 0+99999[8]\b`, Regexp: true},
	} {
		begin := time.Now()
		q.Limit = 10
		hits, err := b.logs.Search(ctx, b.id, q)
		if err != nil || len(hits.Lines) != 1 || hits.Lines[0] != 999_998 || !hits.All {
			t.Errorf("%+v: got %+v, %v", q, hits, err)
		}
		t.Logf("search %q regexp=%v case=%v: %s", q.Text, q.Regexp, q.Case, time.Since(begin))
	}
}
