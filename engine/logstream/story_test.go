package logstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/logstream"
	"opsyard/models"
)

// noisy is a text as hosts write: colours, empty and very long lines, pieces
// of characters, no newline at the end.
func noisy(r *rand.Rand, lines int) []byte {
	var b bytes.Buffer
	for range lines {
		switch r.IntN(12) {
		case 0:
		case 1:
			fmt.Fprintf(&b, "\x1b[%d;%dm", r.IntN(9), 30+r.IntN(8))
		case 2:
			b.WriteString("Needle in colour: nee\x1b[0mdle")
		case 3:
			b.WriteString(strings.Repeat("long ", r.IntN(20_000)))
		case 4:
			b.Write([]byte{0xff, 0, '\r', 0xc3})
		default:
			fmt.Fprintf(&b, "text %d \x1b[38;5;%dmé\x1b[0m", r.IntN(1000), r.IntN(256))
		}
		b.WriteByte('\n')
	}
	b.WriteString("the last line, \x1b[1munfinished")
	return b.Bytes()
}

// TestLinesAgree compares what is read, while it runs, after restarts, packed
// and with chunks that came after packing, with the text cut by hand.
func TestLinesAgree(t *testing.T) { each(t, testLinesAgree) }

func testLinesAgree(t *testing.T, b *bundle) {
	ctx := t.Context()
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		id := command(t, b.store)
		a := newAgent(noisy(r, 300), func() int { return 1 + r.IntN(1+r.IntN(40_000)) })
		// some chunks hold nothing but steps
		for i := 0; i < len(a.chunks); i += 5 {
			c := a.chunks[i]
			c.Data = nil
			a.chunks = append(a.chunks[:i], append([]protocol.LogChunk{c}, a.chunks[i:]...)...)
		}
		for i := range a.chunks {
			a.chunks[i].Seq = int64(i + 1)
		}
		for i, c := range a.chunks {
			if _, err := b.logs.Append(ctx, id, c); err != nil {
				t.Fatal(err)
			}
			if i%50 == 25 {
				b.logs.Stop()
				b.start(t)
			}
			if i == len(a.chunks)*2/3 { // ended unheard, packed, and then the agent came back
				if err := b.logs.Finish(ctx, id, c.Seq); err != nil {
					t.Fatal(err)
				}
				b.packed(t, id)
			}
		}
		compare(t, b.logs, id, a.text)
		if info := b.finish(t, id, int64(len(a.chunks))); info.SHA256 != sum(a.text) || !info.Complete {
			t.Fatalf("got %+v", info)
		}
		compare(t, b.logs, id, a.text)
		b.logs.Stop()
		b.start(t)
		compare(t, b.logs, id, a.text)
		if left, err := b.store.Logs.Chunks(ctx, id, 0, 10); err != nil || len(left) > 0 {
			t.Fatalf("got %d rows left, %v", len(left), err)
		}
		// after chunk 10 as curl asks for it
		part, err := b.logs.Text(ctx, id, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := part.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), a.text[a.chunks[10].Offset:]) {
			t.Fatalf("after 10: got %d bytes, %v", got.Len(), err)
		}
	}
}

