package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// Each of these is a way around a rule that is kept elsewhere.

// A browser that was left open must not be enough to make an administrator, or
// to open somebody's account on instances with another key.
func TestPowerThatOutlivesTheSessionAsksForAProof(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	ben := p.user("ben", false)
	in := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	own := must(p.engine.SignIn(p.ctx, "ben", pass, p.laptop))(t)
	p.clock.add(models.ConfirmFor + time.Second)
	left, ownLeft := p.as(in.Cookie), p.as(own.Cookie)
	keyTo := func(key string) func(*models.User) error {
		return func(u *models.User) error { u.SSHPublicKey = key; return nil }
	}
	for name, err := range map[string]error{
		"a new administrator": second(p.engine.CreateUser(left, models.User{Name: "eve", Admin: true}, pass)),
		"another's key":       p.engine.UpdateUserProfile(left, ben.IamUserArn, keyTo(aKey)),
		"one's own key":       p.engine.UpdateMyUserProfile(ownLeft, aKey),
	} {
		if err == nil || models.CodeOf(err) != models.CodeConfirm {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ok(t, p.engine.UpdateUserProfile(left, ben.IamUserArn, func(u *models.User) error { u.Email = "ben@example.org"; return nil }))
	ok(t, p.engine.ConfirmSession(left, models.Proof{Password: pass}))
	ok(t, p.engine.UpdateUserProfile(p.as(in.Cookie), ben.IamUserArn, keyTo(aKey)))
	ok(t, p.engine.UpdateMyUserProfile(ownLeft, "")) // to take a key away needs none
}

// Who signs in at a provider that has known them since the morning has proved
// nothing now.
func TestAnOldSessionAtTheProviderIsNoProof(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	signIn := func(ago time.Duration) context.Context {
		c := models.Claims{Issuer: "https://id.example", Subject: "1", Name: "ana"}
		if ago >= 0 {
			c.AuthenticatedAt = p.clock.Now().Add(-ago)
		}
		return p.as(must(p.engine.SignInOIDC(p.ctx, c, p.laptop))(t).Cookie)
	}
	_, err := p.engine.NewRecoveryCodes(signIn(3*time.Hour), true)
	wantRefusal(t, err, models.CodeConfirm, "")
	must(p.engine.NewRecoveryCodes(signIn(time.Minute), true))(t)
	must(p.engine.NewRecoveryCodes(signIn(-1), true))(t) // it does not say
}

// An account at the provider that was connected by a thief can be untied again,
// and takes what it gave along.
func TestDisconnectOIDC(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		p.user("ana", true)
		ben := p.user("ben", false)
		g := must(p.engine.CreateGroup(p.ctx, "Operators"))(t)
		ok(t, p.engine.SetGroupClaim(p.ctx, g.ID, "ops"))
		there := models.Claims{Issuer: "https://id.example", Subject: "thief", Groups: []string{"ops"}, HasGroups: true}
		identity := models.Identity{UserID: ben.ID, Issuer: there.Issuer, Subject: there.Subject}
		own := must(p.engine.SignIn(p.ctx, "ben", pass, p.laptop))(t)
		ok(t, p.engine.ConnectOIDC(p.as(own.Cookie), there))
		thief := must(p.engine.SignInOIDC(p.ctx, there, p.laptop))(t)

		p.user("eve", false)
		wantRefusal(t, p.engine.DisconnectOIDC(p.in("eve"), identity), models.CodeForbidden, "administrator")
		ok(t, p.engine.DisconnectOIDC(p.as(own.Cookie), identity))
		_, err := p.engine.SessionUser(p.ctx, thief.Cookie)
		wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
		if in := must(st.Groups.Members(p.ctx, g.ID))(t); len(in) != 0 {
			t.Errorf("the provider's groups stay: %v", in)
		}
		if stranger := must(p.engine.SignInOIDC(p.ctx, there, p.laptop))(t); stranger.User.ID == ben.ID {
			t.Error("the account still lets in")
		}
		wantRefusal(t, p.engine.DisconnectOIDC(p.in("ana"), identity), models.CodeNotFound, "identity")

		made := must(p.engine.SignInOIDC(p.ctx, models.Claims{Issuer: there.Issuer, Subject: "mira", Name: "mira"}, p.laptop))(t)
		mira := models.Identity{UserID: made.User.ID, Issuer: there.Issuer, Subject: "mira"}
		wantRefusal(t, p.engine.DisconnectOIDC(p.as(made.Cookie), mira), models.CodeInvalid, "could not sign in")
		ok(t, p.engine.DisconnectOIDC(p.in("ana"), mira))
	})
}

