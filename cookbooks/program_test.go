package cookbooks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"opsyard/models"
)

// TestProgramOnMachines runs a Go program through its life.
func TestProgramOnMachines(t *testing.T) {
	t.Parallel()
	app := newSample("other")
	app.dir = "program"
	app.extra = map[string][]byte{"hello": buildProgram(t)}
	app.Environment = map[string]string{"GREETING": "hello"}
	s := newAppStory(t, "go-app", app, "nginx", "opsyard-app-hello@1", "opsyard-app-hello@2")
	s.layer(models.Layer{Shortname: "go-app", Name: "Programs", Type: models.LayerCustom, Engine: models.EngineProgram})
	s.tell(t)
}

// buildProgram compiles the sample program for machines, whatever their libraries.
func buildProgram(t *testing.T) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "hello")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the sample program: %v %s", err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return program
}
