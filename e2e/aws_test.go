package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws/credentials"
	v4 "github.com/aws/aws-sdk-go/aws/signer/v4"
)

// Debian's clients, which still know OpsWorks; others may be first in the PATH.
const (
	awsProgram    = "/usr/bin/aws"
	pythonProgram = "/usr/bin/python3"
)

// account is a key pair of a user, and the AWS clients that use it.
type account struct {
	t          *testing.T
	s          *server
	id, secret string
}

// account makes a key pair beside the running server.
func (s *server) account(user string) *account {
	s.t.Helper()
	var key struct{ AccessKeyId, SecretAccessKey string } //nolint:staticcheck // AWS' spelling
	if err := json.Unmarshal([]byte(s.opsyard("key", "create", "--user", user, "--data", s.data)), &key); err != nil {
		s.t.Fatal(err)
	}
	return &account{s.t, s, key.AccessKeyId, key.SecretAccessKey}
}

// opsyard runs a command of the program and returns what it prints.
func (s *server) opsyard(args ...string) string {
	s.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(s.program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("opsyard %s: %v\n%s", args[0], err, stderr.String())
	}
	return string(out)
}

// environment is what a client sees; nothing of the tester's own account is in it.
func (a *account) environment(more ...string) []string {
	list := slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "AWS_") })
	return append(append(list, "HOME="+a.s.dir, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
		"AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+a.id, "AWS_SECRET_ACCESS_KEY="+a.secret), more...)
}

// clientLimit is how long a client may take; the waiters ask every 15 seconds.
const clientLimit = 4 * time.Minute

// try runs aws opsworks and returns its exit code and all that it printed.
func (a *account) try(args ...string) (code int, printed string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, awsProgram, append([]string{"--endpoint-url", a.s.url, "--output", "text", "opsworks"}, args...)...)
	cmd.Env = a.environment()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		a.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(out))
}

// aws runs a command that must work.
func (a *account) aws(args ...string) string {
	a.t.Helper()
	code, printed := a.try(args...)
	if code != 0 {
		a.t.Fatalf("aws opsworks %s ended with %d: %s", strings.Join(args, " "), code, printed)
	}
	return printed
}

// python runs a script of testdata with boto3.
func (a *account) python(program, script string, more ...string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, filepath.Join("testdata", script))
	cmd.Env = a.environment(append(more, "OPSYARD="+a.s.url, "PYTHONDONTWRITEBYTECODE=1")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("%s %s: %v\n%s", program, script, err, out)
	}
}

// post signs a request at a time of its own and returns the type of the error.
func (a *account) post(operation, body string, at time.Time) (status int, errorType string) {
	a.t.Helper()
	r, err := http.NewRequest(http.MethodPost, a.s.url+"/", strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "OpsWorks_20130218."+operation)
	if _, err := v4.NewSigner(credentials.NewStaticCredentials(a.id, a.secret, "")).Sign(r, strings.NewReader(body), "opsworks", "us-east-1", at); err != nil {
		a.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	var failure struct {
		Type string `json:"__type"`
	}
	if err := json.NewDecoder(response.Body).Decode(&failure); err != nil {
		a.t.Fatal(fmt.Errorf("read the answer to %s: %w", operation, err))
	}
	return response.StatusCode, failure.Type
}

// needAWS skips where the clients are not installed; make test installs them.
func needAWS(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the clients' waiters take longer than -short allows")
	}
	if _, err := os.Stat(awsProgram); err != nil {
		t.Skip("there is no " + awsProgram)
	}
	if exec.Command(pythonProgram, "-c", "import boto3").Run() != nil {
		t.Skip("there is no boto3")
	}
}

// host runs an agent that enrols with a token of the stack, as a machine that
// Opsyard did not make. It ends with the test.
func (s *server) host(stack string) {
	s.t.Helper()
	token := strings.TrimSpace(s.opsyard("token", "create", "--stack", stack, "--data", s.data))
	cmd := exec.Command(filepath.Join(filepath.Dir(s.program), "opsyard-agent"), "run", "--server", s.url, "--data", filepath.Join(s.dir, "host"))
	cmd.Env = append(os.Environ(), "OPSYARD_TOKEN="+token)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
}

// deployRecipe tells where it runs.
const deployRecipe = "echo \"deploying to $(opsyard-agent attr opsworks.instance.hostname)\"\n"

const (
	serviceRole     = "arn:aws:iam::123456789012:role/aws-opsworks-service-role"
	instanceProfile = "arn:aws:iam::123456789012:instance-profile/aws-opsworks-ec2-role"
)
