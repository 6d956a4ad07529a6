package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const noSpecial = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// mountRoot builds the machine's file system in this mount namespace and makes
// it the root.
func (cfg bootConfig) mountRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cut mounts off from the host's: %w", err)
	}
	root := filepath.Join(cfg.Dir, "root")
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", strings.Join(cfg.Lower, ":"),
		filepath.Join(cfg.Dir, "upper"), filepath.Join(cfg.Dir, "work"))
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	for _, step := range []func(string) error{mountKernelFiles, makeDevices, cfg.bindFiles, cfg.mountVolumes, pivot} {
		if err := step(root); err != nil {
			return err
		}
	}
	return cfg.guardKernel()
}

// mountKernelFiles mounts what a system expects. The cgroup2 mount is a fresh
// one: with it systemd runs in unified mode even where the host is hybrid.
func mountKernelFiles(root string) error {
	for _, m := range []struct {
		kind, dir string
		flags     uintptr
		options   string
	}{
		{"proc", "proc", noSpecial, ""},
		{"sysfs", "sys", noSpecial | unix.MS_RDONLY, ""},
		{"tmpfs", "dev", unix.MS_NOSUID | unix.MS_STRICTATIME, "mode=755,size=65536k"},
		{"devpts", "dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{"tmpfs", "dev/shm", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777,size=65536k"},
		{"mqueue", "dev/mqueue", noSpecial, ""},
		{"tmpfs", "run", unix.MS_NOSUID | unix.MS_NODEV, "mode=755,size=65536k"},
		{"cgroup2", "sys/fs/cgroup", noSpecial, ""},
	} {
		dir := filepath.Join(root, m.dir)
		if m.kind != "cgroup2" { // sysfs is read-only and has the directory
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("make /%s: %w", m.dir, err)
			}
		}
		if err := unix.Mount(m.kind, dir, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount /%s: %w", m.dir, err)
		}
	}
	return nil
}

func makeDevices(root string) error {
	for name, n := range map[string][2]uint32{"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "tty": {5, 0}} {
		path := filepath.Join(root, "dev", name)
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(n[0], n[1]))); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
		if err := os.Chmod(path, 0o666); err != nil { // the umask took some
			return err
		}
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
		"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(target, filepath.Join(root, "dev", name)); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	return nil
}

// bindFiles shows the machine a few single files of the host: its console log,
// the agent, its size of memory and its boot id.
func (cfg bootConfig) bindFiles(root string) error {
	if err := writeMeminfo(cfg.Dir, cfg.Memory, 0, 0); err != nil {
		return fmt.Errorf("write meminfo: %w", err)
	}
	bootID := filepath.Join(cfg.Dir, "boot_id")
	if err := os.WriteFile(bootID, []byte(cfg.BootID+"\n"), 0o444); err != nil {
		return fmt.Errorf("write the boot id: %w", err)
	}
	console := filepath.Join(root, "dev/console")
	if err := os.WriteFile(console, nil, 0o600); err != nil {
		return fmt.Errorf("make /dev/console: %w", err)
	}
	for _, b := range []struct {
		from, to string
		readOnly bool
	}{
		{filepath.Join(cfg.Dir, "console.log"), console, false},
		{cfg.Agent, filepath.Join(root, cfg.AgentTarget), true},
		{filepath.Join(cfg.Dir, "meminfo"), filepath.Join(root, "proc/meminfo"), true},
		{bootID, filepath.Join(root, "proc/sys/kernel/random/boot_id"), true},
	} {
		if err := unix.Mount(b.from, b.to, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("show %s in the machine: %w", b.from, err)
		}
		if b.readOnly {
			if err := remountReadOnly(b.to, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func remountReadOnly(path string, more uintptr) error {
	if err := unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|more, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", path, err)
	}
	return nil
}

func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot into the machine: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil { // the host's root, stacked below
		return fmt.Errorf("let go of the host's root: %w", err)
	}
	return unix.Chdir("/")
}

// guardKernel keeps the machine from the knobs of the shared kernel: else its
// systemd-sysctl would change the host's. Those of the network are its own.
func (cfg bootConfig) guardKernel() error {
	// /dev/shm is only a place to keep hold of the writable directory meanwhile.
	if err := unix.Mount("/proc/sys/net", "/dev/shm", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("guard /proc/sys: %w", err)
	}
	if err := unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("guard /proc/sys: %w", err)
	}
	if err := remountReadOnly("/proc/sys", noSpecial); err != nil {
		return err
	}
	if err := unix.Mount("/dev/shm", "/proc/sys/net", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("guard /proc/sys: %w", err)
	}
	if err := unix.Unmount("/dev/shm", 0); err != nil {
		return fmt.Errorf("guard /proc/sys: %w", err)
	}
	for _, path := range []string{"/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"} {
		if unix.Mount(path, path, "", unix.MS_BIND, "") != nil {
			continue // not every kernel has it
		}
		if err := remountReadOnly(path, noSpecial); err != nil {
			return err
		}
	}
	for _, path := range []string{"/proc/kcore", "/proc/kmsg", "/proc/keys"} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := unix.Mount("/dev/null", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("hide %s: %w", path, err)
		}
	}
	return nil
}
