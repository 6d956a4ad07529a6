package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/agent/source"
)

// What is on the instance already is not fetched again, and never taken on trust.
func TestCacheOfArchives(t *testing.T) {
	t.Parallel()
	var text atomic.Value
	text.Store("one")
	var sent atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tag := `"` + text.Load().(string) + `"`
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		sent.Add(1)
		w.Header().Set("ETag", tag)
		w.Write(tarOf(t, entry{name: "app-1/index.html", text: text.Load().(string)}))
	}))
	t.Cleanup(srv.Close)
	f := source.Fetcher{For: "shop", Data: t.TempDir(), Notes: filepath.Join(t.TempDir(), "notes")}
	get := func(want string, wantSent int32) string {
		t.Helper()
		dest := filepath.Join(t.TempDir(), "d")
		got, err := f.Fetch(t.Context(), protocol.Source{Type: "archive", URL: srv.URL + "/a.tgz?sig=secret"}, dest, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if text := read(t, dest, "index.html"); text != want || sent.Load() != wantSent {
			t.Errorf("got %q after %d downloads, want %q after %d", text, sent.Load(), want, wantSent)
		}
		return got
	}
	first := get("one", 1)
	if again := get("one", 1); again != first {
		t.Errorf("the digest is %s from the cache and was %s", again, first)
	}
	text.Store("two")
	if get("two", 2) == first {
		t.Error("another archive has the same digest")
	}
	data, _ := filepath.Glob(filepath.Join(f.Data, "sources", "*", "data"))
	if len(data) != 1 {
		t.Fatalf("the cache has %v", data)
	}
	for n, damage := range []func(){
		func() { os.WriteFile(data[0], []byte("half"), 0o600) },
		func() { os.Remove(data[0]) },
		func() { os.WriteFile(filepath.Join(filepath.Dir(data[0]), "entry.json"), []byte("{"), 0o600) },
	} {
		damage()
		get("two", int32(3+n))
	}
	lines := strings.Split(strings.TrimSpace(read(t, filepath.Dir(f.Notes), "notes")), "\n")
	var note protocol.Fetched
	if err := json.Unmarshal([]byte(lines[0]), &note); err != nil || len(lines) != 6 {
		t.Fatalf("%v: %q", err, lines)
	}
	if want := (protocol.Fetched{For: "shop", Type: "archive", URL: srv.URL + "/a.tgz", Got: first, Bytes: 3, Files: 1}); note != want {
		t.Errorf("noted %+v, want %+v", note, want)
	}
}

func TestCacheOfGit(t *testing.T) {
	t.Parallel()
	repo := newRepo(t)
	symlink(t, "index.html", filepath.Join(repo, "link"))
	one := commit(t, repo, "index.html", "one")
	git(t, repo, "tag", "-a", "-m", "first", "v1")
	f := source.Fetcher{Data: t.TempDir()}
	get := func(revision, want string, cached bool) {
		t.Helper()
		dest, out := filepath.Join(t.TempDir(), "d"), new(bytes.Buffer)
		if _, err := f.Fetch(t.Context(), protocol.Source{Type: "git", URL: repo, Revision: revision}, dest, out); err != nil {
			t.Fatal(err)
		}
		if text := read(t, dest, "link"); text != want || strings.Contains(out.String(), "is in the cache") != cached {
			t.Errorf("%s: got %q, want %q: %s", revision, text, want, out)
		}
	}
	for _, revision := range []string{"", "main", "v1", one} {
		get(revision, "one", false)
		get(revision, "one", true)
	}
	commit(t, repo, "index.html", "two")
	get("", "two", false)
	get("main", "two", false)
	get("v1", "one", true)
	if err := os.RemoveAll(repo); err != nil {
		t.Fatal(err)
	}
	get(one, "one", true)
	if _, err := f.Fetch(t.Context(), protocol.Source{Type: "git", URL: repo}, filepath.Join(t.TempDir(), "d"), io.Discard); err == nil {
		t.Error("a repository that is gone was taken from the cache")
	}
}

// The cache has a bound; what is used last stays.
func TestCacheIsBounded(t *testing.T) {
	t.Setenv("OPSYARD_SOURCE_CACHE_BYTES", "3000000")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", at2020, bytes.NewReader(plainTar(t, 1_000_000)))
	}))
	t.Cleanup(srv.Close)
	f := source.Fetcher{Data: t.TempDir()}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if _, err := f.Fetch(t.Context(), protocol.Source{Type: "archive", URL: srv.URL + "/" + name}, filepath.Join(t.TempDir(), "d"), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(f.Data, "sources", "*")); len(kept) != 2 {
		t.Errorf("the cache keeps %d of 5", len(kept))
	}
}

// What a killed fetch left behind goes with the next one; what a living one
// works in stays.
func TestLeftoversOfTheDead(t *testing.T) {
	t.Parallel()
	dir, asked, over := t.TempDir(), make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			<-over
		}
		w.Write(tarOf(t, entry{name: "f", text: "x"}))
	}))
	t.Cleanup(srv.Close)
	write(t, filepath.Join(dir, ".fetch-dead", "private", "key"), "secret")
	slow := make(chan error, 1)
	go func() {
		_, err := fetch(context.Background(), protocol.Source{Type: "archive", URL: srv.URL + "/slow"}, filepath.Join(dir, "slow"), io.Discard)
		slow <- err
	}()
	<-asked
	if _, err := fetch(t.Context(), protocol.Source{Type: "archive", URL: srv.URL + "/"}, filepath.Join(dir, "quick"), io.Discard); err != nil {
		t.Fatal(err)
	}
	close(over)
	if err := <-slow; err != nil {
		t.Errorf("the living fetch: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}
