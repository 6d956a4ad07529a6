// Package simulated makes agents that speak the real protocol and run nothing:
// thousands fit into one process, each doing what a script says.
package simulated

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"opsyard/agent/protocol"
)

// Script says what simulated agents do. The zero Script does everything at
// once, without a word, and succeeds. All chance comes from Seed, the host and
// the command, so a run can be repeated.
type Script struct {
	Seed uint64
	// Boot is the time from power to the first word to the server; it varies
	// by half of it in both directions.
	Boot time.Duration
	// Lag is the time from a command's arrival until the agent answers and
	// begins: a real one writes it to its disk first.
	Lag time.Duration
	// Metrics makes the figures of the time up to a moment, in the protocol's
	// order; the default is a small machine with a day's rhythm.
	Metrics func(host string, at time.Time) protocol.Figures
	// Commands says how each type of command ("setup", "configure", …) goes;
	// the one under "" is for all others.
	Commands map[string]Behaviour
}

// Behaviour is how a command goes.
type Behaviour struct {
	// Duration varies by a quarter of it in both directions.
	Duration time.Duration
	// Lines is how many lines it prints, evenly over its duration.
	Lines int
	// Output makes a line, without its end; the default is a plausible text.
	Output func(Line) string
	// FailureRate is the share of commands that fail, 0 to 1.
	FailureRate float64
	// Outcome decides alone if it is set; the message goes with a failure.
	Outcome func(host string, run protocol.Run) (outcome protocol.Outcome, message string)
}

// Line is a line to be made.
type Line struct {
	Host   string
	Run    *protocol.Run
	Recipe string    // "" if the command has no run list
	Index  int       // from 0 in the command
	At     time.Time // when it is printed
}

func (s *Script) behaviour(kind string) Behaviour {
	b, ok := s.Commands[kind]
	if !ok {
		b = s.Commands[""]
	}
	if b.Output == nil {
		b.Output = plausible
	}
	return b
}

// chance is a source that is the same for the same host and subject.
func (s *Script) chance(host, subject string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(host + "\x00" + subject))
	return rand.New(rand.NewPCG(s.Seed, h.Sum64()))
}

// vary moves d by up to a share of it in both directions.
func vary(r *rand.Rand, d time.Duration, share float64) time.Duration {
	return d + time.Duration((r.Float64()*2-1)*share*float64(d))
}

var phrases = []string{
	"package %s: already installed",
	"file /etc/%[1]s/%[1]s.conf: unchanged",
	"template /etc/%[1]s/sites.conf: \x1b[32mchanged\x1b[0m",
	"service %s: running",
	"checking that %s answers",
	"%s answered in 3 ms",
	"directory /srv/www/%s/shared: unchanged",
	"user deploy: member of %s",
}

// plausible is what such a recipe might print.
func plausible(l Line) string {
	subject := l.Recipe
	if subject == "" {
		subject = l.Run.Type
	}
	h := fnv.New32a()
	fmt.Fprint(h, subject, l.Index/2)
	return fmt.Sprintf(phrases[h.Sum32()%uint32(len(phrases))], subject)
}
