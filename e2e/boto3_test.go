package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same story by boto3, with more of what a build job does on its way.
func TestBoto3(t *testing.T) {
	t.Parallel()
	needAWS(t)
	s, _ := serve(t, "--provider", "process")
	cookbooks := repository(t, filepath.Join(s.dir, "cookbooks"), map[string]string{
		"shop/recipes/deploy.sh": deployRecipe,
		"shop/recipes/fail.sh":   "echo 'this must not work' >&2\nexit 1\n",
	})
	s.account(userName).python(pythonProgram, "boto3_story.py", "COOKBOOKS="+cookbooks)
}

// A client that lacks OpsWorks works with the description that we install.
func TestBoto3WithOurModel(t *testing.T) {
	t.Parallel()
	needAWS(t)
	s, _ := serve(t, "--provider", "sim")
	a := s.account(userName)
	models := filepath.Join(s.dir, "models")
	s.opsyard("aws-model", "--install", "--dir", models)
	a.python(pythonProgram, "boto3_model.py", "AWS_DATA_PATH="+models)
	// Another boto3 in the PATH may be one without OpsWorks.
	if exec.Command("python3", "-c", "import boto3").Run() == nil {
		a.python("python3", "boto3_model.py", "AWS_DATA_PATH="+models, "AWS_ENDPOINT_URL_OPSWORKS="+s.url)
	}
	// So may the command line be.
	if program, err := exec.LookPath("aws"); err == nil && program != awsProgram {
		cmd := exec.CommandContext(t.Context(), program, "opsworks", "describe-stacks", "--query", "length(Stacks)")
		cmd.Env = a.environment("AWS_DATA_PATH="+models, "AWS_ENDPOINT_URL_OPSWORKS="+s.url)
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "0" {
			t.Errorf("%s says %q, %v, want no stacks", program, out, err)
		}
	}
}
