package resource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

type execCmd struct {
	Creates string   `help:"Not needed when this path is there." placeholder:"PATH"`
	Unless  string   `help:"Not needed when this line of bash succeeds." placeholder:"COMMAND"`
	OnlyIf  string   `help:"Needed only when this line of bash succeeds." placeholder:"COMMAND"`
	Cwd     string   `help:"Directory to run it in." placeholder:"DIR"`
	User    string   `help:"User to run it as." placeholder:"USER"`
	Env     []string `help:"Variable to add to its environment." placeholder:"NAME=VALUE" sep:"none"`
	Command []string `arg:"" passthrough:"" help:"The command, after --."`
}

func (c *execCmd) argv() []string {
	if len(c.Command) > 0 && c.Command[0] == "--" {
		return c.Command[1:]
	}
	return c.Command
}

func (c *execCmd) step() string {
	argv := c.argv()
	if len(argv) == 0 {
		return "exec"
	}
	name := short(argv[0], argv[1:])
	if len(name) > 100 {
		name = name[:100] + "…"
	}
	return "exec " + name
}

// Run runs the command if it is needed. A dry run looks whether it is, and
// runs nothing else: nobody knows what a command would do.
func (c *execCmd) Run(ctx context.Context, h *host) error {
	if len(c.argv()) == 0 {
		return errors.New("there is no command: write it after --")
	}
	needed, err := c.needed(ctx, h)
	if err != nil {
		return err
	}
	if !needed {
		h.skipped = true
		h.ok(c.step())
		return nil
	}
	h.skipped = h.dryRun
	return h.change(c.step(), "run", func() error { return c.start(ctx, h) })
}

func (c *execCmd) needed(ctx context.Context, h *host) (bool, error) {
	if c.Creates != "" {
		if _, err := os.Lstat(h.path(c.Creates)); err == nil {
			return false, nil
		}
	}
	if c.Unless != "" {
		if holds, err := c.holds(ctx, h, c.Unless); holds || err != nil {
			return false, err
		}
	}
	if c.OnlyIf != "" {
		return c.holds(ctx, h, c.OnlyIf)
	}
	return true, nil
}

// holds asks a condition as the user whom the command is for: what it looks at
// may be that user's.
func (c *execCmd) holds(ctx context.Context, h *host, line string) (bool, error) {
	cmd := h.condition(line)
	if err := c.become(cmd); err != nil {
		return false, err
	}
	return succeeds(runGroup(ctx, cmd))
}

func (c *execCmd) start(ctx context.Context, h *host) error {
	argv := c.argv()
	cmd := h.command(argv[0], argv[1:]...)
	cmd.Stdin = os.Stdin
	cmd.Dir = c.Cwd
	cmd.Env = append(cmd.Env, c.Env...)
	if err := c.become(cmd); err != nil {
		return err
	}
	return ended(runGroup(ctx, cmd))
}

// become runs the command as another user, with that user's home.
func (c *execCmd) become(cmd *exec.Cmd) error {
	if c.User == "" {
		return nil
	}
	u, err := user.Lookup(c.User)
	if err != nil {
		return fmt.Errorf("there is no user %s", c.User)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	if uint64(os.Geteuid()) != uid {
		groups, err := groupsOf(u)
		if err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: groups}}
	}
	if uid != 0 {
		cmd.Env = slices.DeleteFunc(cmd.Env, agentsOwn)
	}
	cmd.Env = append(cmd.Env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
	return nil
}

// agentsOwn are variables with which the agent, and nobody else, reaches AWS.
func agentsOwn(kv string) bool { return strings.HasPrefix(kv, "AWS_") }

func groupsOf(u *user.User) ([]uint32, error) {
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("look up the groups of %s: %w", u.Username, err)
	}
	groups := make([]uint32, 0, len(ids))
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		groups = append(groups, uint32(n))
	}
	return groups, nil
}
