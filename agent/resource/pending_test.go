package resource

import (
	"os"
	"path/filepath"
	"testing"
)

// cutOff runs a helper and puts back what it had noted before its command: the
// run was killed while that ran.
func (b *bundle) cutOff(t *testing.T, changed int, args ...string) {
	t.Helper()
	dir := filepath.Join(os.Getenv("OPSYARD_DATA"), "notify")
	saved := t.TempDir()
	keep := "cp -p '" + dir + "'/* '" + saved + "'"
	b.changes(t, changed, 0, append(args, "--notify", keep)...)
	notes, err := os.ReadDir(saved)
	if err != nil || len(notes) != 1 {
		t.Fatalf("while the command ran, %d notes were there (%v)", len(notes), err)
	}
	if err := os.Rename(filepath.Join(saved, notes[0].Name()), filepath.Join(dir, notes[0].Name())); err != nil {
		t.Fatal(err)
	}
}

func TestAKilledRunIsMadeKnown(t *testing.T) {
	b := setup(t)
	t.Setenv("OPSYARD_DATA", t.TempDir())
	told := "echo told >> " + b.path("told")
	conf := []string{"file", "/etc/app.conf", "--content", "x"}
	b.cutOff(t, 1, conf...)
	b.dry = true
	b.changes(t, 1, 1, append(conf, "--notify", told)...)
	b.gone(t, "told")
	b.dry = false
	b.fails(t, 1, "notify", append(conf, "--notify", "exit 1")...)
	b.holds(t, "etc/app.conf", "x\n")
	b.changes(t, 1, 1, append(conf, "--notify", told)...)
	b.holds(t, "told", "told\n")
	b.changes(t, 0, 1, append(conf, "--notify", told)...)

	// A change that is taken back owes nothing.
	b.fails(t, 1, "notify", "file", "/etc/app.conf", "--content", "y", "--notify", "exit 1")
	b.changes(t, 0, 1, append(conf, "--notify", told)...)

	b.cutOff(t, 1, "file", "/etc/app.conf", "--state", "absent")
	b.changes(t, 1, 1, "file", "/etc/app.conf", "--state", "absent", "--notify", told)
	b.holds(t, "told", "told\ntold\n")
}

func TestAKilledActivationIsMadeKnown(t *testing.T) {
	s := setupSite(t)
	t.Setenv("OPSYARD_DATA", t.TempDir())
	told := "echo told >> " + s.path("told")
	s.changes(t, 2, 0, "release", "create", "hello")
	s.cutOff(t, 1, "release", "activate", "hello")
	s.changes(t, 1, 1, "release", "activate", "hello", "--notify", told)
	s.holds(t, "told", "told\n")
	s.now = s.now.Add(1e9)
	s.deploy(t, "two")
	s.now = s.now.Add(1e9)
	s.deploy(t, "three")
	// A rollback that was cut off goes no further back.
	s.cutOff(t, 1, "release", "activate", "hello", "20260301120002")
	s.changes(t, 2, 0, "release", "rollback", "hello", "--notify", told)
	s.holds(t, "srv/www/hello/current/index.html", "two")
	s.holds(t, "told", "told\ntold\n")
	if n := s.releases(t); n != 2 {
		t.Errorf("%d releases are left", n)
	}
}