func compare(t *testing.T, l *logstream.Logs, id models.CommandID, want []byte) {
	t.Helper()
	ctx := t.Context()
	if got := text(t, l, id); !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, want %d", len(got), len(want))
	}
	lines := bytes.Split(want, []byte{'\n'})
	var got []logstream.Line
	for from := int64(0); from < int64(len(lines)); {
		p, err := l.Lines(ctx, id, from, 37)
		if err != nil || len(p.Lines) == 0 || p.First != from {
			t.Fatalf("lines %d: got %d, %v", from, len(p.Lines), err)
		}
		got = append(got, p.Lines...)
		from += int64(len(p.Lines))
		if open := from == int64(len(lines)); p.Open != open || p.Info.Lines != int64(len(lines)) {
			t.Fatalf("lines to %d: got open %v of %d, want %v of %d", from, p.Open, p.Info.Lines, open, len(lines))
		}
	}
	var hits []int64
	for i, line := range lines {
		shown := line[:min(len(line), logstream.MaxLine)]
		if !bytes.Equal(got[i].Text, shown) || got[i].Bytes != int64(len(line)) || got[i].Number != int64(i) {
			t.Fatalf("line %d: got %d bytes of %d, want %d of %d", i, len(got[i].Text), got[i].Bytes, len(shown), len(line))
		}
		if bytes.Contains(line, []byte("nee\x1b[0mdle")) {
			hits = append(hits, int64(i))
		}
		single, err := l.Lines(ctx, id, int64(i), 1)
		if err != nil || single.Lines[0].SGR != got[i].SGR || single.Lines[0].MS != got[i].MS {
			t.Fatalf("line %d alone: got %+v, want %+v, %v", i, single.Lines[0], got[i], err)
		}
	}
	for _, q := range []logstream.Query{{Text: "needle"}, {Text: "needle", Case: true}, {Text: "e+dle$", Regexp: true}, {Text: "^n.*: n[e]{2}dle$", Regexp: true, Case: false}} {
		var found []int64
		for from, done := int64(0), false; !done; {
			q.From, q.Limit = from, 3
			part, err := l.Search(ctx, id, q)
			if err != nil {
				t.Fatal(err)
			}
			found, from, done = append(found, part.Lines...), part.Next, part.All
		}
		if fmt.Sprint(found) != fmt.Sprint(hits) {
			t.Fatalf("search %q: got %v, want %v", q.Text, found, hits)
		}
	}
}

func TestSearchRefuses(t *testing.T) { each(t, testSearchRefuses) }

func testSearchRefuses(t *testing.T, b *bundle) {
	for _, q := range []logstream.Query{{}, {Text: "("}, {Text: strings.Repeat("x", 1000)}, {Text: "a\nb"}} {
		q.Regexp = q.Text == "("
		if _, err := b.logs.Search(t.Context(), b.id, q); models.CodeOf(err) != models.CodeInvalid {
			t.Errorf("%.10q: got %v", q.Text, err)
		}
	}
	hits, err := b.logs.Search(t.Context(), b.id, logstream.Query{Text: "x"})
	if err != nil || len(hits.Lines) > 0 || !hits.All {
		t.Errorf("in an empty log: got %+v, %v", hits, err)
	}
}

// TestLongLine: ten megabytes without a newline cost a viewer no more than
// any other line.
func TestLongLine(t *testing.T) { each(t, testLongLine) }

func testLongLine(t *testing.T, b *bundle) {
	long := bytes.Repeat([]byte("0123456789"), 1<<20)
	a := newAgent(slicesConcat([]byte("before\n"), long, []byte("\nafter \x1b[31mred\nlast\n")), full)
	a.send(t, b.logs, b.id)
	check := func() {
		p, err := b.logs.Lines(t.Context(), b.id, 0, 10)
		if err != nil || len(p.Lines) != 4 {
			t.Fatalf("got %d lines, %v", len(p.Lines), err)
		}
		if l := p.Lines[1]; len(l.Text) != logstream.MaxLine || l.Bytes != int64(len(long)) {
			t.Errorf("got %d of %d bytes, want %d of %d", len(l.Text), l.Bytes, logstream.MaxLine, len(long))
		}
		if l := p.Lines[3]; string(l.Text) != "last" || l.SGR != "31" {
			t.Errorf("got %q in style %q", l.Text, l.SGR)
		}
		hits, err := b.logs.Search(t.Context(), b.id, logstream.Query{Text: "901234", Limit: 10})
		if err != nil || fmt.Sprint(hits.Lines) != "[1]" {
			t.Errorf("got %v, %v; want the long line once", hits.Lines, err)
		}
	}
	check()
	b.finish(t, b.id, int64(len(a.chunks)))
	check()
}

func slicesConcat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestSteps: bytes become lines, ends find their beginnings.
func TestSteps(t *testing.T) { each(t, testSteps) }

