package logship_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"opsyard/agent/logship"
	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

// TestShipping: however output, steps, restarts of the agent and lost
// connections fall, the server can put the log together byte for byte, and a
// chunk that is sent twice is twice the same.
func TestShipping(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			t.Fatal(err)
		}
		c := newClock()
		rec, err := logship.NewRecorder(dir, c.now)
		if err != nil {
			t.Fatal(err)
		}
		want := new(bytes.Buffer)
		server := &store{}
		log, sender := open(t, dir, c)
		var ends []func(recipe.Result)
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			switch rapid.SampledFrom([]string{"write", "write", "big", "begin", "end", "wait", "send", "send", "restart", "cut"}).Draw(t, "event") {
			case "write", "big":
				p := bytes.Repeat([]byte("line\n\xff"), rapid.IntRange(1, 20000).Draw(t, "lines"))
				want.Write(p)
				rec.Write(p)
			case "begin":
				ends = append(ends, rec.Begin("resource", "r"))
			case "end":
				if len(ends) > 0 {
					ends[len(ends)-1](recipe.Result{Changed: 1})
					ends = ends[:len(ends)-1]
				}
			case "wait":
				c.at = c.at.Add(protocol.ChunkDelay)
			case "cut":
				log.Cut(false)
			case "send":
				log.Cut(false)
				if chunk, ok, err := sender.Next(); err != nil {
					t.Fatal(err)
				} else if ok {
					server.take(t, chunk)
					if rapid.Bool().Draw(t, "acknowledge") {
						sender.Stored(server.seq())
					}
				}
			case "restart":
				log.Close()
				log, sender = open(t, dir, c)
				// A server may have stored less than it was sent.
				sender.Resume(rapid.Int64Range(0, server.seq()).Draw(t, "stored"))
			}
		}
		rec.Close()
		if err := log.Cut(true); err != nil {
			t.Fatal(err)
		}
		for {
			sender.Stored(server.seq())
			chunk, ok, err := sender.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			server.take(t, chunk)
		}
		if !bytes.Equal(server.text(), want.Bytes()) {
			t.Fatalf("got %d bytes, want %d", len(server.text()), want.Len())
		}
		if server.seq() != log.Last() || sender.Unstored() != 0 {
			t.Errorf("stored %d of %d chunks", server.seq(), log.Last())
		}
		log.Close()
	})
}

func TestStepsRideOnTheirChunks(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	rec, _ := logship.NewRecorder(dir, c.now)
	endPhase := rec.Begin("phase", "recipes")
	rec.Write([]byte("one\n"))
	endRecipe := rec.Begin("recipe", "nginx::setup")
	rec.Begin("resource", "package nginx")
	rec.Write([]byte("two\n"))
	endRecipe(recipe.Result{Err: errors.New("x")})
	endRecipe(recipe.Result{})
	endPhase(recipe.Result{Changed: 2})
	rec.Close()
	log, _ := open(t, dir, c)
	defer log.Close()
	if err := log.Cut(true); err != nil {
		t.Fatal(err)
	}
	chunk, err := log.Chunk(1)
	if err != nil {
		t.Fatal(err)
	}
	type brief struct {
		index, parent int
		name          string
		offset        int64
		result        string
	}
	var got []brief
	for _, s := range chunk.Steps {
		got = append(got, brief{s.Index, s.Parent, s.Name, s.Offset, s.Result})
	}
	want := []brief{
		{0, -1, "recipes", 0, ""},
		{1, 0, "nginx::setup", 4, ""},
		{2, 1, "package nginx", 4, ""},
		{2, 1, "", 8, "failed"},
		{1, 0, "nginx::setup", 8, "failed"},
		{0, -1, "recipes", 8, "successful"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if log.Last() != 1 || string(chunk.Data) != "one\ntwo\n" {
		t.Errorf("got %d chunks, first %q", log.Last(), chunk.Data)
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	rec, _ := logship.NewRecorder(dir, c.now)
	rec.Write(make([]byte, 10<<20)) // one line of 10 MB
	rec.Close()
	log, sender := open(t, dir, c)
	defer log.Close()
	log.Cut(true)
	sent := drain(t, sender)
	if sent != logship.Window/protocol.ChunkSize {
		t.Errorf("sent %d chunks without an answer", sent)
	}
	sender.Stored(3)
	if got := drain(t, sender); got != 3 {
		t.Errorf("after 3 were stored, sent %d more", got)
	}
	sender.Stored(1000) // more than was sent: not believed
	sender.Resume(2)
	if got := drain(t, sender); got != logship.Window/protocol.ChunkSize {
		t.Errorf("after a reconnect, sent %d", got)
	}
}

func TestPowerCut(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	rec, _ := logship.NewRecorder(dir, c.now)
	rec.Write(make([]byte, 100<<10))
	rec.Close()
	log, _ := open(t, dir, c)
	log.Cut(true)
	log.Close()
	os.Truncate(filepath.Join(dir, "output.log"), 40<<10)
	log, sender := open(t, dir, c)
	defer log.Close()
	if log.Last() != 1 {
		t.Errorf("kept %d chunks, want the one whose bytes are there", log.Last())
	}
	sender.Resume(4)
	log.Cut(true)
	if n := drain(t, sender); n != 0 || log.Last() != 4 {
		t.Errorf("sent %d, last is %d: the server's word does not hold", n, log.Last())
	}
}

func drain(t *testing.T, s *logship.Sender) int {
	t.Helper()
	for n := 0; ; n++ {
		_, ok, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return n
		}
	}
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func open(t failer, dir string, c *clock) (*logship.Log, *logship.Sender) {
	t.Helper()
	log, err := logship.Open(dir, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return log, logship.NewSender(log)
}

// store is the server's side.
type store struct{ chunks []protocol.LogChunk }

func (s *store) seq() int64 { return int64(len(s.chunks)) }

func (s *store) take(t failer, c protocol.LogChunk) {
	t.Helper()
	if c.Seq <= s.seq() {
		if !reflect.DeepEqual(s.chunks[c.Seq-1], c) {
			t.Fatalf("chunk %d came back changed", c.Seq)
		}
		return
	}
	if c.Seq != s.seq()+1 || c.Offset != int64(len(s.text())) || len(c.Data) > protocol.ChunkSize {
		t.Fatalf("chunk %d at %d with %d bytes after %d", c.Seq, c.Offset, len(c.Data), s.seq())
	}
	s.chunks = append(s.chunks, c)
}

func (s *store) text() []byte {
	var all []byte
	for _, c := range s.chunks {
		all = append(all, c.Data...)
	}
	return all
}
