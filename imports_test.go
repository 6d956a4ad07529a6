package main

import (
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// allowed is who may import whom of our own packages; docs/architecture.md
// gives the reasons. A pattern ending in /... covers what is below it. Every
// package must be covered by an entry: a new one needs a decision.
var allowed = []struct {
	packages string
	may      []string
}{
	{"models", nil},
	{"models/store", []string{"models", "models/store/migrations"}},
	{"models/store/migrations", nil},
	{"models/store/storetest", []string{"models", "models/store"}},
	{"agent/protocol", nil},
	{"agent/...", []string{"agent/..."}}, // never the server's side
	{"cookbooks", nil},
	{"engine/service", nil},
	{"engine/pubsub", nil},
	{"engine/jobs", []string{"models", "engine/service"}},
	{"engine/notify", []string{"models"}},
	{"engine/syslog", nil},
	{"engine/lifecycle", []string{"models"}},
	{"engine/load", []string{"models"}},
	{"engine/alarm", []string{"models"}},
	{"engine/prometheus", nil},
	{"engine/intent", []string{"models"}},
	{"engine/healing", []string{"models"}},
	{"engine/schedule", []string{"models"}},
	{"engine/compute", nil},
	// Simulated agents speak the real protocol.
	{"engine/compute/sim", []string{"engine/compute/...", "engine/compute", "agent/protocol", "agent/simulated"}},
	{"engine/compute/...", []string{"engine/compute", "engine/compute/..."}},
	{"engine/logstream/blob", nil},
	// Log chunks arrive in the agents' own form.
	{"engine/logstream", []string{"models", "engine/service", "engine/logstream/blob", "agent/protocol"}},
	{"engine/dispatch", []string{"models", "engine/service", "agent/protocol"}},
	// The engine builds the messages that dispatch sends.
	{"engine", []string{"models", "models/store", "engine/compute", "engine/dispatch", "engine/healing", "engine/intent", "engine/jobs", "engine/lifecycle", "engine/notify", "engine/load", "engine/alarm", "engine/prometheus", "engine/pubsub", "engine/schedule", "engine/service", "engine/syslog", "agent/protocol", "agent/probe"}},
	{"web", []string{"models"}},
	{"web/ws", nil},
	{"web/auth", []string{"models", "web"}},
	{"web/oidc", []string{"models"}},
	{"web/oidc/oidctest", nil},
	{"web/sigv4", nil},
	{"static", nil},
	{"views/ui", []string{"static"}},
	{"views", []string{"models", "views/ui", "static"}},
	{"handlers", []string{"engine", "engine/healing", "engine/intent", "engine/lifecycle", "engine/load", "engine/logstream", "engine/pubsub", "engine/schedule", "models", "models/store", "views", "views/ui", "web", "web/auth", "web/ws", "static"}},
	{"handlers/agentapi", []string{"engine", "engine/dispatch", "engine/logstream", "agent/protocol", "models", "web", "web/ws"}},
	{"handlers/awsapi", []string{"engine", "engine/logstream", "models", "models/store", "web", "web/sigv4", "handlers/awsapi/wire"}},
	{"handlers/awsapi/wire", nil},
	{".", []string{"..."}},
	{"e2e/...", []string{"..."}},
	{"bench/...", []string{"..."}},
	{"tools/...", []string{"..."}},
}

// owners are libraries that only one folder may know.
var owners = map[string][]string{
	"gorm.io/":                       {"models/store"},
	"github.com/riverqueue/river":    {"engine/jobs"},
	"github.com/wneessen/go-mail":    {"engine/notify"},
	"github.com/vishvananda/netlink": {"engine/compute/local"},
	"github.com/google/nftables":     {"engine/compute/local"},
	"github.com/coreos/go-oidc":      {"web/oidc"},
	"golang.org/x/oauth2":            {"web/oidc"},
	"github.com/go-webauthn":         {"engine"},
	"github.com/pquerna/otp":         {"engine"},
}

func covers(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == below || strings.HasPrefix(name, below+"/")
	}
	return pattern == name
}

func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name := path.Join(".", strings.TrimPrefix(strings.TrimPrefix(fields[0], "opsyard"), "/"))
		for _, imported := range fields[1:] {
			if problem := judge(name, imported); problem != "" {
				t.Error(problem)
			}
		}
	}
}

func judge(name, imported string) string {
	for library, folders := range owners {
		if strings.HasPrefix(imported, library) && !slices.ContainsFunc(folders, func(f string) bool { return covers(f+"/...", name) }) {
			return fmt.Sprintf("%s must not import %s: only %v may", name, imported, folders)
		}
	}
	ours, ok := strings.CutPrefix(imported, "opsyard/")
	if !ok {
		return ""
	}
	for _, rule := range allowed {
		if !covers(rule.packages, name) {
			continue
		}
		if slices.ContainsFunc(rule.may, func(p string) bool { return covers(p, ours) }) {
			return ""
		}
		return fmt.Sprintf("%s must not import %s: see docs/architecture.md", name, ours)
	}
	return fmt.Sprintf("%s imports %s, but imports_test.go has no rule for it", name, ours)
}
