package models

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// section is what docs/states.md says below one heading.
type section struct {
	states []string
	moves  []string // "from -> to"
	// actions is the table of actions: state, then action, to "yes" or "no".
	actions map[string]map[string]string
}

var (
	arrow = regexp.MustCompile(`-->(\|[^|]*\|)?`)
	cell  = regexp.MustCompile("^`([a-z_]+)`$")
)

// readStates reads the page; it knows tables and the arrows of flow charts.
func readStates(t *testing.T) map[string]*section {
	t.Helper()
	page, err := os.ReadFile("../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]*section{}
	s, heads := &section{}, []string{}
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			s = &section{actions: map[string]map[string]string{}}
			sections[strings.TrimPrefix(line, "## ")] = s
		case strings.HasPrefix(line, "| state |"):
			heads = cells(line)
		case strings.HasPrefix(line, "|"):
			s.row(heads, cells(line))
		case strings.Contains(line, "-->"):
			s.arrows(line)
		}
	}
	return sections
}

func cells(line string) []string {
	all := strings.Split(strings.Trim(line, "|"), "|")
	for n := range all {
		all[n] = strings.TrimSpace(all[n])
	}
	return all
}

// row takes a row of a table of states: their meanings, or their actions.
func (s *section) row(heads, row []string) {
	name := cell.FindStringSubmatch(row[0])
	if name == nil {
		return
	}
	if len(heads) == 2 {
		s.states = append(s.states, name[1])
		return
	}
	s.actions[name[1]] = map[string]string{}
	for n, head := range heads[1:] {
		s.actions[name[1]][head] = row[n+1]
	}
}

// arrows takes "a & b --> c --> d".
func (s *section) arrows(line string) {
	var from []string
	for _, group := range strings.Split(arrow.ReplaceAllString(line, "-->"), "-->") {
		to := strings.Split(group, "&")
		for n := range to {
			to[n] = strings.TrimSpace(to[n])
			for _, f := range from {
				s.moves = append(s.moves, f+" -> "+to[n])
			}
		}
		from = to
	}
}

// compare tells what one side has and the other has not.
func compare(t *testing.T, what string, doc, code []string) {
	t.Helper()
	slices.Sort(doc)
	slices.Sort(code)
	for _, d := range doc {
		if _, found := slices.BinarySearch(code, d); !found {
			t.Errorf("docs/states.md has %s %q, the code has not", what, d)
		}
	}
	for _, c := range code {
		if _, found := slices.BinarySearch(doc, c); !found {
			t.Errorf("the code has %s %q, docs/states.md has not", what, c)
		}
	}
	if len(slices.Compact(slices.Clone(doc))) != len(doc) {
		t.Errorf("docs/states.md says %s twice: %v", what, doc)
	}
}

func movesOf[S ~string](states []S, next func(S) []S) (all, moves []string) {
	for _, s := range states {
		all = append(all, string(s))
		for _, to := range next(s) {
			moves = append(moves, string(s)+" -> "+string(to))
		}
	}
	return all, moves
}

func TestStatesDoc(t *testing.T) {
	t.Parallel()
	sections := readStates(t)
	check := func(name string, states, moves []string) {
		s := sections[name]
		if s == nil {
			t.Fatalf("docs/states.md has no section %q", name)
		}
		compare(t, name+": state", s.states, states)
		compare(t, name+": move", s.moves, moves)
	}
	states, moves := movesOf(InstanceStatuses, InstanceStatus.Moves)
	check("Instances", states, moves)
	states, moves = movesOf(CommandStatuses, CommandStatus.Moves)
	check("Commands", states, moves)
	states, moves = movesOf(DeploymentStatuses, DeploymentStatus.Moves)
	check("Deployments", states, moves)
}

// TestStatesListed makes sure that no move leads from or to a state that the
// lists, and so the page, do not know.
func TestStatesListed(t *testing.T) {
	t.Parallel()
	for from, next := range instanceMoves {
		for _, s := range append(next, from) {
			if !slices.Contains(InstanceStatuses, s) {
				t.Errorf("InstanceStatuses lacks %s", s)
			}
		}
	}
	for from, next := range commandMoves {
		for _, s := range append(next, from) {
			if !slices.Contains(CommandStatuses, s) {
				t.Errorf("CommandStatuses lacks %s", s)
			}
		}
	}
}

func TestActionsDoc(t *testing.T) {
	t.Parallel()
	doc := readStates(t)["Instances"].actions
	actions := map[string]func(*Instance) error{
		"start":         (*Instance).CanStart,
		"stop":          func(i *Instance) error { return i.CanStop(false) },
		"stop by force": func(i *Instance) error { return i.CanStop(true) },
		"reboot":        (*Instance).CanReboot,
		"delete":        (*Instance).CanDelete,
		"update":        (*Instance).CanUpdate,
	}
	if len(doc) != len(InstanceStatuses) {
		t.Errorf("the table of actions has %d states, the code has %d", len(doc), len(InstanceStatuses))
	}
	for _, s := range InstanceStatuses {
		for _, action := range slices.Sorted(maps.Keys(actions)) {
			want := "yes"
			if actions[action](&Instance{Hostname: "web1", Status: s, InfrastructureClass: InfrastructureEC2}) != nil {
				want = "no"
			}
			if got := doc[string(s)][action]; got != want {
				t.Errorf("%s of an instance that is %s: docs/states.md says %q, the code %q", action, s, got, want)
			}
		}
	}
	for _, s := range InstanceStatuses {
		own := Instance{Hostname: "db1", Status: s, InfrastructureClass: InfrastructureOnPremises}
		if own.CanStart() == nil || own.CanStop(true) == nil {
			t.Errorf("a host of one's own that is %s can be started or stopped", s)
		}
	}
}
