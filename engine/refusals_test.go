package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// Refused attempts that are repeated are counted, not written, and the count is
// in the audit in the end.
func TestRepeatedRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	u := must(w.engine.CreateUser(w.ctx, models.User{Name: "eve"}, "a long pass sentence"))(t)
	eve := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: "eve", SourceAddr: "192.0.2.7", RequestID: "r1", Surface: "console"})
	refused := func() []models.AuditEntry {
		return must(w.store.Audit.Page(w.ctx, models.AuditFilter{Actor: "eve", RefusedOnly: true}, store.AuditCursor{}))(t)
	}
	before := must(w.store.Audit.Head(w.ctx))(t).ID
	for range 50 {
		if _, err := w.engine.Authorize(eve, w.stack.ID, models.ActionShow); models.CodeOf(err) != models.CodeNotFound {
			t.Fatalf("got %v", err)
		}
	}
	if n := len(refused()); n != 1 {
		t.Errorf("50 refused reads wrote %d entries", n)
	}
	for range 50 {
		if err := w.engine.DeleteStack(eve, w.stack.ID); err == nil {
			t.Fatal("eve may delete")
		}
	}
	list := refused()
	if n := len(list); n != 1+refusedDeeds {
		t.Errorf("50 refused changes wrote %d entries", n-1)
	}
	if e := list[0]; e.SourceAddr != "192.0.2.7" || e.RequestID != "r1" || e.TargetName != w.stack.Name || e.StackID != w.stack.ID {
		t.Errorf("the entry tells %+v", e)
	}
	w.engine.tellOfRefusals(w.ctx, w.engine.Clock().Add(refusedPeriod))
	counted := 0
	for _, e := range refused() {
		var n int
		if _, after, ok := strings.Cut(e.After, `"LeftOut":`); ok {
			_, _ = fmt.Sscanf(after, "%d", &n)
		}
		counted += 1 + n
		if n > 0 {
			counted-- // the entry is the count's, not an attempt's
		}
	}
	if counted != 100 {
		t.Errorf("%d of 100 refusals are accounted for", counted)
	}
	if after := must(w.store.Audit.Head(w.ctx))(t).ID; after-before > 20 {
		t.Errorf("%d entries were written", after-before)
	}
}

func TestRefusalsForgetWhatIsOver(t *testing.T) {
	t.Parallel()
	r, now := newRefusals(), time.Unix(1000, 0)
	written := 0
	for n := range maxRefusals + 50 {
		e := models.AuditEntry{At: now, Action: "DeleteStack", ActorID: fmt.Sprint(n)}
		if r.admit(&e) {
			written++
		}
	}
	if written != maxRefusals+refusedDeeds {
		t.Errorf("%d were written: those beyond what can be told apart are not counted together", written)
	}
	if len(r.by) != maxRefusals+1 {
		t.Errorf("%d kinds are remembered", len(r.by))
	}
	if list := r.over(now.Add(refusedPeriod)); len(list) != 1 || list[0].leftOut != 40 || len(r.by) != 0 || len(r.kinds) != 0 {
		t.Errorf("got the counts %+v, %d kinds remembered", list, len(r.by))
	}
	written = 0
	for n := range 2 * kindsOfActor { // of somebody who makes names up
		if r.admit(&models.AuditEntry{At: now, Action: "CreateGroup", ActorID: "eve", TargetName: fmt.Sprint(n)}) {
			written++
		}
	}
	if written != kindsOfActor+refusedDeeds {
		t.Errorf("%d refusals of one person were written", written)
	}
}
