package process

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"opsyard/engine/compute"
	"opsyard/engine/compute/computetest"
	"opsyard/engine/compute/internal/proc"
)

func TestMain(m *testing.M) {
	computetest.MaybeAgent()
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string, command []string) *Provider {
	t.Helper()
	p, err := New(Config{Dir: dir, AgentCommand: command, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExercise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	computetest.Exercise(t, computetest.Options{
		Server: computetest.NewServer(t),
		Open:   func(tb testing.TB) compute.Provider { return open(tb, dir, computetest.AgentCommand(tb)) },
	})
}

// TestStopEndsWhatTheAgentStarted: an agent that ignores TERM, with a child in
// a session of its own, as a recipe may have.
func TestStopEndsWhatTheAgentStarted(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("needs /proc")
	}
	p := open(t, t.TempDir(), []string{"sh", "-c", `trap "" TERM; setsid sleep 600 & echo $! > "$HOME/child"; wait; sleep 600`})
	defer p.Close()
	spec := compute.Spec{ID: "a", Enroll: compute.Enrollment{ServerURL: "http://127.0.0.1:9", Token: "t"}}
	if _, err := p.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	child := awaitPid(t, filepath.Join(p.dirOf("a"), "home", "child"))
	if err := p.Stop(t.Context(), "a", 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if h, err := child.Open(); err == nil {
		defer h.Close()
		if err := h.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := p.Terminate(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// TestVolumesKeepWhatIsOnThem: what a machine wrote is found by the next one
// that has the disk.
func TestVolumesKeepWhatIsOnThem(t *testing.T) {
	t.Parallel()
	p := open(t, t.TempDir(), []string{"sh", "-c", "sleep 600"})
	defer p.Close()
	start := func(id string, volumes ...compute.Volume) error {
		_, err := p.Start(t.Context(), compute.Spec{ID: id, Volumes: volumes, Enroll: compute.Enrollment{ServerURL: "http://127.0.0.1:9", Token: "t"}})
		return err
	}
	outer, inner := compute.Volume{ID: "vol-1", MountPoint: "/data"}, compute.Volume{ID: "vol-2", MountPoint: "/data/in/side"}
	for range 2 { // again with the disks of before
		if err := start("a", inner, outer); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.dirOf("a"), "volumes/data/in/side/kept"), []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := start("b", inner); err == nil || !strings.Contains(err.Error(), "in use by machine a") {
			t.Errorf("a disk of a running machine: %v", err)
		}
		if err := p.Terminate(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := start("b", compute.Volume{ID: "vol-2", MountPoint: "/mnt"}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(p.dirOf("b"), "volumes/mnt/kept")); string(b) != "kept" {
		t.Errorf("the other machine reads %q, %v", b, err)
	}
	if err := p.Terminate(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	if err := p.DeleteVolume(t.Context(), "vol-2"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.volumeDir("vol-2")); !os.IsNotExist(err) {
		t.Errorf("the deleted disk: %v", err)
	}
}

func TestAgentDoesNotGetTheServersSecrets(t *testing.T) {
	t.Setenv("OPSYARD_KEY", "hidden")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	for _, v := range environment("/d") {
		if strings.Contains(v, "hidden") {
			t.Errorf("environment holds %s", v)
		}
	}
}

func awaitPid(t *testing.T, file string) proc.ID {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			id, err := proc.Of(pid)
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
	}
	t.Fatalf("no process id in %s", file)
	return proc.ID{}
}
