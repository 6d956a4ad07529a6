package local

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// bootstrapPackages are the least a machine needs: an init system, its network
// tools, and what agents and recipes take for granted.
var bootstrapPackages = []string{"systemd-sysv", "dbus", "iproute2", "procps", "curl", "ca-certificates", "git", "openssh-client", "less"}

// bootstrap is the recipe of one image: everything that makes it differ from another.
type bootstrap struct {
	tool    string // mmdebstrap or debootstrap; "" if neither is installed
	suite   string
	sources []string // one-line apt sources, the suite's own first
	options string   // lines of apt.conf

	certs []string // the host's own certificate authorities
}

const (
	hostCerts = "/usr/local/share/ca-certificates"
	debian    = "bookworm"
)

// newBootstrap takes mirror, options and proxy from the host's own apt where the
// suite is the host's, so that an image can be had wherever the host has packages.
func newBootstrap(suite string) *bootstrap {
	host := hostSources()
	r := &bootstrap{suite: suite, options: aptOptions()}
	if r.suite == "" {
		if r.suite = debian; len(host) > 0 {
			r.suite = host[0].suite
		}
	}
	for _, s := range host {
		if s.suite == r.suite || strings.HasPrefix(s.suite, r.suite+"-") {
			r.sources = append(r.sources, s.line())
		}
	}
	if len(r.sources) == 0 {
		r.sources = debianSources(r.suite)
	}
	for _, tool := range []string{"mmdebstrap", "debootstrap"} {
		if r.tool = toolPath(tool); r.tool != "" {
			break
		}
	}
	r.certs, _ = filepath.Glob(hostCerts + "/*.crt")
	return r
}

func debianSources(suite string) []string {
	return []string{
		"deb http://deb.debian.org/debian " + suite + " main",
		"deb http://deb.debian.org/debian " + suite + "-updates main",
		"deb http://deb.debian.org/debian-security " + suite + "-security main",
	}
}

// name changes with whatever changes the image, so a stale one is never used.
func (r *bootstrap) name() string {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, 1, bootstrapPackages, r.sources, r.options) // raise the number when run does something new
	for _, c := range append([]string{}, r.certs...) {
		b, _ := os.ReadFile(c)
		_, _ = fmt.Fprintf(h, "%s %x\n", filepath.Base(c), sha256.Sum256(b))
	}
	return fmt.Sprintf("%s-%x", r.suite, h.Sum(nil)[:4])
}

func (r *bootstrap) run(ctx context.Context, root string, log *slog.Logger) error {
	if r.tool == "" {
		return errors.New("neither mmdebstrap nor debootstrap is installed")
	}
	include := "--include=" + strings.Join(bootstrapPackages, ",")
	var err error
	if filepath.Base(r.tool) == "mmdebstrap" {
		argv := []string{r.tool, "--mode=root", "--variant=minbase", include}
		for line := range strings.Lines(r.options) {
			argv = append(argv, "--aptopt="+strings.TrimSpace(line))
		}
		err = runTool(ctx, log, nil, append(append(argv, r.suite, root), r.sources...)...)
	} else {
		f := strings.Fields(r.sources[0])
		env := []string{}
		if p := aptProxy(r.options); p != "" {
			env = append(env, "http_proxy="+p)
		}
		err = runTool(ctx, log, env, r.tool, "--variant=minbase", include, "--components="+strings.Join(f[3:], ","), r.suite, root, f[1])
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, root, log)
}

// finish lets the machines trust and ask whom the host trusts and asks.
func (r *bootstrap) finish(ctx context.Context, root string, log *slog.Logger) error {
	write := func(name, content string) error {
		path := filepath.Join(root, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644), os.Chmod(path, 0o644))
	}
	err := errors.Join(
		write("etc/apt/sources.list", strings.Join(r.sources, "\n")+"\n"),
		write("etc/apt/apt.conf.d/90opsyard-host", r.options),
	)
	for _, c := range r.certs {
		b, rerr := os.ReadFile(c)
		err = errors.Join(err, rerr, write(filepath.Join(hostCerts, filepath.Base(c)), string(b)))
	}
	if err == nil && len(r.certs) > 0 {
		err = runTool(ctx, log, nil, "chroot", root, "update-ca-certificates")
	}
	// Of an image made once, many machines are made: none of its identity may stay.
	for _, f := range []string{"etc/machine-id", "etc/hostname", "etc/resolv.conf"} {
		_ = os.Remove(filepath.Join(root, f))
	}
	if err != nil {
		return fmt.Errorf("finish the image: %w", err)
	}
	return nil
}
