// Package ui holds the parts that pages are made of: states, tables, fields,
// dialogs. They show what they are given and know nothing of stacks.
package ui

import (
	"strconv"
	"strings"
	"time"
)

// Tone is one of the seven meanings that a colour may have.
type Tone string

// Tones, from worst to quietest.
const (
	Bad  Tone = "bad"  // failed
	Lost Tone = "lost" // out of reach; not the same as failed
	Warn Tone = "warn" // works, needs somebody
	Wait Tone = "wait" // will go on by itself
	Run  Tone = "run"  // something runs now
	OK   Tone = "ok"
	Off  Tone = "off" // stopped, done with, not part of it
)

// tones maps every state of instances, commands and deployments, as the API
// spells them. Where two kinds share a word, they share its tone.
var tones = map[string]Tone{
	"online": OK, "successful": OK, "healthy": OK,
	"requested": Wait, "pending": Wait, "booting": Wait, "rebooting": Wait,
	"registering": Wait, "assigning": Wait, "sent": Wait,
	"running_setup": Run, "running": Run,
	"setup_failed": Bad, "start_failed": Bad, "stop_failed": Bad, "failed": Bad, "deny": Bad,
	"connection_lost": Lost, "expired": Warn,
	"stopping": Off, "shutting_down": Off, "terminating": Off, "terminated": Off, "stopped": Off,
	"registered": Off, "unassigning": Off, "deregistering": Off, "skipped": Off, "superseded": Off,
}

// ToneOf is the tone of a state; a word that is no state is Off.
func ToneOf[S ~string](state S) Tone {
	if tone, ok := tones[string(state)]; ok {
		return tone
	}
	return Off
}

// Known tells whether a state has a tone of its own; tests walk all states.
func Known[S ~string](state S) bool { _, ok := tones[string(state)]; return ok }

// Rank orders tones for "worst first": the smaller the worse.
func (t Tone) Rank() int {
	return strings.Index("bad lost warn wait run ok off", string(t))
}

// class is the CSS class that carries the tone.
func (t Tone) class() string {
	if t == "" {
		return ""
	}
	return "s-" + string(t)
}

// Count is how many things are in a state.
type Count struct {
	State string
	N     int
}

// Words says the counts in a row: "1 setup_failed, 34 online".
func Words(counts []Count) string {
	var parts []string
	for _, c := range counts {
		if c.N > 0 {
			parts = append(parts, strconv.Itoa(c.N)+" "+c.State)
		}
	}
	return strings.Join(parts, ", ")
}

// Plural says a number with its noun: "1 instance", "3 instances".
func Plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// Stamp is a moment as tables show it.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Ago says how long before now a moment was; the page's script says the same
// words when time has passed.
func Ago(t, now time.Time) string {
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s ago"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min ago"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h ago"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " d ago"
}
