package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// clock is a clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const pass = "correct horse battery"

// people is an engine without machines, for tests of signing in.
type people struct {
	t      *testing.T
	ctx    context.Context // as the command line
	engine *Engine
	clock  *clock
	laptop models.Browser
}

func newPeople(t *testing.T, st *store.Store) *people {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)}
	e := quietEngine(t, st, c.Now)
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	return &people{t, ctx, e, c, models.Browser{Addr: "192.0.2.1", UserAgent: "Firefox/1 Linux"}}
}

func (p *people) user(name string, admin bool) *models.User {
	p.t.Helper()
	return must(p.engine.CreateUser(p.ctx, models.User{Name: name, Admin: admin, AllowSelfManagement: true}, pass))(p.t)
}

// in signs in with the password alone.
func (p *people) in(name string) context.Context {
	p.t.Helper()
	return p.as(must(p.engine.SignIn(p.ctx, name, pass, p.laptop))(p.t).Cookie)
}

// as is the context of a request with that cookie.
func (p *people) as(cookie string) context.Context {
	p.t.Helper()
	s, u, err := p.engine.Session(p.ctx, cookie)
	if err != nil {
		p.t.Fatal(err)
	}
	return models.WithActor(p.t.Context(), models.Actor{
		Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: u.Admin, SourceAddr: s.Addr, Surface: "console", Session: s.Hash, ConfirmedAt: s.Confirmed(),
	})
}

// code is what the authenticator app of the user shows now.
func (p *people) code(id models.UserID) string {
	p.t.Helper()
	u := must(p.engine.store.Users.Get(p.ctx, id))(p.t)
	return must(totp.GenerateCodeCustom(u.TOTPSecret, p.clock.Now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix}))(p.t)
}

// enrol gives a signed-in user an authenticator app and returns the recovery
// codes.
func (p *people) enrol(ctx context.Context) []string {
	p.t.Helper()
	if err := p.engine.StartTOTP(ctx); err != nil {
		p.t.Fatal(err)
	}
	codes := must(p.engine.EnableTOTP(ctx, p.code(models.ActorFrom(ctx).UserID)))(p.t)
	p.clock.add(time.Minute)
	return codes
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		ana := p.user("ana", true)
		first := p.in("ana")
		other := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
		if err := p.engine.StartTOTP(first); err != nil {
			t.Fatal(err)
		}
		pending := must(p.engine.PendingTOTP(first))(t)
		if !strings.HasPrefix(pending.Address, "otpauth://totp/Opsyard:ana?") || !strings.Contains(pending.Address, pending.Secret) {
			t.Errorf("got %+v", pending)
		}
		if done := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t); done.Cookie == "" {
			t.Error("an app that was not confirmed is asked for")
		}
		_, err := p.engine.EnableTOTP(first, "000000")
		wantRefusal(t, err, models.CodeInvalid, "not the code")
		codes := must(p.engine.EnableTOTP(first, p.code(ana.ID)))(t)
		if len(codes) != models.RecoveryCodes {
			t.Errorf("got %d recovery codes", len(codes))
		}
		_, err = p.engine.SessionUser(p.ctx, other.Cookie)
		wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
		wantRefusal(t, p.engine.StartTOTP(first), models.CodeInvalid, "already")

		step := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
		if step.Cookie != "" || step.Step == "" {
			t.Fatalf("a session before the second factor: %+v", step)
		}
		_, err = p.engine.SignInCode(p.ctx, step.Step, p.code(ana.ID), p.laptop)
		wantRefusal(t, err, models.CodeUnauthenticated, "used already") // the one that set it up
		p.clock.add(30 * time.Second)
		code := p.code(ana.ID)
		in := must(p.engine.SignInCode(p.ctx, step.Step, code[:3]+" "+code[3:], p.laptop))(t)
		s, _, err := p.engine.Session(p.ctx, in.Cookie)
		if err != nil || s.Method != models.SignInPassword || !strings.Contains(s.Notice, "one wrong try") {
			t.Errorf("got %+v, %v", s, err)
		}
		_, err = p.engine.SignInCode(p.ctx, step.Step, code, p.laptop)
		wantRefusal(t, err, models.CodeUnauthenticated, "Begin again")
		again := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
		_, err = p.engine.SignInCode(p.ctx, again.Step, code, p.laptop)
		wantRefusal(t, err, models.CodeUnauthenticated, "used already")

		if in := must(p.engine.SignInCode(p.ctx, again.Step, strings.ToUpper(codes[0]), p.laptop))(t); in.Cookie == "" {
			t.Error("a recovery code does not let in")
		}
		again = must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
		_, err = p.engine.SignInCode(p.ctx, again.Step, codes[0], p.laptop)
		wantRefusal(t, err, models.CodeUnauthenticated, "used already")

		if err := p.engine.DisableTOTP(p.as(in.Cookie)); err != nil {
			t.Fatal(err)
		}
		f := must(p.engine.FactorsOf(p.as(in.Cookie), ana.ID))(t)
		if f.TOTP || f.Codes != 0 || !f.Password {
			t.Errorf("got %+v", f)
		}
		for _, e := range must(st.Audit.Page(p.ctx, models.AuditFilter{}, store.AuditCursor{Limit: 100}))(t) {
			if all := fmt.Sprintf("%+v", e); strings.Contains(all, pending.Secret) || strings.Contains(all, code) || strings.Contains(all, codes[0]) {
				t.Errorf("the audit tells a secret: %s", all)
			}
		}
	})
}

