package notify

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The reference library of Standard Webhooks (JavaScript, 1.1.1) made this
// signature.
func TestSignIsTheReferences(t *testing.T) {
	t.Parallel()
	key, err := webhookTo("").Key()
	if err != nil {
		t.Fatal(err)
	}
	got := sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	equal(t, got, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
}

// What a receiver gets verifies with another implementation of HMAC.
func TestWebhookVerifies(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	r := receive(t, nil)
	s := sender(t)
	o := s.Send(t.Context(), webhookTo(r.URL+"/hook?a=b"), []Message{message("web1 is online")})[0]
	equal(t, o.Delivered, true)
	equal(t, o.Code, 200)
	bodies, heads := r.got()
	equal(t, len(bodies), 1)
	equal(t, bodies[0], `{"id":"0190-1"}`)
	equal(t, heads[0].Get("Content-Type"), "application/json")
	equal(t, heads[0].Get("User-Agent"), "Opsyard/1.2")
	equal(t, heads[0].Get("Webhook-Id"), "msg_0190-1")

	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(testSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(key), "-binary")
	command.Stdin = strings.NewReader(heads[0].Get("Webhook-Id") + "." + heads[0].Get("Webhook-Timestamp") + "." + bodies[0])
	mac, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, heads[0].Get("Webhook-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac))
}

func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   Outcome
	}{
		{"OK", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, Outcome{Delivered: true, Code: 204}},
		{"Refused", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no \x1b[31msuch\x00\n hook", http.StatusNotFound)
		},
			Outcome{Code: 404, Answer: "no [31msuch hook"}},
		{"Gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, Outcome{Code: 410, Gone: true}},
		{"Busy", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		}, Outcome{Code: 429, RetryAfter: 2 * time.Minute}},
		{"BusyForAYear", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999999999")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, Outcome{Code: 503, RetryAfter: time.Hour}},
		{"BusyInThePast", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, Outcome{Code: 503}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, test.answer)
			equal(t, sender(t).Send(t.Context(), webhookTo(r.URL), []Message{message("x")})[0], test.want)
		})
	}
}

// Many go a few at a time, and each has its own outcome.
func TestWebhooksAtOnce(t *testing.T) {
	t.Parallel()
	var under, most atomic.Int32
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		n := under.Add(1)
		defer under.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if strings.HasSuffix(q.Header.Get("Webhook-Id"), "3") {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	var messages []Message
	for n := range 40 {
		m := message("x")
		m.ID = fmt.Sprint(n)
		messages = append(messages, m)
	}
	outcomes := sender(t).Send(t.Context(), webhookTo(r.URL), messages)
	for n, o := range outcomes {
		equal(t, o.Delivered, n%10 != 3)
	}
	if m := most.Load(); m > AtOnce {
		t.Errorf("%d were under way at a time", m)
	}
}
