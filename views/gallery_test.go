package views

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/views/ui"

	"github.com/a-h/templ"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden pages")

// version is the content hash in addresses of static files.
var version = regexp.MustCompile(`/static/[0-9a-f]{12}/`)

// golden compares a page with testdata; a change of a component shows there.
func golden(t *testing.T, name string, page templ.Component) {
	t.Helper()
	var buf bytes.Buffer
	if err := page.Render(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	got := version.ReplaceAll(buf.Bytes(), []byte("/static/VERSION/"))
	got = bytes.ReplaceAll(got, []byte("><"), []byte(">\n<")) // differences by line
	path := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s changed; look at it, then run with -update:\n%s", path, diff)
	}
}

func TestGallery(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 13, 31, 2, 0, time.UTC)
	golden(t, "gallery", Gallery(GalleryPage{Page{Title: "Gallery", User: "ana", Admin: true, Now: now, Path: "/gallery"}}))
}

// No page may need what the content policy forbids.
func TestGalleryHasNothingInline(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	if err := Gallery(GalleryPage{Page{Now: time.Now()}}).Render(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	if bad := regexp.MustCompile(`\sstyle=|\son[a-z]+=|<style|<script>|javascript:|src="data:`).Find(buf.Bytes()); bad != nil {
		t.Errorf("the page contains %q", bad)
	}
}

func TestEveryStateHasATone(t *testing.T) {
	t.Parallel()
	for _, s := range models.InstanceStatuses {
		if !ui.Known(s) {
			t.Errorf("instance state %s has no tone", s)
		}
	}
	for _, s := range models.CommandStatuses {
		if !ui.Known(s) {
			t.Errorf("command state %s has no tone", s)
		}
	}
	for _, s := range models.DeploymentStatuses {
		if !ui.Known(s) {
			t.Errorf("deployment state %s has no tone", s)
		}
	}
}

func TestSortWorstFirst(t *testing.T) {
	t.Parallel()
	row := func(name string, counts ...ui.Count) StackRow { return StackRow{Name: name, Counts: counts} }
	rows := []StackRow{
		row("a-empty"), row("b-stopped", ui.Count{State: "stopped", N: 1}), row("c-fine", ui.Count{State: "online", N: 3}),
		row("d-boots", ui.Count{State: "booting", N: 1}), row("e-lost", ui.Count{State: "connection_lost", N: 1}),
		row("f-failed", ui.Count{State: "setup_failed", N: 1}), row("g-failed-more", ui.Count{State: "setup_failed", N: 1}, ui.Count{State: "connection_lost", N: 2}),
	}
	SortWorstFirst(rows)
	var got []string
	for _, r := range rows {
		got = append(got, r.Name)
	}
	want := []string{"g-failed-more", "f-failed", "e-lost", "d-boots", "c-fine", "a-empty", "b-stopped"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBrowserOf(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                           "Firefox on Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0":      "Edge on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile Safari/604.1": "Safari on iPhone",
		"curl/8.5.0": "curl",
		"":           "Unknown browser",
	} {
		if got := BrowserOf(agent); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
	}
}
