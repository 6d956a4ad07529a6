package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/proc"
)

// Exec runs a command in a running machine, as root there, and returns what it
// printed and its exit code. It is for tests and for finding faults.
func (p *Provider) Exec(ctx context.Context, id string, argv []string) (out []byte, code int, err error) {
	ctx, end, err := p.begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer end()
	p.mu.Lock()
	m := p.machines[id]
	p.mu.Unlock()
	if m == nil || m.current() == nil {
		return nil, 0, fmt.Errorf("run a command in machine %s: %w", id, compute.ErrNotFound)
	}
	out, code, err = p.exec(ctx, id, m.current().process.ID, argv)
	if err != nil {
		return out, code, fmt.Errorf("run a command in machine %s: %w", id, err)
	}
	return out, code, nil
}

// execConfig is what the child needs to enter the machine.
type execConfig struct {
	Machine proc.ID
	Argv    []string
}

func (p *Provider) exec(ctx context.Context, id string, machine proc.ID, argv []string) ([]byte, int, error) {
	group, err := p.cgroups.execGroup(id)
	if err != nil {
		return nil, 0, err
	}
	defer group.Close()
	configR, configW, err := os.Pipe()
	if err != nil {
		return nil, 0, err
	}
	defer configR.Close()
	defer configW.Close()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{execName, id}
	cmd.Env = append(machineEnv(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.ExtraFiles = []*os.File{configR}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it kills what it runs
	cmd.WaitDelay = time.Second                                              // a daemon it left may keep the pipe
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	// It waits for its configuration, so it enters with its cgroups already right.
	err = p.cgroups.join(id, cmd.Process.Pid)
	if err == nil {
		err = json.NewEncoder(configW).Encode(execConfig{Machine: machine, Argv: argv})
	}
	configW.Close()
	werr := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err != nil:
		return out.Bytes(), 0, err
	case ctx.Err() != nil:
		return out.Bytes(), 0, context.Cause(ctx)
	case errors.As(werr, &exit), errors.Is(werr, exec.ErrWaitDelay):
		return out.Bytes(), cmd.ProcessState.ExitCode(), nil
	}
	return out.Bytes(), 0, werr
}

// runInMachine is the child: a nsenter in Go. It exits with the command's code,
// or 126 if it could not run it.
func runInMachine() {
	unix.CloseOnExec(3)
	var cfg execConfig
	err := json.NewDecoder(os.NewFile(3, "config")).Decode(&cfg)
	if err == nil {
		err = cfg.enter()
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		cmd := exec.CommandContext(ctx, cfg.Argv[0], cfg.Argv[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Dir = "/root"
		// Not Pdeathsig: its parent is in another process namespace, which it
		// would take for a parent that has died.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		err = cmd.Run()
		if cmd.ProcessState != nil {
			os.Exit(cmd.ProcessState.ExitCode())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(126)
}

// enter joins all namespaces of the machine. This thread must not share its
// root and working directory with others, or the kernel refuses.
func (cfg execConfig) enter() error {
	if len(cfg.Argv) == 0 {
		return errors.New("no command")
	}
	fd, err := unix.PidfdOpen(cfg.Machine.Pid, 0)
	if err != nil {
		return fmt.Errorf("find the machine: %w", err)
	}
	if !cfg.Machine.Alive() {
		return proc.ErrGone
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leave the shared directory: %w", err)
	}
	all := unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWCGROUP
	if err := unix.Setns(fd, all); err != nil {
		return fmt.Errorf("enter the machine: %w", err)
	}
	_ = unix.Close(fd)
	return dropCapabilities()
}
