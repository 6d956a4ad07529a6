package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

const aKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh ana@laptop"

// person makes somebody with a key.
func (w *world) person(name string) *models.User {
	w.t.Helper()
	return must(w.engine.CreateUser(w.ctx, models.User{Name: name, SSHPublicKey: aKey}, ""))(w.t)
}

// permit gives a permission in the world's stack.
func (w *world) permit(u *models.User, level models.Level, ssh, sudo bool) {
	w.t.Helper()
	w.act("permit", w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: u.ID, Level: level, AllowSSH: ssh, AllowSudo: sudo}))
}

// accounts is what the agent was told last, as "name" or "name+sudo".
func (l *fakeLink) accounts() (names []string, revision string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.sent {
		wire, ok := m.(protocol.Wire)
		if !ok {
			continue
		}
		message, err := protocol.Decode(wire)
		if err != nil {
			continue
		}
		if a, ok := message.(protocol.Accounts); ok {
			names, revision = []string{}, a.Revision
			for _, u := range a.Users {
				name := u.Name
				if u.Sudo {
					name += "+sudo"
				}
				names = append(names, name)
			}
		}
	}
	return names, revision
}

func (w *world) hears(link *fakeLink, want ...string) {
	w.t.Helper()
	w.eventually("the agent hears of "+strings.Join(want, ", "), func() bool {
		got, revision := link.accounts()
		return revision != "" && slices.Equal(got, want)
	})
}

func TestAgentsHearWhoMayLogIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		ana, ben := w.person("ana"), w.person("ben")
		i := w.online(w.web)
		link := w.links[i.ID]
		if kind := first(link); kind != "accounts" {
			t.Errorf("the first thing the agent heard was %s", kind)
		}
		w.hears(link)
		w.permit(ana, models.LevelShow, true, false)
		w.hears(link, "ana")
		w.permit(ben, models.LevelIAMOnly, true, true)
		w.hears(link, "ana", "ben+sudo")
		w.permit(ana, models.LevelShow, true, true)
		w.hears(link, "ana+sudo", "ben+sudo")
		w.permit(ana, models.LevelDeny, true, true)
		w.hears(link, "ben+sudo")
		w.act("rename", w.engine.UpdateUserProfile(w.ctx, ben.IamUserArn, func(u *models.User) error { u.SSHUsername = "benno"; return nil }))
		w.hears(link, "benno+sudo")

		// Whoever is revoked while the agent is away is not named when it is back,
		// before any command; and its new session is the one that hears.
		w.engine.DisconnectAgent(i.ID, link)
		w.act("delete", w.engine.DeleteUserProfile(w.ctx, ben.IamUserArn))
		back := w.connect(i)
		w.hears(back)
		if kind := first(back); kind != "accounts" {
			t.Errorf("the first thing it heard was %s", kind)
		}
		w.permit(ana, models.LevelShow, true, false)
		w.hears(back, "ana")
		if names, _ := link.accounts(); slices.Contains(names, "ana") {
			t.Error("a session that has ended was told")
		}
	})
}

// first is the kind of the first message that an agent was sent.
func first(l *fakeLink) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wire, ok := l.sent[0].(protocol.Wire); ok {
		if m, err := protocol.Decode(wire); err == nil {
			if _, ok := m.(protocol.Accounts); ok {
				return "accounts"
			}
		}
	}
	return "something else"
}

// What another server writes is found without being told.
func TestAccountsOfAnotherServer(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	ana := w.person("ana")
	i := w.online(w.web)
	w.act("permit", w.store.Permissions.Set(w.ctx, models.Permission{StackID: w.stack.ID, UserID: ana.ID, Level: models.LevelShow, AllowSSH: true}))
	w.act("look", w.engine.tellAccounts(w.ctx))
	w.hears(w.links[i.ID], "ana")
}

func TestAccountsForSomeTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		ana, ben := w.person("ana"), w.person("ben")
		i := w.online(w.web)
		link := w.links[i.ID]
		w.permit(ben, models.LevelShow, true, false)
		w.act("grant", w.engine.GrantSSH(w.ctx, w.stack.ID, ana.ID, false, time.Hour))
		w.hears(link, "ana", "ben")
		w.act("grant", w.engine.GrantSSH(w.ctx, w.stack.ID, ben.ID, true, time.Hour))
		w.hears(link, "ana", "ben+sudo")
		w.drain()

		// Somebody who saves the page of permissions does not end it.
		w.permit(ana, models.LevelShow, false, false)
		w.hears(link, "ana", "ben+sudo")
		w.timeIsOver(ana)
		w.timeIsOver(ben)
		w.hears(link, "ben") // what he had before stands
		w.eventually("the rows are as before", func() bool {
			for _, u := range []*models.User{ana, ben} {
				p := must(w.store.Permissions.Get(w.ctx, w.stack.ID, u.ID))(t)
				if p.SSHUntil != nil || p.UntilSudo {
					return false
				}
			}
			return true
		})
		if n := w.audited("ExpireSSH"); n != 2 {
			t.Errorf("%d ends were audited", n)
		}
		w.drain()
		w.act("grant", w.engine.GrantSSH(w.ctx, w.stack.ID, ana.ID, true, time.Hour))
		w.hears(link, "ana+sudo", "ben")
		w.act("end", w.engine.EndSSH(w.ctx, w.stack.ID, ana.ID))
		w.hears(link, "ben")

		for _, d := range []time.Duration{0, -time.Hour, 31 * 24 * time.Hour} {
			if err := w.engine.GrantSSH(w.ctx, w.stack.ID, ana.ID, true, d); models.CodeOf(err) != models.CodeInvalid {
				t.Errorf("for %s: %v", d, err)
			}
		}
		if err := w.engine.EndSSH(w.ctx, w.stack.ID, ana.ID); models.CodeOf(err) != models.CodeInvalid {
			t.Errorf("an end of nothing: %v", err)
		}
		w.permit(ana, models.LevelManage, false, false)
		own := models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: ana.ID, Name: "ana"})
		if err := w.engine.GrantSSH(own, w.stack.ID, ana.ID, true, time.Hour); err == nil {
			t.Error("she gave it to herself")
		}
		w.permit(ben, models.LevelDeny, false, false)
		if err := w.engine.GrantSSH(own, w.stack.ID, ben.ID, true, time.Hour); models.CodeOf(err) != models.CodeInvalid {
			t.Errorf("for somebody who is denied everything: %v", err)
		}
	})
}

// timeIsOver makes an access for some time be over.
func (w *world) timeIsOver(u *models.User) {
	w.t.Helper()
	p := must(w.store.Permissions.Get(w.ctx, w.stack.ID, u.ID))(w.t)
	past := time.Now().Add(-time.Second)
	p.SSHUntil = &past
	w.act("expire", w.store.Permissions.Set(w.ctx, *p))
}

// audited counts the entries of an action.
func (w *world) audited(action string) int {
	w.t.Helper()
	var n int
	w.act("count", w.store.SQL().QueryRowContext(w.ctx, "SELECT count(*) FROM audit_entries WHERE action = '"+action+"'").Scan(&n))
	return n
}

func TestWhatBecameOfAccounts(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	ana, ben := w.person("ana"), w.person("ben")
	w.permit(ana, models.LevelShow, true, false)
	w.permit(ben, models.LevelShow, true, true)
	w.permit(w.person("Cem"), models.LevelShow, true, false)
	w.act("name", w.engine.UpdateUserProfile(w.ctx, models.IamUserArnFor("Cem"), func(u *models.User) error { u.SSHUsername = "Cem"; return nil }))
	i := w.online(w.web)
	states := func() (text string) {
		for _, a := range must(w.engine.InstanceAccounts(w.ctx, i.ID))(t).Accounts {
			text += a.SSHUsername + " " + string(a.State) + ";"
		}
		return text
	}
	if got := states(); got != "Cem skipped;ana waiting;ben waiting;" {
		t.Errorf("at first: %s", got)
	}
	_, revision := w.links[i.ID].accounts()
	said := protocol.AccountsApplied{Revision: revision, Skipped: []protocol.SkippedAccount{{Name: "ben", Reason: "It is taken."}, {Name: "old", Reason: "It could not be removed."}}}
	w.act("apply", w.engine.AccountsApplied(w.ctx, i.ID, said))
	if got := states(); got != "Cem skipped;ana here;ben skipped;" {
		t.Errorf("then: %s", got)
	}
	view := must(w.engine.InstanceAccounts(w.ctx, i.ID))(t)
	if view.Accounts[2].Reason != "It is taken." || len(view.Others) != 1 || view.Others[0].Name != "old" {
		t.Errorf("got %+v", view)
	}
	before := must(w.store.AppliedAccounts.Get(w.ctx, i.ID))(t)
	w.act("apply again", w.engine.AccountsApplied(w.ctx, i.ID, said))
	if after := must(w.store.AppliedAccounts.Get(w.ctx, i.ID))(t); !after.At.Equal(before.At) {
		t.Error("what was known was written again")
	}
	own := models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: ana.ID, Name: "ana"})
	if view := must(w.engine.InstanceAccounts(own, i.ID))(t); len(view.Accounts) != 1 || view.Accounts[0].UserID != ana.ID || view.Others != nil {
		t.Errorf("somebody with the level show sees %+v", view)
	}
	w.act("apply", w.engine.AccountsApplied(w.ctx, i.ID, protocol.AccountsApplied{Revision: revision, Problem: "The agent does not run as root."}))
	if view := must(w.engine.InstanceAccounts(w.ctx, i.ID))(t); view.Problem == "" {
		t.Errorf("got %+v", view)
	}
}
