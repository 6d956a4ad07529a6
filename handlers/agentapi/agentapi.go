// Package agentapi is where agents connect: they enrol, keep a session, send
// their logs and fetch what their commands need.
package agentapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine"
	"opsyard/engine/dispatch"
	"opsyard/models"
	"opsyard/web"
)

// Engine is what agents can ask for.
type Engine interface {
	EnrollAgent(ctx context.Context, r protocol.EnrollRequest) (*protocol.EnrollResponse, error)
	AgentInstance(ctx context.Context, id models.InstanceID) (*models.Instance, error)
	ConnectAgent(ctx context.Context, id models.InstanceID, hello protocol.Hello, link dispatch.Link) error
	DisconnectAgent(id models.InstanceID, link dispatch.Link)
	Heartbeat(id models.InstanceID)
	MetricsSeconds() int
	RecordMetrics(id models.InstanceID, m protocol.Metrics)
	AccountsApplied(ctx context.Context, id models.InstanceID, said protocol.AccountsApplied) error
	ProbeAnswered(id models.InstanceID, r protocol.ProbeResult)
	ShellOutput(id models.InstanceID, m protocol.ShellOutput)
	ShellTaken(id models.InstanceID, m protocol.ShellTaken)
	ShellEnded(id models.InstanceID, m protocol.ShellEnded)
	AcknowledgeCommand(id models.InstanceID, command models.CommandID)
	FinishCommand(ctx context.Context, id models.InstanceID, done protocol.Done) error
	RebootAfter(ctx context.Context, id models.InstanceID, done protocol.Done) (itself bool, err error)
	OwnsCommand(ctx context.Context, id models.InstanceID, command models.CommandID) (bool, error)
	Content(ctx context.Context, digest string) ([]byte, error)
}

// Logs takes the chunks of the commands' output.
type Logs interface {
	// Append stores a chunk before it returns and tells up to which sequence
	// number all chunks are stored.
	Append(ctx context.Context, command models.CommandID, chunk protocol.LogChunk) (int64, error)
	StoredSeq(ctx context.Context, command models.CommandID) (int64, error)
}

// API is the surface for agents, an http.Handler.
type API struct {
	engine Engine
	logs   Logs
	log    *slog.Logger
	// downloads is the directory with agent programs to download.
	downloads string
	mux       *http.ServeMux

	began  time.Time
	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex                   // also between begin and Stop
	tokens map[string]models.InstanceID // of open sessions, for Content
	lines  map[*session]bool            // that watch looks at
}

// New makes the surface, which Stop ends. downloads is the directory with agent programs, named
// opsyard-agent or opsyard-agent-OS-ARCH.
func New(verbs Engine, logs Logs, log *slog.Logger, downloads string) *API {
	a := &API{
		engine: verbs, logs: logs, log: log, downloads: downloads, mux: http.NewServeMux(), began: time.Now(),
		tokens: map[string]models.InstanceID{}, lines: map[*session]bool{},
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.done.Go(a.watch)
	a.mux.HandleFunc("POST "+protocol.PathEnroll, a.enroll)
	a.mux.HandleFunc("GET "+protocol.PathSession, a.session)
	a.mux.HandleFunc("GET "+protocol.PathContent+"/{digest}", a.content)
	a.mux.HandleFunc("GET /agent/install.sh", a.installer)
	a.mux.HandleFunc("GET "+engine.InstallerPath, a.archive)
	a.mux.HandleFunc("GET /agent/download/{os}/{arch}", a.download)
	return a
}

// ServeHTTP answers below /agent/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Stop closes all sessions and waits for them; agents come back by themselves.
func (a *API) Stop() {
	a.mu.Lock()
	a.cancel()
	a.mu.Unlock()
	a.done.Wait()
}

// begin runs a session unless the surface has stopped.
func (a *API) begin(s *session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx.Err() != nil {
		return false
	}
	a.done.Go(s.run)
	return true
}

// maxEnroll bounds the body of an enrolment.
const maxEnroll = 64 << 10

func (a *API) enroll(w http.ResponseWriter, r *http.Request) {
	var request protocol.EnrollRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEnroll)).Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, protocol.RefusedToken, "The request to enrol is not valid JSON, or too large.")
		return
	}
	request.Facts = request.Facts.Plausible()
	ctx := models.WithActor(r.Context(), models.Actor{Kind: models.ActorAgent, Name: request.Facts.Hostname, Surface: "agent", SourceAddr: web.SourceAddr(r)})
	response, err := a.engine.EnrollAgent(ctx, request)
	switch {
	case err == nil:
		web.JSON(w, http.StatusOK, response)
	case models.CodeOf(err) == models.CodeInternal:
		a.log.ErrorContext(ctx, "enrol an agent", slog.Any("error", err))
		refuse(w, http.StatusServiceUnavailable, protocol.RefusedBusy, models.Sentence(err))
	default:
		refuse(w, http.StatusForbidden, protocol.RefusedToken, models.Sentence(err))
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	web.JSON(w, status, protocol.Refusal{Code: code, Message: message})
}

// content hands out a document by its digest to an agent with an open session.
func (a *API) content(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	a.mu.Lock()
	_, ok := a.tokens[token]
	a.mu.Unlock()
	if !ok || token == "" {
		refuse(w, http.StatusUnauthorized, protocol.RefusedIdentity, "The session has ended.")
		return
	}
	packed, err := a.engine.Content(r.Context(), r.PathValue("digest"))
	switch {
	case err == nil:
	case models.CodeOf(err) == models.CodeNotFound:
		refuse(w, http.StatusNotFound, protocol.RefusedIdentity, "There is no such content.")
		return
	default:
		a.log.ErrorContext(r.Context(), "read content for an agent", slog.Any("error", err))
		refuse(w, http.StatusServiceUnavailable, protocol.RefusedBusy, models.Sentence(err))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(packed) // an agent that has gone fetches it again
}

func (a *API) openToken(id models.InstanceID) string {
	token := rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[token] = id
	return token
}

func (a *API) closeToken(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, token)
}

// download hands out the agent program for a host that is to be enrolled.
func (a *API) download(w http.ResponseWriter, r *http.Request) {
	system, arch := r.PathValue("os"), r.PathValue("arch")
	for _, name := range []string{"opsyard-agent-" + system + "-" + arch, native(system, arch)} {
		if name == "" || name != filepath.Base(name) {
			continue
		}
		file, err := os.Open(filepath.Join(a.downloads, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			a.log.ErrorContext(r.Context(), "open the agent program", slog.Any("error", err))
			continue
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, name, info.ModTime(), file)
		return
	}
	http.Error(w, fmt.Sprintf("This server has no agent for %[1]s on %[2]s. Build one with \"CGO_ENABLED=0 GOOS=%[1]s GOARCH=%[2]s go build -o opsyard-agent-%[1]s-%[2]s ./agent/cmd/opsyard-agent\" and lay it beside opsyard.", system, arch), http.StatusNotFound)
}
