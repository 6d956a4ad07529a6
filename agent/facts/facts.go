// Package facts reads what the server wants to know of the machine: system,
// kernel, size, addresses.
package facts

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"

	"opsyard/agent/protocol"
)

// Collect reads the facts; what cannot be read stays empty. The private
// address is the one that this machine reaches the server from.
func Collect(server, version string) protocol.Facts {
	f := protocol.Facts{
		AgentVersion:          version,
		Kernel:                firstLine("/proc/sys/kernel/osrelease"),
		Arch:                  Arch(),
		CPUs:                  runtime.NumCPU(),
		MemoryBytes:           memory(),
		PrivateIP:             addressTowards(server),
		BootID:                BootID(),
		SSHHostRSAFingerprint: Fingerprint("/etc/ssh/ssh_host_rsa_key.pub"),
		Managers:              Managers(),
	}
	f.Hostname, _ = os.Hostname()
	text, _ := os.ReadFile("/etc/os-release")
	f.OSFamily, f.OSName, f.OSVersion = parseOSRelease(string(text))
	return f
}

// BootID changes with each start of the machine. A provider whose machines
// share a kernel and cannot give them an id of their own sets OPSYARD_BOOT_ID.
func BootID() string {
	if id := os.Getenv("OPSYARD_BOOT_ID"); id != "" {
		return id
	}
	return firstLine("/proc/sys/kernel/random/boot_id")
}

// Load is the load average of 1, 5 and 15 minutes.
func Load() (load [3]float64) {
	fields := strings.Fields(firstLine("/proc/loadavg"))
	for i := range min(len(load), len(fields)) {
		load[i], _ = strconv.ParseFloat(fields[i], 64)
	}
	return load
}

// families maps the ids of /etc/os-release to families; the ids in ID_LIKE come second.
var families = map[string]string{
	"debian": "debian", "ubuntu": "debian",
	"rhel": "redhat", "fedora": "redhat", "centos": "redhat", "rocky": "redhat", "almalinux": "redhat", "amzn": "redhat", "ol": "redhat",
	"suse": "suse", "opensuse": "suse", "sles": "suse",
	"alpine": "alpine", "arch": "arch",
}

func parseOSRelease(text string) (family, name, version string) {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		values[key] = strings.Trim(value, `"'`)
	}
	for _, id := range append([]string{values["ID"]}, strings.Fields(values["ID_LIKE"])...) {
		if family = families[id]; family != "" {
			break
		}
	}
	if family == "" {
		family = values["ID"]
	}
	return family, values["NAME"], values["VERSION_ID"]
}

// Arch is the processor as OpsWorks names it.
func Arch() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

func memory() int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// addressTowards asks the kernel for the source address; a UDP socket that
// sends nothing is enough.
func addressTowards(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	conn, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), "9"))
	if err != nil {
		return ""
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}

// Fingerprint is a public key's in the MD5 form with colons that OpsWorks
// showed; empty for a file that is none.
func Fingerprint(file string) string {
	fields := strings.Fields(firstLine(file))
	if len(fields) < 2 {
		return ""
	}
	key, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return ""
	}
	sum := md5.Sum(key)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(parts, ":")
}

func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