// A step ends after a few wrong codes, and after a while.
func TestHalfMadeSignInsEnd(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	ana := p.user("ana", true)
	p.enrol(p.in("ana"))
	step := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	for range maxTries {
		_, err := p.engine.SignInCode(p.ctx, step.Step, "123", p.laptop)
		wantRefusal(t, err, models.CodeUnauthenticated, "wrong")
	}
	_, err := p.engine.SignInCode(p.ctx, step.Step, p.code(ana.ID), p.laptop)
	wantRefusal(t, err, models.CodeUnauthenticated, "Begin again")
	step = must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	p.clock.add(models.SignInStepLimit)
	_, err = p.engine.SignInCode(p.ctx, step.Step, p.code(ana.ID), p.laptop)
	wantRefusal(t, err, models.CodeUnauthenticated, "Begin again")
	if err := p.engine.pruneSignIns(p.ctx); err != nil {
		t.Fatal(err)
	}
}

// Codes cannot be guessed: each name has few tries, whatever the addresses.
func TestCodesAreThrottled(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	p.enrol(p.in("ana"))
	refused := 0
	for n := range 30 {
		from := models.Browser{Addr: fmt.Sprintf("198.51.100.%d", n)}
		step, err := p.engine.SignIn(p.ctx, "ana", pass, from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = p.engine.SignInCode(p.ctx, step.Step, "123456", from); models.CodeOf(err) == models.CodeThrottled {
			refused++
		}
	}
	if refused < 15 {
		t.Errorf("only %d of 30 guesses had to wait", refused)
	}
}

// 1,000 wrong passwords from 50 addresses let nobody in and lock nobody out:
// the person comes in at once from where they were before, and soon from
// anywhere.
func TestGuessingLocksNobodyOut(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	p.in("ana")
	checked, waits := 0, 0
	for n := range 1000 {
		p.clock.add(200 * time.Millisecond)
		_, err := p.engine.SignIn(p.ctx, "ana", fmt.Sprintf("guess number %d", n), models.Browser{Addr: fmt.Sprintf("198.51.100.%d", n%50)})
		switch models.CodeOf(err) {
		case models.CodeThrottled:
			waits++
		case models.CodeUnauthenticated:
			checked++
		default:
			t.Fatalf("guess %d: %v", n, err)
		}
	}
	if checked > 60 || waits < 900 {
		t.Errorf("%d guesses were checked and %d had to wait", checked, waits)
	}
	in, err := p.engine.SignIn(p.ctx, "ana", pass, p.laptop) // under attack
	if err != nil {
		t.Fatalf("the person is locked out where they were before: %v", err)
	}
	s, _, _ := p.engine.Session(p.ctx, in.Cookie)
	if want := fmt.Sprintf("%d wrong tries", checked); !strings.Contains(s.Notice, want) {
		t.Errorf("got the notice %q, want %q", s.Notice, want)
	}
	p.clock.add(tryEvery)
	in, err = p.engine.SignIn(p.ctx, "ana", pass, models.Browser{Addr: "203.0.113.9"})
	if err != nil {
		t.Fatalf("the person is locked out elsewhere: %v", err)
	}
	if s, _, _ := p.engine.Session(p.ctx, in.Cookie); s.Notice != "" {
		t.Errorf("the wrong tries are told twice: %q", s.Notice)
	}
}

// Other sessions hear of a sign-in from a new address.
func TestNewAddressIsTold(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	home := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	if s, _, _ := p.engine.Session(p.ctx, home.Cookie); s.Notice != "" {
		t.Errorf("told of a known address: %q", s.Notice)
	}
	must(p.engine.SignIn(p.ctx, "ana", pass, models.Browser{Addr: "203.0.113.9"}))(t)
	s, _, _ := p.engine.Session(p.ctx, home.Cookie)
	if !strings.Contains(s.Notice, "203.0.113.9") {
		t.Errorf("got %q", s.Notice)
	}
	if err := p.engine.NoticeSeen(p.as(home.Cookie), s.Notice); err != nil {
		t.Fatal(err)
	}
	if s, _, _ := p.engine.Session(p.ctx, home.Cookie); s.Notice != "" {
		t.Errorf("told twice: %q", s.Notice)
	}
}

func TestConfirmSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		ana := p.user("ana", true)
		in := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
		if err := p.engine.StartTOTP(p.as(in.Cookie)); err != nil {
			t.Fatalf("signing in does not count: %v", err)
		}
		p.clock.add(models.ConfirmFor + time.Second)
		wantRefusal(t, p.engine.StartTOTP(p.as(in.Cookie)), models.CodeConfirm, "")
		wantRefusal(t, p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{Password: "wrong"}), models.CodeInvalid, "The password is wrong.")
		wantRefusal(t, p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{}), models.CodeInvalid, "The password is wrong.")
		wantRefusal(t, p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{Code: "123456"}), models.CodeInvalid, "This code is wrong")
		wantRefusal(t, p.engine.StartTOTP(p.as(in.Cookie)), models.CodeConfirm, "")
		if err := p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{Password: pass}); err != nil {
			t.Fatal(err)
		}
		p.enrol(p.as(in.Cookie))
		p.clock.add(models.ConfirmFor)
		code := p.code(ana.ID)
		if err := p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{Code: code}); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{Code: code}), models.CodeInvalid, "used already")
		for range 2 * triesAtOnce {
			p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{Password: "wrong"})
		}
		wantRefusal(t, p.engine.ConfirmSession(p.as(in.Cookie), models.Proof{Password: pass}), models.CodeThrottled, "Wait")
	})
}

