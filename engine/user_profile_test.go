package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// as is the context in which a user acts.
func (w *world) as(u *models.User) context.Context {
	return models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: u.Admin})
}

func (w *world) user(name string, admin bool) *models.User {
	w.t.Helper()
	return must(w.engine.CreateUser(w.ctx, models.User{Name: name, Admin: admin}, "correct horse battery"))(w.t)
}

// wantRefusal checks the code of a refusal and that it says the text.
func wantRefusal(t *testing.T, err error, code models.Code, text string) {
	t.Helper()
	if err == nil || models.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %s saying %q", err, code, text)
	}
}

func TestDeletedUsersLeaveNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		ana, bob := w.user("ana", true), w.user("bob", false)
		asAna := w.as(ana)
		in, err := w.engine.SignIn(w.ctx, "bob", "correct horse battery", models.Browser{Addr: "127.0.0.1"})
		if err != nil {
			t.Fatal(err)
		}
		key := must(w.engine.CreateAccessKey(w.as(bob), models.AccessKey{UserID: bob.ID}))(t)
		if err := w.engine.Permit(asAna, models.Permission{StackID: w.stack.ID, UserID: bob.ID, Level: models.LevelShow}); err != nil {
			t.Fatal(err)
		}
		if err := w.engine.DeleteUserProfile(asAna, bob.IamUserArn); err != nil {
			t.Fatal(err)
		}
		if u, err := w.engine.SessionUser(w.ctx, in.Cookie); err == nil {
			t.Errorf("the session of %v goes on", u)
		}
		_, err = w.store.AccessKeys.Get(w.ctx, key.ID)
		wantRefusal(t, err, models.CodeNotFound, key.ID)
		if left := must(w.store.Permissions.OfStack(w.ctx, w.stack.ID))(t); len(left) != 0 {
			t.Errorf("permissions are left: %v", left)
		}
		again := w.user("bob", false)
		if again.UnixUID == bob.UnixUID {
			t.Error("a Unix user id was given out again: files of the old user would be the new one's")
		}
	})
}

// Two administrators who delete each other do not leave an installation without.
func TestAnAdministratorStays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		ana, bob := w.user("ana", true), w.user("bob", true)
		wantRefusal(t, w.engine.DeleteUserProfile(w.as(ana), ana.IamUserArn), models.CodeInvalid, "You cannot delete yourself")
		resign := func(u *models.User) error { u.Admin = false; return nil }
		wantRefusal(t, w.engine.UpdateUserProfile(w.as(ana), ana.IamUserArn, resign), models.CodeInvalid, "You cannot take this from yourself")
		var both sync.WaitGroup
		for _, pair := range [][2]*models.User{{ana, bob}, {bob, ana}} {
			both.Go(func() {
				if err := w.engine.DeleteUserProfile(w.as(pair[0]), pair[1].IamUserArn); err != nil && models.CodeOf(err) == models.CodeInternal {
					t.Error(err)
				}
			})
		}
		both.Wait()
		left := must(w.store.Users.LockAdmins(w.ctx))(t)
		if len(left) != 1 {
			t.Fatalf("%d administrators are left", len(left))
		}
		wantRefusal(t, w.engine.DeleteUserProfile(w.ctx, left[0].IamUserArn), models.CodeInvalid, "the last administrator")
		wantRefusal(t, w.engine.UpdateUserProfile(w.ctx, left[0].IamUserArn, resign), models.CodeInvalid, "the last administrator")
	})
}

