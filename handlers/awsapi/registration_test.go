package awsapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/agent/simulated"
	"opsyard/models"
)

// host is a machine of somebody's own: a simulated agent with a token.
func (w *world) host(t *testing.T, token, hostname string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	agent := simulated.New(simulated.Config{Server: w.url, Token: token, Host: hostname})
	var running sync.WaitGroup
	running.Go(func() { agent.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// parameters are the provisioning parameters of a stack.
func (w *world) parameters(t testing.TB, stack *models.Stack) map[string]*string {
	t.Helper()
	return must(w.admin.DescribeStackProvisioningParameters(&opsworks.DescribeStackProvisioningParametersInput{StackId: str(stack.ID)}))(t).Parameters
}

func TestRegisteredInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "RegisterInstance", "AssignInstance", "UnassignInstance", "DeregisterInstance")
	stack := w.stack(t)
	web, own := w.layer(t, stack, models.LayerWeb), w.layer(t, stack, models.LayerCustom)
	peer := w.online(t, own, 1)[0]

	register := func(in opsworks.RegisterInstanceInput) (*string, error) {
		in.StackId = str(stack.ID)
		out, err := w.admin.RegisterInstance(&in)
		if err != nil {
			return nil, err
		}
		return out.InstanceId, nil
	}
	id := must(register(opsworks.RegisterInstanceInput{
		Hostname: aws.String("rack-7"), PublicIp: aws.String("203.0.113.7"), PrivateIp: aws.String("192.0.2.7"), RsaPublicKey: aws.String(publicKey),
		RsaPublicKeyFingerprint: aws.String("aa:bb:cc"),
	}))(t)
	if i := described(t, w.admin, *id); *i.Status != "registering" || *i.InfrastructureClass != "on-premises" || *i.RegisteredBy != "ana" ||
		*i.PublicIp != "203.0.113.7" || *i.PrivateIp != "192.0.2.7" || len(i.LayerIds) > 0 {
		t.Errorf("registered as %v", i)
	}
	w.host(t, *w.parameters(t, stack)["opsyard_token"], "rack-7")
	w.becomes(t, models.InstanceID(*id), models.InstanceRegistered)
	check(t, w.admin.WaitUntilInstanceRegistered(&opsworks.DescribeInstancesInput{InstanceIds: []*string{id}}))

	assign := func(id *string, layers ...models.LayerID) error {
		_, err := w.admin.AssignInstance(&opsworks.AssignInstanceInput{InstanceId: id, LayerIds: aws.StringSlice(strs(layers))})
		return err
	}
	unassign := func(id *string) error {
		_, err := w.admin.UnassignInstance(&opsworks.UnassignInstanceInput{InstanceId: id})
		return err
	}
	deregister := func(id *string) error {
		_, err := w.admin.DeregisterInstance(&opsworks.DeregisterInstanceInput{InstanceId: id})
		return err
	}
	wantError(t, assign(id, "none"), notFound, "Unable to find layer with ID none")
	wantError(t, assign(id), invalid, "choose at least one layer")
	wantError(t, assign(str(peer.ID), web.ID), invalid, "only registered hosts")
	wantError(t, unassign(id), invalid, "is in no layer")
	wantError(t, unassign(str(peer.ID)), invalid, "only registered hosts")
	wantError(t, deregister(str(peer.ID)), invalid, "stop and delete it instead")
	for what, err := range map[string]error{"assign": assign(aws.String("none"), web.ID), "unassign": unassign(aws.String("none")), "deregister": deregister(aws.String("none"))} {
		t.Run("ErrUnknown/"+what, func(t *testing.T) { wantError(t, err, notFound, "Unable to find instance with ID none") })
	}

	check(t, assign(id, web.ID, own.ID))
	w.becomes(t, models.InstanceID(*id), models.InstanceOnline)
	if i := described(t, w.admin, *id); !slices.Equal(aws.StringValueSlice(i.LayerIds), []string{string(web.ID), string(own.ID)}) || *i.ReportedOs.Family != "debian" {
		t.Errorf("assigned as %v", i)
	}
	wantError(t, assign(id, own.ID), invalid, "in no layer can be assigned")
	check(t, unassign(id))
	w.becomes(t, models.InstanceID(*id), models.InstanceRegistered)
	if i := described(t, w.admin, *id); len(i.LayerIds) > 0 {
		t.Errorf("unassigned and in %v", i.LayerIds)
	}
	want := []string{"registering", "running_setup", "registered", "assigning", "running_setup", "online", "unassigning", "registered"}
	if got := w.path(t, &models.Instance{ID: models.InstanceID(*id), Hostname: "rack-7"}); !slices.Equal(got, want) {
		t.Errorf("it went %v, want %v", got, want)
	}
	check(t, deregister(id))
	eventually(t, "the host is gone", func() bool {
		_, err := w.store.Instances.Get(w.ctx, models.InstanceID(*id))
		return models.CodeOf(err) == models.CodeNotFound
	})
	_, err := w.admin.DescribeInstances(&opsworks.DescribeInstancesInput{InstanceIds: []*string{id}})
	wantError(t, err, notFound, "Unable to find instance")

	for _, c := range []struct {
		text string
		in   opsworks.RegisterInstanceInput
	}{
		{"Hostname:", opsworks.RegisterInstanceInput{Hostname: aws.String("a b")}},
		{"Public ip", opsworks.RegisterInstanceInput{PublicIp: aws.String("1.2.3")}},
		{"Rsa public key", opsworks.RegisterInstanceInput{RsaPublicKey: aws.String("-----BEGIN nothing")}},
		{"Instance identity", opsworks.RegisterInstanceInput{InstanceIdentity: &opsworks.InstanceIdentity{Document: aws.String("no"), Signature: aws.String("x")}}},
	} {
		_, err := register(c.in)
		wantError(t, err, invalid, c.text)
	}
	_, err = w.admin.RegisterInstance(&opsworks.RegisterInstanceInput{StackId: aws.String("none")})
	wantError(t, err, notFound, "Unable to find stack with ID none")
	bare := described(t, w.admin, *must(register(opsworks.RegisterInstanceInput{}))(t))
	if *bare.Hostname != "host1" {
		t.Errorf("a host without a name is called %s", *bare.Hostname)
	}
	check(t, deregister(bare.InstanceId))
}

const publicKey = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALnz\n-----END PUBLIC KEY-----\n"

// Registered hosts are nobody's to start, stop, reboot, heal or edit.
func TestPitfall09OnPremisesIsLostButNeverStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	w.host(t, *w.parameters(t, stack)["opsyard_token"], "rack-7")
	var id models.InstanceID
	eventually(t, "the host is registered", func() bool {
		list := must(w.store.Instances.InStack(w.ctx, stack.ID))(t)
		if len(list) == 0 {
			return false
		}
		id = list[0].ID
		return list[0].Status == models.InstanceRegistered
	})
	refuse := func(err error, text string) {
		t.Helper()
		wantError(t, err, invalid, text)
	}
	_, err := w.admin.StartInstance(&opsworks.StartInstanceInput{InstanceId: str(id)})
	refuse(err, "registered host")
	_, err = w.admin.StopInstance(&opsworks.StopInstanceInput{InstanceId: str(id), Force: aws.Bool(true)})
	refuse(err, "registered host")
	_, err = w.admin.RebootInstance(&opsworks.RebootInstanceInput{InstanceId: str(id)})
	refuse(err, "registered host")
	_, err = w.admin.DeleteInstance(&opsworks.DeleteInstanceInput{InstanceId: str(id)})
	refuse(err, "deregister it instead")
	_, err = w.admin.UpdateInstance(&opsworks.UpdateInstanceInput{InstanceId: str(id), Hostname: aws.String("other")})
	refuse(err, "cannot be edited")
}

