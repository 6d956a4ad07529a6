package resource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

type serviceCmd struct {
	Name    string `arg:"" help:"Name of the service."`
	Enable  bool   `xor:"boot" help:"Start it when the host boots."`
	Disable bool   `xor:"boot" help:"Do not start it when the host boots."`
	Start   bool   `xor:"now" help:"Have it run."`
	Stop    bool   `xor:"now" help:"Have it not run."`
	Restart bool   `xor:"now" help:"Stop and start it."`
	Reload  bool   `xor:"now" help:"Have it read its configuration; start it if it does not run."`
}

func (c *serviceCmd) step() string { return "service " + c.Name }

// supervisor starts services: systemd, or the scripts of old.
type supervisor interface {
	active(ctx context.Context, h *host, name string) (bool, error)
	enabled(ctx context.Context, h *host, name string) (bool, error)
	// do is start, stop, restart, reload, enable or disable.
	do(ctx context.Context, h *host, verb, name string) error
}

// Run brings the service into its state.
func (c *serviceCmd) Run(ctx context.Context, h *host) error {
	if err := h.ownMachine(); err != nil {
		return err
	}
	s, err := findSupervisor()
	if err != nil {
		return err
	}
	if c.Enable || c.Disable {
		if err := c.boot(ctx, h, s); err != nil {
			return err
		}
	}
	switch {
	case c.Start:
		return c.run(ctx, h, s, true)
	case c.Stop:
		return c.run(ctx, h, s, false)
	case c.Restart:
		return c.verb(ctx, h, s, "restart", "restarted")
	case c.Reload:
		return c.reload(ctx, h, s)
	}
	return nil
}

func (c *serviceCmd) boot(ctx context.Context, h *host, s supervisor) error {
	is, err := s.enabled(ctx, h, c.Name)
	if err != nil {
		return err
	}
	if is == c.Enable {
		h.okAs(c.Name, map[bool]string{true: "enabled", false: "disabled"}[is])
		return nil
	}
	if c.Enable {
		return c.verb(ctx, h, s, "enable", "enabled")
	}
	return c.verb(ctx, h, s, "disable", "disabled")
}

func (c *serviceCmd) run(ctx context.Context, h *host, s supervisor, wanted bool) error {
	is, err := s.active(ctx, h, c.Name)
	if err != nil {
		return err
	}
	if is == wanted {
		h.okAs(c.Name, map[bool]string{true: "running", false: "stopped"}[is])
		return nil
	}
	if wanted {
		return c.verb(ctx, h, s, "start", "started")
	}
	return c.verb(ctx, h, s, "stop", "stopped")
}

func (c *serviceCmd) reload(ctx context.Context, h *host, s supervisor) error {
	is, err := s.active(ctx, h, c.Name)
	if err != nil {
		return err
	}
	if !is {
		return c.verb(ctx, h, s, "start", "started")
	}
	return c.verb(ctx, h, s, "reload", "reloaded")
}

func (c *serviceCmd) verb(ctx context.Context, h *host, s supervisor, verb, done string) error {
	return h.change(c.Name, done, func() error { return s.do(ctx, h, verb, c.Name) })
}

func findSupervisor() (supervisor, error) {
	if _, err := os.Stat("/run/systemd/system"); err == nil && found("systemctl") {
		return systemd{}, nil
	}
	if found("service") {
		return initScripts{}, nil
	}
	return nil, errors.New("this host has neither systemd nor the program service")
}

type systemd struct{}

func (systemd) active(ctx context.Context, h *host, name string) (bool, error) {
	state, err := systemd{}.property(ctx, h, "ActiveState", name)
	return state == "active" || state == "reloading" || state == "activating", err
}

func (systemd) enabled(ctx context.Context, h *host, name string) (bool, error) {
	state, err := systemd{}.property(ctx, h, "UnitFileState", name)
	return state != "disabled" && state != "masked" && state != "", err
}

func (systemd) property(ctx context.Context, h *host, property, name string) (string, error) {
	return h.ask(ctx, "systemctl", "show", "--property="+property, "--value", "--", name)
}

// do reads changed unit files first and shows what the service said when it
// would not do as told.
func (systemd) do(ctx context.Context, h *host, verb, name string) error {
	if stale, err := (systemd{}).property(ctx, h, "NeedDaemonReload", name); err == nil && stale == "yes" {
		if err := h.run(ctx, "systemctl", "daemon-reload"); err != nil {
			return err
		}
	}
	if verb == "enable" || verb == "disable" {
		return h.run(ctx, "systemctl", "--quiet", verb, name)
	}
	err := h.run(ctx, "systemctl", verb, name)
	if err != nil && ctx.Err() == nil {
		_ = h.run(ctx, "systemctl", "status", "--no-pager", "--full", "--lines=20", name)
	}
	return err
}

// initScripts are the scripts in /etc/init.d of hosts without systemd.
type initScripts struct{}

func (initScripts) active(ctx context.Context, h *host, name string) (bool, error) {
	return h.holds(ctx, "service "+quoteShell(name)+" status")
}

func (initScripts) enabled(ctx context.Context, h *host, name string) (bool, error) {
	return h.holds(ctx, "ls /etc/rc[2345].d/S[0-9][0-9]"+quoteShell(name))
}

func (initScripts) do(ctx context.Context, h *host, verb, name string) error {
	if verb != "enable" && verb != "disable" {
		return h.run(ctx, "service", name, verb)
	}
	if found("update-rc.d") {
		return h.run(ctx, "update-rc.d", name, verb)
	}
	if found("chkconfig") {
		return h.run(ctx, "chkconfig", name, map[string]string{"enable": "on", "disable": "off"}[verb])
	}
	return fmt.Errorf("this host cannot %s services at boot", strings.TrimSuffix(verb, "e"))
}
