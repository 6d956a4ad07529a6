// Package awsapi is the OpsWorks Stacks API for AWS clients: it checks the
// signature, decodes, asks the same verbs of the engine as the console, and
// encodes. There is one file for each noun; operations.go joins them.
package awsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/web"
)

// Config joins the API to the rest of the program.
type Config struct {
	// Engine is the whole engine: 74 operations leave little of it out.
	Engine    *engine.Engine
	Store     *store.Store // read only
	Logs      Logs
	Log       *slog.Logger
	PublicURL string           // the address that people use, for links in answers
	Now       func() time.Time // nil: the machine's clock
}

// API is the surface for AWS clients, an http.Handler for POST /.
type API struct {
	Config
	services  map[string]service // by the first part of X-Amz-Target
	calls     *calls
	readLimit time.Duration
	handler   http.Handler
}

// service is an AWS API at this endpoint.
type service struct {
	signingName string
	operations  operations
}

// Limits of a request.
const (
	maxBody     = 1 << 20 // custom JSON and environments fit many times
	readLimit   = 10 * time.Second
	answerLimit = 40 * time.Second // less than a connection's limit for writing
)

const contentType = "application/x-amz-json-1.1"

// stacks is the service that a target without a known service is checked as.
const stacksTarget = "OpsWorks_20130218"

// New makes the surface.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &API{Config: c, calls: newCalls(), readLimit: readLimit}
	a.services = map[string]service{stacksTarget: {signingName: "opsworks", operations: a.stacksAPI()}}
	a.handler = web.Chain(http.HandlerFunc(a.serve),
		web.WithRequestID,
		web.Log(c.Log, c.Now),
		web.Recover(c.Log, func(w http.ResponseWriter, _ *http.Request) { tell(w, internalFailure()) }),
	)
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-RequestId", web.RequestID(r.Context()))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	body, err := a.answer(w, r)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, body)
}

// answer does what the request asks for. Until the signature is known to be
// good, nothing of the engine is reached.
func (a *API) answer(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := a.readBody(w, r)
	if err != nil {
		return nil, err
	}
	target, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s, known := a.services[target]
	if !known {
		s = a.services[stacksTarget]
	}
	if strings.HasPrefix(name, "Describe") {
		r = r.WithContext(a.Store.Reading(r.Context()))
	}
	with, tried, err := a.authenticate(r, body, s.signingName)
	if err != nil {
		return nil, a.badCredential(r, tried, err)
	}
	done, ok := a.calls.begin(with.id)
	if !ok {
		return nil, &models.Error{Code: models.CodeThrottled, Message: "Rate exceeded"}
	}
	defer done()
	run, found := s.operations[name]
	if !known || !found || !isJSON(r) {
		return nil, unknownOperation(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerLimit)
	defer cancel()
	if ctx, err = a.actAs(ctx, r, with); err != nil {
		return nil, err
	}
	with.used()
	out, err := run(withAsked(ctx, name), name, body)
	if err != nil || out == nil {
		return nil, err
	}
	return encode(name, out)
}

// readBody reads all of a body that is neither too large nor too slow.
func (a *API) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // the rest is not worth reading
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(a.readLimit)) // a recorder in a test has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		// The deadline stays: before it answers, the server reads what is left.
		w.Header().Set("Connection", "close")
		return nil, &unreadable{err}
	}
	_ = connection.SetReadDeadline(time.Time{})
	return body, nil
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (kind == contentType || kind == "application/x-amz-json-1.0")
}

func encode(operation string, out any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false) // nobody shows it as HTML
	if err := e.Encode(out); err != nil {
		return nil, fmt.Errorf("encode the answer to %s: %w", operation, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
}
