package awsapi

import "sync"

// maxCalls is how many requests of one access key are answered at a time. A
// script with many threads stays below; one that has gone wild does not keep
// the others from being served.
const maxCalls = 100

// calls counts the requests under way by access key.
type calls struct {
	mu  sync.Mutex
	now map[string]int
}

func newCalls() *calls { return &calls{now: map[string]int{}} }

// begin refuses when the key has enough under way; otherwise done must be
// called at the end.
func (c *calls) begin(key string) (done func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now[key] >= maxCalls {
		return nil, false
	}
	c.now[key]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.now[key]--; c.now[key] == 0 {
			delete(c.now, key)
		}
	}, true
}
