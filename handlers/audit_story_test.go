package handlers

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/models/store"
)

// A day: somebody signs in, changes a stack and deploys; somebody else tries
// what is not theirs; a permission is given. All of it is told, the chain is
// whole, and one flipped byte is found.
func TestADaysStoryIsAudited(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	eng := c.h.Engine.(*engine.Engine)
	stack := "/stacks/" + string(c.fleet.stack.ID)
	root := c.as("root")
	if a := root.post(stack+"/run", "Command", "deploy", "AppId", string(c.fleet.app.ID), "Targets", "all"); a.status != 303 {
		t.Fatalf("the deploy answers %d: %.300s", a.status, a.body)
	}
	if a := c.as("show").post(stack + "/delete"); a.status != 403 {
		t.Fatalf("show may delete: %d", a.status)
	}
	subject, err := c.store.Users.Get(t.Context(), c.subject)
	if err != nil {
		t.Fatal(err)
	}
	admin := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "root", Admin: true, SourceAddr: "192.0.2.1", RequestID: "r1"})
	if err := eng.SetPermission(admin, c.fleet.stack.ID, subject.ID, func(p *models.Permission) error { p.Level = models.LevelDeploy; return nil }); err != nil {
		t.Fatal(err)
	}

	told := map[string]models.AuditEntry{}
	entries, err := c.store.Audit.Page(t.Context(), models.AuditFilter{}, store.AuditCursor{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		key := e.Action
		if e.Refused {
			key += " refused"
		}
		if told[key].ID == 0 { // the newest
			told[key] = e
		}
	}
	for _, what := range []string{"SignIn", "CreateDeployment", "DeleteStack refused", "SetPermission", "CreateUserProfile"} {
		if told[what].ID == 0 {
			t.Errorf("the audit does not tell of %s", what)
		}
	}
	if e := told["SetPermission"]; !strings.Contains(e.After, `"Level":"deploy"`) || e.SourceAddr != "192.0.2.1" {
		t.Errorf("the permission is told as %+v", e)
	}
	if e := told["DeleteStack refused"]; e.ActorName != "show" || e.SourceAddr != "127.0.0.1" || e.RequestID == "" || e.Surface != "console" {
		t.Errorf("the refusal is told as %+v", e)
	}

	address := "sqlite:" + c.databaseFiles()[0]
	proof, err := store.VerifyAudit(t.Context(), address, entries[0].Hash)
	if err != nil || proof.Entries != len(entries) || !proof.Known {
		t.Fatalf("the day's chain: %+v, %v", proof, err)
	}
	for _, e := range []models.AuditEntry{told["CreateDeployment"], told["DeleteStack refused"], told["SetPermission"]} {
		flipped := []byte(e.ActorName)
		flipped[0] ^= 1
		for _, name := range []string{string(flipped), e.ActorName} {
			if _, err := c.store.SQL().ExecContext(t.Context(), "UPDATE audit_entries SET actor_name = ? WHERE id = ?", name, e.ID); err != nil {
				t.Fatal(err)
			}
			_, err := store.VerifyAudit(t.Context(), address, "")
			var broken *store.BrokenAuditError
			if found := errors.As(err, &broken) && broken.ID == e.ID && broken.Action == e.Action; found != (name != e.ActorName) {
				t.Errorf("with %s as the actor of entry %d: %v", name, e.ID, err)
			}
		}
	}
}
