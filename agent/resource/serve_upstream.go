package resource

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// upstream is who gets the app's requests. While two versions run, the other one
// is the fallback: none can be lost to a port that has just been closed. A port
// on which no version runs is not named, anybody could listen there.
type upstream struct {
	of     slot
	backup *slot
	down   bool
}

func (u upstream) conf(app string) string {
	lines := fmt.Sprintf("    server 127.0.0.1:%d max_fails=0;\n", u.of.port)
	if u.down {
		lines = fmt.Sprintf("    server 127.0.0.1:%d down;\n", u.of.port)
	}
	if u.backup != nil {
		lines += fmt.Sprintf("    server 127.0.0.1:%d backup;\n", u.backup.port)
	}
	return fmt.Sprintf("# Written by Opsyard; changes made here are lost.\nupstream opsyard-app-%s {\n%s}\n", app, lines)
}

// point has Nginx give the requests to the upstream.
func (s *served) point(ctx context.Context, to upstream) error {
	path := filepath.Join("/etc/nginx/conf.d", "opsyard-app-"+s.App+".conf")
	old, err := readFile(s.h.path(path))
	if err != nil {
		return err
	}
	conf := to.conf(s.App)
	if string(old.content) == conf {
		return nil
	}
	if err := s.put(path, []byte(conf), 0o644); err != nil {
		return err
	}
	if err := s.m.reloadNginx(ctx); err != nil {
		return errors.Join(fmt.Errorf("point Nginx at the app: %w", err), old.restore())
	}
	return nil
}

// drained waits until the processes of Nginx from before its reload have
// answered their requests. Those that take too long are the app's to end.
func (s *served) drained(ctx context.Context, workers []int) error {
	limit := time.NewTimer(s.Drain)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		now := s.m.nginxWorkers(ctx)
		if !slices.ContainsFunc(workers, func(pid int) bool { return slices.Contains(now, pid) }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit.C:
			s.h.say("Some requests to the old version are still under way after %s.", s.Drain)
			return nil
		case <-tick.C:
		}
	}
}
