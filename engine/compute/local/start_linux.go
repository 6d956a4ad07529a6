package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/enroll"
	"opsyard/engine/compute/internal/proc"
)

// Start boots the machine, on its kept disk if it has one. The very first Start
// on a host may wait for the image to be built.
func (p *Provider) Start(ctx context.Context, spec compute.Spec) (compute.Machine, error) {
	if err := check(spec); err != nil {
		return compute.Machine{}, err
	}
	if err := compute.CheckVolumes(spec.Volumes); err != nil {
		return compute.Machine{}, err
	}
	ctx, end, err := p.begin(ctx)
	if err != nil {
		return compute.Machine{}, err
	}
	defer end()
	m, release, err := p.acquire(ctx, spec.ID, true)
	if err != nil {
		return compute.Machine{}, err
	}
	defer release()
	if m.current() != nil {
		return m.view(), nil
	}
	if err := p.start(ctx, m, spec); err != nil {
		return compute.Machine{}, fmt.Errorf("start machine %s: %w", spec.ID, err)
	}
	return m.view(), nil
}

func check(spec compute.Spec) error {
	if !validID(spec.ID) {
		return fmt.Errorf("%w: %q is no instance id", compute.ErrBadSpec, spec.ID)
	}
	if !hostnamePattern.MatchString(spec.Hostname) {
		return fmt.Errorf("%w: %q is no host name", compute.ErrBadSpec, spec.Hostname)
	}
	if _, ok := sizeOf(spec.Size); !ok {
		return fmt.Errorf("%w: there is no size %q; choose one of local.nano to local.large, or a type of EC2", compute.ErrBadSpec, spec.Size)
	}
	return enroll.Validate(spec.Enroll)
}

// start is the whole way from a spec to a booted machine. The caller has the turn.
func (p *Provider) start(ctx context.Context, m *machine, spec compute.Spec) (err error) {
	m.mu.Lock()
	m.starting = true
	rec := m.rec
	m.mu.Unlock()
	defer func() { p.started(m, rec, err) }()

	if err := p.net.up(); err != nil {
		return err
	}
	p.net.keepOpen()
	if rec.Lower == nil {
		if rec.Lower, err = p.images.resolve(ctx, firstOf(spec.Image, p.cfg.Image)); err != nil {
			return err
		}
	}
	rec.Hostname, rec.StackID, rec.ServerURL = spec.Hostname, spec.StackID, spec.Enroll.ServerURL
	rec.Size = firstOf(spec.Size, defaultSize)
	if rec.Volumes, err = p.prepareVolumes(rec.ID, spec.Volumes); err != nil {
		return err
	}
	if err := os.MkdirAll(p.dirOf(rec.ID), 0o700); err != nil {
		return fmt.Errorf("make the machine's directory: %w", err)
	}
	if err := p.assignAddress(m, &rec); err != nil {
		return err
	}
	if err := p.save(rec); err != nil {
		return err
	}
	if err := p.prepareDisk(&rec, spec.Enroll); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return p.boot(ctx, m, &rec)
}

// started ends a start: a failed one leaves the machine stopped with the
// reason, or unknown if it never had a disk.
func (p *Provider) started(m *machine, rec record, err error) {
	m.mu.Lock()
	m.starting = false
	if err != nil {
		rec.Reason = "could not start: " + err.Error()
		m.rec = rec
	}
	m.mu.Unlock()
	if err == nil {
		return
	}
	if !rec.Prepared {
		_ = os.RemoveAll(p.dirOf(rec.ID))
		p.forget(rec.ID)
		return
	}
	if err := p.save(rec); err != nil {
		p.log.Error("local machine", slog.String("instance_id", rec.ID), slog.Any("error", err))
	}
}

// assignAddress gives a new machine the lowest free address.
func (p *Provider) assignAddress(m *machine, rec *record) error {
	if rec.IP != "" && p.net.holds(rec.IP) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	used := map[string]bool{}
	for _, o := range p.machines {
		o.mu.Lock()
		used[o.rec.IP] = true
		o.mu.Unlock()
	}
	ip, err := p.net.free(used)
	if err != nil {
		return err
	}
	rec.IP = ip
	m.mu.Lock()
	m.rec.IP = ip // visible at once: a parallel start must not choose it too
	m.mu.Unlock()
	return nil
}

// bootConfig is what the child needs to become the machine.
type bootConfig struct {
	Dir         string
	Hostname    string
	BootID      string
	Lower       []string
	IP, Gateway string
	Bits        int
	Agent       string // on the host
	AgentTarget string // inside
	Memory      int64
	CPUs        float64
	VolumesDir  string
	Volumes     []compute.Volume // outer mount points first
}

