package resource

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

type userCmd struct {
	Name   string   `arg:"" help:"Name of the user."`
	UID    string   `name:"uid" help:"Number." placeholder:"NUMBER"`
	Group  string   `help:"Main group; made if it is missing." placeholder:"GROUP"`
	Groups []string `help:"Further groups, added to those the user has." placeholder:"GROUP,…"`
	Home   string   `help:"Home directory, made with the user." placeholder:"DIR"`
	Shell  string   `help:"Login shell." placeholder:"PATH"`
	System bool     `help:"A system user, with a low number."`
	State  string   `enum:"present,absent" default:"present" help:"present or absent; the home directory stays."`
}

func (c *userCmd) step() string { return "user " + c.Name }

// Run makes, changes or removes the user.
func (c *userCmd) Run(ctx context.Context, h *host) error {
	if err := h.ownMachine(); err != nil {
		return err
	}
	old, err := lookupUser(ctx, h, c.Name)
	switch {
	case err != nil:
		return err
	case c.State == "absent" && old == nil:
		h.ok(c.Name)
		return nil
	case c.State == "absent":
		return h.change(c.Name, "removed", func() error { return h.run(ctx, "userdel", "--", c.Name) })
	}
	if c.Group != "" {
		if err := (&groupCmd{Name: c.Group, System: c.System}).present(ctx, h); err != nil {
			return err
		}
	}
	if old == nil {
		return h.change(c.Name, "created", func() error { return h.run(ctx, "useradd", append(c.flags(), "--", c.Name)...) })
	}
	return c.modify(ctx, h, old)
}

func (c *userCmd) flags() []string {
	flags := []string{"--create-home"}
	for flag, value := range map[string]string{
		"--uid": c.UID, "--gid": c.Group, "--home-dir": c.Home, "--shell": c.Shell, "--groups": strings.Join(c.Groups, ","),
	} {
		if value != "" {
			flags = append(flags, flag, value)
		}
	}
	if c.System {
		flags = append(flags, "--system")
	}
	return flags
}

// account is a line of the password file.
type account struct{ uid, gid, home, shell string }

func lookupUser(ctx context.Context, h *host, name string) (*account, error) {
	if _, err := user.Lookup(name); err != nil {
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			return nil, nil
		}
		return nil, err
	}
	line, err := h.ask(ctx, "getent", "passwd", name)
	f := strings.Split(line, ":")
	if err != nil || len(f) < 7 {
		return nil, fmt.Errorf("look up user %s: %w", name, err)
	}
	return &account{uid: f[2], gid: f[3], home: f[5], shell: f[6]}, nil
}

func (c *userCmd) modify(ctx context.Context, h *host, old *account) error {
	var flags []string
	differ := func(flag, wanted, is string) {
		if wanted != "" && wanted != is {
			flags = append(flags, flag, wanted)
		}
	}
	differ("--uid", c.UID, old.uid)
	differ("--home", c.Home, old.home)
	differ("--shell", c.Shell, old.shell)
	if c.Group != "" {
		if gid, err := groupID(c.Group); err != nil || strconv.Itoa(gid) != old.gid {
			flags = append(flags, "--gid", c.Group)
		}
	}
	missing, err := c.missingGroups()
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		flags = append(flags, "--append", "--groups", strings.Join(missing, ","))
	}
	if len(flags) == 0 {
		h.ok(c.Name)
		return nil
	}
	return h.change(c.Name, "changed", func() error { return h.run(ctx, "usermod", append(flags, "--", c.Name)...) })
}

func (c *userCmd) missingGroups() (missing []string, err error) {
	u, err := user.Lookup(c.Name)
	if err != nil {
		return nil, err
	}
	has, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, name := range c.Groups {
		g, err := user.LookupGroup(name)
		if err != nil {
			return nil, fmt.Errorf("there is no group %s", name)
		}
		if !slices.Contains(has, g.Gid) {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

type groupCmd struct {
	Name   string `arg:"" help:"Name of the group."`
	GID    string `name:"gid" help:"Number of a new group." placeholder:"NUMBER"`
	System bool   `help:"A system group, with a low number."`
	State  string `enum:"present,absent" default:"present" help:"present or absent."`
}

func (c *groupCmd) step() string { return "group " + c.Name }

// Run makes or removes the group.
func (c *groupCmd) Run(ctx context.Context, h *host) error {
	if err := h.ownMachine(); err != nil {
		return err
	}
	if c.State != "absent" {
		return c.present(ctx, h)
	}
	if _, err := user.LookupGroup(c.Name); err != nil {
		h.ok(c.Name)
		return nil
	}
	return h.change(c.Name, "removed", func() error { return h.run(ctx, "groupdel", "--", c.Name) })
}

func (c *groupCmd) present(ctx context.Context, h *host) error {
	if _, err := user.LookupGroup(c.Name); err == nil {
		h.ok(c.Name)
		return nil
	}
	var flags []string
	if c.GID != "" {
		flags = append(flags, "--gid", c.GID)
	}
	if c.System {
		flags = append(flags, "--system")
	}
	return h.change(c.Name, "created", func() error { return h.run(ctx, "groupadd", append(flags, "--", c.Name)...) })
}
