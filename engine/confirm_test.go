package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// elsewhere is a request with the same cookie from another address.
func elsewhere(ctx context.Context, n int) context.Context {
	actor := models.ActorFrom(ctx)
	actor.SourceAddr = fmt.Sprintf("198.51.100.%d", n)
	return models.WithActor(ctx, actor)
}

// Whoever has stolen a cookie has the few tries of its session, from however
// many addresses; the person's other sessions have theirs.
func TestProofsAreThrottledBySession(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]models.Proof{"passwords": {Password: "wrong"}, "codes": {Code: "000000"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeople(t, storetest.Open(t))
			p.user("ana", true)
			stolen, own := p.in("ana"), p.in("ana")
			checked := 0
			for n := range 30 {
				if err := p.engine.ConfirmSession(elsewhere(stolen, n), wrong); models.CodeOf(err) != models.CodeThrottled {
					wantRefusal(t, err, models.CodeInvalid, "wrong")
					checked++
				}
			}
			if checked != triesAtOnce {
				t.Errorf("%d of 30 tries at once were looked at", checked)
			}
			p.clock.add(codeEvery)
			wantRefusal(t, p.engine.ConfirmSession(elsewhere(stolen, 31), wrong), models.CodeInvalid, "wrong")
			wantRefusal(t, p.engine.ConfirmSession(elsewhere(stolen, 32), wrong), models.CodeThrottled, "Wait")
			ok(t, p.engine.ConfirmSession(own, models.Proof{Password: pass}))
		})
	}
}

// A session whose user is wrong again and again ends; a right proof in between
// makes it theirs.
func TestWrongProofsEndTheSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		p.user("ana", true)
		in := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
		ana := p.as(in.Cookie)
		wrong := func(times int) (err error) {
			for range times {
				p.clock.add(codeEvery)
				err = p.engine.ConfirmSession(ana, models.Proof{Password: "wrong"})
			}
			return err
		}
		wantRefusal(t, wrong(mostWrongProofs-1), models.CodeInvalid, "wrong")
		ok(t, p.engine.ConfirmSession(ana, models.Proof{Password: pass}))
		wantRefusal(t, wrong(mostWrongProofs-1), models.CodeInvalid, "wrong")
		must(p.engine.SessionUser(p.ctx, in.Cookie))(t)
		wantRefusal(t, wrong(1), models.CodeUnauthenticated, "this session has ended")
		_, err := p.engine.SessionUser(p.ctx, in.Cookie)
		wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
		told := must(st.Audit.Page(p.ctx, models.AuditFilter{Action: "EndSession"}, store.AuditCursor{Limit: 10}))(t)
		if len(told) != 1 || told[0].TargetName != "ana" || !strings.Contains(told[0].Cause.Text, "20 proofs in a row") {
			t.Errorf("the audit tells %+v", told)
		}
	})
}
