package handlers

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"opsyard/models"
	"opsyard/web"
)

// Headers of a log's text.
const (
	headerLogSeq      = "Opsyard-Log-Seq"      // of the last chunk in the answer: ?after=SEQ goes on from there
	headerLogComplete = "Opsyard-Log-Complete" // "true" when nothing more will come
	headerLogSHA256   = "Opsyard-Log-Sha256"   // of the whole log, once it is complete
)

// logText answers with the bytes that the host wrote, for people and curl.
func (h *Handlers) logText(w http.ResponseWriter, r *http.Request, c *models.Command) {
	after, err := number(r, "after", 0)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	text, err := h.Logs.Text(r.Context(), c.ID, after)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set(headerLogSeq, strconv.FormatInt(text.LastSeq, 10))
	head.Set(headerLogComplete, strconv.FormatBool(text.Complete))
	if text.SHA256 != "" {
		head.Set(headerLogSHA256, text.SHA256)
	}
	if r.Form.Has("download") {
		head.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", logFile(c)))
	}
	web.NoWriteLimit(w)
	if _, err := text.WriteTo(w); err != nil && r.Context().Err() == nil {
		// The answer has begun: only a cut connection tells the reader that it is not whole.
		h.Log.WarnContext(r.Context(), "send a log", slog.String("command_id", string(c.ID)), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
}

// logFile names the download so that two of them can be told apart.
func logFile(c *models.Command) string {
	return fmt.Sprintf("%s-%s-%s.log", c.Hostname, c.Type, c.ID[:min(8, len(c.ID))])
}

// number reads a whole number from the address.
func number(r *http.Request, name string, fallback int64) (int64, error) {
	text := r.Form.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, models.InvalidField(name, "%q is not a whole number.", text)
	}
	return n, nil
}
