package engine

import (
	"slices"
	"testing"

	"opsyard/models"
)

// Whoever asks why a Configure ran is led back, event by event, to the person
// who started the instance that entered online.
func TestCausesLeadBackToThePerson(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.online(w.lb)
		second := w.online(w.web)
		w.becomes(second, models.InstanceOnline)
		events := must(w.store.Events.InStack(w.ctx, w.stack.ID, 0, 1000))(t)
		at := slices.IndexFunc(events, func(e models.StackEvent) bool {
			return e.Kind == "deployment" && e.Cause.Kind == models.CauseMembership && e.Cause.InstanceID == second.ID
		})
		if at < 0 {
			t.Fatalf("no Configure tells of %s (beside %s): %+v", second.Hostname, first.Hostname, events)
		}
		var way []string
		for e := events[at]; ; {
			way = append(way, e.Text)
			next := slices.IndexFunc(events, func(o models.StackEvent) bool { return o.ID == e.Cause.EventID })
			if next < 0 || events[next].ID >= e.ID {
				if e.Cause.Kind != models.CauseUser {
					t.Errorf("the chain ends with %q because of %+v", e.Text, e.Cause)
				}
				break
			}
			e = events[next]
		}
		name := second.Hostname
		if !slices.Contains(way, name+" is online") || !slices.Contains(way, name+" is booting") || way[len(way)-1] != name+" is requested" {
			t.Errorf("the chain is %q", way)
		}
	})
}
