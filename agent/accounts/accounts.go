package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"opsyard/agent/protocol"
)

// Keeper keeps the accounts of a host as they are wanted. It is used by one
// goroutine.
type Keeper struct {
	host  Host
	log   *slog.Logger
	state *state
}

// Open takes up what an earlier agent has made; dir is the agent's own. Who
// cannot tell what is theirs touches nothing, and says so.
func Open(dir string, host Host, log *slog.Logger) *Keeper {
	s, err := openState(dir)
	if err != nil && host.problem == "" {
		host.problem = sentence(err)
	}
	return &Keeper{host: host, log: log, state: s}
}

// Apply makes the host's accounts those that are wanted. It may be called again
// and again: what is as wanted already is left alone, what somebody has broken
// since is mended, and what failed is tried again.
func (k *Keeper) Apply(ctx context.Context, want protocol.Accounts) protocol.AccountsApplied {
	want, unfit := want.Plausible()
	answer := protocol.AccountsApplied{Revision: want.Revision, Skipped: unfit}
	if k.host.run == nil || k.host.problem != "" {
		if answer.Problem = k.host.problem; answer.Problem == "" {
			answer.Problem = "This agent makes no accounts."
		}
		return answer
	}
	found, err := k.host.look()
	if err != nil {
		answer.Problem = sentence(err)
		return answer
	}
	plan := Decide(k.state.made, want.Users, found)
	answer.Skipped = append(answer.Skipped, plan.Skipped...)
	for _, step := range plan.Steps {
		err := k.do(ctx, step, &found)
		if err == nil {
			continue
		}
		k.log.WarnContext(ctx, "account", slog.String("deed", string(step.Deed)), slog.String("name", step.Account.Name), slog.Any("error", err))
		answer.Skipped = append(answer.Skipped, protocol.SkippedAccount{Name: step.Account.Name, Reason: failed[step.Deed] + ": " + oneLine(err) + "."})
	}
	return answer
}

// failed begins the sentence about a deed that did not succeed.
var failed = map[Deed]string{
	Withdraw: "Its key or its sudo could not be taken away",
	Forget:   "What it left could not be cleaned up",
	Remove:   "It could not be removed",
	Create:   "It could not be made",
	Keep:     "It is here, but not as wanted",
}

func oneLine(err error) string {
	return strings.TrimRight(strings.ReplaceAll(err.Error(), "\n", "; "), ".")
}