// A code for a forgotten password lets in once, to set a new one.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	codes := must(p.engine.NewRecoveryCodes(p.in("ana"), true))(t)
	if len(codes) != 1 {
		t.Fatalf("got %d codes", len(codes))
	}
	in := must(p.engine.SignIn(p.ctx, "ana", codes[0], p.laptop))(t)
	ctx := p.as(in.Cookie)
	if err := p.engine.ChangePassword(ctx, "", "another long sentence", in.Cookie); err != nil {
		t.Fatal(err)
	}
	_, err := p.engine.SignIn(p.ctx, "ana", codes[0], p.laptop)
	wantRefusal(t, err, models.CodeUnauthenticated, "wrong")
	must(p.engine.SignIn(p.ctx, "ana", "another long sentence", p.laptop))(t)
}

// A new password ends all sessions but the one in which it was set, or all when
// an administrator sets it.
func TestPasswordEndsOtherSessions(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	ana := p.user("ana", true)
	mine, other := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t), must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	ok(t, p.engine.ChangePassword(p.as(mine.Cookie), pass, "another long sentence", mine.Cookie))
	_, err := p.engine.SessionUser(p.ctx, other.Cookie)
	wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
	must(p.engine.SessionUser(p.ctx, mine.Cookie))(t)
	ok(t, p.engine.SetPassword(p.ctx, ana.ID, pass))
	_, err = p.engine.SessionUser(p.ctx, mine.Cookie)
	wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		p := newPeople(t, st)
		p.user("ana", true)
		ben := p.user("ben", false)
		var in []*models.SignedIn
		for range 4 {
			in = append(in, must(p.engine.SignIn(p.ctx, "ben", pass, p.laptop))(t))
		}
		over := func(n int) {
			t.Helper()
			_, err := p.engine.SessionUser(p.ctx, in[n].Cookie)
			wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
		}
		ana, me := p.in("ana"), p.as(in[0].Cookie)
		if got := must(p.engine.SessionsOf(me, ben.ID))(t); len(got) != 4 {
			t.Errorf("got %d sessions", len(got))
		}
		_, err := p.engine.SessionsOf(me, models.ActorFrom(ana).UserID)
		wantRefusal(t, err, models.CodeForbidden, "administrator")
		wantRefusal(t, p.engine.EndSession(me, models.ActorFrom(ana).Session), models.CodeNotFound, "session")
		wantRefusal(t, p.engine.EndSessionsOf(me, ben.ID, ""), models.CodeForbidden, "administrator")
		wantRefusal(t, p.engine.EndSessionsOf(ana, ben.ID, models.ActorFrom(ana).Session), models.CodeNotFound, "session")
		for _, err := range []error{
			p.engine.EndSession(me, hashOf(in[1].Cookie)),
			p.engine.EndSessionsOf(ana, ben.ID, hashOf(in[2].Cookie)),
			p.engine.EndOtherSessions(me),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		over(1)
		over(2)
		over(3)
		if err := p.engine.EndSessionsOf(ana, ben.ID, ""); err != nil {
			t.Fatal(err)
		}
		over(0)
		p.clock.add(models.SessionIdle + time.Second)
		_, err = p.engine.SessionsOf(p.ctx, models.ActorFrom(ana).UserID)
		if err != nil {
			t.Fatal(err)
		}
		if got := must(p.engine.SessionsOf(p.ctx, models.ActorFrom(ana).UserID))(t); len(got) != 0 {
			t.Errorf("an idle session is listed: %v", got)
		}
	})
}

