package agentcmd

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRemoveInstalledAgent(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unit := filepath.Join(dir, "opsyard-agent.service")
	if err := os.WriteFile(unit, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var asked []string
	s := service{name: "opsyard-agent.service", unit: unit, program: filepath.Join(dir, "opsyard-agent"), systemctl: func(args ...string) error {
		asked = append(asked, args[0])
		return nil
	}}
	s.remove(slog.New(slog.DiscardHandler))
	if _, err := os.Stat(unit); err != nil || len(asked) > 0 {
		t.Fatalf("an agent that runs from elsewhere was removed: %v %v", err, asked)
	}
	s.program = filepath.Join(dir, "self")
	if err := os.Symlink(self, s.program); err != nil {
		t.Fatal(err)
	}
	s.removeOf(s.program, slog.New(slog.DiscardHandler))
	for _, path := range []string{unit, s.program} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if !slices.Equal(asked, []string{"disable", "daemon-reload"}) {
		t.Errorf("systemctl was asked for %v", asked)
	}
}
