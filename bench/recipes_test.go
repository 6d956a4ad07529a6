package bench

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
)

// engines are a recipe of each kind that finds everything as it should be, and
// the same without us: the engine's program, told as a person would.
var engines = []struct {
	name, recipe, text string
	program            string
	args               func(recipe string) []string
}{
	{"shell", "same/recipes/default.sh", "test -e %s || touch %[1]s", "bash", func(recipe string) []string {
		return []string{"-euo", "pipefail", recipe}
	}},
	{"puppet", "same/manifests/init.pp", "class same { file { '%s': ensure => file } }", "puppet", func(recipe string) []string {
		return []string{"apply", "--modulepath", filepath.Join(filepath.Dir(recipe), "../.."), "-e", "include same"}
	}},
	{"ansible", "same/recipes/default.yml", "[{hosts: localhost, tasks: [{file: {path: '%s', state: touch, access_time: preserve, modification_time: preserve}}]}]", "ansible-playbook", func(recipe string) []string {
		return []string{"-c", "local", "-i", "localhost,", recipe}
	}},
}

// BenchmarkRecipes runs a recipe that changes nothing, from the moment at which
// the server sends the command until it hears of the end, beside the engine's
// program alone.
func BenchmarkRecipes(b *testing.B) {
	agent := buildProgram(b, b.TempDir(), "opsyard-agent", "opsyard/agent/cmd/opsyard-agent")
	server := agenttest.NewServer(b)
	server.Token("bench", "bench-1")
	startAgent(b, agent, server.URL)
	server.Wait(b, "the agent", func(v agenttest.View) bool { return v.Hello.InstanceID != "" })
	state := server.Publish([]byte(`{"opsworks":{"stack":{"name":"Bench"},"layers":{}}}`))
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			program, err := exec.LookPath(e.program)
			if err != nil {
				b.Skipf("%s is not installed", e.program)
			}
			dir := b.TempDir()
			text := fmt.Sprintf(e.text, filepath.Join(dir, "thing"))
			recipe := filepath.Join(dir, e.recipe)
			check(b, os.MkdirAll(filepath.Dir(recipe), 0o755))
			check(b, os.WriteFile(recipe, []byte(text), 0o644))
			cookbooks := server.Publish(packed(b, map[string]string{e.recipe: text}))
			run := 0
			ours := func() {
				run++
				id := fmt.Sprintf("%s-%d", e.name, run)
				server.Send(protocol.Run{
					CommandID: id, Type: "execute_recipes", Manager: e.name, TimeoutSeconds: 60, RunList: []protocol.RunItem{{Recipe: "same::default"}},
					Attributes: []string{state}, Cookbooks: []string{cookbooks},
				})
				if done, log := server.WaitDone(b, id); done.Outcome != protocol.Successful {
					b.Fatalf("%+v\n%s", done, log.Data)
				}
			}
			alone := func() {
				if out, err := exec.Command(program, e.args(recipe)...).CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
			ours() // makes the thing
			alone()
			for b.Loop() {
				var with, without []time.Duration
				for range 5 {
					with = append(with, timed(ours))
					without = append(without, timed(alone))
				}
				b.ReportMetric(milliseconds(median(with)-median(without)), "ms-beyond")
				b.ReportMetric(milliseconds(median(without)), "ms-engine")
			}
			b.ReportMetric(0, "ns/op") // says nothing here
		})
	}
}

func timed(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

// startAgent runs a real agent until the benchmark ends.
func startAgent(b *testing.B, program, url string) {
	b.Helper()
	cmd := exec.Command(program, "--server", url, "--data", filepath.Join(b.TempDir(), "data"), "--log", "error")
	cmd.Env = append(os.Environ(), "OPSYARD_TOKEN=bench")
	cmd.Stderr = os.Stderr
	check(b, cmd.Start())
	b.Cleanup(func() {
		check(b, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait()
	})
}

// packed is an archive of files, by their names. All of them are executable.
func packed(b *testing.B, files map[string]string) []byte {
	b.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for name, text := range files {
		check(b, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		check(b, err)
	}
	check(b, w.Close())
	check(b, zip.Close())
	return out.Bytes()
}