// Installing with the provisioning parameters is enough: the installer makes
// the host a registered one by itself, and one that was announced is that one.
// This runs AWS' own client where it is installed.
func TestPitfall26RegisterByTheUnmodifiedClient(t *testing.T) {
	t.Parallel()
	cli := "/usr/bin/aws"
	out, err := exec.Command(cli, "opsworks", "register", "help").CombinedOutput()
	if err != nil {
		t.Skipf("there is no aws command with OpsWorks: %v %.60s", err, out)
	}
	w := newWorld(t)
	stack := w.stack(t, func(s *models.Stack) { s.Region = "us-east-1" })
	root, bin := t.TempDir(), t.TempDir()
	check(t, os.WriteFile(filepath.Join(w.dir, "opsyard-agent"), []byte("#!/bin/sh\necho 1.2.3\n"), 0o755))
	// What would be root's on a real host stays in a directory of the test.
	check(t, os.WriteFile(filepath.Join(bin, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755))
	metadata := w.metadata(t, `{"instanceId":"i-0123","region":"us-east-1"}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, cli, "opsworks", "register", "--infrastructure-class", "ec2", "--local", "--use-instance-profile",
		"--stack-id", string(stack.ID), "--override-hostname", "rack-9", "--region", "us-east-1", "--endpoint-url", w.url)
	cmd.Env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + root, "AWS_ACCESS_KEY_ID=" + w.key.ID, "AWS_SECRET_ACCESS_KEY=" + w.key.Secret,
		"OPSYARD_ROOT=" + root, "http_proxy=" + metadata, "no_proxy=127.0.0.1",
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	config := string(must(os.ReadFile(filepath.Join(root, "etc/opsyard/agent.json")))(t))
	for _, part := range []string{`"server":"` + w.url + `"`, `"hostname":"rack-9"`, `"infrastructure_class":"ec2"`} {
		if !strings.Contains(config, part) {
			t.Errorf("the agent's configuration has no %s: %s", part, config)
		}
	}
	_, rest, _ := strings.Cut(config, `"token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	w.host(t, token, "rack-9") // the installed agent, but one that runs no recipes on this machine
	eventually(t, "the host is registered", func() bool {
		list := must(w.store.Instances.InStack(w.ctx, stack.ID))(t)
		return len(list) == 1 && list[0].Status == models.InstanceRegistered && list[0].Hostname == "rack-9"
	})
}

// metadata is the identity document that EC2 machines find at a fixed address,
// by way of a proxy.
func (w *world) metadata(t *testing.T, document string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "169.254.169.254" {
			http.Error(out, "only the metadata are here", http.StatusForbidden)
			return
		}
		_, _ = out.Write([]byte(document))
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
