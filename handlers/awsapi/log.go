package awsapi

import (
	"compress/gzip"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"opsyard/engine/logstream"
	"opsyard/models"
	"opsyard/web"
)

// Logs is what the API needs of the log stream.
type Logs interface {
	Text(ctx context.Context, id models.CommandID, after int64) (*logstream.Text, error)
}

// LogPattern is where a server mounts API.LogHandler.
const LogPattern = "GET /aws/logs/{command}"

// logLife is how long a LogUrl is good for, as at AWS.
const logLife = 2 * time.Hour

// logURL is an address from which whoever has it may read a command's log for
// two hours: the signature in it is the right. All servers of an installation
// make and know the same ones.
func (a *API) logURL(id models.CommandID) string {
	expires := strconv.FormatInt(a.Now().Add(logLife).Unix(), 10)
	query := url.Values{"Expires": {expires}, "Signature": {base64.RawURLEncoding.EncodeToString(a.signLog(id, expires))}}
	return strings.TrimRight(a.PublicURL, "/") + "/aws/logs/" + url.PathEscape(string(id)) + "?" + query.Encode()
}

func (a *API) signLog(id models.CommandID, expires string) []byte {
	return a.Store.MAC("log url", string(id)+"\n"+expires)
}

// LogHandler serves what LogUrl points to: the bytes that the host wrote, packed for
// clients that take gzip. No level is asked for, only the signature.
func (a *API) LogHandler() http.Handler {
	return web.Chain(http.HandlerFunc(a.serveLog),
		web.WithRequestID,
		web.Log(a.Log, a.Now), // the path alone, so no signature
		web.Recover(a.Log, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Internal error.", http.StatusInternalServerError)
		}),
	)
}

func (a *API) serveLog(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cache-Control", "private, no-store")
	id := models.CommandID(r.PathValue("command"))
	if !a.mayRead(id, r.URL.Query()) {
		http.Error(w, "This address is not valid, or no longer: ask DescribeCommands for a new one.", http.StatusForbidden)
		return
	}
	log, err := a.Logs.Text(r.Context(), id, 0)
	switch {
	case err != nil && models.CodeOf(err) != models.CodeNotFound:
		a.Log.ErrorContext(r.Context(), "read a log", slog.String("command_id", string(id)), slog.Any("error", err))
		http.Error(w, "Internal error.", http.StatusInternalServerError)
		return
	case err != nil || log.Bytes == 0:
		a.serveReason(w, r, id)
		return
	}
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("Vary", "Accept-Encoding")
	web.NoWriteLimit(w)
	if err := writeLog(w, log, takesGzip(r)); err != nil && r.Context().Err() == nil {
		// The answer has begun: only a cut connection tells the reader that it is not whole.
		a.Log.WarnContext(r.Context(), "send a log", slog.String("command_id", string(id)), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
}

// serveReason stands for the log of a command that failed before it wrote
// anything: the API has no other place for the reason.
func (a *API) serveReason(w http.ResponseWriter, r *http.Request, id models.CommandID) {
	c, err := a.Store.Commands.Get(r.Context(), id)
	if err != nil || c.Message == "" {
		http.Error(w, "There is no log of this command.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, c.Message)
}

// mayRead tells whether the address is one that logURL made, and not long ago.
func (a *API) mayRead(id models.CommandID, query url.Values) bool {
	expires := query.Get("Expires")
	signature, err := base64.RawURLEncoding.DecodeString(query.Get("Signature"))
	if err != nil || !hmac.Equal(signature, a.signLog(id, expires)) {
		return false
	}
	until, err := strconv.ParseInt(expires, 10, 64)
	return err == nil && a.Now().Unix() < until
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if coding == "gzip" {
			return !strings.HasPrefix(weight, "q=0") || strings.Trim(weight, "q=0.") != ""
		}
	}
	return false
}

func writeLog(w http.ResponseWriter, log io.WriterTo, packed bool) error {
	if !packed {
		_, err := log.WriteTo(w)
		return err
	}
	w.Header().Set("Content-Encoding", "gzip")
	zip := gzip.NewWriter(w)
	_, err := log.WriteTo(zip)
	if err = errors.Join(err, zip.Close()); err != nil {
		return fmt.Errorf("pack a log: %w", err)
	}
	return nil
}
