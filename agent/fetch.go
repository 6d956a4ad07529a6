package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"opsyard/agent/content"
	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// fetchTimeout bounds one try to fetch one thing.
const fetchTimeout = 5 * time.Minute

// errGone is a no that asking again does not change.
var errGone = errors.New("the server does not have it")

// fetchContent brings the command's documents and cookbooks to the disk. A
// server that is away is waited for; the caller's context bounds that.
func (a *Agent) fetchContent(ctx context.Context, run protocol.Run) error {
	digests := slices.Concat(run.Attributes, run.DataBags, run.Cookbooks)
	fetched := false
	for _, digest := range digests {
		if a.content.Has(digest) {
			continue
		}
		fetched = true
		if err := a.fetchUntilHere(ctx, digest); err != nil {
			return fmt.Errorf("fetch the command's content %s: %w", digest, err)
		}
	}
	if !fetched {
		return nil
	}
	return a.content.Prune(digests)
}

func (a *Agent) fetchUntilHere(ctx context.Context, digest string) error {
	for tries := 0; ; tries++ {
		l, changed := a.currentLink()
		if l == nil {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-changed:
			}
			continue
		}
		err := a.fetchOnce(ctx, l, digest)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, errGone) || errors.Is(err, content.ErrTooBig) || errors.Is(err, content.ErrDigest) && tries > 2 {
			return err
		}
		a.log.WarnContext(ctx, "fetch content", slog.String("digest", digest), slog.Any("error", err))
		timer := time.NewTimer(a.backoff(tries))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (a *Agent) fetchOnce(ctx context.Context, l *session.Link, digest string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	address := strings.TrimRight(a.cfg.Server, "/") + protocol.PathContent + "/" + digest
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	req.Header.Set("Authorization", "Bearer "+l.Token)
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return a.content.Add(digest, resp.Body)
	case http.StatusNotFound, http.StatusGone, http.StatusForbidden, http.StatusBadRequest:
		return fmt.Errorf("%w: it answered %q", errGone, resp.Status)
	}
	return session.ReadRefusal(resp)
}
