package engine

import (
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// meanwhile signs ben in, and changes something after the server has read who he
// is and before it has looked at his password.
func (p *people) meanwhile(change func()) (*models.SignedIn, error) {
	p.t.Helper()
	p.engine.signIns.forgive("ben", p.laptop.Addr)
	var in *models.SignedIn
	free, ended := occupy(p.engine.passwords), make(chan error)
	go func() {
		var err error
		in, err = p.engine.SignIn(p.ctx, "ben", pass, p.laptop)
		ended <- err
	}()
	for !p.engine.signIns.tried("ben", p.laptop.Addr) {
		time.Sleep(time.Millisecond)
	}
	change()
	free()
	err := <-ended
	return in, err
}

// tried tells whether a known person's try was counted.
func (t *throttle) tried(name, addr string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.by[pair(name, addr)] != nil
}

// A sign-in that is under way while the password changes, or a second factor is
// set up, gets no session by what it has shown.
func TestASignInUnderWaySeesWhatChanges(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		ben := p.user("ben", false)
		me := p.in("ben")
		ok(t, p.engine.StartTOTP(me))
		in, err := p.meanwhile(func() {
			must(p.engine.EnableTOTP(me, p.code(ben.ID)))(t)
		})
		ok(t, err)
		if in.Cookie != "" || in.Step == "" || !in.Codes {
			t.Errorf("a factor that was set up meanwhile is not asked for: %+v", in)
		}

		other := must(p.engine.passwords.hash(p.ctx, "another long sentence"))(t)
		changes := func() {
			ok(t, p.engine.tx(p.ctx, func(tx *tx) error {
				u := must(tx.Users.GetForUpdate(p.ctx, ben.ID))(t)
				u.PasswordHash = other
				ok(t, tx.Users.Save(p.ctx, u))
				return tx.endSignIns(p.ctx, ben.ID, "")
			}))
		}
		if in, err = p.meanwhile(changes); in != nil {
			t.Errorf("the old password gives %+v where a second factor is", in)
		}
		wantRefusal(t, err, models.CodeUnauthenticated, "password is wrong")
		ok(t, p.engine.ResetFactors(p.ctx, ben.ID))
		ok(t, p.engine.SetPassword(p.ctx, ben.ID, pass))
		if in, err = p.meanwhile(changes); in != nil {
			t.Errorf("the old password gives %+v", in)
		}
		wantRefusal(t, err, models.CodeUnauthenticated, "password is wrong")
		if left := must(st.Sessions.OfUser(p.ctx, ben.ID))(t); len(left) != 0 {
			t.Errorf("there are sessions: %+v", left)
		}
	})
}

// Who knew the old password does not set another one after it was changed.
func TestAnOldPasswordSetsNoNewOne(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	ben := p.user("ben", false)
	seen := must(p.engine.store.Users.ByName(p.ctx, "ben"))(t)
	in := must(p.engine.SignIn(p.ctx, "ben", pass, p.laptop))(t)
	ok(t, p.engine.SetPassword(p.ctx, ben.ID, "another long sentence"))
	err := p.engine.setPassword(p.ctx, ben.ID, "the sentence of a thief", in.Cookie, seen)
	wantRefusal(t, err, models.CodeConflict, "changed meanwhile")
	must(p.engine.SignIn(p.ctx, "ben", "another long sentence", p.laptop))(t)
}

// An account at the provider that was disconnected while its owner came back
// from there opens no session, and neither does it when it is another's.
func TestADisconnectedAccountOpensNoSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		ben := p.user("ben", false)
		there := models.Claims{Issuer: "https://id.example", Subject: "thief", Name: "eve"}
		identity := models.Identity{UserID: ben.ID, Issuer: there.Issuer, Subject: there.Subject}
		comesBack := func() error {
			_, err := p.engine.openSession(p.ctx, ben.ID, p.laptop, func(t *tx, u *models.User) (how, error) { return t.checkIdentity(p.ctx, u, there) })
			return err
		}
		ok(t, p.engine.ConnectOIDC(p.in("ben"), there))
		ok(t, comesBack())
		ok(t, p.engine.DisconnectOIDC(p.ctx, identity))
		wantRefusal(t, comesBack(), models.CodeForbidden, "disconnected")
		if in := must(p.engine.SignInOIDC(p.ctx, there, p.laptop))(t); in.User.ID == ben.ID {
			t.Error("it lets in again")
		}
		wantRefusal(t, comesBack(), models.CodeForbidden, "disconnected")
	})
}