func testSteps(t *testing.T, b *bundle) {
	step := func(index, parent int, name string, offset int64, result string) protocol.Step {
		return protocol.Step{Index: index, Parent: parent, Kind: "recipe", Name: name, Offset: offset, At: began, Result: result, Changed: len(result)}
	}
	//          0123456 7890 123456
	data := []byte("zero\none\ntwo\nthr")
	chunks := []protocol.LogChunk{
		{Seq: 1, At: began, Data: data[:7], Steps: []protocol.Step{step(0, -1, "outer\x00\xff", 0, ""), step(1, 0, "inner", 5, "")}},
		{Seq: 2, Offset: 7, At: began, Data: data[7:], Steps: []protocol.Step{step(1, 0, "inner", 9, "failed"), step(2, 0, "quick", 9, ""), step(2, 0, "quick", 13, "successful")}},
		{Seq: 3, Offset: int64(len(data)), At: began, Steps: []protocol.Step{step(0, -1, "outer", int64(len(data)), "failed")}},
	}
	tail, err := b.logs.Tail(t.Context(), b.id, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	for range 2 { // a repeat changes nothing
		for _, c := range chunks {
			if _, err := b.logs.Append(t.Context(), b.id, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := b.logs.Steps(t.Context(), b.id)
	if err != nil {
		t.Fatal(err)
	}
	want := "0 outer\uFFFD 0-4 failed 6;1 inner 1-2 failed 6;2 quick 2-3 successful 10;"
	if s := say(got); s != want {
		t.Errorf("got %q, want %q", s, want)
	}
	seen := map[int]models.LogStep{}
	for len(seen) < 3 || seen[0].Result == "" {
		batch, err := tail.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range batch.Steps {
			seen[s.Index] = s
		}
	}
	if s := say([]models.LogStep{seen[0], seen[1], seen[2]}); s != want {
		t.Errorf("live: got %q, want %q", s, want)
	}
}

func say(steps []models.LogStep) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%d %s %d-%d %s %d;", s.Index, s.Name, s.FirstLine, s.LastLine, s.Result, s.Changed)
	}
	return b.String()
}

// TestTail: a viewer who joins anywhere sees every line once, live, through
// packing, to the end.
func TestTail(t *testing.T) { each(t, testTail) }

func testTail(t *testing.T, b *bundle) {
	a := newAgent(numbered(5000), func() int { return 777 })
	whole := a.chunks
	a.chunks = whole[:len(whole)/2]
	a.send(t, b.logs, b.id) // history for whoever starts now
	var viewers sync.WaitGroup
	for _, from := range []int64{0, 1500, -10, 1 << 40} {
		tail, err := b.logs.Tail(t.Context(), b.id, from)
		if err != nil {
			t.Fatal(err)
		}
		viewers.Go(func() { watch(t, tail, from, 5000) })
	}
	a.chunks = whole
	a.send(t, b.logs, b.id)
	b.finish(t, b.id, int64(len(whole)))
	viewers.Wait()
}

// watch reads a log to its end and checks that lines come in order.
func watch(t *testing.T, tail *logstream.Tail, first, total int64) {
	defer tail.Close()
	next := int64(-1)
	for {
		b, err := tail.Next(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if next >= 0 && !b.Gap && b.First != next {
			t.Errorf("got line %d, want %d", b.First, next)
			return
		}
		for _, l := range b.Lines {
			if want := fmt.Sprintf("line %07d ", l.Number); !b.Open && !strings.HasPrefix(string(l.Text), want) {
				t.Errorf("line %d: got %q", l.Number, l.Text)
				return
			}
		}
		next = b.First + int64(len(b.Lines))
		if b.Open {
			next--
		}
		if b.Info.Complete {
			if next != total {
				t.Errorf("from %d: ended at line %d, want %d", first, next, total)
			}
			return
		}
	}
}

// TestSlowTail: one who does not read costs nothing, and is told what he missed.
func TestSlowTail(t *testing.T) { each(t, testSlowTail) }

func testSlowTail(t *testing.T, b *bundle) {
	tail, err := b.logs.Tail(t.Context(), b.id, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	if first, err := tail.Next(t.Context()); err != nil || len(first.Lines) > 0 {
		t.Fatalf("got %+v, %v", first, err)
	}
	a := newAgent(numbered(50_000), full)
	a.send(t, b.logs, b.id)
	batch, err := tail.Next(t.Context())
	if err != nil || !batch.Gap || batch.First < 49_000 {
		t.Fatalf("got gap %v, first %d, %v", batch.Gap, batch.First, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for err == nil {
		_, err = tail.Next(ctx)
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	tail.Close()
}

// TestTwoReplicas: the agent moved to another server and back, and viewers of
// both see all of it.
func TestTwoReplicas(t *testing.T) { each(t, testTwoReplicas) }

func testTwoReplicas(t *testing.T, b *bundle) {
	other := &bundle{store: b.store, rows: b.rows, blobs: b.blobs}
	other.start(t)
	a := newAgent(numbered(400), func() int { return 500 })
	tail, err := b.logs.Tail(t.Context(), b.id, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch(t, tail, 0, 400)
	}()
	for i, c := range a.chunks {
		l := b.logs
		if i/7%2 == 1 {
			l = other.logs
		}
		if got, err := l.Append(t.Context(), b.id, c); err != nil || got < c.Seq {
			t.Fatalf("chunk %d: got %d, %v", c.Seq, got, err)
		}
	}
	b.logs.Nudge(b.id)
	other.finish(t, b.id, int64(len(a.chunks)))
	b.logs.Nudge(b.id)
	<-done
	if got := text(t, b.logs, b.id); !bytes.Equal(got, a.text) {
		t.Fatalf("got %d bytes, want %d", len(got), len(a.text))
	}
}

// broken is a store that refuses on demand.
type broken struct {
	logstream.Store
	append atomic.Pointer[func([]models.LogChunk) error]
	pack   atomic.Int32 // times that Pack will fail
}

func (s *broken) Append(ctx context.Context, chunks []models.LogChunk, steps []models.LogStep) error {
	if f := s.append.Load(); f != nil {
		if err := (*f)(chunks); err != nil {
			return err
		}
	}
	return s.Store.Append(ctx, chunks, steps)
}

func (s *broken) Pack(ctx context.Context, b models.LogBlob) error {
	if s.pack.Add(-1) >= 0 {
		return errors.New("the disk is full")
	}
	return s.Store.Pack(ctx, b)
}

// TestFullDisk: a chunk that is not stored is not confirmed, the agent sends
// it again, and nothing is lost or doubled. Other commands go on.
func TestFullDisk(t *testing.T) { each(t, testFullDisk) }

func testFullDisk(t *testing.T, b *bundle) {
	s := &broken{Store: b.rows}
	b.rows = s
	b.logs.Stop()
	b.start(t)
	ctx := t.Context()
	a := newAgent(numbered(200), func() int { return 300 })
	full := func([]models.LogChunk) error { return errors.New("the disk is full") }
	poison := func(chunks []models.LogChunk) error {
		for _, c := range chunks {
			if c.CommandID == b.id {
				return errors.New("this row cannot be stored")
			}
		}
		return nil
	}
	for i, c := range a.chunks {
		switch i % 7 {
		case 3:
			s.append.Store(&full)
			if _, err := b.logs.Append(ctx, b.id, c); err == nil {
				t.Fatal("a chunk that was not stored was confirmed")
			}
			if b.logs.Ready(ctx) == nil {
				t.Fatal("ready with a full disk")
			}
			s.append.Store(nil)
		case 5:
			s.append.Store(&poison)
			var both sync.WaitGroup
			both.Go(func() {
				if _, err := b.logs.Append(ctx, b.id, c); err == nil {
					t.Error("a chunk that was not stored was confirmed")
				}
			})
			both.Go(func() {
				id := command(t, b.store)
				if got, err := b.logs.Append(ctx, id, protocol.LogChunk{Seq: 1, At: began, Data: []byte("x\n")}); err != nil || got != 1 {
					t.Errorf("another command: got %d, %v", got, err)
				}
			})
			both.Wait()
			s.append.Store(nil)
		}
		if got, err := b.logs.Append(ctx, b.id, c); err != nil || got != c.Seq {
			t.Fatalf("chunk %d: got %d, %v", c.Seq, got, err)
		}
	}
	if err := b.logs.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if got := text(t, b.logs, b.id); !bytes.Equal(got, a.text) {
		t.Fatalf("got %d bytes, want %d", len(got), len(a.text))
	}
}

// TestPackAfterCrash: what one process began to pack, the next one packs.
func TestPackAfterCrash(t *testing.T) { each(t, testPackAfterCrash) }

func testPackAfterCrash(t *testing.T, b *bundle) {
	s := &broken{Store: b.rows}
	s.pack.Store(1)
	b.rows = s
	b.logs.Stop()
	b.start(t)
	a := newAgent(numbered(5000), full)
	a.send(t, b.logs, b.id)
	last := int64(len(a.chunks))
	b.end(t, b.id, last)
	if err := b.logs.Finish(t.Context(), b.id, last); err != nil {
		t.Fatal(err)
	}
	for s.pack.Load() > 0 { // the blob is written, its row is not
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("nobody tried to pack")
		}
	}
	b.logs.Stop()
	b.start(t)
	if info := b.packed(t, b.id); info.SHA256 != sum(a.text) {
		t.Fatalf("got %+v", info)
	}
	if got := text(t, b.logs, b.id); !bytes.Equal(got, a.text) {
		t.Fatal("the text has changed")
	}
	key, err := b.store.Logs.Blob(t.Context(), b.id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.SQL().ExecContext(t.Context(), "DELETE FROM commands"); err != nil {
		t.Fatal(err)
	}
	b.logs.Stop()
	b.start(t) // sweeps
	for {
		if _, err := b.blobs.Read(t.Context(), key.Key, 0, 1); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the log of a deleted command is still there")
		}
	}
}

// TestMemoryIsBounded: while the store is slow, agents wait.
func TestMemoryIsBounded(t *testing.T) { each(t, testMemoryIsBounded) }

func testMemoryIsBounded(t *testing.T, b *bundle) {
	s := &broken{Store: b.rows}
	release := make(chan struct{})
	slow := func([]models.LogChunk) error { <-release; return nil }
	s.append.Store(&slow)
	b.rows, b.memory = s, 100<<10
	b.logs.Stop()
	b.start(t)
	var stored atomic.Int32
	var agents sync.WaitGroup
	for range 10 {
		id := command(t, b.store)
		agents.Go(func() {
			if _, err := b.logs.Append(t.Context(), id, protocol.LogChunk{Seq: 1, At: began, Data: make([]byte, 30<<10)}); err != nil {
				t.Error(err)
			}
			stored.Add(1)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := b.logs.Append(ctx, b.id, protocol.LogChunk{Seq: 1, At: began, Data: make([]byte, 90<<10)})
	if !errors.Is(err, context.DeadlineExceeded) || stored.Load() > 0 {
		t.Errorf("got %v, %d stored; want to wait", err, stored.Load())
	}
	if _, err := b.logs.Append(t.Context(), b.id, protocol.LogChunk{Seq: 1, Data: make([]byte, 101<<10)}); models.CodeOf(err) != models.CodeInvalid {
		t.Errorf("larger than all memory: got %v", err)
	}
	close(release)
	agents.Wait()
}

// TestStop answers whoever waits, and may be called twice.
func TestStop(t *testing.T) { each(t, testStop) }

func testStop(t *testing.T, b *bundle) {
	b.logs.Stop()
	b.logs.Stop()
	if _, err := b.logs.Append(t.Context(), b.id, protocol.LogChunk{Seq: 1, At: began, Data: []byte("x")}); err == nil {
		t.Error("a stopped server confirmed a chunk")
	}
}
