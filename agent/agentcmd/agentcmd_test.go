package agentcmd

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
)

// What a small machine may be asked for.
const (
	mostBinary   = 15 << 20
	mostResident = 25 << 20
)

// built is the program as it is shipped, made once for all tests.
var built struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

func build(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "opsyard-agent-*"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X opsyard/agent/agentcmd.Version=1.2.3",
			"-o", filepath.Join(built.dir, "opsyard-agent"), "opsyard/agent/cmd/opsyard-agent")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "opsyard-agent")
}

// TestProgram runs the shipped program from enrolment to a million lines by a
// shell recipe with a helper, and looks at what it takes.
func TestProgram(t *testing.T) {
	t.Parallel()
	program := build(t)
	if info, err := os.Stat(program); err != nil || info.Size() > mostBinary {
		t.Errorf("the program has %d bytes (%v), at most %d are allowed", info.Size(), err, mostBinary)
	}
	s := agenttest.NewServer(t)
	s.Token("token", "i-1")
	dir := t.TempDir()
	config := filepath.Join(dir, "agent.json")
	raw, _ := json.Marshal(map[string]string{"server": s.URL, "token": "token", "data": filepath.Join(dir, "data")})
	os.WriteFile(config, raw, 0o600)
	cmd := exec.Command(program, "--config", config)
	complaints := new(bytes.Buffer)
	cmd.Stderr = complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, complaints)
		}
	}()
	s.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected && v.Hello.Facts.AgentVersion == "1.2.3" })
	idle := resident(t, cmd.Process.Pid, "VmRSS")

	file := filepath.Join(dir, "made")
	recipe := "seq -f 'line %.0f of a million, and then some' 1 1000000\nopsyard-agent file " + file + " --content hello\n"
	s.Send(protocol.Run{
		CommandID: "c", Type: "execute_recipes", Manager: "shell", TimeoutSeconds: 300,
		RunList:    []protocol.RunItem{{Recipe: "web::big"}},
		Cookbooks:  []string{s.Publish(cookbook(t, "web/recipes/big.sh", recipe))},
		Attributes: []string{s.Publish([]byte(`{"a":1}`))},
	})
	began := time.Now()
	done, log := s.WaitDone(t, "c")
	took := time.Since(began)
	text, _ := os.ReadFile(file)
	lines := bytes.Count(log.Data, []byte(" of a million, and then some\n"))
	if done.Outcome != protocol.Successful || lines != 1_000_000 || strings.TrimSpace(string(text)) != "hello" {
		t.Errorf("got %+v, %d lines, file %q, log begins %.300q", done, lines, text, log.Data)
	}
	busy := resident(t, cmd.Process.Pid, "VmHWM")
	t.Logf("idle %d KB, at most %d KB; %d bytes of log in %s", idle>>10, busy>>10, len(log.Data), took)
	if busy > mostResident {
		t.Errorf("the agent took %d bytes, at most %d are allowed", busy, mostResident)
	}
}

// An agent whose host was deregistered tells the service manager to leave it.
func TestDeregisteredExits(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	s.Token("token", "i-1")
	cmd := exec.Command(build(t), "--server", s.URL, "--data", t.TempDir())
	cmd.Env = append(os.Environ(), "OPSYARD_TOKEN=token")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected })
	s.Refuse(protocol.RefusedDeregistered)
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != exitDeregistered {
		t.Errorf("it ended with %d", cmd.ProcessState.ExitCode())
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	os.WriteFile(bad, []byte("{"), 0o600)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"ErrNoServer":      {[]string{"run"}, "no server is given"},
		"ErrNoConfig":      {[]string{"--config", filepath.Join(dir, "none")}, "read the configuration"},
		"ErrBadConfig":     {[]string{"--config", bad}, "read the configuration"},
		"ErrServerAddress": {[]string{"--server", "opsyard.example.org"}, "not valid"},
		"ErrUnknown":       {[]string{"dance"}, "unexpected argument"},
		"ErrNoCommand":     {[]string{"supervise", dir}, "open command"},
	} {
		out, errs := new(bytes.Buffer), new(bytes.Buffer)
		if code := run(c.args, out, errs); code != 1 || !strings.Contains(errs.String(), c.want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: code %d, %q", name, code, errs)
		}
	}
	out := new(bytes.Buffer)
	if code := run([]string{"version"}, out, out); code != 0 || out.String() != Version+"\n" {
		t.Errorf("version: code %d, %q", code, out)
	}
	if code := run([]string{"--help"}, out, out); code != 0 || !strings.Contains(out.String(), "run [flags]") {
		t.Errorf("help: code %d, %q", code, out)
	}
}

func resident(t *testing.T, pid int, field string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == field+":" {
			kb, _ := strconv.Atoi(f[1])
			return kb << 10
		}
	}
	t.Fatalf("no %s", field)
	return 0
}

func cookbook(t *testing.T, name, text string) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	z := gzip.NewWriter(b)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
	w.Write([]byte(text))
	w.Close()
	z.Close()
	return b.Bytes()
}