// A profile's change keeps what is not the profile's.
func TestProfilesKeepPasswordAndName(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	bob := w.user("bob", false)
	err := w.engine.UpdateUserProfile(w.ctx, bob.IamUserArn, func(u *models.User) error {
		u.Name, u.PasswordHash, u.IamUserArn, u.UnixUID, u.Email, u.Admin = "eve", "", "arn:x", 1, "bob@example.org", true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := must(w.store.Users.Get(w.ctx, bob.ID))(t)
	if got.Name != "bob" || got.PasswordHash != bob.PasswordHash || got.IamUserArn != bob.IamUserArn || got.UnixUID != bob.UnixUID || got.Email != "bob@example.org" || !got.Admin {
		t.Errorf("got %+v", got)
	}
}

func TestAccessKeys(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	ana, bob := w.user("ana", true), w.user("bob", false)
	first, second := must(w.engine.CreateAccessKey(w.as(bob), models.AccessKey{UserID: bob.ID}))(t), must(w.engine.CreateAccessKey(w.as(ana), models.AccessKey{UserID: bob.ID}))(t)
	_, err := w.engine.CreateAccessKey(w.as(bob), models.AccessKey{UserID: ana.ID})
	wantRefusal(t, err, models.CodeForbidden, "administrator")
	keys := must(w.engine.AccessKeys(w.as(bob)))(t)
	if len(keys) != 2 || keys[0].Secret+keys[1].Secret != "" {
		t.Errorf("bob's keys are %+v", keys)
	}
	if keys := must(w.engine.AccessKeys(w.as(ana)))(t); len(keys) != 0 {
		t.Errorf("ana's keys are %+v", keys)
	}
	eve := w.user("eve", false)
	wantRefusal(t, w.engine.DeleteAccessKey(w.as(eve), first.ID), models.CodeNotFound, first.ID)
	for who, id := range map[*models.User]string{bob: first.ID, ana: second.ID} {
		if err := w.engine.DeleteAccessKey(w.as(who), id); err != nil {
			t.Error(err)
		}
	}
	if keys := must(w.engine.AccessKeys(w.as(bob)))(t); len(keys) != 0 {
		t.Errorf("keys are left: %+v", keys)
	}
	entries := must(w.store.Audit.Page(w.ctx, models.AuditFilter{Target: string(bob.ID)}, store.AuditCursor{}))(t)
	for _, e := range entries {
		if strings.Contains(e.Before+e.After, first.Secret) || strings.Contains(e.Before+e.After, second.Secret) {
			t.Errorf("the audit holds a secret: %s %s", e.Before, e.After)
		}
	}
}

// An administrator, whom no level binds, may give themselves SSH, but no level.
func TestOwnPermission(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	ana, maja := w.user("ana", true), w.user("max", false)
	own := models.Permission{StackID: w.stack.ID, UserID: ana.ID, Level: models.LevelIAMOnly, AllowSSH: true, AllowSudo: true}
	if err := w.engine.Permit(w.as(ana), own); err != nil {
		t.Error(err)
	}
	own.Level = models.LevelManage
	wantRefusal(t, w.engine.Permit(w.as(ana), own), models.CodeInvalid, "You cannot set your own permission")
	if err := w.engine.Permit(w.as(ana), models.Permission{StackID: w.stack.ID, UserID: maja.ID, Level: models.LevelManage}); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, w.engine.Permit(w.as(maja), models.Permission{StackID: w.stack.ID, UserID: maja.ID, Level: models.LevelManage, AllowSSH: true}),
		models.CodeInvalid, "You cannot set your own permission")
	wantRefusal(t, w.engine.Permit(w.as(maja), models.Permission{StackID: w.stack.ID, UserID: ana.ID, Level: models.LevelShow, AllowSudo: true}),
		models.CodeInvalid, "Allow sudo: needs SSH")
}

// Chef 12.2, on Windows, takes the two commands about dependencies; they have
// nothing to do there.
func TestDependenciesOnWindows(t *testing.T) {
	t.Parallel()
	chef122 := models.ConfigurationManager{Name: models.ManagerChef, Version: models.Chef122}
	for name, want := range map[models.CommandName]bool{
		models.CommandInstallDependencies: true, models.CommandUpdateDependencies: true, models.CommandRestart: false, models.CommandDeploy: true,
	} {
		if chef122.Offers(name) != want {
			t.Errorf("%s is offered: %t", name, !want)
		}
	}
	idle := plans{command: models.DeploymentCommand{Name: models.CommandInstallDependencies}, idle: true, made: map[string]plan{}, e: &Engine{}}
	if list := idle.of(nil).list; len(list) != 0 {
		t.Errorf("it runs %v", list)
	}
}

// Recipes learn who may log in, and of each change.
func TestRecipesSeeWhoMayLogIn(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	jane := must(w.engine.CreateUserProfile(w.ctx, models.User{IamUserArn: "arn:aws:iam::123456789012:user/jane"}))(t)
	w.user("bob", false)
	i := w.online(w.web)
	told := func() string {
		t.Helper()
		w.drain()
		runs := w.links[i.ID].runs()
		last := runs[len(runs)-1]
		if last.Type != string(models.CommandConfigure) {
			t.Errorf("the last command is %s", last.Type)
		}
		packed := must(w.engine.Content(w.ctx, last.Attributes[0]))(t)
		plain := must(io.ReadAll(must(gzip.NewReader(bytes.NewReader(packed)))(t)))(t)
		var doc struct {
			SSHUsers json.RawMessage `json:"ssh_users"`
		}
		if err := json.Unmarshal(plain, &doc); err != nil {
			t.Fatal(err)
		}
		return string(doc.SSHUsers)
	}
	for _, c := range []struct {
		p    models.Permission
		want string
	}{
		{models.Permission{AllowSSH: true, AllowSudo: true}, `{"2000":{"name":"jane","email":"","public_key":"","sudoer":true}}`},
		{models.Permission{AllowSSH: true}, `{"2000":{"name":"jane","email":"","public_key":"","sudoer":false}}`},
		{models.Permission{}, `{}`},
	} {
		c.p.StackID, c.p.UserID, c.p.Level = w.stack.ID, jane.ID, models.LevelShow
		if err := w.engine.Permit(w.ctx, c.p); err != nil {
			t.Fatal(err)
		}
		if got := told(); got != c.want {
			t.Errorf("%+v: recipes see %s, want %s", c.p, got, c.want)
		}
	}
}