func sentence(err error) string {
	s := oneLine(err)
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func (k *Keeper) do(ctx context.Context, step Step, found *Found) error {
	a := step.Account
	if step.Deed != Keep {
		k.log.InfoContext(ctx, "account", slog.String("deed", string(step.Deed)), slog.String("name", a.Name), slog.Int("uid", a.UID))
	}
	switch step.Deed {
	case Withdraw:
		_, err := k.host.refuseSudo(a.Name)
		if err = errors.Join(err, k.host.withdrawKeys(a)); err != nil {
			return err
		}
		return k.state.drop(Made{a.Name, a.UID})
	case Forget:
		if _, err := k.host.refuseSudo(a.Name); err != nil {
			return err
		}
		return k.state.drop(Made{a.Name, a.UID})
	case Remove:
		return k.remove(ctx, a)
	case Create:
		return k.create(ctx, a, found)
	}
	return k.keep(ctx, a, found.Group)
}

// removeTries is how often a user is removed whose processes come again.
const removeTries = 5

// remove takes what lets them in first, and the account last: whatever fails on
// the way, nobody gets in.
func (k *Keeper) remove(ctx context.Context, a protocol.Account) error {
	_, err := k.host.refuseSudo(a.Name)
	err = errors.Join(err, k.host.removeKeys(a))
	_ = k.host.run(ctx, "loginctl", "disable-linger", a.Name) // systems without it have no such logins
	var kept error
	for range removeTries {
		k.endLogins(ctx, a)
		if kept = k.host.run(ctx, "userdel", "--", a.Name); kept == nil || ctx.Err() != nil {
			break
		}
	}
	if kept != nil {
		return errors.Join(err, kept)
	}
	// What could not be taken is useless without the account.
	return k.state.drop(Made{a.Name, a.UID})
}

// endLogins ends sessions, with what runs as root in them, and then the rest.
func (k *Keeper) endLogins(ctx context.Context, a protocol.Account) {
	_ = k.host.run(ctx, "loginctl", "terminate-user", a.Name)
	k.host.end(ctx, a.UID)
}

// create makes the account; one that cannot be made is as if it never was.
func (k *Keeper) create(ctx context.Context, a protocol.Account, found *Found) error {
	if err := k.host.homeFits(a); err != nil {
		return err
	}
	if err := k.ensureGroup(ctx, found); err != nil {
		return err
	}
	m := Made{a.Name, a.UID}
	if err := k.state.add(m); err != nil {
		return err
	}
	err := k.host.run(ctx, "useradd", "--uid", strconv.Itoa(a.UID), "--gid", Group, "--no-user-group", "--create-home",
		"--home-dir", homeOf(a.Name), "--shell", "/bin/bash", "--comment", "Opsyard",
		"--password", "*", // no password fits; "!" would be taken for locked by an sshd without PAM
		"--key", "UMASK=077", "--", a.Name)
	if err != nil {
		now, lerr := k.host.look()
		if lerr == nil && !slices.Contains(now.Users, User{a.Name, a.UID, found.Group}) {
			lerr = k.state.drop(m)
		}
		return errors.Join(err, lerr)
	}
	return k.keep(ctx, a, found.Group)
}

func (k *Keeper) ensureGroup(ctx context.Context, found *Found) error {
	if found.Group >= 0 {
		return nil
	}
	if err := k.host.run(ctx, "groupadd", "--system", "--", Group); err != nil {
		return err
	}
	now, err := k.host.look()
	if err == nil && now.Group < 0 {
		err = fmt.Errorf("the group %s was made and is not there", Group)
	}
	found.Group = now.Group
	return err
}

// keep makes key and sudo what they are to be. Who loses sudo loses their
// logins, too: a shell that is root already would stay it. So does who loses a
// key: whoever came in by it would stay in.
func (k *Keeper) keep(ctx context.Context, a protocol.Account, gid int) error {
	m, opening := Made{a.Name, a.UID}, bare(a.Keys)
	lost, err := k.keepSudo(ctx, a)
	kerr := k.keepKeys(ctx, a, gid)
	if lost || k.state.losesKey(m, opening) {
		k.endLogins(ctx, a)
	}
	// Only now is it forgotten that another key was there: after a failure, or
	// an end of the agent, the logins are ended with the next try.
	if kerr == nil && ctx.Err() == nil {
		kerr = k.state.noteKeys(m, opening)
	}
	return errors.Join(err, kerr)
}

// keepSudo tells whether they had sudo and may not.
func (k *Keeper) keepSudo(ctx context.Context, a protocol.Account) (lost bool, err error) {
	if a.Sudo {
		return false, k.host.allowSudo(ctx, a.Name)
	}
	return k.host.refuseSudo(a.Name)
}

func (k *Keeper) keepKeys(ctx context.Context, a protocol.Account, gid int) error {
	changed, err := k.host.writeKeys(a, gid)
	if changed { // under SELinux sshd reads only what bears the right label
		_ = k.host.run(ctx, "restorecon", "-R", filepath.Join(homeOf(a.Name), sshDir)) // most systems have none
	}
	return err
}

// bare are keys without their comments, which open nothing.
func bare(lines []string) (keys []string) {
	for _, line := range lines {
		f := strings.Fields(line)
		keys = append(keys, strings.Join(f[:min(2, len(f))], " "))
	}
	return keys
}
