package resource

import (
	"os"
	"path/filepath"
	"testing"

	"opsyard/agent/spool"
)

func TestRebootIsAsked(t *testing.T) {
	b := setup(t)
	b.fails(t, 1, "no machine of its own", "reboot")
	b.root = ""
	b.fails(t, 1, "only a command of the server", "reboot")
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "commands", "c-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OPSYARD_DATA", data)
	t.Setenv("OPSYARD_COMMAND_ID", "c-1")
	b.dry = true
	b.changes(t, 1, 0, "reboot")
	wish := filepath.Join(data, "commands", "c-1", spool.RebootFile)
	if _, err := os.Stat(wish); err == nil {
		t.Error("a dry run asks")
	}
	b.dry = false
	b.changes(t, 1, 0, "reboot")
	if _, err := os.Stat(wish); err != nil {
		t.Error(err)
	}
}
