package awsapi

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"
	"golang.org/x/crypto/ssh"

	"opsyard/models"
)

const jane = "arn:aws:iam::123456789012:user/ops/jane.doe"

// sshKey is a new public key.
func sshKey(t testing.TB) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(must(ssh.NewPublicKey(public))(t)))) + " jane@laptop"
}

func (w *world) profile(t testing.TB, arn string) *opsworks.UserProfile {
	t.Helper()
	return must(w.admin.DescribeUserProfiles(&opsworks.DescribeUserProfilesInput{IamUserArns: []*string{&arn}}))(t).UserProfiles[0]
}

func TestUserProfiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "CreateUserProfile", "UpdateUserProfile", "DescribeUserProfiles", "DeleteUserProfile")
	made := must(w.admin.CreateUserProfile(&opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane)}))(t)
	if *made.IamUserArn != jane {
		t.Errorf("made %s", *made.IamUserArn)
	}
	p := w.profile(t, jane)
	if *p.Name != "jane.doe" || *p.SshUsername != "janedoe" || p.SshPublicKey != nil || *p.AllowSelfManagement {
		t.Errorf("the minimal profile is %v", p)
	}
	role, key := "arn:aws:iam::123456789012:role/deploy-bot", sshKey(t)
	must(w.admin.CreateUserProfile(&opsworks.CreateUserProfileInput{
		IamUserArn: &role, SshUsername: aws.String("Deploy.Bot_1!"), SshPublicKey: aws.String(key + "\n"), AllowSelfManagement: aws.Bool(true),
	}))(t)
	if p := w.profile(t, role); *p.Name != "deploy-bot" || *p.SshUsername != "DeployBot_1" || *p.SshPublicKey != key || !*p.AllowSelfManagement {
		t.Errorf("the full profile is %v", p)
	}
	must(w.admin.UpdateUserProfile(&opsworks.UpdateUserProfileInput{IamUserArn: &role, SshUsername: aws.String("bot")}))(t)
	if p := w.profile(t, role); *p.SshUsername != "bot" || *p.SshPublicKey != key || !*p.AllowSelfManagement {
		t.Errorf("after a new name the profile is %v", p)
	}
	must(w.admin.UpdateUserProfile(&opsworks.UpdateUserProfileInput{IamUserArn: &role, SshUsername: aws.String(""), SshPublicKey: aws.String(""), AllowSelfManagement: aws.Bool(false)}))(t)
	if p := w.profile(t, role); *p.SshUsername != "bot" || p.SshPublicKey != nil || *p.AllowSelfManagement {
		t.Errorf("after emptying the profile is %v", p)
	}
	if all := must(w.admin.DescribeUserProfiles(&opsworks.DescribeUserProfilesInput{}))(t).UserProfiles; len(all) != 3 {
		t.Errorf("all profiles are %v", all)
	}
	must(w.admin.DeleteUserProfile(&opsworks.DeleteUserProfileInput{IamUserArn: aws.String(jane)}))(t)
	_, err := w.admin.DescribeUserProfiles(&opsworks.DescribeUserProfilesInput{IamUserArns: aws.StringSlice([]string{jane, role})})
	wantError(t, err, "ResourceNotFoundException", "Unable to find user with ARN "+jane)
}

// Users, roles and the root of an account can be imported; those that share a
// name are told apart.
func TestCreateUserProfileNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for arn, want := range map[string][2]string{
		"arn:aws:iam::111122223333:root":                           {"root", "root2"}, // not the machines' root
		"arn:aws-cn:iam::111122223333:role/service/build=1":        {"build-1", "build1"},
		"arn:aws:sts::111122223333:federated-user/Bob":             {"Bob", "bob"},
		"arn:aws:sts::111122223333:assumed-role/Admin/bob@example": {"bob@example", "bobexample"},
		"arn:aws:iam::111122223333:user/ana":                       {"ana@111122223333", "ana2"}, // ana signs the requests
	} {
		must(w.admin.CreateUserProfile(&opsworks.CreateUserProfileInput{IamUserArn: &arn}))(t)
		if p := w.profile(t, arn); *p.Name != want[0] || *p.SshUsername != want[1] {
			t.Errorf("%s became %v", arn, p)
		}
	}
	// Nobody signs in without a password.
	if _, err := w.engine.SignIn(w.ctx, "root", "", models.Browser{Addr: "127.0.0.1"}); models.CodeOf(err) != models.CodeUnauthenticated {
		t.Errorf("an imported user signs in: %v", err)
	}
}

func TestUserProfilesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.admin.CreateUserProfile(&opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane)}))(t)
	for name, c := range map[string]struct {
		in   opsworks.CreateUserProfileInput
		text string
	}{
		"taken":      {opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane)}, "There is already a user with ARN " + jane},
		"no ARN":     {opsworks.CreateUserProfileInput{IamUserArn: aws.String("jane")}, "not the ARN"},
		"a group":    {opsworks.CreateUserProfileInput{IamUserArn: aws.String("arn:aws:iam::123456789012:group/ops")}, "not the ARN"},
		"name taken": {opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane + "2"), SshUsername: aws.String("jane.doe")}, `"janedoe" is another user's`},
		"root":       {opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane + "2"), SshUsername: aws.String("ro.ot")}, "root is the machine's own"},
		"bad key":    {opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane + "2"), SshPublicKey: aws.String("ssh-rsa x")}, "Ssh public key"},
		"two keys":   {opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane + "2"), SshPublicKey: aws.String(sshKey(t) + "\n" + sshKey(t))}, "Ssh public key"},
		"options":    {opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane + "2"), SshPublicKey: aws.String(`command="sh" ` + sshKey(t))}, "Ssh public key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.admin.CreateUserProfile(&c.in)
			wantError(t, err, "ValidationException", c.text)
		})
	}
	_, err := w.admin.UpdateUserProfile(&opsworks.UpdateUserProfileInput{IamUserArn: aws.String(jane), SshPublicKey: aws.String("x")})
	wantError(t, err, "ValidationException", "Ssh public key")
	_, err = w.admin.UpdateUserProfile(&opsworks.UpdateUserProfileInput{IamUserArn: aws.String(jane), SshUsername: aws.String("Root")})
	wantError(t, err, "ValidationException", "root is the machine's own")
	_, err = w.admin.UpdateUserProfile(&opsworks.UpdateUserProfileInput{IamUserArn: aws.String("arn:none")})
	wantError(t, err, "ResourceNotFoundException", "Unable to find user with ARN arn:none")
	_, err = w.admin.DeleteUserProfile(&opsworks.DeleteUserProfileInput{IamUserArn: aws.String("arn:none")})
	wantError(t, err, "ResourceNotFoundException", "Unable to find user with ARN arn:none")
	_, err = w.admin.DeleteUserProfile(&opsworks.DeleteUserProfileInput{IamUserArn: aws.String(models.IamUserArnFor("ana"))})
	wantError(t, err, "ValidationException", "You cannot delete yourself")

	// No level is enough for these.
	manager := w.user(t, "max", models.LevelManage, w.stack(t))
	_, err = manager.CreateUserProfile(&opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane + "3")})
	wantError(t, err, "AccessDeniedException")
	_, err = manager.UpdateUserProfile(&opsworks.UpdateUserProfileInput{IamUserArn: aws.String(jane)})
	wantError(t, err, "AccessDeniedException")
	_, err = manager.DeleteUserProfile(&opsworks.DeleteUserProfileInput{IamUserArn: aws.String(jane)})
	wantError(t, err, "AccessDeniedException")
	_, err = manager.DescribeUserProfiles(&opsworks.DescribeUserProfilesInput{})
	wantError(t, err, "AccessDeniedException")
}

func TestMyUserProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "DescribeMyUserProfile", "UpdateMyUserProfile")
	key := sshKey(t)
	must(w.admin.UpdateMyUserProfile(&opsworks.UpdateMyUserProfileInput{SshPublicKey: &key}))(t)
	me := must(w.admin.DescribeMyUserProfile(&opsworks.DescribeMyUserProfileInput{}))(t).UserProfile
	if *me.Name != "ana" || *me.IamUserArn != models.IamUserArnFor("ana") || *me.SshPublicKey != key || *me.SshUsername != "ana" {
		t.Errorf("I am %v", me)
	}
	must(w.admin.UpdateMyUserProfile(&opsworks.UpdateMyUserProfileInput{}))(t) // nothing is to change
	must(w.admin.UpdateMyUserProfile(&opsworks.UpdateMyUserProfileInput{SshPublicKey: aws.String("")}))(t)
	if me := must(w.admin.DescribeMyUserProfile(&opsworks.DescribeMyUserProfileInput{}))(t).UserProfile; me.SshPublicKey != nil {
		t.Errorf("the key is still %s", *me.SshPublicKey)
	}
	_, err := w.admin.UpdateMyUserProfile(&opsworks.UpdateMyUserProfileInput{SshPublicKey: aws.String("x")})
	wantError(t, err, "ValidationException", "Ssh public key")

	managed := w.user(t, "max", "", nil)
	_, err = managed.DescribeMyUserProfile(&opsworks.DescribeMyUserProfileInput{})
	wantError(t, err, "AccessDeniedException", "managed by the administrators")
	_, err = managed.UpdateMyUserProfile(&opsworks.UpdateMyUserProfileInput{SshPublicKey: &key})
	wantError(t, err, "AccessDeniedException", "managed by the administrators")
	must(w.admin.UpdateUserProfile(&opsworks.UpdateUserProfileInput{IamUserArn: aws.String(models.IamUserArnFor("max")), AllowSelfManagement: aws.Bool(true)}))(t)
	must(managed.UpdateMyUserProfile(&opsworks.UpdateMyUserProfileInput{SshPublicKey: &key}))(t)
	if p := w.profile(t, models.IamUserArnFor("max")); *p.SshPublicKey != key {
		t.Errorf("the profile is %v", p)
	}
}

func TestSetAndDescribePermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "SetPermission", "DescribePermissions")
	stack := w.stack(t)
	sid := aws.String(string(stack.ID))
	must(w.admin.CreateUserProfile(&opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane)}))(t)
	row := func() *opsworks.Permission {
		t.Helper()
		return must(w.admin.DescribePermissions(&opsworks.DescribePermissionsInput{StackId: sid, IamUserArn: aws.String(jane)}))(t).Permissions[0]
	}
	if p := row(); *p.Level != "iam_only" || *p.AllowSsh || *p.AllowSudo || *p.IamUserArn != jane || *p.StackId != *sid {
		t.Errorf("what was never set is %v", p)
	}
	must(w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String(jane), AllowSsh: aws.Bool(true), AllowSudo: aws.Bool(true), Level: aws.String("deploy")}))(t)
	must(w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String(jane), Level: aws.String("manage")}))(t)
	if p := row(); *p.Level != "manage" || !*p.AllowSsh || !*p.AllowSudo { // what is left out keeps its value
		t.Errorf("the permission is %v", p)
	}
	must(w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String(jane), AllowSsh: aws.Bool(false)}))(t)
	if p := row(); *p.Level != "manage" || *p.AllowSsh || *p.AllowSudo {
		t.Errorf("without SSH the permission is %v", p)
	}
	if all := must(w.admin.DescribePermissions(&opsworks.DescribePermissionsInput{StackId: sid}))(t).Permissions; len(all) != 2 {
		t.Errorf("the stack's permissions are %v", all)
	}
	must(w.engine.CreateStack(w.ctx, models.NewStack("Second")))(t) // a new stack has iam_only for everybody
	ofJane := must(w.admin.DescribePermissions(&opsworks.DescribePermissionsInput{IamUserArn: aws.String(jane)}))(t).Permissions
	if len(ofJane) != 2 || *ofJane[0].Level != "iam_only" || *ofJane[1].Level != "manage" {
		t.Errorf("jane's permissions are %v", ofJane)
	}
	_, err := w.admin.DescribePermissions(&opsworks.DescribePermissionsInput{})
	wantError(t, err, "ValidationException", "Please provide a stack ID or an IAM user ARN or both")
	_, err = w.admin.DescribePermissions(&opsworks.DescribePermissionsInput{StackId: sid, IamUserArn: aws.String("arn:none")})
	wantError(t, err, "ResourceNotFoundException", "Unable to find user with ARN arn:none")
	_, err = w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String("arn:none"), Level: aws.String("show")})
	wantError(t, err, "ResourceNotFoundException", "Unable to find user with ARN arn:none")
	_, err = w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String(jane), Level: aws.String("owner")})
	wantError(t, err, "ValidationException", "Level")
	_, err = w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String(jane), AllowSudo: aws.Bool(true)})
	wantError(t, err, "ValidationException", "Allow sudo: needs SSH")
	_, err = w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: aws.String("none"), IamUserArn: aws.String(jane)})
	wantError(t, err, "ResourceNotFoundException", "Unable to find stack with ID none")
}

