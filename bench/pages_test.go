package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// BenchmarkPages draws the pages of a large stack, as a browser asks for them:
// signed in, compressed.
func BenchmarkPages(b *testing.B) {
	f := shared(b)
	_, d := f.configure(b)
	f.quiet(b)
	for _, page := range []struct{ name, path string }{
		{"overview", "/stacks/" + string(f.stack.ID)},
		{"instances", "/stacks/" + string(f.stack.ID) + "/instances"},
		{"deployment", "/deployments/" + string(d.ID)},
	} {
		b.Run(page.name, func(b *testing.B) {
			for b.Loop() {
				var took []time.Duration
				size := 0
				for range 30 {
					begin := time.Now()
					answer := f.get(page.path)
					took = append(took, time.Since(begin))
					if answer.Code != http.StatusOK || answer.Header().Get("Content-Encoding") != "gzip" {
						b.Fatalf("%s: got %d %s", page.path, answer.Code, answer.Header())
					}
					size = answer.Body.Len()
				}
				if testing.Verbose() {
					fmt.Fprintln(os.Stderr, page.name, took)
				}
				b.ReportMetric(milliseconds(median(took)), "ms/page")
				b.ReportMetric(float64(size)/1000, "KB/page")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// get asks the console without a network between.
func (f *fleet) get(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(f.ctx, http.MethodGet, f.url+path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	r.AddCookie(&http.Cookie{Name: "opsyard", Value: f.cookie})
	w := httptest.NewRecorder()
	f.console.ServeHTTP(w, r)
	return w
}
