package models

import (
	"strings"
	"testing"
	"time"
)

func TestWeeklySchedule(t *testing.T) {
	t.Parallel()
	var s WeeklySchedule
	for _, err := range []error{s.Set(time.Monday, 0, true), s.Set(time.Sunday, 23, true), s.Set(time.Wednesday, 12, true), s.Set(time.Wednesday, 12, false)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if s != (WeeklySchedule{0: 1, 6: 1 << 23}) || s.IsZero() {
		t.Errorf("got %v", s)
	}
	for _, hour := range []int{-1, 1, 22, 24} {
		if s.On(time.Sunday, hour) || s.On(time.Monday, hour) {
			t.Errorf("hour %d is on", hour)
		}
	}
	if s.On(time.Monday, -1) || s.On(time.Monday, 24) || s.Set(time.Monday, 24, true) == nil || s.Set(time.Monday, -1, true) == nil {
		t.Error("hours that no day has are accepted")
	}
	if err := (WeeklySchedule{3: 1 << 24}).Validate(); err == nil || !strings.Contains(err.Error(), "Thursday") {
		t.Errorf("an hour 24 on Thursday: %v", err)
	}
}

func TestIamNames(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]string{
		"arn:aws:iam::123456789012:user/jane":                               "jane",
		"arn:aws:iam::123456789012:user/a/b/jane.doe@x":                     "jane.doe@x",
		"arn:aws:iam::123456789012:role/ci":                                 "ci",
		"arn:aws-us-gov:iam::123456789012:root":                             "root",
		"arn:aws:sts::123456789012:federated-user/f":                        "f",
		"arn:aws:iam::123456789012:user/":                                   "",
		"arn:aws:iam::123456789012:group/g":                                 "",
		"arn:aws:iam::1234:user/jane":                                       "",
		"arn:aws:iam::123456789012:user/a b":                                "",
		"arn:aws:iam::123456789012:user/jane\n":                             "",
		"jane":                                                              "",
		"arn:aws:iam::123456789012:user/" + strings.Repeat("x/", 120) + "j": "",
	} {
		_, name, err := ParseIamUserArn(arn)
		if name != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", arn, name, err)
		}
	}
	for name, want := range map[string]string{"my.name": "myname", "-x-": "x-", "Ä": "", "Under_Score-1": "Under_Score-1", strings.Repeat("a", 40): strings.Repeat("a", 32)} {
		if got := CleanSSHUsername(name); got != want {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func TestDeploymentCommandArgs(t *testing.T) {
	t.Parallel()
	type args = map[string][]string
	for _, c := range []struct {
		command DeploymentCommand
		problem string
	}{
		{DeploymentCommand{CommandDeploy, args{"migrate": {"false"}}}, ""},
		{DeploymentCommand{CommandDeploy, args{}}, ""},
		{DeploymentCommand{CommandDeploy, args{"migrate": {}}}, "migrate must be"},
		{DeploymentCommand{CommandDeploy, args{"migrate": {"true", "true"}}}, "migrate must be"},
		{DeploymentCommand{CommandUndeploy, args{"app": {"x"}}}, "takes no argument"},
		{DeploymentCommand{CommandExecuteRecipes, args{"recipes": {"a", "b::c"}}}, ""},
		{DeploymentCommand{CommandExecuteRecipes, nil}, "at least one recipe"},
		{DeploymentCommand{CommandUpdateDependencies, nil}, ""},
		{DeploymentCommand{CommandUpdateDependencies, args{"allow_reboot": {"true"}}}, ""},
		{DeploymentCommand{CommandUpdateDependencies, args{"allow_reboot": {"yes"}}}, "allow_reboot must be"},
		{DeploymentCommand{CommandUpdateDependencies, args{"upgrade_os_to": {"Debian 12"}, "allow_reboot": {"false"}}}, "needs allow_reboot"},
		{DeploymentCommand{CommandUpdateDependencies, args{"upgrade_os_to": {"a", "b"}, "allow_reboot": {"true"}}}, "one operating system"},
		{DeploymentCommand{CommandSyncRemoteUsers, nil}, "not a command that can be asked for"},
	} {
		err := c.command.Validate()
		if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%v: %v", c.command, err)
		}
	}
}

// A stored secret is kept where it was, and never shown by a change around it.
func TestAppSecretsAreKept(t *testing.T) {
	t.Parallel()
	stored := App{
		SslConfiguration: SslConfiguration{Certificate: "c", PrivateKey: "key"},
		Environment:      []EnvironmentVariable{{Key: "TOKEN", Value: "secret", Secure: true}, {Key: "PLAIN", Value: Filtered}},
	}
	again := stored.Redacted()
	if err := again.KeepSecrets(stored); err != nil || again.Environment[0].Value != "secret" || again.SslConfiguration.PrivateKey != "key" {
		t.Errorf("got %+v, %v", again, err)
	}
	if stored.Environment[0].Value != "secret" {
		t.Error("redacting has changed the app itself")
	}
	for name, change := range map[string]func(*App){
		"made plain":     func(a *App) { a.Environment[0].Secure = false },
		"another's name": func(a *App) { a.Environment[0].Key = "OTHER" },
	} {
		a := stored.Redacted()
		change(&a)
		if err := a.KeepSecrets(stored); err == nil {
			t.Errorf("%s: %+v", name, a.Environment)
		}
	}
}
