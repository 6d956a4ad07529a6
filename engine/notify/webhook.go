package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"opsyard/models"
)

// webhook posts one event, signed as Standard Webhooks 1.0 says.
func (s *Sender) webhook(ctx context.Context, c *models.NotificationChannel, m Message) Outcome {
	key, err := c.Key()
	if err != nil {
		return Outcome{Answer: models.Sentence(err)}
	}
	id, at := "msg_"+m.ID, strconv.FormatInt(s.Now().Unix(), 10)
	return s.post(ctx, c.URL, m.Body, map[string]string{
		"webhook-id": id, "webhook-timestamp": at, "webhook-signature": sign(key, id, at, m.Body),
	})
}

// sign signs what a receiver has to trust: which message, when, and all of it.
func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, at)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post sends JSON and reads the beginning of the answer.
func (s *Sender) post(ctx context.Context, url string, body []byte, header map[string]string) Outcome {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return Outcome{Answer: "The address of the channel cannot be used."}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Opsyard/"+s.Version)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return Outcome{Answer: s.why(ctx, err)}
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	o := Outcome{
		Code: response.StatusCode, Delivered: response.StatusCode/100 == 2, Gone: response.StatusCode == http.StatusGone,
		Answer: clean(string(said)), RetryAfter: s.retryAfter(response),
	}
	switch {
	case response.StatusCode/100 == 3:
		o.Answer = "The receiver redirects to another address, which is not followed: enter that one."
	case err != nil && !o.Delivered:
		o.Answer = s.why(ctx, err)
	}
	return o
}

// longestRetryAfter bounds what a receiver can ask for.
const longestRetryAfter = time.Hour

func (s *Sender) retryAfter(r *http.Response) time.Duration {
	if r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := r.Header.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(seconds, int(longestRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(s.Now())
	}
	return max(0, min(wait, longestRetryAfter))
}

// clean makes what a stranger said one short line of text.
func clean(said string) string {
	said = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(said, ""))
	said = strings.Join(strings.Fields(said), " ")
	if runes := []rune(said); len(runes) > answerRunes {
		return string(runes[:answerRunes]) + "…"
	}
	return said
}
