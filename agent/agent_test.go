package agent_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Send(script("c-1", `echo one; echo two >&2`, `printf 'no newline'`))
	done, log := b.WaitDone(t, "c-1")
	if done.Outcome != protocol.Successful || done.ExitCode != 0 {
		t.Errorf("got %+v", done)
	}
	if got, want := string(log.Data), "one\ntwo\nno newline"; got != want {
		t.Errorf("got log %q, want %q", got, want)
	}
	var steps []string
	for _, s := range log.Steps {
		steps = append(steps, fmt.Sprintf("%s %s %d %s", s.Kind, s.Name, s.Offset, s.Result))
	}
	want := []string{
		"phase workspace 0 ", "phase workspace 0 successful", "phase cookbooks 0 ", "phase cookbooks 0 successful",
		"phase attributes 0 ", "phase attributes 0 successful", "phase recipes 0 ",
		"recipe test::script0 0 ", "recipe test::script0 8 successful",
		"recipe test::script1 8 ", "recipe test::script1 18 successful", "phase recipes 18 successful",
	}
	if got := strings.Join(steps, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got steps\n%s", got)
	}
	b.See(func(v agenttest.View) {
		if v.Accepted["c-1"] != 1 || v.Started["c-1"] != 1 {
			t.Errorf("accepted %d times, started %d times", v.Accepted["c-1"], v.Started["c-1"])
		}
		if v.Hello.Facts.BootID == "" || v.Hello.Facts.AgentVersion != "test" {
			t.Errorf("got facts %+v", v.Hello.Facts)
		}
	})
}

// A command that wants a reboot says of which boot; the agent reboots the host
// when the server says that nobody else can.
func TestCommandsAskForAReboot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Send(script("c-1", `touch ../reboot`))
	done, _ := b.WaitDone(t, "c-1")
	boot := ""
	b.See(func(v agenttest.View) { boot = v.Hello.Facts.BootID })
	if done.Outcome != protocol.Successful || done.RebootOf != boot || boot == "" {
		t.Errorf("got %+v in boot %q", done, boot)
	}
	b.Send(script("c-2", `true`))
	if done, _ := b.WaitDone(t, "c-2"); done.RebootOf != "" {
		t.Errorf("it reboots after a command that has not asked: %+v", done)
	}
	b.Send(protocol.DoneStored{CommandID: "c-1", Reboot: true})
	select {
	case <-b.reboots:
	case <-time.After(20 * time.Second):
		t.Error("the agent does not reboot the host")
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stubborn := `trap '' TERM; echo deaf; while :; do read -t 0.05 <> <(:); done`
	for name, c := range map[string]struct {
		run     protocol.Run
		want    protocol.Outcome
		exit    int
		message string
	}{
		"Fails":     {script("fails", `echo no; exit 3`), protocol.Failed, 3, "recipe test::script0 ended with exit code 3"},
		"Empty":     {protocol.Run{CommandID: "empty", Manager: "script"}, protocol.Successful, 0, ""},
		"Expires":   {expiring(script("expires", stubborn)), protocol.Expired, 1, "The command was ended because it took longer than 1s."},
		"NoRunner":  {protocol.Run{CommandID: "norunner", Manager: "chef", RunList: []protocol.RunItem{{Recipe: "a::b"}}}, protocol.Failed, 1, `This agent cannot run "chef" recipes.`},
		"BadRecipe": {protocol.Run{CommandID: "badrecipe", Manager: "script", RunList: []protocol.RunItem{{Recipe: "../x"}}}, protocol.Failed, 1, `"../x" is not a recipe name: write cookbook::recipe with letters, digits, _ and -`},
		"BadID":     {protocol.Run{CommandID: "../../x"}, protocol.Failed, 1, "The agent could not keep the command: the command's id is not valid."},
		"NoContent": {protocol.Run{CommandID: "nocontent", Manager: "script", Attributes: []string{"sha256:" + strings.Repeat("0", 64)}}, protocol.Failed, 1, ""},
		"NoGit": {protocol.Run{CommandID: "nogit", Manager: "script", RefreshCookbooks: true, CustomCookbooks: &protocol.Source{Type: "git", URL: "/nowhere/repo"}},
			protocol.Failed, 1, ""},
	} {
		b.Send(c.run)
		done, _ := b.WaitDone(t, c.run.CommandID)
		if done.Outcome != c.want || done.ExitCode != c.exit || c.message != "" && done.Message != c.message {
			t.Errorf("%s: got %+v", name, done)
		}
		t.Logf("%s: %s", name, done.Message)
	}
}