// Every sign-in is in the audit: those that succeed with how, those that know
// the password alone, and the others as refused, also for names that nobody has.
func TestSignInsAreAudited(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	p := newPeople(t, st)
	ana := p.user("ana", true)
	p.user("ben", false)
	p.enrol(p.in("ana"))
	step := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	must(p.engine.SignInCode(p.ctx, step.Step, p.code(ana.ID), p.laptop))(t)
	for name, password := range map[string]string{"ben": "wrong", "nobody": pass} {
		_, err := p.engine.SignIn(p.ctx, name, password, p.laptop)
		wantRefusal(t, err, models.CodeUnauthenticated, "wrong")
	}
	step = must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	_, err := p.engine.SignInCode(p.ctx, step.Step, "000000", p.laptop)
	wantRefusal(t, err, models.CodeUnauthenticated, "wrong")
	told := map[string]models.AuditEntry{}
	for _, e := range must(st.Audit.Page(p.ctx, models.AuditFilter{Action: "SignIn"}, store.AuditCursor{Limit: 100}))(t) {
		told[fmt.Sprintf("%s %v %s", e.ActorName, e.Refused, e.After)] = e
	}
	for _, want := range []string{
		`ana false {"Method":"password","SecondFactor":""}`, `ana false {"Method":"password","SecondFactor":"asked"}`, `ana false {"Method":"password","SecondFactor":"totp"}`, "ben true ", "nobody true ", "ana true ",
	} {
		if e, ok := told[want]; !ok || e.SourceAddr != "192.0.2.1" || e.At.Location() != time.UTC {
			t.Errorf("%q is told as %+v; there is %v", want, e, slices.Collect(maps.Keys(told)))
		}
	}
}

// A session ends when it was not used for 12 hours, and after seven days
// however much it is used; until then it goes on.
func TestSessionLimits(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	idle, used := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t), must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	if len(used.Cookie) < 26 || used.Cookie == idle.Cookie { // of 32 signs each: 128 bits
		t.Errorf("the sessions are %q and %q", idle.Cookie, used.Cookie)
	}
	began := p.clock.Now()
	const step = 11*time.Hour + 59*time.Minute
	if step >= models.SessionIdle || models.SessionIdle != 12*time.Hour || models.SessionAbsolute != 7*24*time.Hour {
		t.Fatal("docs/security.md says 12 hours and 7 days")
	}
	for p.clock.Now().Sub(began)+step < models.SessionAbsolute {
		p.clock.add(step)
		if _, _, err := p.engine.Session(p.ctx, used.Cookie); err != nil { // as a request does
			t.Fatalf("after %s: %v", p.clock.Now().Sub(began), err)
		}
		if p.clock.Now().Sub(began) > models.SessionIdle {
			_, err := p.engine.SessionUser(p.ctx, idle.Cookie)
			wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
		}
	}
	p.clock.add(began.Add(models.SessionAbsolute + time.Second).Sub(p.clock.Now()))
	_, err := p.engine.SessionUser(p.ctx, used.Cookie)
	wantRefusal(t, err, models.CodeUnauthenticated, "Sign in")
}

