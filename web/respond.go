package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"opsyard/models"
)

// Component is what a page is: something that writes itself. It is the
// interface of templ, named here so that this package needs no templ.
type Component interface {
	Render(ctx context.Context, w io.Writer) error
}

// Render answers with a page. It is drawn whole before the first byte leaves,
// so that a page that fails is an error page and not half a page.
func Render(w http.ResponseWriter, r *http.Request, status int, page Component) error {
	var buf bytes.Buffer
	if err := page.Render(r.Context(), &buf); err != nil {
		return fmt.Errorf("draw %s: %w", r.URL.Path, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the reader may be gone; nobody is left to tell
	return nil
}

// JSON answers with a small JSON object.
func JSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// SeeOther leads to the page that shows the result of a form.
func SeeOther(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, path, http.StatusSeeOther)
}

// StatusOf is the HTTP status of an error, the one place that says so.
func StatusOf(err error) int {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge
	}
	switch models.CodeOf(err) {
	case models.CodeInvalid:
		return http.StatusUnprocessableEntity
	case models.CodeNotFound:
		return http.StatusNotFound
	case models.CodeForbidden, models.CodeConfirm:
		return http.StatusForbidden
	case models.CodeUnauthenticated:
		return http.StatusUnauthorized
	case models.CodeConflict:
		return http.StatusConflict
	case models.CodeThrottled:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}

// LocalPath makes sure that a "come back to" address stays on this server;
// anything else becomes fallback.
func LocalPath(path, fallback string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return fallback
	}
	return path
}

// Flash is the result of a form, shown once on the next page.
type Flash struct {
	Tone string `json:"t"`
	Text string `json:"m"`
}

const flashCookie = "flash"

// SetFlash keeps the message for the next page.
func (c Cookies) SetFlash(w http.ResponseWriter, f Flash) {
	text, _ := json.Marshal(f) // two strings cannot fail
	c.Set(w, flashCookie, base64.RawURLEncoding.EncodeToString(text), 60)
}

// TakeFlash reads the message and forgets it.
func (c Cookies) TakeFlash(w http.ResponseWriter, r *http.Request) (Flash, bool) {
	value := c.Get(r, flashCookie)
	if value == "" {
		return Flash{}, false
	}
	c.Set(w, flashCookie, "", -1)
	text, err := base64.RawURLEncoding.DecodeString(value)
	var f Flash
	if err != nil || json.Unmarshal(text, &f) != nil || f.Text == "" {
		return Flash{}, false
	}
	return f, true
}
