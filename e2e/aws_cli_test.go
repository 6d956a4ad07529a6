package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The commands of somebody's script, unchanged but for the endpoint: from an
// empty account to a deployed app and back, each wait ending by itself.
func TestAWSCommandLine(t *testing.T) {
	t.Parallel()
	needAWS(t)
	s, _ := serve(t, "--provider", "process")
	a := s.account(userName)
	cookbooks := repository(t, filepath.Join(s.dir, "cookbooks"), map[string]string{"shop/recipes/deploy.sh": deployRecipe})

	stack := a.aws("create-stack", "--name", "Shop", "--stack-region", "us-east-1", "--configuration-manager", "Name=Shell",
		"--service-role-arn", serviceRole, "--default-instance-profile-arn", instanceProfile, "--hostname-theme", "Roman_Deities",
		"--use-custom-cookbooks", "--custom-cookbooks-source", "Type=git,Revision=main,Url="+cookbooks,
		"--query", "StackId")
	layer := a.aws("create-layer", "--stack-id", stack, "--type", "custom", "--name", "Work", "--shortname", "work",
		"--custom-recipes", "Deploy=shop::deploy", "--query", "LayerId")
	instance := a.aws("create-instance", "--stack-id", stack, "--layer-ids", layer, "--instance-type", "t2.micro", "--query", "InstanceId")
	a.aws("start-instance", "--instance-id", instance)
	a.aws("wait", "instance-online", "--instance-ids", instance)

	app := a.aws("create-app", "--stack-id", stack, "--name", "Simple PHP", "--type", "other",
		"--app-source", "Type=git,Revision=main,Url="+cookbooks, "--query", "AppId")
	a.aws("wait", "app-exists", "--app-ids", app)
	deployment := a.aws("create-deployment", "--stack-id", stack, "--app-id", app, "--command", `{"Name":"deploy"}`, "--query", "DeploymentId")
	a.aws("wait", "deployment-successful", "--deployment-ids", deployment)
	if got := fetched(t, a.aws("describe-commands", "--deployment-id", deployment, "--query", "Commands[0].LogUrl")); !strings.Contains(got, "deploying to ") {
		t.Errorf("the log of the deployment says:\n%s", got)
	}
	if got := a.aws("describe-stack-summary", "--stack-id", stack, "--query", "StackSummary.[LayersCount,AppsCount,InstancesCount.Online]"); strings.Join(strings.Fields(got), " ") != "1 1 1" {
		t.Errorf("layers, apps and instances online: %q, want one each", got)
	}

	a.aws("stop-instance", "--instance-id", instance)
	a.aws("wait", "instance-stopped", "--instance-ids", instance)
	a.aws("delete-instance", "--instance-id", instance)
	a.aws("wait", "instance-terminated", "--instance-ids", instance)
	a.aws("delete-app", "--app-id", app)
	a.aws("delete-layer", "--layer-id", layer)
	a.aws("delete-stack", "--stack-id", stack)
	if got := a.aws("describe-stacks", "--query", "length(Stacks)"); got != "0" {
		t.Errorf("%s stacks are left", got)
	}
}

// fetched is what curl would print of an address.
func fetched(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("GET %s: status %d, %v", address, response.StatusCode, err)
	}
	return string(body)
}

// A host that somebody else made joins a stack, works in a layer, and leaves.
func TestAWSRegisteredHost(t *testing.T) {
	t.Parallel()
	needAWS(t)
	s, _ := serve(t, "--provider", "process")
	a := s.account(userName)
	stack := a.aws("create-stack", "--name", "Rack", "--stack-region", "us-east-1", "--configuration-manager", "Name=Shell",
		"--service-role-arn", serviceRole, "--default-instance-profile-arn", instanceProfile, "--query", "StackId")
	layer := a.aws("create-layer", "--stack-id", stack, "--type", "custom", "--name", "Work", "--shortname", "work", "--query", "LayerId")
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	instance := a.aws("register-instance", "--stack-id", stack, "--hostname", hostname, "--private-ip", "10.0.0.9", "--query", "InstanceId")
	if got := a.aws("describe-instances", "--instance-ids", instance, "--query", "Instances[0].Status"); got != "registering" {
		t.Errorf("a host that has not called is %s", got)
	}
	s.host("Rack")
	a.aws("wait", "instance-registered", "--instance-ids", instance)
	a.aws("assign-instance", "--instance-id", instance, "--layer-ids", layer)
	a.aws("wait", "instance-online", "--instance-ids", instance)
	if code, printed := a.try("stop-instance", "--instance-id", instance); code != 254 || !strings.Contains(printed, "(ValidationException)") {
		t.Errorf("stopping a registered host: got exit code %d and %q", code, printed)
	}
	a.aws("unassign-instance", "--instance-id", instance)
	a.aws("wait", "instance-registered", "--instance-ids", instance)
	a.aws("deregister-instance", "--instance-id", instance)
	a.aws("wait", "instance-terminated", "--instance-ids", instance)
}

// What a script tells by the exit code and the text of an error.
func TestAWSErrors(t *testing.T) {
	t.Parallel()
	needAWS(t)
	s, _ := serve(t, "--provider", "process")
	a := s.account(userName)
	wrong := func(change func(*account)) *account {
		other := *a
		change(&other)
		return &other
	}
	for _, c := range []struct {
		name string
		who  *account
		args []string
		says string
	}{
		{"ErrStackMissing", a, []string{"describe-stacks", "--stack-ids", "nosuch"},
			"An error occurred (ResourceNotFoundException) when calling the DescribeStacks operation: Unable to find stack with ID nosuch"},
		{"ErrSelectors", a, []string{"describe-instances"},
			"An error occurred (ValidationException) when calling the DescribeInstances operation: Please provide either one or more instance IDs or one stack ID or one layer ID"},
		{"ErrSecretWrong", wrong(func(o *account) { o.secret = "x" + o.secret[1:] + "y" }), []string{"describe-stacks"},
			"An error occurred (InvalidSignatureException) when calling the DescribeStacks operation"},
		{"ErrKeyUnknown", wrong(func(o *account) { o.id = "AKIAIOSFODNN7EXAMPLE" }), []string{"describe-stacks"},
			"An error occurred (UnrecognizedClientException) when calling the DescribeStacks operation: The security token included in the request is invalid."},
	} {
		t.Run(c.name, func(t *testing.T) {
			who := *c.who
			who.t = t
			if code, printed := who.try(c.args...); code != 254 || !strings.Contains(printed, c.says) {
				t.Errorf("got exit code %d and %q, want 254 and %q", code, printed, c.says)
			}
		})
	}
	if status, got := a.post("DescribeStacks", "{}", time.Now().Add(-time.Hour)); status != http.StatusBadRequest || got != "InvalidSignatureException" {
		t.Errorf("a request signed an hour ago: got %d %s", status, got)
	}
	if status, got := a.post("DescribeStacks", "{}", time.Now()); status != http.StatusOK || got != "" {
		t.Errorf("a request signed now: got %d %s", status, got)
	}
}