// An administrator helps who has lost everything but the password.
func TestResetFactors(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	ben := p.user("ben", false)
	p.enrol(p.in("ben"))
	wantRefusal(t, p.engine.ResetFactors(p.as(must(p.engine.SignInCode(p.ctx, must(p.engine.SignIn(p.ctx, "ben", pass, p.laptop))(t).Step, p.code(ben.ID), p.laptop))(t).Cookie), ben.ID), models.CodeForbidden, "administrator")
	if err := p.engine.ResetFactors(p.in("ana"), ben.ID); err != nil {
		t.Fatal(err)
	}
	if in := must(p.engine.SignIn(p.ctx, "ben", pass, p.laptop))(t); in.Cookie == "" {
		t.Error("a second factor is still asked for")
	}
}

// quietEngine is an engine that makes no machines and runs no loops.
func quietEngine(t *testing.T, st *store.Store, now func() time.Time) *Engine {
	t.Helper()
	e, err := New(t.Context(), Config{
		Store: st, Hub: pubsub.NewHub(), Log: slog.New(slog.DiscardHandler), Now: now, PublicURL: "http://localhost:8080", FastPasswords: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// FuzzCodes types anything for a second factor: only the code of the app, and
// recovery codes that were given out, let in.
func FuzzCodes(f *testing.F) {
	f.Add("123456")
	f.Add("abcd-efgh-ijkl-mnop")
	f.Add("\x00\xff 12 34 56 -")
	f.Add(strings.Repeat("\xff", 64)) // grows when it is made lower
	f.Fuzz(func(t *testing.T, code string) {
		now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
		e := &Engine{}
		e.Now = func() time.Time { return now }
		u := &models.User{Name: "ana", TOTPSecret: "JBSWY3DPEHPK3PXP"}
		plain := plainCode(code)
		if len(plain) > 64 {
			t.Errorf("a code of %d bytes is looked up", len(plain))
		}
		step, right := e.totpStep(u, plain)
		if !right {
			return
		}
		want := must(totp.GenerateCodeCustom(u.TOTPSecret, time.Unix(step*totpPeriod, 0), totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix}))(t)
		if want != plain || max(step-now.Unix()/totpPeriod, now.Unix()/totpPeriod-step) > 1 {
			t.Errorf("%q is taken for step %d, whose code is %q", code, step, want)
		}
	})
}

// Each wrong proof is in the audit, and so is each that came too soon to be
// looked at: written, or counted.
func TestWrongProofsAreAudited(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	p.user("ana", true)
	in := must(p.engine.SignIn(p.ctx, "ana", pass, p.laptop))(t)
	ana := p.as(in.Cookie)
	if err := p.engine.StartTOTP(ana); err != nil {
		t.Fatal(err)
	}
	const tries = triesAtOnce + 5
	for action, try := range map[string]func() error{
		"SetPassword":    func() error { return p.engine.ChangePassword(ana, "wrong", "another long sentence", in.Cookie) },
		"ConfirmSession": func() error { return p.engine.ConfirmSession(ana, models.Proof{Password: "wrong"}) },
		"EnableTotp": func() error {
			_, err := p.engine.EnableTOTP(ana, "000000")
			return err
		},
		"SignIn": func() error {
			_, err := p.engine.SignIn(p.ctx, "ana", "wrong", p.laptop)
			return err
		},
		"CreateUserProfile": func() error {
			_, err := p.engine.FirstRun(p.ctx, "wrong", "eve", pass)
			return err
		},
		"AcceptInvitation": func() error {
			_, err := p.engine.Invitation(p.ctx, "wrong")
			return err
		},
	} {
		for range tries {
			if try() == nil {
				t.Fatalf("%s: a wrong proof is taken", action)
			}
		}
		p.engine.tellOfRefusals(p.ctx, p.clock.Now().Add(refusedPeriod))
		told := 0
		for _, e := range must(p.engine.store.Audit.Page(p.ctx, models.AuditFilter{Action: action, RefusedOnly: true}, store.AuditCursor{Limit: 100}))(t) {
			var counted struct{ LeftOut int }
			if e.After == "" {
				told++
			} else if err := json.Unmarshal([]byte(e.After), &counted); err != nil {
				t.Fatal(err)
			}
			told += counted.LeftOut
		}
		if told != tries {
			t.Errorf("%s: the audit accounts for %d of %d", action, told, tries)
		}
	}
}

// A network that has to wait makes no more names to remember.
func TestNamesDoNotFillTheThrottle(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.Open(t))
	for n := range 200 {
		if _, err := p.engine.SignIn(p.ctx, fmt.Sprintf("guess-%d", n), "wrong", p.laptop); err == nil {
			t.Fatal("a stranger is let in")
		}
	}
	if n := len(p.engine.signIns.by); n > 2*triesAtOnce {
		t.Errorf("200 names of one address are %d to remember", n)
	}
}
