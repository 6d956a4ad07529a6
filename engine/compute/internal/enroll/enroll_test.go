package enroll

import (
	"errors"
	"testing"

	"opsyard/engine/compute"
)

func TestReroute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, out, port string }{
		{"http://127.0.0.1:8080", "http://10.1.0.1:8080", "8080"},
		{"http://localhost:8080/base", "http://10.1.0.1:8080/base", "8080"},
		{"http://[::1]:8080", "http://10.1.0.1:8080", "8080"},
		{"http://0.0.0.0:81", "http://10.1.0.1:81", "81"},
		{"https://127.0.0.1", "https://10.1.0.1:443", "443"},
		{"https://ops.example.org", "https://ops.example.org", ""},
		{"http://192.0.2.7:8080", "http://192.0.2.7:8080", ""},
	} {
		out, port, err := Reroute(c.in, "10.1.0.1")
		if err != nil || out != c.out || port != c.port {
			t.Errorf("%s: got %s, %s, %v; want %s, %s", c.in, out, port, err, c.out, c.port)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "ops.example.org", "ftp://x", "http://"} {
		if err := Validate(compute.Enrollment{ServerURL: bad}); !errors.Is(err, compute.ErrBadSpec) {
			t.Errorf("%q: got %v, want ErrBadSpec", bad, err)
		}
	}
}
