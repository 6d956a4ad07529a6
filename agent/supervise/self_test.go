package supervise

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opsyard/agent/identity"
	"opsyard/agent/protocol"
	"opsyard/agent/spool"
)

// Cookbooks of Chef go by an attribute that all instances are told alike.
func TestOneInstanceIsToldToMigrate(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	id, err := json.Marshal(identity.Identity{InstanceID: "i-1", Hostname: "web1", Seed: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "identity.json"), id, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, migrator string
		asked, want    string
	}{
		{"deploy", "i-1", "true", `"migrate":true`},
		{"deploy", "i-2", "true", `"migrate":false`},
		{"deploy", "", "true", `"migrate":false`},
		{"deploy", "", "", `"migrate":true`}, // by custom JSON
		{"execute_recipes", "", "true", `"migrate":true`},
	} {
		r := &run{data: data, Command: &spool.Command{Run: protocol.Run{Type: c.kind, Migrator: c.migrator, Apps: []protocol.App{{Shortname: "shop"}}}}}
		if c.asked != "" {
			r.Run.Args = map[string][]string{"migrate": {c.asked}}
		}
		got, err := r.migrateOnce([]byte(`{"deploy":{"shop":{"migrate":true,"user":"deploy"}}}`))
		if err != nil || !strings.Contains(string(got), c.want) || !strings.Contains(string(got), `"user":"deploy"`) {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
}
