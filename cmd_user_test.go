package main

import (
	"log/slog"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// Who has lost everything comes in again by the command line of the server,
// which leaves second factors alone unless it is told otherwise.
func TestSetPasswordResetsFactors(t *testing.T) { // not parallel: it reads standard output
	dir, ctx := t.TempDir(), t.Context()
	st, err := dataFlags{Data: dir, Database: "sqlite"}.open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	command := func(args ...string) {
		t.Helper()
		if code, text := said(t, append(args, "--name", "ana", "--data", dir)...); code != 0 {
			t.Fatalf("%v: %d %s", args, code, text)
		}
	}
	command("user", "create", "--admin")
	ana, err := st.Users.ByName(ctx, "ana")
	if err != nil {
		t.Fatal(err)
	}
	since, password := time.Now(), ana.PasswordHash
	ana.TOTPSecret, ana.TOTPSince = "JBSWY3DPEHPK3PXP", &since
	for _, err := range []error{
		st.Users.Save(ctx, ana),
		st.SignIns.NewPasskey(ctx, &models.Passkey{ID: "phone", UserID: ana.ID, Credential: "{}", CreatedAt: since}),
		st.SignIns.ReplaceCodes(ctx, ana.ID, false, []models.RecoveryCode{{Hash: "code", UserID: ana.ID, CreatedAt: since}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// has tells whether the app is on, and how many passkeys, codes and entries
	// of a reset there are.
	has := func(app bool, passkeys, codes, entries int) {
		t.Helper()
		u, err := st.Users.Get(ctx, ana.ID)
		keys, err2 := st.SignIns.Passkeys(ctx, ana.ID)
		left, err3 := st.SignIns.CodesLeft(ctx, ana.ID, false)
		told, err4 := st.Audit.Page(ctx, models.AuditFilter{Action: "ResetFactors"}, store.AuditCursor{Limit: 10})
		if err != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Fatal(err, err2, err3, err4)
		}
		if u.PasswordHash == password {
			t.Error("the password is the old one")
		}
		if (u.TOTPSince != nil) != app || len(keys) != passkeys || left != codes || len(told) != entries {
			t.Errorf("app since %v, %d passkeys, %d codes, %d entries; want %t, %d, %d, %d", u.TOTPSince, len(keys), left, len(told), app, passkeys, codes, entries)
		}
		password = u.PasswordHash
	}
	command("user", "set-password")
	has(true, 1, 1, 0)
	command("user", "set-password", "--reset-factors")
	has(false, 0, 0, 1)
}
