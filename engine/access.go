package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// GrantAccess makes a user with a password on a Windows instance that is
// online, for some time; afterwards the engine takes it away again (OpsWorks:
// GrantAccess). Whoever manages the stack may, and whoever sees it and may log
// in. The password is told here and to the instance, and kept nowhere else.
func (e *Engine) GrantAccess(ctx context.Context, id models.InstanceID, minutes int) (*models.TemporaryCredential, error) {
	i, err := e.instanceFor(ctx, id, "GrantAccess")
	if err != nil {
		return nil, err
	}
	if err := models.CheckAccessMinutes(minutes); err != nil {
		return nil, err
	}
	actor := models.ActorFrom(ctx)
	name, err := e.windowsUser(ctx, actor)
	if err != nil {
		return nil, err
	}
	access := models.RemoteAccess{
		InstanceID: id, StackID: i.StackID, Username: name, Password: windowsPassword(), GrantedBy: actor.Name,
		CreatedAt: e.Clock(), ExpiresAt: e.Clock().Add(time.Duration(minutes) * time.Minute),
	}
	err = e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case !models.IsWindows(i.Os):
			return models.Invalid("Access can be granted on Windows instances only. Log in to %s with your own SSH key.", i.Hostname)
		case i.Status != models.InstanceOnline:
			return models.Invalid("Instance %s is %s: access can be granted while it is online.", i.Hostname, i.Status)
		}
		d := models.Deployment{Cause: byWhom(ctx, "access was granted to "+access.Username), UserID: actor.UserID}
		d.Command = models.DeploymentCommand{Name: models.CommandGrantRemoteAccess, Args: map[string][]string{
			"username": {access.Username}, "valid_for_in_minutes": {strconv.Itoa(minutes)},
		}}
		if err := t.accessCommand(ctx, i, &d); err != nil {
			return err
		}
		access.GrantID = d.ID
		if err := t.RemoteAccesses.Grant(ctx, &access); err != nil {
			return err
		}
		return t.audit(ctx, "GrantAccess", onInstance(i), nil, map[string]any{"Username": access.Username, "ValidForInMinutes": minutes}, d.Cause)
	})
	if err != nil {
		return nil, err
	}
	return &models.TemporaryCredential{InstanceID: id, Username: access.Username, Password: access.Password, ValidForInMinutes: minutes}, nil
}

func (t *tx) accessCommand(ctx context.Context, i *models.Instance, d *models.Deployment) error {
	stack, err := t.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return err
	}
	if d.UserID != "" {
		u, err := t.Users.Get(ctx, d.UserID)
		if err != nil {
			return err
		}
		d.IamUserArn = u.IamUserArn
	}
	return t.createDeployment(ctx, stack, d, []store.Member{store.MemberOf(i)})
}

// maxWindowsUser is the longest name of a local user on Windows.
const maxWindowsUser = 20

// windowsOwn are accounts that Windows itself has.
var windowsOwn = []string{"administrator", "guest", "defaultaccount", "wdagutilityaccount", "system"}

// windowsUser is the name of the asker's account: the one name of theirs that
// nobody else has, and with their id where it is too long or Windows' own.
func (e *Engine) windowsUser(ctx context.Context, actor models.Actor) (string, error) {
	if actor.Kind != models.ActorUser {
		return models.SSHUsernameFor("opsyard-" + string(actor.Kind)), nil
	}
	u, err := e.store.Users.Get(ctx, actor.UserID)
	if err != nil {
		return "", err
	}
	name := strings.ToLower(u.SSHUsername)
	if name != "" && len(name) <= maxWindowsUser && !slices.Contains(windowsOwn, name) {
		return name, nil
	}
	id := string(u.ID)
	id = id[max(0, len(id)-8):]
	return name[:min(len(name), maxWindowsUser-1-len(id))] + "-" + id, nil
}

// windowsPassword has 130 bits of chance and characters of all the kinds that
// Windows asks for.
func windowsPassword() string {
	text := rand.Text()
	return text[:13] + "-" + strings.ToLower(text[13:]) + "7"
}

// revokeRetry is how long a revocation that failed rests.
const revokeRetry = 5 * time.Minute

// revokeExpired takes away the accesses whose time is over. An instance that is
// not online hears of it when it is.
func (e *Engine) revokeExpired(ctx context.Context) error {
	due, err := e.store.RemoteAccesses.Due(ctx, e.Clock())
	if err != nil {
		return err
	}
	var errs []error
	for n := range due {
		err := e.revoke(ctx, &due[n])
		if err != nil && models.CodeOf(err) != models.CodeNotFound { // gone meanwhile, or granted anew
			errs = append(errs, fmt.Errorf("revoke the access of %s to instance %s: %w", due[n].Username, due[n].InstanceID, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) revoke(ctx context.Context, a *models.RemoteAccess) error {
	return e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, a.InstanceID)
		if err != nil {
			return err
		}
		a, err := t.RemoteAccesses.OfGrant(ctx, a.GrantID)
		if err != nil || a.RevokeID != "" || a.ExpiresAt.After(t.e.Clock()) || i.Status != models.InstanceOnline {
			return err // another round was faster
		}
		d := models.Deployment{Cause: models.Cause{Kind: models.CauseSchedule, Text: "the access of " + a.Username + " has expired", InstanceID: i.ID, Actor: a.GrantedBy}}
		d.Command = models.DeploymentCommand{Name: models.CommandRevokeRemoteAccess, Args: map[string][]string{"username": {a.Username}}}
		if err := t.accessCommand(ctx, i, &d); err != nil {
			return err
		}
		return t.RemoteAccesses.Revoke(ctx, a, d.ID, a.ExpiresAt)
	})
}

// revocationEnded forgets an access that is gone; otherwise it is tried again.
func (t *tx) revocationEnded(ctx context.Context, c *models.Command, how models.CommandStatus) error {
	a, err := t.RemoteAccesses.OfRevocation(ctx, c.DeploymentID)
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil // granted anew meanwhile
		}
		return err
	}
	if how == models.CommandSuccessful {
		return t.RemoteAccesses.Delete(ctx, a.InstanceID, a.Username)
	}
	return t.RemoteAccesses.Revoke(ctx, a, "", t.e.Clock().Add(revokeRetry))
}