// boot makes the process and everything around it. Order matters: the process
// is noted on disk before it may go on, so a killed server finds it again.
func (p *Provider) boot(ctx context.Context, m *machine, rec *record) (err error) {
	if err := p.forwardServer(rec.ServerURL); err != nil {
		return err
	}
	p.net.removeVeth(rec.IP) // of an earlier life; the kernel takes its time
	p.cgroups.remove(rec.ID)
	forgetNote(p.dirOf(rec.ID))
	size, _ := sizeOf(rec.Size)
	group, err := p.cgroups.create(rec.ID, size)
	if err != nil {
		return err
	}
	defer group.Close()
	child, err := spawn(p.dirOf(rec.ID), rec.ID, group)
	if err != nil {
		p.cgroups.remove(rec.ID)
		return err
	}
	defer child.close()
	defer func() {
		if err != nil {
			child.kill()
			p.net.removeVeth(rec.IP)
			p.cgroups.remove(rec.ID)
			rec.Process = proc.ID{}
		}
	}()
	rec.Process, rec.BootID, rec.Started, rec.Reason = child.process.ID, newUUID(), p.cfg.Now(), ""
	if err := p.save(*rec); err != nil {
		return err
	}
	if err := p.cgroups.join(rec.ID, rec.Process.Pid); err != nil {
		return err
	}
	if err := p.net.addVeth(rec.IP, rec.Process.Pid); err != nil {
		return err
	}
	err = child.configure(ctx, bootConfig{
		Dir: p.dirOf(rec.ID), Hostname: rec.Hostname, BootID: rec.BootID, Lower: rec.Lower,
		IP: rec.IP, Gateway: p.net.gateway(), Bits: p.net.bits(),
		Agent: p.agent.host, AgentTarget: p.agent.target(), Memory: size.Memory, CPUs: size.CPUs,
		VolumesDir: p.volumeDir(""), Volumes: rec.Volumes,
	})
	if err != nil {
		return err
	}
	p.follow(m, *rec, child.take())
	return nil
}

// child is a stage-1 process that has not yet become the machine.
type child struct {
	process *proc.Process
	config  *os.File // to it
	fault   *os.File // from it; its end of file means that systemd was executed
}

// spawn clones this executable into the machine's namespaces and cgroup.
func spawn(dir, id string, group *os.File) (*child, error) {
	console, err := openConsole(filepath.Join(dir, "console.log"))
	if err != nil {
		return nil, err
	}
	defer console.Close()
	configR, configW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	faultR, faultW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, configR.Close(), configW.Close())
	}
	c := &child{config: configW, fault: faultR}
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{stage1Name, id}, Env: machineEnv(),
		Stdout: console, Stderr: console, ExtraFiles: []*os.File{configR, faultW}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setsid:     true,
		// Born in its cgroup, so nothing of it ever runs outside. Its cgroup
		// namespace comes later: here its root would be the parent's group.
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
	}
	err = cmd.Start()
	configR.Close()
	faultW.Close()
	if err != nil {
		c.close()
		return nil, fmt.Errorf("clone into namespaces: %w", err)
	}
	defer cmd.Process.Release()
	pid, err := proc.Of(cmd.Process.Pid)
	if err == nil {
		c.process, err = pid.Open()
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
		c.close()
		return nil, fmt.Errorf("take hold of the machine's process: %w", err)
	}
	return c, nil
}

// openConsole starts the boot output anew once it has grown large.
func openConsole(path string) (*os.File, error) {
	mode := os.O_CREATE | os.O_APPEND | os.O_WRONLY
	if fi, err := os.Stat(path); err == nil && fi.Size() > 1<<20 {
		mode |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the machine's console: %w", err)
	}
	return f, nil
}

// configure lets the child go on, and waits until it has executed systemd.
func (c *child) configure(ctx context.Context, cfg bootConfig) error {
	stop := context.AfterFunc(ctx, func() { _ = c.process.Signal(syscall.SIGKILL) })
	defer stop()
	werr := json.NewEncoder(c.config).Encode(cfg)
	c.config.Close()
	fault, rerr := io.ReadAll(c.fault)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(fault) > 0:
		return fmt.Errorf("set up the machine: %s", fault)
	case werr != nil || rerr != nil:
		return fmt.Errorf("set up the machine: %w", errors.Join(werr, rerr))
	case !c.process.ID.Alive():
		return errors.New("set up the machine: its first process ended at once")
	}
	return nil
}

func (c *child) kill() {
	if c.process != nil {
		_ = c.process.Signal(syscall.SIGKILL)
		_ = c.process.Wait(context.Background()) // SIGKILL to PID 1 of a namespace cannot be refused
		c.process.Reap()
	}
}

// take hands the process over; close then leaves it open.
func (c *child) take() *proc.Process {
	p := c.process
	c.process = nil
	return p
}

func (c *child) close() {
	c.config.Close()
	c.fault.Close()
	if c.process != nil {
		c.process.Close()
	}
}

func machineEnv() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
