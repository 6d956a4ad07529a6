package prometheus

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// server answers as Prometheus 3 does.
func server(t *testing.T, status int, body string) (*Client, *http.Request) {
	t.Helper()
	seen := &http.Request{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		*seen = *r
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	c, err := New(strings.Replace(s.URL, "http://", "http://ann:s3cret@", 1) + "/prom/")
	if err != nil {
		t.Fatal(err)
	}
	return c, seen
}

func TestRange(t *testing.T) {
	t.Parallel()
	c, seen := server(t, http.StatusOK, `{"status":"success","data":{"resultType":"matrix","result":[
		{"metric":{"job":"a"},"values":[[1795262400,"0.5"],[1795262460.25,"NaN"]]},
		{"metric":{"job":"b"},"values":[[1795262460.25,"+Inf"]]}]}}`)
	points, err := c.Range(t.Context(), `sum(rate(x{a="b"}[5m]))`, noon, noon.Add(time.Minute), time.Minute)
	if err != nil || len(points) != 3 || points[0] != (Point{noon, 0.5}) || !math.IsNaN(points[1].Value) || !math.IsInf(points[2].Value, 1) || points[2].At != noon.Add(60250*time.Millisecond) {
		t.Errorf("got %v, %v", points, err)
	}
	user, password, _ := seen.BasicAuth()
	if seen.URL.Path != "/prom/api/v1/query_range" || seen.Form.Get("query") != `sum(rate(x{a="b"}[5m]))` || seen.Form.Get("start") != "1795262400.000" ||
		seen.Form.Get("end") != "1795262460.000" || seen.Form.Get("step") != "60" || user+password != "anns3cret" {
		t.Errorf("it was asked %s %v as %s", seen.URL, seen.Form, user)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	long := `{"status":"success","data":{"result":[{"values":[` + strings.Repeat(`[1,"0"],`, maxAnswer/8)
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"query":    {http.StatusBadRequest, `{"status":"error","errorType":"bad_data","error":"1:5: parse error"}`, "Prometheus refuses the query: 1:5: parse error"},
		"slow":     {http.StatusServiceUnavailable, `{"status":"error","errorType":"timeout","error":"query timed out"}`, "Prometheus refuses the query: query timed out"},
		"long":     {http.StatusOK, long, "its answer is longer than 4 MiB"},
		"gateway":  {http.StatusBadGateway, `<html>`, "it answers 502 Bad Gateway"},
		"no JSON":  {http.StatusOK, `hello`, "read the answer of Prometheus"},
		"other":    {http.StatusOK, `{}`, "none of its API"},
		"no pairs": {http.StatusOK, `{"status":"success","data":{"result":[{"values":[[1,"x"]]}]}}`, "read the answer of Prometheus"},
	} {
		client, _ := server(t, c.status, c.body)
		_, err := client.Range(t.Context(), "x", noon, noon, time.Minute)
		var refused *Refused
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &refused) != slices.Contains([]string{"query", "slow", "long"}, name) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, address := range []string{"", "prometheus:9090", "ftp://x", "http://", "://"} {
		if _, err := New(address); err == nil {
			t.Errorf("the address %q is accepted", address)
		}
	}
	c, err := New("http://ann:s3cret@127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Range(t.Context(), "x", noon, noon, time.Minute); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("nobody is there: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"status":"success","data":{"result":[{"values":[[1,"2"]]}]}}`)
	f.Add(`{"status":"success","data":{"result":[{"values":[[],["x"],[1e99,"1",3]]}]}}`)
	f.Fuzz(func(_ *testing.T, body string) {
		r := httptest.NewRecorder()
		_, _ = r.WriteString(body)
		_, _ = read(r.Result())
	})
}
