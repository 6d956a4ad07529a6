package healing

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"opsyard/models"
)

// group are agents that vanished together and are still away: too many for
// their machines to be the likely cause.
type group struct {
	from, last time.Time // when the first and the last of them vanished
	n, agents  int       // the most within Rules.Together, of how many
	whose      string
}

func (g *group) why() string {
	return fmt.Sprintf("%d of the %d agents %s vanished together, which is more likely the network or this server than the machines. Healing of them, and of what vanishes within an hour before or after them, is frozen until most are back, or until a person lifts the freeze.", g.n, g.agents, g.whose)
}

// covers tells whether what vanished at a time is frozen because of the group: a
// fault of a network begins with few and takes more with it for a while, but not
// for ever.
func (r Rules) covers(g *group, at time.Time) bool {
	return !at.Before(g.from.Add(-r.Spread)) && !at.After(g.last.Add(r.Spread))
}

// groups are those of each stack and, as the last ones, those of all stacks.
type groups struct {
	of  map[models.StackID][]group
	all []group
}

// groups finds the agents that vanished together.
func (j *judge) groups() groups {
	gone := map[models.StackID][]time.Time{}
	for n := range j.fleet.Lost {
		i := &j.fleet.Lost[n]
		gone[i.Stack] = append(gone[i.Stack], i.gone())
	}
	for _, q := range j.fleet.Quiet {
		gone[q.Stack] = append(gone[q.Stack], q.Since)
	}
	found, total := groups{of: map[models.StackID][]group{}}, 0
	for stack, agents := range j.fleet.Agents {
		total += agents
		found.of[stack] = j.rules.groups(gone[stack], agents, "of the stack")
	}
	found.all = j.rules.groups(slices.Concat(slices.Collect(maps.Values(gone))...), total, "of all stacks")
	return found
}

// groups finds what vanished within one stretch of time and is too much.
func (r Rules) groups(gone []time.Time, agents int, whose string) []group {
	slices.SortFunc(gone, time.Time.Compare)
	var found []group
	first := 0
	for last, at := range gone {
		for at.Sub(gone[first]) > r.Together {
			first++
		}
		n := last - first + 1
		if !r.tooMany(n, agents) {
			continue
		}
		if before := len(found) - 1; before >= 0 && !gone[first].After(found[before].last) {
			found[before].last, found[before].n = at, max(found[before].n, n)
			continue
		}
		found = append(found, group{from: gone[first], last: at, n: n, agents: agents, whose: whose})
	}
	return found
}

func (r Rules) tooMany(n, agents int) bool {
	return n >= 2 && float64(n) > r.FreezeShare*float64(agents)
}

// why tells why what vanished from a stack at a time is frozen, empty if it is
// not.
func (g groups) why(r Rules, stack models.StackID, at time.Time) string {
	for _, one := range slices.Concat(g.of[stack], g.all) {
		if r.covers(&one, at) {
			return one.why()
		}
	}
	return ""
}

// Freeze is a stack in which healing does not act.
type Freeze struct {
	Why    string
	Lifted bool // a person lets it act all the same
}

// Freezes tells which of the fleet's stacks are frozen now: what is lost there,
// or what would be lost at this moment.
func (r Rules) Freezes(now time.Time, f Fleet) map[models.StackID]Freeze {
	j := judge{rules: r.WithDefaults(), now: now, fleet: f}
	together, found := j.groups(), map[models.StackID]Freeze{}
	note := func(stack models.StackID, at time.Time) {
		if why := together.why(j.rules, stack, at); why != "" && found[stack].Why == "" {
			found[stack] = Freeze{Why: why, Lifted: now.Before(f.Lifted[stack])}
		}
	}
	for stack := range f.Agents {
		note(stack, now)
	}
	for n := range f.Lost {
		if i := &f.Lost[n]; !i.Registered {
			note(i.Stack, i.gone())
		}
	}
	return found
}