func expiring(run protocol.Run) protocol.Run {
	run.TimeoutSeconds = 1
	return run
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	here := filepath.Join(t.TempDir(), "here")
	b.Send(script("runs", `touch `+here+`; sleep 1000`))
	b.Send(script("waits", `echo never`))
	appears(t, here)
	b.Send(protocol.Cancel{CommandID: "waits", Reason: "Not needed."})
	if done, log := b.WaitDone(t, "waits"); done.Outcome != protocol.Canceled || done.Message != "Not needed." || len(log.Data) > 0 {
		t.Errorf("waiting command: got %+v", done)
	}
	b.Send(protocol.Cancel{CommandID: "runs", Reason: "Canceled by alice."})
	if done, _ := b.WaitDone(t, "runs"); done.Outcome != protocol.Canceled || done.Message != "Canceled by alice." {
		t.Errorf("running command: got %+v", done)
	}
	b.Send(protocol.Cancel{CommandID: "unseen", Reason: "r"})
	b.Send(script("unseen", `echo never`))
	if done, _ := b.WaitDone(t, "unseen"); done.Outcome != protocol.Canceled {
		t.Errorf("command canceled before it came: got %+v", done)
	}
}

func TestRepeatIsAnsweredNotRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir := t.TempDir()
	run := script("c", fmt.Sprintf(`echo ran >> %[1]s/runs; until [ -e %[1]s/go ]; do read -t 0.02 <> <(:); done`, dir))
	b.Send(run)
	appears(t, filepath.Join(dir, "runs"))
	b.Send(run)
	b.Wait(t, "a second Accepted", func(v agenttest.View) bool { return v.Accepted["c"] == 2 })
	os.WriteFile(filepath.Join(dir, "go"), nil, 0o600)
	first, _ := b.WaitDone(t, "c")
	b.Send(run)
	b.Wait(t, "a second Done", func(v agenttest.View) bool { return len(v.Done["c"]) == 2 })
	b.stop()
	b.start(t, "token")
	b.connected(t)
	b.Send(run)
	b.Wait(t, "a third Done", func(v agenttest.View) bool {
		done := v.Done["c"]
		return len(done) == 3 && done[2].Outcome == first.Outcome && done[2].At.Equal(first.At)
	})
	if ran, _ := os.ReadFile(filepath.Join(dir, "runs")); string(ran) != "ran\n" {
		t.Errorf("it ran %q", ran)
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := script("c", `cat $ATTRIBUTES; cat $COOKBOOKS0/web/recipes/x.sh`)
	run.Attributes = []string{b.Publish([]byte(`{"a":{"b":1},"n":12345678901234567890}`)), b.Publish([]byte(`{"a":{"c":2}}`))}
	run.Cookbooks = []string{b.Publish(tarball(t, "web/recipes/x.sh", "echo x\n"))}
	b.Send(run)
	_, log := b.WaitDone(t, "c")
	// The agent adds who it is to what the server says.
	for _, want := range []string{`"a":{"b":1,"c":2}`, `"n":12345678901234567890`, `"hostname":"host-i-1","id":"i-1",`, "}echo x\n"} {
		if !strings.Contains(string(log.Data), want) {
			t.Errorf("%q is missing in %q", want, log.Data)
		}
	}
	run.CommandID = "d"
	b.Send(run)
	b.WaitDone(t, "d")
	b.See(func(v agenttest.View) {
		for digest, n := range v.Fetched {
			if n != 1 {
				t.Errorf("%s was fetched %d times", digest, n)
			}
		}
	})
}

