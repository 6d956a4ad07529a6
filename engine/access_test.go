package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// windows makes an instance of a Windows stack that is online.
func (w *world) windows() *models.Instance {
	w.t.Helper()
	w.provider.simulated.Store(true)
	s := models.NewStack("Desk")
	s.ConfigurationManager = models.ConfigurationManager{Name: models.ManagerChef, Version: models.Chef122}
	s.DefaultOs = models.DefaultOS(s.ConfigurationManager)
	w.stack = must(w.engine.CreateStack(w.ctx, s))(w.t)
	l := models.NewLayer(w.stack.ID, models.LayerCustom)
	l.Name, l.Shortname = "Desk", "desk"
	return w.online(must(w.engine.CreateLayer(w.ctx, l))(w.t))
}

// expire lets the time of an instance's accesses be over.
func (w *world) expire(i *models.Instance) {
	w.t.Helper()
	for _, a := range must(w.store.RemoteAccesses.OfInstance(w.ctx, i.ID))(w.t) {
		w.act("expire", w.store.RemoteAccesses.Revoke(w.ctx, &a, a.RevokeID, time.Now().Add(-time.Second)))
	}
}

func (w *world) accesses(i *models.Instance) []models.RemoteAccess {
	w.t.Helper()
	return must(w.store.RemoteAccesses.OfInstance(w.ctx, i.ID))(w.t)
}

func TestAccessIsGrantedAndTakenAway(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.windows()
		given := must(w.engine.GrantAccess(w.ctx, i.ID, 60))(t)
		run := w.finish(i, models.CommandGrantRemoteAccess, protocol.Successful)
		if !slices.Equal(run.Args["password"], []string{given.Password}) || !slices.Equal(run.Args["username"], []string{given.Username}) {
			t.Errorf("the agent was told %v", run.Args)
		}
		if !slices.ContainsFunc(run.Secrets, func(s protocol.Secret) bool { return s.Value == given.Password }) {
			t.Error("the agent does not hide the password in its log")
		}
		w.eventually("the password is forgotten", func() bool { return w.accesses(i)[0].Password == "" })

		w.expire(i)
		w.reboot() // while it was down, the time went by
		w.connect(i)
		if run = w.finish(i, models.CommandRevokeRemoteAccess, protocol.Failed); run.Args["username"][0] != given.Username {
			t.Errorf("revoked for %v", run.Args)
		}
		w.eventually("it is tried again", func() bool { return w.accesses(i)[0].RevokeID == "" })
		w.expire(i)
		w.finish(i, models.CommandRevokeRemoteAccess, protocol.Successful)
		w.eventually("nothing is left", func() bool { return len(w.accesses(i)) == 0 })
	})
}

func TestAccessGrantedAgainStays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.windows()
		must(w.engine.GrantAccess(w.ctx, i.ID, 60))(t)
		w.finish(i, models.CommandGrantRemoteAccess, protocol.Successful)
		w.expire(i)
		w.sent(i, models.CommandRevokeRemoteAccess)
		must(w.engine.GrantAccess(w.ctx, i.ID, 120))(t)
		w.finish(i, models.CommandRevokeRemoteAccess, protocol.Successful)
		w.finish(i, models.CommandGrantRemoteAccess, protocol.Successful)
		if left := w.accesses(i); len(left) != 1 || left[0].RevokeID != "" || time.Until(left[0].ExpiresAt) < time.Hour {
			t.Errorf("the second access is %+v", left)
		}
	})
}

// Whoever asks gets an account that is nobody else's, nor Windows' own.
func TestAccessNamesAreEverybodysOwn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.windows()
		seen := map[string]string{"administrator": "Windows", "guest": "Windows"}
		for _, name := range []string{"administrator", "Guest", "al.ice", "alice", "eve", "franziska.from.the.first.floor", "franziska.from.the.second.floor"} {
			u := must(w.engine.CreateUser(w.ctx, models.User{Name: name, Admin: true}, ""))(t)
			given := must(w.engine.GrantAccess(models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: true}), i.ID, 60))(t)
			if other := seen[given.Username]; other != "" || given.Username == "" || len(given.Username) > maxWindowsUser {
				t.Errorf("%s got %q, which %q has", name, given.Username, other)
			}
			seen[given.Username] = name
		}
	})
}

// The password is in nothing that others may read.
func TestAccessPasswordIsKeptNowhere(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.windows()
		given := must(w.engine.GrantAccess(w.ctx, i.ID, 60))(t)
		var all []string
		for _, table := range []string{"deployments", "commands", "audit_entries", "stack_events", "remote_accesses"} {
			all = append(all, w.cells(table)...)
		}
		for _, cell := range all {
			if strings.Contains(cell, given.Password) {
				t.Errorf("the password is in %.80s", cell)
			}
		}
		if len(all) < 50 {
			t.Errorf("only %d cells were looked at", len(all))
		}
	})
}

func TestGrantAccessRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		linux := w.online(w.web)
		grant := func(id models.InstanceID, minutes int) error {
			_, err := w.engine.GrantAccess(w.ctx, id, minutes)
			return err
		}
		w.refused("on Linux", grant(linux.ID, 60))
		i := w.windows()
		w.refused("too short", grant(i.ID, 59))
		w.refused("too long", grant(i.ID, 1441))
		w.act("stop", w.engine.StopInstance(w.ctx, i.ID, true))
		w.refused("not online", grant(i.ID, 60))

		user := must(w.engine.CreateUser(w.ctx, models.User{Name: "eve"}, ""))(t)
		as := models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: user.ID, Name: "eve"})
		for _, c := range []struct {
			p    models.Permission
			code models.Code
		}{
			{models.Permission{Level: models.LevelIAMOnly}, models.CodeNotFound},
			{models.Permission{Level: models.LevelDeploy}, models.CodeForbidden},
			{models.Permission{Level: models.LevelShow, AllowSSH: true}, models.CodeInvalid}, // only because it is stopped
		} {
			c.p.StackID, c.p.UserID = w.stack.ID, user.ID
			w.act("permit", w.engine.Permit(w.ctx, c.p))
			if _, err := w.engine.GrantAccess(as, i.ID, 60); models.CodeOf(err) != c.code {
				t.Errorf("with %s, SSH %v: %v", c.p.Level, c.p.AllowSSH, err)
			}
		}
	})
}

// cells are all values of a table.
func (w *world) cells(table string) []string {
	w.t.Helper()
	rows := must(w.store.SQL().QueryContext(w.ctx, "SELECT * FROM "+table))(w.t)
	defer rows.Close()
	columns := must(rows.Columns())(w.t)
	var all []string
	for rows.Next() {
		values := make([]any, len(columns))
		for n := range values {
			values[n] = new(any)
		}
		w.act("read "+table, rows.Scan(values...))
		for n, v := range values {
			text := *v.(*any)
			if b, ok := text.([]byte); ok {
				text = string(b)
			}
			all = append(all, fmt.Sprintf("%s.%s: %v", table, columns[n], text))
		}
	}
	w.act("read "+table, rows.Err())
	return all
}