// A page that was left open looks again and again whether it may go on; that is
// no use of the session.
func TestOpenPagesDoNotKeepASession(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", false)
	in := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	for range 13 {
		p.clock.add(time.Hour)
		if _, err := p.engine.SessionUser(p.ctx, in.Cookie); err != nil {
			wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
			return
		}
	}
	t.Error("a session without a request goes on after 13 hours")
}

// What was proved before the password or a factor changed proves nothing after.
func TestHalfMadeSignInsEndWithThePassword(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	ben := p.user("ben", false)
	p.enrol(p.in("ben"))
	thief := must(p.engine.SignIn(p.ctx, "ben", pass, p.laptop))(t)
	ok(t, p.engine.SetPassword(p.in("ana"), ben.ID, "another long sentence"))
	_, err := p.engine.SignInCode(p.ctx, thief.Step, p.code(ben.ID), p.laptop)
	wantRefusal(t, err, models.CodeUnauthenticated, "Begin again")
}

// Ana is not to pass for ana, whoever makes the user.
func TestNamesThatLookAlike(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		p.user("ana", true)
		_, err := p.engine.CreateUser(p.ctx, models.User{Name: "Ana"}, pass)
		wantRefusal(t, err, models.CodeInvalid, `already a user named "ana"`)
		_, err = p.engine.InviteUser(p.ctx, models.Invitation{Name: "ANA"})
		wantRefusal(t, err, models.CodeInvalid, "already")
		link := must(p.engine.InviteUser(p.ctx, models.Invitation{}))(t)
		_, err = p.engine.AcceptInvitation(p.ctx, link, "AnA", pass)
		wantRefusal(t, err, models.CodeInvalid, "already")
		in := must(p.engine.SignInOIDC(p.ctx, models.Claims{Issuer: "https://id.example", Subject: "1", Name: "Ana"}, p.laptop))(t)
		if in.User.Name != "Ana@id.example" {
			t.Errorf("got %q", in.User.Name)
		}
		imported := must(p.engine.CreateUserProfile(p.ctx, models.User{IamUserArn: "arn:aws:iam::123456789012:user/ANA"}))(t)
		if imported.Name != "ANA@123456789012" {
			t.Errorf("got %q", imported.Name)
		}
	})
}

// Strangers who try names that nobody has, from one network, write little.
func TestGuessedNamesDoNotFillTheAudit(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	before := must(p.engine.store.Audit.Head(p.ctx))(t).ID
	for n := range 300 {
		from := models.Browser{Addr: fmt.Sprintf("2001:db8:1:2:%x::%x", n, n)}
		if _, err := p.engine.SignIn(p.ctx, fmt.Sprintf("guess%d", n), pass, from); err == nil {
			t.Fatal("let in")
		}
	}
	if n := must(p.engine.store.Audit.Head(p.ctx))(t).ID - before; n > triesAtOnce+refusedDeeds {
		t.Errorf("300 tries wrote %d entries", n)
	}
	p.clock.add(refusedPeriod)
	p.engine.tellOfRefusals(p.ctx, p.clock.Now())
	last := must(p.engine.store.Audit.Page(p.ctx, models.AuditFilter{}, store.AuditCursor{Limit: 1}))(t)[0]
	if !strings.Contains(last.After, `"LeftOut":280`) {
		t.Errorf("the last entry tells %q", last.After)
	}
}