// deny beats what everybody may; only an administrator makes stacks and users;
// nobody sets their own level; a new user has iam_only.
func TestPitfall21Permissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	sid := aws.String(string(stack.ID))
	manager, denied, fresh := w.user(t, "max", models.LevelManage, stack), w.user(t, "dan", models.LevelDeny, stack), w.user(t, "fred", "", nil)
	for _, who := range []*opsworks.OpsWorks{denied, fresh} {
		_, err := who.DescribeApps(&opsworks.DescribeAppsInput{StackId: sid})
		wantError(t, err, "ResourceNotFoundException", "Unable to find stack with ID "+*sid)
	}
	own := aws.String(models.IamUserArnFor("max"))
	_, err := manager.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: own, AllowSsh: aws.Bool(true)})
	wantError(t, err, "ValidationException", "You cannot set your own permission")
	_, err = w.admin.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String(models.IamUserArnFor("ana")), Level: aws.String("deny")})
	wantError(t, err, "ValidationException", "You cannot set your own permission")
	must(manager.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: aws.String(models.IamUserArnFor("fred")), Level: aws.String("show")}))(t)
	must(fresh.DescribeApps(&opsworks.DescribeAppsInput{StackId: sid}))(t)

	// One's own permissions everybody sees; those of others need manage in the
	// stack, or an administrator.
	mine := must(fresh.DescribePermissions(&opsworks.DescribePermissionsInput{IamUserArn: aws.String(models.IamUserArnFor("fred"))}))(t).Permissions
	if len(mine) != 1 || *mine[0].Level != "show" {
		t.Errorf("fred's permissions are %v", mine)
	}
	must(fresh.DescribePermissions(&opsworks.DescribePermissionsInput{StackId: sid, IamUserArn: aws.String(models.IamUserArnFor("fred"))}))(t)
	must(manager.DescribePermissions(&opsworks.DescribePermissionsInput{StackId: sid}))(t)
	for name, call := range map[string]func() error{
		"others' in a stack": func() error {
			_, err := fresh.DescribePermissions(&opsworks.DescribePermissionsInput{StackId: sid})
			return err
		},
		"another's in a stack": func() error {
			_, err := fresh.DescribePermissions(&opsworks.DescribePermissionsInput{StackId: sid, IamUserArn: own})
			return err
		},
		"another's everywhere": func() error {
			_, err := manager.DescribePermissions(&opsworks.DescribePermissionsInput{IamUserArn: aws.String(models.IamUserArnFor("fred"))})
			return err
		},
		"set by show": func() error {
			_, err := fresh.SetPermission(&opsworks.SetPermissionInput{StackId: sid, IamUserArn: own, Level: aws.String("deny")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, call(), "AccessDeniedException") })
	}
	hidden := must(denied.DescribePermissions(&opsworks.DescribePermissionsInput{IamUserArn: aws.String(models.IamUserArnFor("dan"))}))(t).Permissions
	if len(hidden) != 0 {
		t.Errorf("dan sees %v", hidden)
	}
}

// A change of SSH or sudo fires Configure on the online instances; a change of
// the level does not.
func TestPitfall07SSHFiresConfigure(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	must(w.admin.CreateUserProfile(&opsworks.CreateUserProfileInput{IamUserArn: aws.String(jane)}))(t)
	configures := func() (n int) {
		w.idle(t)
		for _, c := range must(w.store.Commands.OfInstance(w.ctx, w.instances[0].ID, everything))(t) {
			if c.Type == models.CommandConfigure {
				n++
			}
		}
		return n
	}
	set := func(in opsworks.SetPermissionInput) func() {
		return func() {
			in.StackId, in.IamUserArn = w.sid, aws.String(jane)
			must(w.admin.SetPermission(&in))(t)
		}
	}
	update := func(in opsworks.UpdateUserProfileInput) func() {
		return func() {
			in.IamUserArn = aws.String(jane)
			must(w.admin.UpdateUserProfile(&in))(t)
		}
	}
	for _, c := range []struct {
		name string
		do   func()
		more int
	}{
		{"level", set(opsworks.SetPermissionInput{Level: aws.String("show")}), 0},
		{"key without SSH", update(opsworks.UpdateUserProfileInput{SshPublicKey: aws.String(sshKey(t))}), 0},
		{"SSH", set(opsworks.SetPermissionInput{AllowSsh: aws.Bool(true)}), 1},
		{"the same", set(opsworks.SetPermissionInput{AllowSsh: aws.Bool(true)}), 0},
		{"sudo", set(opsworks.SetPermissionInput{AllowSudo: aws.Bool(true)}), 1},
		{"key", update(opsworks.UpdateUserProfileInput{SshPublicKey: aws.String(sshKey(t))}), 1},
		{"name", update(opsworks.UpdateUserProfileInput{SshUsername: aws.String("jane")}), 1},
		{"self-management", update(opsworks.UpdateUserProfileInput{AllowSelfManagement: aws.Bool(true)}), 0},
		{"deletion", func() {
			must(w.admin.DeleteUserProfile(&opsworks.DeleteUserProfileInput{IamUserArn: aws.String(jane)}))(t)
		}, 1},
	} {
		before := configures()
		c.do()
		if got := configures() - before; got != c.more {
			t.Errorf("%s fired %d Configures, want %d", c.name, got, c.more)
		}
	}
	newest := must(w.store.Deployments.InStack(w.ctx, w.stack.ID, 1, 0))(t)[0]
	if !strings.Contains(fmt.Sprint(newest.Cause.Text), "SSH access of jane.doe was changed") {
		t.Errorf("the cause is %q", newest.Cause.Text)
	}
}
