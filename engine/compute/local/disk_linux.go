package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/enroll"
)

// prepareDisk makes the machine's upper layer itself: once what gives it an
// identity, and before each boot what the host decides. The machine's root may
// have put symlinks anywhere, so the files go through an os.Root.
func (p *Provider) prepareDisk(rec *record, e compute.Enrollment) error {
	dir := p.dirOf(rec.ID)
	for _, d := range []string{"upper", "work", "root"} {
		err := os.MkdirAll(filepath.Join(dir, d), 0o755)
		if err == nil && !rec.Prepared { // upper's mode is that of the machine's root, whatever our umask
			err = os.Chmod(filepath.Join(dir, d), 0o755)
		}
		if err != nil {
			return fmt.Errorf("make the machine's disk: %w", err)
		}
	}
	root, err := os.OpenRoot(filepath.Join(dir, "upper"))
	if err != nil {
		return fmt.Errorf("open the machine's disk: %w", err)
	}
	defer root.Close()
	d := &disk{root: root, path: filepath.Join(dir, "upper")}
	if !rec.Prepared {
		if usesHost(rec.Lower) {
			d.hideHost(p.cfg)
		}
		d.identify(*rec)
	}
	d.settle(p, *rec, e)
	if d.err != nil {
		return fmt.Errorf("prepare the machine's disk: %w", d.err)
	}
	rec.Prepared = true
	return p.save(*rec)
}

func usesHost(lower []string) bool { return len(lower) > 0 && lower[len(lower)-1] == "/" }

// disk writes into an upper layer; after the first error it does nothing.
type disk struct {
	root *os.Root
	path string
	err  error
}

// dir makes a directory and its parents with mode 0755, whatever our umask: in
// the machine they cover the lower layers' directories.
func (d *disk) dir(name string) {
	if d.err != nil || name == "." {
		return
	}
	d.dir(filepath.Dir(name))
	if d.err != nil {
		return
	}
	switch err := d.root.Mkdir(name, 0o755); {
	case err == nil:
		d.err = d.root.Chmod(name, 0o755)
	case !errors.Is(err, fs.ErrExist):
		d.err = err
	}
}

func (d *disk) file(name, content string, mode fs.FileMode) {
	if d.dir(filepath.Dir(name)); d.err != nil {
		return
	}
	_ = d.root.Remove(name) // it may be a symlink
	if d.err = d.root.WriteFile(name, []byte(content), mode); d.err == nil {
		d.err = d.root.Chmod(name, mode) // the umask took some
	}
}

func (d *disk) link(target, name string) {
	if d.dir(filepath.Dir(name)); d.err != nil {
		return
	}
	_ = d.root.Remove(name)
	d.err = d.root.Symlink(target, name)
}

// opaque hides what the lower layers have in a directory. Only for a new disk.
func (d *disk) opaque(name string, mode fs.FileMode) {
	if d.dir(name); d.err != nil {
		return
	}
	path := filepath.Join(d.path, name)
	if d.err = unix.Setxattr(path, "trusted.overlay.opaque", []byte("y"), 0); d.err == nil {
		d.err = os.Chmod(path, mode)
	}
}

// whiteout hides a file of the lower layers, there or not. Only for a new disk.
func (d *disk) whiteout(name string) {
	if d.dir(filepath.Dir(name)); d.err != nil {
		return
	}
	err := unix.Mknod(filepath.Join(d.path, name), unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EEXIST) {
		d.err = err
	}
}

// identify writes what makes a machine itself, before its first boot.
func (d *disk) identify(rec record) {
	d.file("etc/hosts", fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", rec.IP, rec.Hostname), 0o644)
	d.file("etc/machine-id", strings.ReplaceAll(newUUID(), "-", "")+"\n", 0o444)
	d.file("etc/fstab", "", 0o644)
	for _, u := range maskedUnits {
		d.link("/dev/null", "etc/systemd/system/"+u)
	}
	d.link("/lib/systemd/system/multi-user.target", "etc/systemd/system/default.target")
	d.file("etc/systemd/journald.conf.d/opsyard.conf", journalConfig, 0o644)
	// Images made for containers forbid packages to start their services.
	d.whiteout("usr/sbin/policy-rc.d")
}

// settle writes what may differ from boot to boot.
func (d *disk) settle(p *Provider, rec record, e compute.Enrollment) {
	if d.err != nil {
		return
	}
	server, _, err := enroll.Reroute(e.ServerURL, p.net.gateway())
	if err != nil {
		d.err = err
		return
	}
	size, _ := sizeOf(rec.Size)
	d.file("etc/hostname", rec.Hostname+"\n", 0o644)
	d.file("etc/resolv.conf", upstreamResolvConf(), 0o644)
	d.file(strings.TrimPrefix(agentConfigPath, "/"),
		string(enroll.Config{Server: server, Token: e.Token, Data: agentDataPath}.JSON()), 0o600)
	d.file("etc/systemd/system/"+agentUnitName, agentUnit(p.agent.inside(), size.CPUs), 0o644)
	d.link("../"+agentUnitName, "etc/systemd/system/multi-user.target.wants/"+agentUnitName)
	d.file("usr/lib/systemd/system-shutdown/opsyard", shutdownHook, 0o755)
	d.proxies(p)
	d.dir(strings.TrimPrefix(agentDataPath, "/"))
	d.file(strings.TrimPrefix(p.agent.target(), "/"), "", 0o755) // the agent is bound here
}

// proxies hands on the host's way out, as the machines can use it.
func (d *disk) proxies(p *Provider) {
	vars, apt := p.proxySettings()
	environment := ""
	if len(vars) > 0 {
		quoted := make([]string, len(vars))
		for i, v := range vars {
			quoted[i] = quoteUnitWord(v)
		}
		environment = "DefaultEnvironment=" + strings.Join(quoted, " ") + "\n"
		d.file("etc/environment", strings.Join(vars, "\n")+"\n", 0o644)
	}
	d.file("etc/systemd/system.conf.d/opsyard.conf", fmt.Sprintf(managerConfig, environment), 0o644)
	if apt != "" {
		d.file("etc/apt/apt.conf.d/99zz-opsyard-proxy", apt, 0o644)
	}
}

// upstreamResolvConf is the host's, less stub resolvers on its loopback, which
// machines do not reach.
func upstreamResolvConf() string {
	for _, f := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/resolv.conf"} {
		if text, ok := withoutStubs(f); ok {
			return text
		}
	}
	return "# the host names no resolver that machines can reach\n"
}

func withoutStubs(file string) (text string, ok bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(b)) {
		w := strings.Fields(line)
		if len(w) >= 2 && w[0] == "nameserver" {
			if strings.HasPrefix(w[1], "127.") || w[1] == "::1" || strings.Contains(w[1], "%") {
				continue
			}
			ok = true
		}
		text += line
	}
	return text, ok
}

func newUUID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/uuid")
	return strings.TrimSpace(string(b))
}
