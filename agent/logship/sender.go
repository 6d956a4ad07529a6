package logship

import "opsyard/agent/protocol"

// Window is how many bytes of one log may be on their way, unconfirmed.
const Window = 1 << 20

// Sender sends one log over one session after the other.
type Sender struct {
	log          *Log
	stored, sent int64 // chunk numbers
}

// NewSender sends from the first chunk.
func NewSender(log *Log) *Sender { return &Sender{log: log} }

// Resume begins a session in which the server has chunks up to stored.
func (s *Sender) Resume(stored int64) {
	if stored > s.log.Last() {
		s.log.Adopt(stored)
	}
	s.stored, s.sent = stored, stored
}

// Stored takes the server's word that chunks up to seq are durable.
func (s *Sender) Stored(seq int64) {
	s.stored = max(s.stored, min(seq, s.sent))
}

// Next returns the next chunk to send, or false when there is none or the
// window is full.
func (s *Sender) Next() (protocol.LogChunk, bool, error) {
	if s.sent >= s.log.Last() || s.log.End(s.sent)-s.log.End(s.stored) >= Window {
		return protocol.LogChunk{}, false, nil
	}
	chunk, err := s.log.Chunk(s.sent + 1)
	if err != nil {
		return protocol.LogChunk{}, false, err
	}
	s.sent++
	return chunk, true, nil
}

// Complete tells whether the server has every chunk there is.
func (s *Sender) Complete() bool { return s.stored >= s.log.Last() }

// Unstored is the number of bytes not yet confirmed.
func (s *Sender) Unstored() int64 { return s.log.End(s.log.Last()) - s.log.End(s.stored) }
