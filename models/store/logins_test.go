package store_test

import (
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestLogins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, past, future := t.Context(), time.Now().Add(-time.Minute), time.Now().Add(time.Minute)
		stack, other := storetest.Stack(t, st).ID, storetest.Stack(t, st).ID
		for name, p := range map[string]models.Permission{
			"always":    {Level: models.LevelIAMOnly, AllowSSH: true},
			"both":      {Level: models.LevelShow, AllowSSH: true, SSHUntil: &future, UntilSudo: true},
			"denied":    {Level: models.LevelDeny, AllowSSH: true, AllowSudo: true, SSHUntil: &future},
			"expired":   {Level: models.LevelShow, SSHUntil: &past, UntilSudo: true},
			"nothing":   {Level: models.LevelManage},
			"sudo":      {Level: models.LevelShow, AllowSSH: true, AllowSudo: true, SSHUntil: &past},
			"temporary": {Level: models.LevelShow, SSHUntil: &future},
			"thatstays": {Level: models.LevelShow, AllowSSH: true, SSHUntil: &past, UntilSudo: true},
		} {
			u := storetest.User(t, st, func(u *models.User) { u.Name, u.SSHUsername, u.SSHPublicKey = name, name, "key of "+name })
			p.StackID, p.UserID = stack, u.ID
			must(t, st.Permissions.Set(ctx, p))
			if name == "always" {
				p.StackID = other
				must(t, st.Permissions.Set(ctx, p))
			}
		}
		// By a group, which can also deny; what is one's own comes on top.
		for group, p := range map[string]models.GroupPermission{
			"ops":   {Level: models.LevelIAMOnly, AllowSSH: true, AllowSudo: true},
			"guest": {Level: models.LevelDeny, AllowSSH: true},
		} {
			g := models.Group{ID: models.NewID[models.GroupID](), Name: group, CreatedAt: noon, UpdatedAt: noon}
			must(t, st.Groups.Create(ctx, &g))
			p.StackID, p.GroupID = stack, g.ID
			must(t, st.Groups.SetPermission(ctx, p))
			for _, name := range []string{"by ops", "by guest", "of both"} {
				if !strings.HasSuffix(name, group) && name != "of both" {
					continue
				}
				name = strings.ReplaceAll(name, " ", "")
				u, err := st.Users.ByName(ctx, name)
				if err != nil {
					u = storetest.User(t, st, func(u *models.User) { u.Name, u.SSHUsername, u.SSHPublicKey = name, name, "key of "+name })
				}
				must(t, st.Groups.AddMember(ctx, g.ID, u.ID))
			}
		}
		names := func(logins []models.Login) (text string) {
			for _, l := range logins {
				text += l.SSHUsername
				if l.Sudo {
					text += "+"
				}
				if l.UnixUID < 2000 || l.SSHPublicKey != "key of "+l.Name {
					t.Errorf("got %+v", l)
				}
				text += ","
			}
			return text
		}
		const want = "always,both+,byops+,sudo+,temporary,thatstays,"
		logins, err := st.Logins(ctx, stack)
		must(t, err)
		equal(t, names(logins), want)
		all, err := st.AllLogins(ctx)
		must(t, err)
		equal(t, []string{names(all[stack]), names(all[other])}, []string{want, "always,"})
		expired, err := st.Permissions.ExpiredLogins(ctx, time.Now())
		must(t, err)
		equal(t, len(expired), 3)
	})
}

func TestAppliedAccounts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, i := t.Context(), storetest.Instance(t, st)
		row, err := st.AppliedAccounts.Get(ctx, i.ID)
		must(t, err)
		if row != nil {
			t.Errorf("got %+v", row)
		}
		want := models.AppliedAccounts{InstanceID: i.ID, Revision: "r", Skipped: []models.SkippedAccount{{Name: "ana", Reason: "It is taken."}}, At: noon}
		must(t, st.AppliedAccounts.Put(ctx, &models.AppliedAccounts{InstanceID: i.ID, Revision: "before", Problem: "p", At: noon}))
		must(t, st.AppliedAccounts.Put(ctx, &want))
		row, err = st.AppliedAccounts.Get(ctx, i.ID)
		must(t, err)
		row.At = row.At.UTC()
		equal(t, *row, want)
		must(t, st.Instances.Delete(ctx, i.ID))
		row, err = st.AppliedAccounts.Get(ctx, i.ID)
		must(t, err)
		if row != nil {
			t.Errorf("it outlived its instance: %+v", row)
		}
	})
}

// User ids of the deleted come again last of all, and never while somebody has them.
func TestUnixUserIDsGoRound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		first := storetest.User(t, st)  // 2000
		second := storetest.User(t, st) // 2001
		must(t, st.Users.Delete(ctx, second.ID))
		change(t, st, "UPDATE counters SET value = 2000 WHERE name = 'unix_uid'") // up to 3999
		ids := []int{storetest.User(t, st).UnixUID, storetest.User(t, st).UnixUID, storetest.User(t, st).UnixUID}
		equal(t, append(ids, first.UnixUID), []int{4000, 2001, 2002, 2000})
	})
}
