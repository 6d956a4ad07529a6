package notify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/models"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// sender is a sender that may call the test's own servers.
func sender(t *testing.T, change ...func(*Config)) *Sender {
	t.Helper()
	c := Config{AllowInternal: true, Version: "1.2", Timeout: 5 * time.Second}
	for _, f := range change {
		f(&c)
	}
	s := New(c)
	t.Cleanup(s.Close)
	return s
}

func message(text string) Message {
	return Message{
		ID: "0190-1", At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Stack: "Shop", Text: text,
		Link: "https://ops.example/instances/1", Body: []byte(`{"id":"0190-1"}`),
	}
}

func webhookTo(url string) *models.NotificationChannel {
	return &models.NotificationChannel{Kind: models.ChannelWebhook, URL: url, Secret: testSecret}
}

// receiver is a server that keeps what it is sent.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []http.Header
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.bodies, r.heads = append(r.bodies, string(body)), append(r.heads, q.Header.Clone())
		r.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() ([]string, []http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...), append([]http.Header(nil), r.heads...)
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func holds(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q does not hold %q", text, part)
	}
}

func lacks(t *testing.T, text, part string) {
	t.Helper()
	if strings.Contains(text, part) {
		t.Errorf("%q holds %q", text, part)
	}
}
