package engine

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"opsyard/models"
)

func errTooManyTries() error {
	return &models.Error{Code: models.CodeThrottled, Message: "Too many tries. Wait a minute, then try again."}
}

// throttle slows guessing: per name and per address a few tries at once, then
// one each few seconds. Nobody is locked out for good.
type throttle struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*limiter
}

type limiter struct {
	*rate.Limiter
	used time.Time
}

const (
	triesAtOnce = 10
	tryEvery    = 6 * time.Second
	maxLimiters = 10_000
)

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, by: map[string]*limiter{}}
}

// allow takes a try for a name from an address. known says that the person of
// that name has signed in from there before: such a pair has tries of its own,
// so that strangers who use up those of the name keep nobody out.
func (t *throttle) allow(name, addr string, known bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if len(t.by) > maxLimiters {
		for key, l := range t.by {
			if now.Sub(l.used) > triesAtOnce*tryEvery {
				delete(t.by, key)
			}
		}
	}
	if known {
		return t.one(pair(name, addr), now)
	}
	// both are asked, so that neither refills while the other refuses
	byName, byAddr := t.one("n:"+clip(name, 64), now), t.one("a:"+addr, now)
	return byName && byAddr
}

func (t *throttle) one(key string, now time.Time) bool {
	l := t.by[key]
	if l == nil {
		l = &limiter{Limiter: rate.NewLimiter(rate.Every(tryEvery), triesAtOnce)}
		t.by[key] = l
	}
	l.used = now
	return l.AllowN(now, 1)
}

// forgive forgets the tries of a name that has signed in, and of the address
// that it did so from: behind a proxy that is everybody's.
func (t *throttle) forgive(name, addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, "n:"+clip(name, 64))
	delete(t.by, "a:"+addr)
	delete(t.by, pair(name, addr))
}

func pair(name, addr string) string { return "p:" + clip(name, 64) + " " + addr }