// TestCustomCookbooks: fetched when they are first needed and when they are to
// be refreshed, and kept between.
func TestCustomCookbooks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	repo := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	commit := func(text string) {
		os.WriteFile(filepath.Join(repo, "version"), []byte(text), 0o600)
		git("add", ".")
		git("commit", "-q", "-m", text)
	}
	git("init", "-q")
	commit("one")
	run := func(id string, refresh, builtIn bool) string {
		r := script(id, `cat $COOKBOOKS0/version || true`)
		r.RunList[0].BuiltIn, r.RefreshCookbooks = builtIn, refresh
		r.CustomCookbooks = &protocol.Source{Type: "git", URL: repo}
		b.Send(r)
		_, log := b.WaitDone(t, id)
		lines := strings.Split(string(log.Data), "\n")
		return lines[len(lines)-1]
	}
	first := run("first", false, false)
	commit("two")
	kept, fresh := run("kept", false, false), run("fresh", true, false)
	if first != "one" || kept != "one" || fresh != "two" {
		t.Errorf("got %q, %q, %q", first, kept, fresh)
	}
	if entries, _ := os.ReadDir(filepath.Join(b.data, "cookbooks")); len(entries) != 1 {
		t.Errorf("kept %v", entries)
	}
}

func TestSecretsStayOnTheMachine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := script("c", `printf 'pass canary-'; sleep 0.1; echo secret; echo 'canary-secret canary-password' >&2; exit 1`)
	run.Secrets = []protocol.Secret{{Name: "DB", Value: "canary-secret"}}
	run.Apps = []protocol.App{{Source: protocol.Source{Password: "canary-password"}}}
	b.Send(run)
	_, log := b.WaitDone(t, "c")
	if got, want := string(log.Data), "pass ••••\n•••• ••••\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.stop()
	filepath.WalkDir(b.data, func(path string, d fs.DirEntry, err error) error {
		if d.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			if i := bytes.Index(text, []byte("canary-secret")); i >= 0 && !bytes.Contains(text, []byte("printf 'pass")) {
				t.Errorf("%s still holds a secret", path)
			}
			if bytes.Contains(text, []byte("canary-password")) && !bytes.Contains(text, []byte("printf 'pass")) {
				t.Errorf("%s still holds a password", path)
			}
			if info, _ := d.Info(); info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s can be read by others", path)
			}
		}
		return nil
	})
}

// TestMillionLines: the connection is cut 20 times, the server restarts, and
// what is stored is what was written.
func TestMillionLines(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const million = `seq -f 'line %.0f of a million, and then some' 1 1000000`
	b.Send(script("c", million))
	var want []byte
	for cut := range 20 {
		atLeast := (cut + 1) * 1_500_000
		b.Wait(t, "more of the log", func(v agenttest.View) bool {
			return v.Connected && v.Logs["c"] != nil && (len(v.Logs["c"].Data) > atLeast || len(v.Done["c"]) > 0)
		})
		if cut == 10 {
			b.Restart(t)
		}
		b.Cut()
	}
	want, err := exec.Command("sh", "-c", million).Output()
	if err != nil {
		t.Fatal(err)
	}
	done, log := b.WaitDone(t, "c")
	if done.Outcome != protocol.Successful || sum(log.Data) != sum(want) {
		t.Errorf("got %+v and %d bytes with digest %s, want %d with %s", done, len(log.Data), sum(log.Data), len(want), sum(want))
	}
	b.See(func(v agenttest.View) {
		t.Logf("%d bytes in %d chunks over %d sessions", len(log.Data), log.Seq, v.Sessions)
	})
}

// TestGap: a chunk that the server could not store is sent again in the same session.
func TestGap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Lose(2)
	b.Send(script("c", `seq 1 100000`))
	_, log := b.WaitDone(t, "c")
	if bytes.Count(log.Data, []byte("\n")) != 100000 {
		t.Errorf("got %d bytes", len(log.Data))
	}
	b.See(func(v agenttest.View) {
		if v.Sessions != 1 {
			t.Errorf("it took %d sessions", v.Sessions)
		}
	})
}

func TestLongLineAndNoise(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Send(script("c", `head -c 10000000 /dev/zero | tr '\0' x; echo; head -c 100000 /dev/urandom | tee noise`))
	done, log := b.WaitDone(t, "c")
	noise, err := os.ReadFile(filepath.Join(b.data, "commands/c/workspace/noise"))
	if err != nil {
		t.Fatal(err)
	}
	want := append(append(bytes.Repeat([]byte("x"), 10_000_000), '\n'), noise...)
	if done.Outcome != protocol.Successful || !bytes.Equal(log.Data, want) {
		t.Errorf("got %+v and %d bytes, want %d", done, len(log.Data), len(want))
	}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:8])
}

func tarball(t *testing.T, name, text string) []byte {
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
