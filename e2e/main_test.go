package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"opsyard/engine/compute/local"
)

// base is the directory of everything that the tests make. Its name is short,
// because sockets lie below it.
var base string

func TestMain(m *testing.M) {
	local.MaybeChild() // for machines of this process
	os.Exit(run(m))
}

// run is TestMain with defers: it fails if anything is left on the host.
func run(m *testing.M) int {
	var err error
	if base, err = os.MkdirTemp("", "oy-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(base)
	code := m.Run()
	for _, left := range leftovers(base) {
		fmt.Fprintln(os.Stderr, "e2e: left behind:", left)
		code = 1
	}
	return code
}

// programs is the directory of opsyard and opsyard-agent: built once, unless
// OPSYARD_BIN_DIR names one.
var programs = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("OPSYARD_BIN_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir := filepath.Join(base, "bin")
	for name, pkg := range map[string]string{"opsyard": "opsyard", "opsyard-agent": "opsyard/agent/cmd/opsyard-agent"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return "", errors.New(string(out))
		}
	}
	return dir, nil
})

// needMachines skips where machines of namespaces cannot be made.
func needMachines(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("machines take longer than -short allows")
	}
	if os.Geteuid() != 0 {
		t.Skip("local machines need root")
	}
	if _, err := os.Stat("/sys/fs/cgroup"); err != nil {
		t.Skip("local machines need Linux")
	}
}
