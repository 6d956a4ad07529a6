package store_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestUsersAndWhatIsTheirs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		ann := storetest.User(t, st, func(u *models.User) { u.Name, u.Admin = "ann", true })
		bob := storetest.User(t, st, func(u *models.User) { u.Name = "bob" })
		equal(t, []int{ann.UnixUID, bob.UnixUID}, []int{2000, 2001})
		ann.UnixUID, ann.Email = 77, "ann@example.org"
		must(t, st.Users.Save(ctx, ann))
		got, err := st.Users.ByName(ctx, "ann")
		must(t, err)
		equal(t, []any{got.UnixUID, got.Email}, []any{2000, "ann@example.org"})
		_, err = st.Users.ByARN(ctx, "arn:none")
		refused(t, err, models.CodeNotFound, "Unable to find user with ARN arn:none")
		admins, err := st.Users.CountAdmins(ctx)
		must(t, err)
		equal(t, admins, 1)

		stack := storetest.Stack(t, st).ID
		_, err = st.Permissions.Get(ctx, stack, bob.ID)
		refused(t, err, models.CodeNotFound, "")
		for _, level := range []models.Level{models.LevelShow, models.LevelManage} {
			must(t, st.Permissions.Set(ctx, models.Permission{StackID: stack, UserID: bob.ID, Level: level, AllowSSH: level == models.LevelShow}))
		}
		p, err := st.Permissions.Get(ctx, stack, bob.ID)
		must(t, err)
		equal(t, []any{p.Level, p.AllowSSH}, []any{models.LevelManage, false})

		key := models.AccessKey{ID: "AK1", UserID: bob.ID, Secret: "s3cret"}
		must(t, st.AccessKeys.Create(ctx, &key))
		must(t, st.AccessKeys.Used(ctx, "AK1", noon))
		read, err := st.AccessKeys.Get(ctx, "AK1")
		must(t, err)
		if read.Secret != "s3cret" || !read.LastUsed.Equal(noon) {
			t.Errorf("got %+v", read)
		}
		for _, hash := range []string{"h1", "h2"} {
			must(t, st.Sessions.Create(ctx, &models.Session{Hash: hash, UserID: bob.ID, SeenAt: noon, ExpiresAt: noon.Add(time.Hour), UserAgent: strings.Repeat("ä\xff\x00", 300)}))
		}
		must(t, st.Users.Delete(ctx, bob.ID))
		_, err = st.AccessKeys.Get(ctx, "AK1")
		refused(t, err, models.CodeNotFound, "")
		sessions, err := st.Sessions.OfUser(ctx, bob.ID)
		must(t, err)
		permissions, err := st.Permissions.OfUser(ctx, bob.ID)
		must(t, err)
		equal(t, []int{len(sessions), len(permissions)}, []int{0, 0})
		equal(t, storetest.User(t, st).UnixUID, 2002) // never the one of bob
	})
}

func TestSessions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		for hash, seen := range map[string]time.Time{"fresh": noon, "idle": noon.Add(-models.SessionIdle), "other": noon} {
			must(t, st.Sessions.Create(ctx, &models.Session{Hash: hash, UserID: "u", SeenAt: seen, ExpiresAt: noon.Add(time.Hour)}))
		}
		must(t, st.Sessions.DeleteExpired(ctx, noon))
		list, err := st.Sessions.OfUser(ctx, "u")
		must(t, err)
		equal(t, len(list), 2)
		must(t, st.Sessions.DeleteOfUser(ctx, "u", "fresh"))
		must(t, st.Sessions.Touch(ctx, "fresh", noon.Add(time.Minute)))
		s, err := st.Sessions.Get(ctx, "fresh")
		must(t, err)
		if !s.SeenAt.Equal(noon.Add(time.Minute)) {
			t.Errorf("seen at %v", s.SeenAt)
		}
		must(t, st.Sessions.Delete(ctx, "fresh"))
		_, err = st.Sessions.Get(ctx, "fresh")
		refused(t, err, models.CodeNotFound, "")
	})
}

func TestTokensWorkOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx := t.Context()
		must(t, st.EnrollTokens.Create(ctx, &models.EnrollToken{Hash: "h", StackID: "s", ExpiresAt: noon.Add(time.Hour)}))
		must(t, st.EnrollTokens.Create(ctx, &models.EnrollToken{Hash: "old", StackID: "s", ExpiresAt: noon}))
		var won atomic.Int32
		together(6, func(n int) {
			err := st.EnrollTokens.Use(ctx, "h", "i", []byte{byte(n)}, noon)
			if err == nil {
				won.Add(1)
			} else {
				refused(t, err, models.CodeConflict, "The enrolment token has been used or has expired.")
			}
		})
		equal(t, won.Load(), int32(1))
		refused(t, st.EnrollTokens.Use(ctx, "old", "i", nil, noon), models.CodeConflict, "")
		token, err := st.EnrollTokens.Get(ctx, "h")
		must(t, err)
		if !token.UsedAt.Equal(noon) || len(token.UsedKey) != 1 || token.InstanceID != "i" {
			t.Errorf("got %+v", token)
		}

		must(t, st.SetupTokens.Replace(ctx, &models.SetupToken{Hash: "a"}))
		must(t, st.SetupTokens.Replace(ctx, &models.SetupToken{Hash: "b"}))
		refused(t, st.SetupTokens.Use(ctx, "a"), models.CodeNotFound, "")
		must(t, st.SetupTokens.Use(ctx, "b"))
		refused(t, st.SetupTokens.Use(ctx, "b"), models.CodeNotFound, "")
	})
}

func TestContents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		ctx, data := t.Context(), []byte("\x1f\x8b\x00zip\xff")
		for n := range 3 {
			must(t, st.Contents.Put(ctx, &models.Content{Digest: "sha256:1", Data: data, CreatedAt: noon.Add(time.Duration(n) * time.Hour)}))
		}
		must(t, st.Contents.Put(ctx, &models.Content{Digest: "sha256:2", CreatedAt: noon}))
		must(t, st.Contents.Prune(ctx, noon.Add(time.Hour)))
		got, err := st.Contents.Get(ctx, "sha256:1")
		must(t, err)
		equal(t, got.Data, data)
		_, err = st.Contents.Get(ctx, "sha256:2")
		refused(t, err, models.CodeNotFound, "")
	})
}
