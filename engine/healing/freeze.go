package healing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"opsyard/models"
)

// freezes tells which stacks are frozen and why, and whether the whole
// installation is: when more than a share of the agents, at least two, vanished
// within a short time and are still away.
func (j *judge) freezes() (map[models.StackID]string, string) {
	gone := map[models.StackID][]time.Time{}
	var all []time.Time
	note := func(stack models.StackID, at time.Time) {
		gone[stack] = append(gone[stack], at)
		all = append(all, at)
	}
	for n := range j.fleet.Lost {
		note(j.fleet.Lost[n].Stack, j.fleet.Lost[n].gone())
	}
	for _, q := range j.fleet.Quiet {
		note(q.Stack, q.Since)
	}
	frozen, total := map[models.StackID]string{}, 0
	for stack, agents := range j.fleet.Agents {
		total += agents
		if n := j.rules.together(gone[stack]); j.rules.tooMany(n, agents) {
			frozen[stack] = why(n, agents, "of the stack")
		}
	}
	if n := j.rules.together(all); j.rules.tooMany(n, total) {
		return frozen, why(n, total, "of all stacks")
	}
	return frozen, ""
}

func (r Rules) tooMany(n, agents int) bool {
	return n >= 2 && float64(n) > r.FreezeShare*float64(agents)
}

// together is the most that vanished within one stretch of time.
func (r Rules) together(gone []time.Time) int {
	slices.SortFunc(gone, time.Time.Compare)
	most, first := 0, 0
	for last, at := range gone {
		for at.Sub(gone[first]) > r.Together {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

func why(n, agents int, whose string) string {
	return fmt.Sprintf("%d of the %d agents %s vanished together, which is more likely the network or this server than the machines. Healing is frozen until most are back, or until a person lifts the freeze.", n, agents, whose)
}

// Freeze is a stack in which healing does not act.
type Freeze struct {
	Why    string
	Lifted bool // a person lets it act all the same
}

// Freezes tells which of the fleet's stacks are frozen now.
func (r Rules) Freezes(now time.Time, f Fleet) map[models.StackID]Freeze {
	j := judge{rules: r.WithDefaults(), now: now, fleet: f}
	frozen, all := j.freezes()
	found := map[models.StackID]Freeze{}
	for stack := range f.Agents {
		if why := cmp.Or(frozen[stack], all); why != "" {
			found[stack] = Freeze{Why: why, Lifted: now.Before(f.Lifted[stack])}
		}
	}
	return found
}
