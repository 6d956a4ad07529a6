package redact_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"opsyard/agent/protocol"
	"opsyard/agent/redact"
)

func TestHider(t *testing.T) {
	t.Parallel()
	key := "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nab\n-----END KEY-----\n"
	h := redact.NewHider([]string{"hunter22", "hunter22-longer", "abc", `it's "q"`, "p@ss word", key})
	for in, want := range map[string]string{
		"pw hunter22!":             "pw ••••!",
		"hunter22-longer hunter22": "•••• ••••",
		"hunter22-long":            "••••-long",
		"abc is too short":         "abc is too short",
		"xhunter2hunter22":         "xhunter2••••",
		`json "it's \"q\""`:        `json "••••"`,
		"url p%40ss+word":          "url ••••",
		"base64 aHVudGVyMjI=":      "base64 ••••",
		"\xff\xfehunter22\xff":     "\xff\xfe••••\xff",
		"  MIIEowIBAAKCAQEA\nab":   "  ••••\nab",
		"trace 'it'\\''s \"q\"'":   "trace '••••'",
	} {
		if got := h.String(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	run := protocol.Run{
		Secrets:         []protocol.Secret{{Name: "A", Value: "1"}},
		CustomCookbooks: &protocol.Source{Password: "2"},
		Apps:            []protocol.App{{Source: protocol.Source{SSHKey: "3"}, PrivateKey: "4", Environment: map[string]string{"RAILS_ENV": "production"}}},
	}
	if got := strings.Join(redact.Values(run), ""); got != "1234" {
		t.Errorf("got %q", got)
	}
}

// TestSplits: however a stream is cut, the result is the same and shows no secret.
func TestSplits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(rapid.StringMatching(`[ab]{4,9}`), 1, 4).Draw(t, "secrets")
		text := []byte(rapid.StringMatching(`[abc\n\xff]{0,200}`).Draw(t, "text"))
		h := redact.NewHider(secrets)
		got := new(bytes.Buffer)
		w := redact.NewWriter(got, h)
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			if k, err := w.Write(rest[:n]); k != n || err != nil {
				t.Fatalf("wrote %d of %d: %v", k, n, err)
			}
			rest = rest[n:]
		}
		w.Close()
		if want := h.String(string(text)); got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for _, s := range secrets {
			if bytes.Contains(got.Bytes(), []byte(s)) {
				t.Errorf("%q is in %q", s, got)
			}
		}
	})
}
