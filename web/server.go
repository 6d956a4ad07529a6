package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of one connection. Handlers that stream lift the write limit with
// NoWriteLimit; websockets have deadlines of their own.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	graceful      = 10 * time.Second
)

// Server serves one handler on one listener.
type Server struct {
	Handler http.Handler
	Log     *slog.Logger
	// OnStop is called when the server begins to stop: whoever holds
	// websockets closes them here, because the server does not know them.
	OnStop func()
}

// Serve answers requests until ctx ends, then lets those under way finish.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	if s.OnStop != nil {
		s.OnStop()
	}
	return s.shutdown(server, ended)
}

// shutdown waits for requests under way, but not forever.
func (s *Server) shutdown(server *http.Server, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), graceful)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.Log.Info("requests cut at stop", slog.Duration("after", graceful))
		err = server.Close()
	}
	<-ended
	if err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

// NoWriteLimit lets an answer take as long as its reader needs. The caller
// watches the request's context.
func NoWriteLimit(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}
