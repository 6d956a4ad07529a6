package facts

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestManagers(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	before := Managers()
	if before == nil {
		t.Error("none is not told from not known")
	}
	for name, mode := range map[string]os.FileMode{"puppet": 0o755, "cinc-client": 0o755, "chef-client": 0o644} {
		if err := os.WriteFile(filepath.Join(bin, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if got := Managers(); !slices.Contains(got, "puppet") || !slices.Contains(got, "chef") {
		t.Errorf("found %v", got)
	}
}
