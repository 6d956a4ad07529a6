package static

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestPathIsServedForever(t *testing.T) {
	t.Parallel()
	for name := range files {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest("GET", Path(name), nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: got %d, %q; want 200, immutable", name, w.Code, w.Header().Get("Cache-Control"))
		}
		if w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: has no content type", name)
		}
	}
}

func TestOldAddressIsNotKept(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", "/static/0123/"+Sheet, nil))
	if got := w.Header().Get("Cache-Control"); w.Code != http.StatusOK || got != "no-cache" {
		t.Fatalf("got %d, %q; want 200, no-cache", w.Code, got)
	}
}

func TestUnknownFile(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/static/", "/static/" + version, "/static/" + version + "/../static.go", "/static/x/nope.js"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		Handler().ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Path of an unknown file did not panic")
		}
	}()
	Path("js/none.js")
}

// The content policy forbids what comes from elsewhere and what is inline.
func TestSheetsNeedNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	if bad := regexp.MustCompile(`@import|url\(|https?:`).Find(files[Sheet]); bad != nil {
		t.Errorf("the style sheet contains %q", bad)
	}
	if !strings.HasPrefix(string(files[Sheet]), "/* Opsyard console: reset, tokens, base.") {
		t.Error("tokens.css, which fixes the order of layers, is not first")
	}
}

func TestVendoredFilesAreTheNamedOnes(t *testing.T) {
	t.Parallel()
	var parts []struct {
		Name, Version, License string
		Files                  map[string]string
	}
	if err := json.Unmarshal(files["vendor/manifest.json"], &parts); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"vendor/manifest.json": true}
	for _, p := range parts {
		if p.Name == "" || p.Version == "" || p.License == "" {
			t.Errorf("%+v: name, version and license are needed", p)
		}
		for name, want := range p.Files {
			sum := sha256.Sum256(files["vendor/"+name])
			if got := hex.EncodeToString(sum[:]); got != want {
				t.Errorf("%s: got %s, want %s", name, got, want)
			}
			listed["vendor/"+name] = true
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "vendor/") && !listed[name] {
			t.Errorf("%s is not in the manifest", name)
		}
	}
}
