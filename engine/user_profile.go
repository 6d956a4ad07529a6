package engine

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"opsyard/models"
)

// CreateUserProfile imports a user of IAM by ARN. They have no password, so
// they sign in only when an administrator has set one, and no level in any
// stack (OpsWorks: CreateUserProfile).
func (e *Engine) CreateUserProfile(ctx context.Context, u models.User) (*models.User, error) {
	if err := e.administer(ctx, "CreateUserProfile", target{kind: "user", name: clip(u.IamUserArn, 64)}); err != nil {
		return nil, err
	}
	account, name, err := models.ParseIamUserArn(u.IamUserArn)
	if err != nil {
		return nil, err
	}
	u.ID, u.Name, u.PasswordHash, u.Admin = models.NewID[models.UserID](), models.UserNameFor(name), "", false
	if u.SSHPublicKey, err = sshPublicKey(u.SSHPublicKey); err != nil {
		return nil, err
	}
	u.CreatedAt, u.UpdatedAt = e.Clock(), e.Clock()
	err = e.tx(ctx, func(t *tx) error {
		if err := t.nameIsFree(ctx, u.Name); models.CodeOf(err) == models.CodeInvalid && err != nil {
			// Of several users, roles and accounts with one name, those that come
			// later are told apart by their account.
			u.Name = clip(u.Name, 64-1-len(account)) + "@" + account
		} else if err != nil {
			return err
		}
		if err := u.Validate(); err != nil {
			return err
		}
		return t.createUser(ctx, &u)
	})
	return &u, err
}

// nameOnInstances makes the user's name on instances fit, or finds one that is
// free for somebody who has not chosen (OpsWorks: SshUsername).
func (t *tx) nameOnInstances(ctx context.Context, u *models.User) error {
	if u.SSHUsername = models.CleanSSHUsername(u.SSHUsername); u.SSHUsername != "" {
		return notRoot(u.SSHUsername) // the index refuses what is taken
	}
	all, err := t.Users.List(ctx)
	if err != nil {
		return err
	}
	taken := map[string]bool{machinesRoot: true}
	for _, other := range all {
		taken[other.SSHUsername] = other.ID != u.ID
	}
	_, name, err := models.ParseIamUserArn(u.IamUserArn)
	if err != nil {
		name = u.Name
	}
	base := models.SSHUsernameFor(name)
	if base == "" {
		base = "user"
	}
	u.SSHUsername = base
	for n := 2; taken[u.SSHUsername]; n++ {
		suffix := fmt.Sprint(n)
		u.SSHUsername = clip(base, 32-len(suffix)) + suffix
	}
	return nil
}

// machinesRoot is nobody's name: recipes that make an account for each user
// would give theirs the whole machine, sudo or not.
const machinesRoot = "root"

func notRoot(name string) error {
	if strings.EqualFold(name, machinesRoot) {
		return models.InvalidField("SshUsername", "Ssh username: root is the machine's own; choose another name.")
	}
	return nil
}

// UserProfiles reads users by ARN, or all of them by name (OpsWorks:
// DescribeUserProfiles).
func (e *Engine) UserProfiles(ctx context.Context, arns []string) ([]models.User, error) {
	if err := e.administer(ctx, "DescribeUserProfiles", target{kind: "user"}); err != nil {
		return nil, err
	}
	if len(arns) == 0 {
		return e.store.Users.List(ctx)
	}
	return e.store.Users.ByARNs(ctx, arns)
}

// UpdateUserProfile lets change alter a user: name on instances, key,
// self-management, e-mail address and whether they administer the installation.
// The last administrator stays one (OpsWorks: UpdateUserProfile).
func (e *Engine) UpdateUserProfile(ctx context.Context, arn string, change func(*models.User) error) error {
	if err := e.administer(ctx, "UpdateUserProfile", target{kind: "user", name: clip(arn, 64)}); err != nil {
		return err
	}
	err := e.tx(ctx, func(t *tx) error {
		found, err := t.Users.ByARN(ctx, arn)
		if err != nil {
			return err
		}
		if found.Admin {
			if _, err := t.Users.LockAdmins(ctx); err != nil {
				return err
			}
		}
		return t.updateUser(ctx, found.ID, "UpdateUserProfile", change)
	})
	return e.notOnAdmins(ctx, err, "UpdateUserProfile", arn)
}

