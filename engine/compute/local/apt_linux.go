package local

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"opsyard/engine/compute/internal/enroll"
)

// source is one line of the host's apt sources.
type source struct {
	uri, suite string
	components []string
}

func (s source) line() string {
	return fmt.Sprintf("deb %s %s %s", s.uri, s.suite, strings.Join(s.components, " "))
}

// hostSources are the host's own sources of its distribution, the release first.
// Others, for all we know, hold a key ring that a new system would not have.
//
// The host is asked once per process: apt takes half a second to answer.
var hostSources = sync.OnceValue(func() []source {
	id, codename := distribution()
	if codename == "" || (id != "debian" && id != "ubuntu") {
		return nil
	}
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return nil
	}
	var found []source
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 3 || !isRelease(f[1], codename) || strings.HasPrefix(f[0], "file:") || strings.HasPrefix(f[0], "cdrom:") {
			continue
		}
		i := slices.IndexFunc(found, func(s source) bool { return s.uri == f[0] && s.suite == f[1] })
		if i < 0 {
			i = len(found)
			found = append(found, source{uri: f[0], suite: f[1]})
		}
		if !slices.Contains(found[i].components, f[2]) {
			found[i].components = append(found[i].components, f[2])
		}
	}
	slices.SortStableFunc(found, func(a, b source) int { return len(a.suite) - len(b.suite) })
	if len(found) == 0 || found[0].suite != codename {
		return nil
	}
	return found
})

func isRelease(suite, codename string) bool {
	return suite == codename || suite == codename+"-updates" || suite == codename+"-security"
}

func distribution() (id, codename string) {
	b, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"`)
		switch key {
		case "ID":
			id = value
		case "VERSION_CODENAME":
			codename = value
		}
	}
	return id, codename
}

// aptOptions are the settings that decide whether the host's apt reaches its
// mirrors, as lines of apt.conf; asked for once.
var aptOptions = sync.OnceValue(func() string {
	out, _ := exec.Command("apt-config", "dump").Output()
	var keep strings.Builder
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, " ")
		for _, p := range []string{"Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv4",
			"Acquire::http::Timeout", "Acquire::https::Timeout", "Acquire::https::Verify-"} {
			if strings.HasPrefix(name, p) && !strings.Contains(line, `""`) {
				keep.WriteString(line)
			}
		}
	}
	return keep.String()
})

// aptProxy finds the HTTP proxy among options.
func aptProxy(options string) string {
	for line := range strings.Lines(options) {
		if v, ok := strings.CutPrefix(line, `Acquire::http::Proxy "`); ok {
			return strings.TrimRight(v, "\";\n")
		}
	}
	return os.Getenv("http_proxy")
}

// proxySettings are the host's proxies as machines reach them: one on the
// host's loopback is forwarded at the gateway. vars go into the environment.
func (p *Provider) proxySettings() (vars []string, aptConf string) {
	var apt bytes.Buffer
	for _, name := range []string{"http_proxy", "https_proxy"} {
		value := firstOf(os.Getenv(name), os.Getenv(strings.ToUpper(name)))
		if value == "" {
			continue
		}
		if value = p.reachable(value); value != "" {
			vars = append(vars, name+"="+value, strings.ToUpper(name)+"="+value)
			fmt.Fprintf(&apt, "Acquire::%s::Proxy %q;\n", strings.TrimSuffix(name, "_proxy"), value)
		}
	}
	if len(vars) > 0 {
		direct := strings.Join([]string{"localhost", "127.0.0.1", p.net.gateway(), p.net.prefix().String()}, ",")
		if own := firstOf(os.Getenv("no_proxy"), os.Getenv("NO_PROXY")); own != "" {
			direct += "," + own
		}
		vars = append(vars, "no_proxy="+direct, "NO_PROXY="+direct)
	}
	for line := range strings.Lines(aptOptions()) { // the host's apt.conf goes before its environment
		name, value, _ := strings.Cut(line, " ")
		value = strings.Trim(value, "\";\n")
		if strings.Contains(name, "::Proxy") && strings.HasPrefix(value, "http") {
			if value = p.reachable(value); value != "" {
				fmt.Fprintf(&apt, "%s %q;\n", name, value)
			}
		}
	}
	return vars, apt.String()
}

// reachable is a proxy's address for machines, or "" if they cannot have it.
func (p *Provider) reachable(proxy string) string {
	rerouted, port, err := enroll.Reroute(proxy, p.net.gateway())
	if err != nil {
		return ""
	}
	if port != "" && p.net.openForward(port) != nil {
		return ""
	}
	return rerouted
}
