// Package pubsub tells whoever watches that something has changed. It carries
// names, never content: a watcher reads the rows again.
package pubsub

import "sync"

// Message says that the thing with this id has changed.
type Message struct {
	Topic string
	Kind  string // "stack", "instance", "deployment", "command", …; Gap when messages were lost
	ID    string
}

// Gap is the Kind of a message that stands for lost ones: read everything again.
const Gap = "gap"

// queue is how many messages a watcher may be behind before it gets a Gap.
const queue = 256

// Hub carries messages from publishers to subscriptions inside this process.
type Hub struct {
	mu   sync.RWMutex
	subs map[string]map[*Subscription]struct{}
}

// NewHub makes an empty hub.
func NewHub() *Hub { return &Hub{subs: map[string]map[*Subscription]struct{}{}} }

// Subscription is one watcher's view of its topics.
type Subscription struct {
	// C delivers the messages; it is closed by Close.
	C <-chan Message

	c      chan Message
	hub    *Hub
	topics []string
	mu     sync.Mutex
	gap    bool
	closed bool
}

// Subscribe watches the topics until Close.
func (h *Hub) Subscribe(topics ...string) *Subscription {
	c := make(chan Message, queue)
	s := &Subscription{C: c, c: c, hub: h, topics: topics}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		if h.subs[t] == nil {
			h.subs[t] = map[*Subscription]struct{}{}
		}
		h.subs[t][s] = struct{}{}
	}
	return s
}

// Publish hands the message to the topic's watchers. It never blocks.
func (h *Hub) Publish(topic string, m Message) {
	m.Topic = topic
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.subs[topic] {
		s.offer(m)
	}
}

// offer queues the message; a full queue loses its oldest half's worth and
// says so with a Gap, because names of things long changed help nobody.
func (s *Subscription) offer(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.gap && len(s.c) > queue/2 {
		return // the Gap in the queue covers this one
	}
	s.gap = false
	if len(s.c) < queue-1 {
		s.c <- m
		return
	}
	s.gap = true
	s.c <- Message{Topic: m.Topic, Kind: Gap}
}

// Close ends the subscription and closes C; a second call does nothing.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	for _, t := range s.topics {
		delete(s.hub.subs[t], s)
		if len(s.hub.subs[t]) == 0 {
			delete(s.hub.subs, t)
		}
	}
	s.hub.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.c)
	}
}