// UpdateMyUserProfile sets the asker's own SSH key; an administrator must have
// allowed them to (OpsWorks: UpdateMyUserProfile).
func (e *Engine) UpdateMyUserProfile(ctx context.Context, sshPublicKey string) error {
	me, err := e.selfManaged(ctx, "UpdateMyUserProfile")
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		return t.updateUser(ctx, me.ID, "UpdateMyUserProfile", func(u *models.User) error {
			u.SSHPublicKey = sshPublicKey
			return nil
		})
	})
}

// MyUserProfile is the asker's own profile, for those who manage it themselves
// (OpsWorks: DescribeMyUserProfile).
func (e *Engine) MyUserProfile(ctx context.Context) (*models.User, error) {
	return e.selfManaged(ctx, "DescribeMyUserProfile")
}

func (e *Engine) selfManaged(ctx context.Context, action models.Action) (*models.User, error) {
	u, err := e.store.Users.Get(ctx, models.ActorFrom(ctx).UserID)
	if err != nil {
		return nil, err
	}
	rights, err := e.rights(ctx, "")
	if err != nil {
		return nil, err
	}
	rights.SelfManaged = u.AllowSelfManagement
	if d := rights.Decide(action, nil); !d.Allowed {
		e.auditRefusal(ctx, string(action), onUser(u))
		return nil, models.Forbidden("Your profile is managed by the administrators; they can allow you to do it yourself.")
	}
	return u, nil
}

func (t *tx) updateUser(ctx context.Context, id models.UserID, action string, change func(*models.User) error) error {
	before, err := t.Users.GetForUpdate(ctx, id)
	if err != nil {
		return err
	}
	u := *before
	if err := change(&u); err != nil {
		return err
	}
	u.ID, u.Name, u.IamUserArn, u.PasswordHash, u.UnixUID, u.CreatedAt = before.ID, before.Name, before.IamUserArn, before.PasswordHash, before.UnixUID, before.CreatedAt
	u.UpdatedAt = t.e.Clock()
	if strings.TrimSpace(u.SSHPublicKey) == before.SSHPublicKey {
		u.SSHPublicKey = before.SSHPublicKey // of an earlier version, perhaps, which took what is refused now
	} else if u.SSHPublicKey, err = sshPublicKey(u.SSHPublicKey); err != nil {
		return err
	}
	if u.SSHUsername = models.CleanSSHUsername(u.SSHUsername); u.SSHUsername == "" {
		u.SSHUsername = before.SSHUsername
	}
	if u.SSHUsername != before.SSHUsername {
		if err := notRoot(u.SSHUsername); err != nil {
			return err
		}
	}
	if err := t.mayBecome(ctx, action, before, &u); err != nil {
		return err
	}
	if err := t.Users.Save(ctx, &u); err != nil {
		return err
	}
	if u.SSHUsername != before.SSHUsername || u.SSHPublicKey != before.SSHPublicKey {
		if err := t.noteLogin(ctx, before); err != nil {
			return err
		}
	}
	t.tell("user:"+string(id), "user", string(id))
	return t.audit(ctx, action, onUser(&u), before, &u, models.Cause{})
}

// mayBecome refuses changes of a user that need more than the right to change
// users: of administrators, without a fresh proof, and of the last one.
func (t *tx) mayBecome(ctx context.Context, action string, before, u *models.User) error {
	if action == "UpdateUserProfile" && (before.Admin || u.Admin) && !mayOnAdmins(ctx) {
		return errNotOnAdmins
	}
	if u.SSHPublicKey != before.SSHPublicKey && u.SSHPublicKey != "" {
		if err := t.e.confirmed(ctx, models.ActionChangeSSHKey); err != nil {
			return err
		}
	}
	if before.Admin == u.Admin {
		return nil
	}
	if err := t.e.confirmed(ctx, "PromoteAdmin"); err != nil || u.Admin {
		return err
	}
	return t.keepAnAdmin(ctx, before)
}