// Whoever has one address of IPv6 has 2^64; they count as one.
func TestANetworkIsThrottledAsOne(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "": "", "@": "@",
	} {
		if got := network(addr); got != want {
			t.Errorf("%q: got %q, want %q", addr, got, want)
		}
	}
	p := newPeople(t, storetest.Open(t))
	for n := range 40 {
		p.user(fmt.Sprintf("user%d", n), false)
	}
	checked := 0
	for n := range 40 {
		_, err := p.engine.SignIn(p.ctx, fmt.Sprintf("user%d", n), "sprayed password", models.Browser{Addr: fmt.Sprintf("2001:db8::%x", n)})
		if models.CodeOf(err) == models.CodeUnauthenticated {
			checked++
		}
	}
	if checked > triesAtOnce {
		t.Errorf("%d passwords were tried at once from one network", checked)
	}
}

// What a stranger types as a name is not the key of somebody's codes.
func TestNamesAreNoKeysOfCodes(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	ana := p.user("ana", false)
	p.enrol(p.in("ana"))
	for n := range 3 * triesAtOnce {
		_, _ = p.engine.SignIn(p.ctx, "code of ana", "x", models.Browser{Addr: fmt.Sprintf("198.51.100.%d", n)})
	}
	elsewhere := models.Browser{Addr: "203.0.113.9"}
	step := must(p.engine.SignIn(p.ctx, "ana", pass, elsewhere))(t)
	must(p.engine.SignInCode(p.ctx, step.Step, p.code(ana.ID), elsewhere))(t)
}

// Wrong present passwords are tries to sign in, too.
func TestWrongPresentPasswordsAreTold(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", false)
	in := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	wantRefusal(t, p.engine.ChangePassword(p.as(in.Cookie), "guessed password", "another long sentence", in.Cookie), models.CodeInvalid, "wrong")
	next := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	s, _, err := p.engine.Session(p.ctx, next.Cookie)
	if err != nil || !strings.Contains(s.Notice, "one wrong try") {
		t.Errorf("got %+v, %v", s, err)
	}
	if list := must(p.engine.store.Audit.Page(p.ctx, models.AuditFilter{RefusedOnly: true}, store.AuditCursor{}))(t); len(list) != 1 || list[0].TargetName != "ana" {
		t.Errorf("got %+v", list)
	}
}

// Several people change a group at once, and each change stays: whoever was
// taken out does not come back with somebody else's list.
func TestMembersChangeAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		m := newTeam(t, st)
		gone, here := m.person("gone", ""), m.person("here", "")
		g := m.group("Operators", models.LevelShow, gone, here)
		want := []models.UserID{here.ID}
		var all sync.WaitGroup
		for n := range 4 {
			u := m.person(fmt.Sprintf("new%d", n), "")
			want = append(want, u.ID)
			all.Go(func() {
				if err := m.engine.ChangeGroupMembers(m.ctx, g.ID, []models.UserID{u.ID, u.ID}, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			if err := m.engine.ChangeGroupMembers(m.ctx, g.ID, nil, []models.UserID{gone.ID}); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		slices.Sort(want)
		if got := must(st.Groups.Members(m.ctx, g.ID))(t); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// Whoever types their password where the name belongs does not find it in the
// audit.
func TestAPasswordForANameIsNotTold(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", false)
	for _, name := range []string{pass, "eve"} {
		if _, err := p.engine.SignIn(p.ctx, name, "", p.laptop); err == nil {
			t.Fatal("let in")
		}
	}
	list := must(p.engine.store.Audit.Page(p.ctx, models.AuditFilter{RefusedOnly: true}, store.AuditCursor{}))(t)
	if len(list) != 2 || list[0].TargetName != "eve" {
		t.Errorf("got %+v", list)
	}
	for _, e := range list {
		if strings.Contains(fmt.Sprintf("%+v", e), pass) {
			t.Errorf("the audit tells it: %+v", e)
		}
	}
}
