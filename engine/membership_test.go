package engine

import (
	"testing"

	"opsyard/models"
)

func TestCauseOfChanges(t *testing.T) {
	t.Parallel()
	online := func(id models.InstanceID) models.MembershipChange {
		return models.MembershipChange{InstanceID: id, Hostname: string(id), What: "entered online"}
	}
	change := func(what string) models.MembershipChange { return models.MembershipChange{What: what} }
	for _, c := range []struct {
		changes []models.MembershipChange
		kind    models.CauseKind
		text    string
		about   models.InstanceID
	}{
		{[]models.MembershipChange{online("a")}, models.CauseMembership, "a entered online", "a"},
		{[]models.MembershipChange{change("x was attached")}, models.CauseChange, "x was attached", ""},
		{[]models.MembershipChange{change("x"), change("y"), change("x")}, models.CauseChange, "x; y", ""},
		{[]models.MembershipChange{change("x"), online("a"), online("b")}, models.CauseMembership, "a and b entered online; x", ""},
		{[]models.MembershipChange{change("1"), change("2"), change("3"), change("4"), change("5")}, models.CauseChange, "1; 2; 3; and 2 other changes", ""},
	} {
		got := causeOf(c.changes)
		if got.Kind != c.kind || got.Text != c.text || got.InstanceID != c.about {
			t.Errorf("%v gives %+v, want %s %q %q", c.changes, got, c.kind, c.text, c.about)
		}
	}
}
