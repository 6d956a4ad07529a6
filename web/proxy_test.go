package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	proxies, err := ParseProxies([]string{"127.0.0.1", "10.0.0.0/8", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, from string
		forwarded  []string
		want       string
	}{
		{"Direct", "198.51.100.7:1234", nil, "198.51.100.7"},
		{"NoProxy", "198.51.100.7:1234", []string{"203.0.113.9"}, "198.51.100.7"},
		{"OK", "127.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"OKChain", "127.0.0.1:1", []string{"203.0.113.9, 10.1.2.3"}, "203.0.113.9"},
		{"OKTwoHeaders", "127.0.0.1:1", []string{"203.0.113.9", "10.1.2.3"}, "203.0.113.9"},
		{"OKMapped", "[::ffff:127.0.0.1]:1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"OK6", "[fd00::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"Forged", "127.0.0.1:1", []string{"192.0.2.1, 203.0.113.9"}, "203.0.113.9"},
		{"ForgedProxy", "127.0.0.1:1", []string{"192.0.2.1, 10.0.0.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"ForgedNoAddress", "127.0.0.1:1", []string{"<script>"}, "127.0.0.1"},
		{"ForgedBefore", "127.0.0.1:1", []string{"<script>, 203.0.113.9"}, "203.0.113.9"},
		{"OnlyProxies", "127.0.0.1:1", []string{"10.0.0.1"}, "127.0.0.1"},
		{"Nothing", "127.0.0.1:1", nil, "127.0.0.1"},
		{"Port", "127.0.0.1:1", []string{"203.0.113.9:443"}, "127.0.0.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got string
			h := proxies.Believe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = SourceAddr(r) }))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tc.from
			for _, f := range tc.forwarded {
				r.Header.Add("X-Forwarded-For", f)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	for _, bad := range []string{"", "proxy.example", "10.0.0.0/33", "10.0.0.1-9"} {
		if _, err := ParseProxies([]string{bad}); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
}

// Without a proxy that is named, nobody's word is taken.
func TestNobodyIsBelievedUnasked(t *testing.T) {
	t.Parallel()
	var got string
	h := Proxies(nil).Believe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = SourceAddr(r) }))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got != "127.0.0.1" {
		t.Errorf("got %q", got)
	}
}
