package engine

import (
	"net/netip"
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
	now   func() time.Time
	every time.Duration // between two tries, once those at once are used up
	mu    sync.Mutex
	by    map[string]*limiter
	swept time.Time
}

type limiter struct {
	*rate.Limiter
	used  time.Time
	wrong int // tries of a known pair that were wrong, since it was forgiven
}

const (
	triesAtOnce = 10
	tryEvery    = 6 * time.Second
	// codeEvery is for the six digits of an authenticator app. Three of a million
	// are right at any time, so whoever knows the password has, in a day, one
	// chance in two hundred.
	codeEvery   = time.Minute
	maxLimiters = 10_000
)

func newThrottle(now func() time.Time, every time.Duration) *throttle {
	return &throttle{now: now, every: every, by: map[string]*limiter{}}
}

// allow takes a try for a name from an address. known says that the person of
// that name has signed in from there before: such a pair has tries of its own,
// so that strangers who use up those of the name keep nobody out.
func (t *throttle) allow(name, addr string, known bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.sweep(now)
	if known {
		return t.one(pair(name, addr), now)
	}
	// both are asked, so that neither refills while the other refuses; but an
	// address that is refused makes no more names to remember
	byAddr, named := t.one("a:"+network(addr), now), "n:"+clip(name, longestKey)
	if !byAddr && t.by[named] == nil {
		return false
	}
	return t.one(named, now) && byAddr
}

// sweep forgets who has all tries again, when there are many to remember; not
// each time, so that many are no work for everybody.
func (t *throttle) sweep(now time.Time) {
	if len(t.by) <= maxLimiters || now.Sub(t.swept) < t.every {
		return
	}
	t.swept = now
	for key, l := range t.by {
		if now.Sub(l.used) > triesAtOnce*t.every {
			delete(t.by, key)
		}
	}
}

func (t *throttle) one(key string, now time.Time) bool {
	l := t.by[key]
	if l == nil {
		l = &limiter{Limiter: rate.NewLimiter(rate.Every(t.every), triesAtOnce)}
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
	delete(t.by, "n:"+clip(name, longestKey))
	delete(t.by, "a:"+network(addr))
	delete(t.by, pair(name, addr))
}

// wrong counts a try that was wrong of a name that is known at an address, and
// gives how many there were in a row.
func (t *throttle) wrong(name, addr string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.by[pair(name, addr)]
	if l == nil {
		return 0 // forgiven meanwhile
	}
	l.wrong++
	return l.wrong
}

// longestKey bounds what a stranger can have remembered.
const longestKey = 96

func pair(name, addr string) string { return "p:" + clip(name, longestKey) + " " + network(addr) }

// network is whose an address is, for counting: whoever has one address of IPv6
// has the 2^64 that begin alike.
func network(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Unmap().Is4() {
		return addr
	}
	beginning, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return beginning.String()
}
