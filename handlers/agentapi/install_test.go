package agentapi

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// install runs the client's part of "aws opsworks register" with a preconfig,
// into a root of the test, and returns what the installer printed and the
// agent's configuration.
func install(t *testing.T, url, preconfig string) (string, map[string]string, error) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	tmp, root := t.TempDir(), t.TempDir()
	script := `set -e
curl -fsS "$URL" | tar xz -C "$DIR"
printf '%s\n' "$PRECONFIG" >"$DIR/opsworks-agent-installer/preconfig"
exec "$DIR/opsworks-agent-installer/boot-registration"`
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = append(os.Environ(), "URL="+url+"/agent/opsworks-agent-installer.tgz", "DIR="+tmp, "PRECONFIG="+preconfig, "OPSYARD_ROOT="+root)
	out, err := cmd.CombinedOutput()
	said := map[string]string{}
	if raw, readErr := os.ReadFile(filepath.Join(root, "etc/opsyard/agent.json")); readErr == nil {
		if jsonErr := json.Unmarshal(raw, &said); jsonErr != nil {
			t.Errorf("the agent's configuration is no JSON: %v: %s", jsonErr, raw)
		}
		for path, mode := range map[string]os.FileMode{"etc/opsyard/agent.json": 0o600, "usr/local/bin/opsyard-agent": 0o755, "etc/systemd/system/opsyard-agent.service": 0o644} {
			if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v %v", path, info, err)
			}
		}
	}
	if said["data"] != "" {
		said["data"] = strings.TrimPrefix(said["data"], root)
	}
	return string(out), said, err
}

func TestInstaller(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the installer is for Linux")
	}
	downloads := t.TempDir()
	if err := os.WriteFile(filepath.Join(downloads, "opsyard-agent"), []byte("#!/bin/sh\necho 1.2.3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	api := New(&fakeEngine{}, nil, nil, downloads)
	defer api.Stop()
	server := httptest.NewServer(api)
	defer server.Close()

	base := ":agent_installer_tgz: \"opsworks-agent-installer.tgz\"\n:opsyard_server: \"" + server.URL + "\"\n:opsyard_token: \"oye_ABC\"\n:verbose: \"false\"\n"
	out, said, err := install(t, server.URL, base+":hostname: \"rack-7\"\n:private_ip: \"192.0.2.7\"\n:import: true\n:stack_id: \"1\"")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := map[string]string{
		"server": server.URL, "token": "oye_ABC", "data": "/var/lib/opsyard", "hostname": "rack-7", "private_ip": "192.0.2.7", "infrastructure_class": "ec2",
	}
	for key, value := range want {
		if said[key] != value {
			t.Errorf("%s is %q, want %q", key, said[key], value)
		}
	}
	if out, said, err = install(t, server.URL, base+":import: false"); err != nil || said["hostname"] != "" || said["infrastructure_class"] != "on-premises" {
		t.Errorf("on premises: %v %v: %s", said, err, out)
	}
	for name, preconfig := range map[string]string{
		"parameters of AWS":          ":charlie_public_key: \"x\"\n",
		"a hostname that ends JSON":  base + ":hostname: \"a\\\",\\\"b\"\n",
		"a server that is not there": strings.ReplaceAll(base, server.URL, "http://127.0.0.1:1"),
	} {
		if out, said, err := install(t, server.URL, preconfig); err == nil || !strings.Contains(out, "opsyard: ") || len(said) > 0 {
			t.Errorf("%s: %v %v: %s", name, said, err, out)
		}
	}
}
