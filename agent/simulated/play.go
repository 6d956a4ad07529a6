package simulated

import (
	"fmt"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/session"
)

// window is how many bytes of log may be on their way, unconfirmed; nothing
// beyond it is made, so a million lines take no memory.
const window = 256 << 10

// play is a command being acted. What it prints, and where its chunks end,
// depends on the script alone and not on the clock: an agent that has lost its
// memory in a crash and plays the command again says the same.
type play struct {
	run     protocol.Run
	due     time.Time // when the agent answers
	host    string
	b       Behaviour
	began   time.Time
	lasts   time.Duration
	outcome protocol.Outcome
	message string

	line    int   // the next to print
	offset  int64 // bytes printed
	seq     int64 // of the last chunk
	recipe  int   // the one that is open, or -1
	closed  bool  // the last step has ended
	chunks  []protocol.LogChunk
	pending int64 // bytes of chunks
	have    int64 // the last chunk that the server has
	done    *protocol.Done

	on        *session.Link // the session that sent and said are about
	sent      int64         // the last chunk sent in it
	said      bool          // done was sent in it
	confirmed bool          // the server has stored done
}

// begin decides how the command goes.
func (p *play) begin(s *Script, host string, now time.Time) {
	p.host, p.b, p.began, p.outcome = host, s.behaviour(p.run.Type), now, protocol.Successful
	chance := s.chance(host, p.run.CommandID)
	p.lasts = vary(chance, p.b.Duration, 0.25)
	failed := chance.Float64() < p.b.FailureRate
	switch {
	case p.b.Outcome != nil:
		p.outcome, p.message = p.b.Outcome(host, p.run)
	case failed:
		p.outcome, p.message = protocol.Failed, "The script made this command fail."
	}
	if limit := time.Duration(p.run.TimeoutSeconds) * time.Second; limit > 0 && p.lasts > limit {
		p.lasts, p.outcome = limit, protocol.Expired
		p.message = fmt.Sprintf("The command was ended because it took longer than %s.", limit)
	}
}

func (p *play) begun() bool { return !p.began.IsZero() }

// after is when a line is printed, counted from the beginning.
func (p *play) after(line int) time.Duration {
	if p.b.Lines == 0 {
		return 0
	}
	return p.lasts * time.Duration(line) / time.Duration(p.b.Lines)
}

// advance plays up to now and tells when there is more to play; zero means not
// before the server has confirmed something.
func (p *play) advance(now time.Time) (next time.Time) {
	elapsed := now.Sub(p.began)
	for p.done == nil && p.pending < window {
		slot := p.after(p.line) / protocol.ChunkDelay
		ends := min((slot+1)*protocol.ChunkDelay, p.lasts)
		if p.line >= p.b.Lines {
			ends = p.lasts
		}
		if elapsed < ends {
			return p.began.Add(ends)
		}
		p.chunk(slot)
		if p.line >= p.b.Lines && p.closed {
			p.finish(p.outcome, p.message, now)
		}
	}
	return time.Time{}
}

// chunk prints the lines of a slot of time, or as many as fit a chunk.
func (p *play) chunk(slot time.Duration) {
	c := protocol.LogChunk{CommandID: p.run.CommandID, Offset: p.offset, At: p.began.Add(p.after(p.line))}
	for p.line < p.b.Lines && p.after(p.line)/protocol.ChunkDelay == slot {
		recipe := p.recipeOf(p.line)
		text := p.b.Output(Line{Host: p.host, Run: &p.run, Recipe: p.nameOf(recipe), Index: p.line, At: p.began.Add(p.after(p.line))}) + "\n"
		if len(c.Data) > 0 && len(c.Data)+len(text) > protocol.ChunkSize {
			break
		}
		p.enter(&c, recipe)
		text = text[:min(len(text), protocol.ChunkSize)]
		c.Data = append(c.Data, text...)
		p.line++
	}
	if p.line >= p.b.Lines && !p.closed {
		p.enter(&c, len(p.run.RunList))
		p.closed = true
	}
	if len(c.Data) == 0 && len(c.Steps) == 0 {
		return
	}
	p.seq++
	c.Seq = p.seq
	p.offset += int64(len(c.Data))
	if c.Seq > p.have {
		p.pending += int64(len(c.Data))
		p.chunks = append(p.chunks, c)
	}
}

// recipeOf shares the lines among the recipes.
func (p *play) recipeOf(line int) int {
	if n := len(p.run.RunList); n > 0 {
		return line * n / p.b.Lines
	}
	return -1
}

func (p *play) nameOf(recipe int) string {
	if recipe < 0 {
		return ""
	}
	return p.run.RunList[recipe].Recipe
}

// enter ends the recipes before this one and begins it.
func (p *play) enter(c *protocol.LogChunk, recipe int) {
	step := func(index int, result string) {
		at := c.Offset + int64(len(c.Data))
		c.Steps = append(c.Steps, protocol.Step{Index: index, Parent: -1, Kind: "recipe", Name: p.nameOf(index), Offset: at, At: c.At, Result: result})
	}
	for p.recipe < recipe {
		if p.recipe >= 0 {
			result := "successful"
			if recipe == len(p.run.RunList) && p.recipe == recipe-1 && p.outcome != protocol.Successful {
				result = "failed"
			}
			step(p.recipe, result)
		}
		if p.recipe++; p.recipe < len(p.run.RunList) {
			step(p.recipe, "")
		}
	}
}

// finish ends the play, at its end or before.
func (p *play) finish(outcome protocol.Outcome, message string, now time.Time) {
	done := protocol.Done{CommandID: p.run.CommandID, Outcome: outcome, At: now, LastSeq: p.seq}
	if outcome != protocol.Successful {
		done.ExitCode, done.Message = 1, message
	}
	p.done = &done
}

// stored forgets chunks that the server has.
func (p *play) stored(seq int64) {
	p.have = max(p.have, seq)
	for len(p.chunks) > 0 && p.chunks[0].Seq <= seq {
		p.pending -= int64(len(p.chunks[0].Data))
		p.chunks = p.chunks[1:]
	}
}

// messages are what the session has not had yet.
func (p *play) messages(l *session.Link, out []any) []any {
	if p.on != l {
		p.on, p.sent, p.said = l, l.Stored[p.run.CommandID], false
		p.stored(p.sent)
		out = append(out, protocol.Accepted{CommandID: p.run.CommandID, At: time.Now()})
		if p.begun() {
			out = append(out, protocol.Started{CommandID: p.run.CommandID, At: p.began})
		}
	}
	for _, c := range p.chunks {
		if c.Seq > p.sent {
			out = append(out, c)
			p.sent = c.Seq
		}
	}
	if p.done != nil && !p.said {
		out = append(out, *p.done)
		p.said = true
	}
	return out
}
