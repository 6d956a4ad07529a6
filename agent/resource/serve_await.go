package resource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// begin starts a slot and waits until it answers.
func (s *served) begin(ctx context.Context, next slot) error {
	if err := s.m.systemctl(ctx, "restart", next.unit); err != nil {
		return errors.Join(err, s.m.journal(ctx, next.unit))
	}
	if err := s.await(ctx, next); err != nil {
		s.h.say("The last lines of %s:", next.unit)
		return errors.Join(err, s.m.journal(context.WithoutCancel(ctx), next.unit))
	}
	return nil
}

// await waits until the app answers, or has shown that it will not.
func (s *served) await(ctx context.Context, next slot) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("%s does not answer on port %d within %s", s.App, next.port, s.Timeout))
	defer cancel()
	client := &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for n := 1; ; n++ {
		answer, err := s.ask(ctx, client, next.port)
		if err == nil && answer < 500 {
			return s.own(next)
		}
		if err == nil && last == "" {
			last = fmt.Sprintf("; it answers %s with %d", s.Check, answer)
		}
		if n%5 == 0 {
			if err := s.crashed(ctx, next); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w%s", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// ask makes one request, as one for the app's first domain.
func (s *served) ask(ctx context.Context, client *http.Client, port int) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+s.Check, nil)
	if err != nil {
		return 0, err
	}
	req.Host = s.domain()
	req.Header.Set("User-Agent", "opsyard-health")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (s *served) domain() string {
	attrs, err := attributes()
	if err != nil {
		return s.App
	}
	if v, ok := lookup(attrs, "deploy."+s.App+".domains.0"); ok && text(v) != "" {
		return strings.TrimPrefix(text(v), "*.")
	}
	return s.App
}

// crashed tells that a service which has just been started ends again and again.
func (s *served) crashed(ctx context.Context, next slot) error {
	state, err := s.m.property(ctx, next.unit, "ActiveState")
	if err != nil {
		return err
	}
	restarts, err := s.m.property(ctx, next.unit, "NRestarts")
	if err != nil {
		return err
	}
	if n, _ := strconv.Atoi(restarts); state == "failed" || n >= 2 {
		return fmt.Errorf("%s ends as soon as it is started", s.App)
	}
	return nil
}

// own tells that somebody else than the app answers on its port: any user of
// the machine may listen there while the app does not.
func (s *served) own(of slot) error {
	name, _, err := s.d.people()
	if err != nil {
		return err
	}
	return s.m.listens(of.port, name)
}
