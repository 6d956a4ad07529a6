package engine

import (
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// Who has no password keeps the last passkey, also the administrator who could
// reset everybody's.
func TestNobodyTakesTheirOwnLastWayIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		there := models.Claims{Issuer: "https://id.example", Subject: "mira", Name: "mira"}
		in := must(p.engine.SignInOIDC(p.ctx, there, p.laptop))(t)
		mira := in.User.ID
		ok(t, p.engine.tx(p.ctx, func(tx *tx) error {
			u := must(tx.Users.GetForUpdate(p.ctx, mira))(t)
			u.Admin = true
			return tx.Users.Save(p.ctx, u)
		}))
		me := p.as(in.Cookie)
		for _, id := range []models.PasskeyID{"phone", "stick"} {
			ok(t, st.SignIns.NewPasskey(p.ctx, &models.Passkey{ID: id, UserID: mira, Name: string(id), Credential: "{}", CreatedAt: p.clock.Now()}))
		}
		ok(t, p.engine.DisconnectOIDC(me, models.Identity{UserID: mira, Issuer: there.Issuer, Subject: there.Subject}))
		ok(t, p.engine.DeletePasskey(me, "phone"))
		wantRefusal(t, p.engine.DeletePasskey(me, "stick"), models.CodeInvalid, "could not sign in")
		wantRefusal(t, p.engine.ResetFactors(me, mira), models.CodeInvalid, "could not sign in")
		if left := must(p.engine.FactorsOf(me, mira))(t); len(left.Passkeys) != 1 {
			t.Errorf("got %+v", left)
		}
		ok(t, p.engine.ChangePassword(me, "", pass, in.Cookie))
		ok(t, p.engine.DeletePasskey(me, "stick"))
	})
}
