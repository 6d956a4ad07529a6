package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// useModel makes a client by the files alone and asks for the stacks.
const useModel = `
import boto3, os
client = boto3.client("opsworks", endpoint_url=os.environ["SERVER"], region_name="local",
                      aws_access_key_id="id", aws_secret_access_key="secret")
model = client.meta.service_model
assert "Opsyard" in model.documentation, "another description was read"
assert len(model.operation_names) == 74, len(model.operation_names)
assert "Makes a stack." in model.operation_model("CreateStack").documentation
assert sorted(client.waiter_names) == ["app_exists", "deployment_successful", "instance_online",
    "instance_registered", "instance_stopped", "instance_terminated"], client.waiter_names
assert client.get_waiter("instance_online").config.delay == 15
assert client.can_paginate("describe_ecs_clusters")
assert client.describe_stacks()["Stacks"][0]["Name"] == "Shop"
try:
    boto3.client("opsworks", region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret").describe_stacks()
    raise AssertionError("a client went to AWS")
except Exception as e:
    assert "Name your Opsyard server" in str(e), repr(e)
`

// Current SDKs no longer contain OpsWorks: Debian's boto3 and the one in the
// PATH, if that is another, read the description that is installed.
func TestPitfall03ClientsWithoutOpsWorks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "models")
	for range 2 { // again is fine
		if code := run([]string{"aws-model", "--install", "--dir", dir}); code != 0 {
			t.Fatalf("opsyard aws-model ended with %d", code)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "opsworks/2013-02-18/*"))
	if err != nil || len(files) != 4 {
		t.Errorf("installed %v, %v, want four files", files, err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("X-Amz-Target"); got != "OpsWorks_20130218.DescribeStacks" {
			t.Errorf("the client asked for %q", got)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte(`{"Stacks":[{"Name":"Shop"}]}`))
	}))
	defer server.Close()
	tried := 0
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import boto3").Run() != nil {
			continue
		}
		tried++
		cmd := exec.Command(python, "-c", useModel)
		cmd.Env = append(os.Environ(), "AWS_DATA_PATH="+dir, "SERVER="+server.URL, "HOME="+t.TempDir(), "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", python, err, out)
		}
	}
	if tried == 0 {
		t.Skip("there is no boto3 here")
	}
}

// TestAWSModelRefuses names what is in the way.
func TestAWSModelRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := (&awsModelCmd{Install: true, Dir: file}).Run()
	if err == nil || !strings.Contains(err.Error(), "install the description") {
		t.Errorf("got %v", err)
	}
}