// keepAnAdmin refuses to take away the asker's own rights, and those of the
// last administrator.
func (t *tx) keepAnAdmin(ctx context.Context, u *models.User) error {
	if models.ActorFrom(ctx).UserID == u.ID {
		return models.Invalid("You cannot take this from yourself; another administrator can.")
	}
	admins, err := t.Users.LockAdmins(ctx)
	if err != nil {
		return err
	}
	if len(admins) <= 1 {
		return models.Invalid("%s is the last administrator: make somebody else one first.", u.Name)
	}
	return nil
}

// noteLogin asks for a Configure in the stacks on whose instances the user has
// an account.
func (t *tx) noteLogin(ctx context.Context, u *models.User) error {
	logins, err := t.AllLogins(ctx)
	if err != nil {
		return err
	}
	for _, stack := range slices.Sorted(maps.Keys(logins)) {
		if !slices.ContainsFunc(logins[stack], func(l models.Login) bool { return l.UserID == u.ID }) {
			continue
		}
		if err := t.noteChange(ctx, stack, "SSH access of "+u.Name+" was changed"); err != nil {
			return err
		}
	}
	return nil
}

// DeleteUserProfile removes a user with their sessions, keys and permissions
// (OpsWorks: DeleteUserProfile). Oneself and the last administrator stay.
func (e *Engine) DeleteUserProfile(ctx context.Context, arn string) error {
	if err := e.administer(ctx, "DeleteUserProfile", target{kind: "user", name: clip(arn, 64)}); err != nil {
		return err
	}
	err := e.tx(ctx, func(t *tx) error {
		u, err := t.Users.ByARN(ctx, arn)
		if err != nil {
			return err
		}
		if u.Admin && !mayOnAdmins(ctx) {
			return errNotOnAdmins
		}
		if models.ActorFrom(ctx).UserID == u.ID {
			return models.Invalid("You cannot delete yourself; another administrator can.")
		}
		if u.Admin {
			if err := t.keepAnAdmin(ctx, u); err != nil {
				return err
			}
		}
		if err := t.noteLogin(ctx, u); err != nil {
			return err
		}
		if err := t.Users.Delete(ctx, u.ID); err != nil {
			return err
		}
		t.tell("user:"+string(u.ID), "user", string(u.ID))
		return t.audit(ctx, "DeleteUserProfile", onUser(u), u, nil, models.Cause{})
	})
	return e.notOnAdmins(ctx, err, "DeleteUserProfile", arn)
}

// errNotOnAdmins refuses those whom a policy lets change users: changing an
// administrator, or making one, would be all the power there is.
var errNotOnAdmins = errAdminsOnly()

func mayOnAdmins(ctx context.Context) bool {
	r := models.RightsOf(models.ActorFrom(ctx))
	return r.Trusted || r.Admin
}

// notOnAdmins audits such a refusal once its transaction is over.
func (e *Engine) notOnAdmins(ctx context.Context, err error, action, arn string) error {
	if errors.Is(err, errNotOnAdmins) {
		e.auditRefusal(ctx, action, target{kind: "user", name: clip(arn, 64)})
	}
	return err
}

// maxSSHKey bounds a public key: one of RSA with 16,384 bits takes 2.8 KB.
const maxSSHKey = 8 << 10

// sshPublicKey checks a key in the form of authorized_keys, where it will be
// written: one line, without options. An empty one is fine.
func sshPublicKey(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", nil
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(text) > maxSSHKey || len(rest) > 0 || len(options) > 0 || strings.ContainsAny(text, "\r\n\x00") {
		return "", models.InvalidField("SshPublicKey", "Ssh public key: must be one public key as in authorized_keys, without options.")
	}
	if weakSSHKey(key) {
		return "", models.InvalidField("SshPublicKey", "Ssh public key: must be of a kind that can still be trusted: Ed25519, ECDSA, or RSA with at least %d bits.", leastRSA)
	}
	return text, nil
}

// leastRSA is what an RSA key has that is not broken within its lifetime, in bits.
const leastRSA = 2048

// weakSSHKey also says yes to what it cannot judge, such as certificates, which
// are no use in that file.
func weakSSHKey(key ssh.PublicKey) bool {
	k, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return true
	}
	public, ok := k.CryptoPublicKey().(*rsa.PublicKey)
	return key.Type() == "ssh-dss" || ok && public.N.BitLen() < leastRSA // DSA is weak in any length
}
