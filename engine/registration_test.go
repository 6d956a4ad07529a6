package engine

import (
	"slices"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// enrol lets an agent enrol with a token and connect.
func (w *world) enrol(token, hostname string) *models.Instance {
	w.t.Helper()
	response := must(w.engine.EnrollAgent(w.ctx, protocol.EnrollRequest{
		Token: token, PublicKey: make([]byte, 32), Facts: protocol.Facts{Hostname: hostname, OSName: "Debian GNU/Linux", OSVersion: "12", PrivateIP: "192.0.2.7"},
	}))(w.t)
	i := must(w.store.Instances.Get(w.ctx, models.InstanceID(response.InstanceID)))(w.t)
	w.connect(i)
	return i
}

// registered brings a host of somebody's own to registered.
func (w *world) registered(hostname string) *models.Instance {
	w.t.Helper()
	i := w.enrol(must(w.engine.CreateEnrollToken(w.ctx, w.stack.ID, "", time.Hour))(w.t), hostname)
	w.finish(i, models.CommandSetup, protocol.Successful)
	w.becomes(i, models.InstanceRegistered)
	return i
}

func (w *world) assigned(i *models.Instance, layer *models.Layer) {
	w.t.Helper()
	w.act("assign", w.engine.AssignInstance(w.ctx, i.ID, []models.LayerID{layer.ID}))
	if got := w.status(i); got != models.InstanceAssigning {
		w.t.Errorf("right after AssignInstance it is %s", got)
	}
	w.finish(i, models.CommandSetup, protocol.Successful)
	w.becomes(i, models.InstanceOnline)
	w.drain()
}

func (w *world) act(what string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

func (w *world) refused(what string, err error) {
	w.t.Helper()
	if models.CodeOf(err) != models.CodeInvalid || err == nil {
		w.t.Errorf("%s: got %v, want a refusal", what, err)
	}
}

func TestRegisteredHostIsWhoWasAnnounced(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := must(w.engine.RegisterInstance(w.ctx, Registration{
			StackID: w.stack.ID, Hostname: "Rack-7", PrivateIP: "192.0.2.7", RSAPublicKeyFingerprint: "ab:cd",
		}))(t)
		if i.Status != models.InstanceRegistering || i.Hostname != "rack-7" || i.InfrastructureClass != models.InfrastructureOnPremises || i.RegisteredBy != "test" {
			t.Errorf("registered as %+v", i)
		}
		host := w.enrol(must(w.engine.CreateEnrollToken(w.ctx, w.stack.ID, "", time.Hour))(t), "rack-7")
		if host.ID != i.ID {
			t.Errorf("the agent became %s, a second instance", host.Hostname)
		}
		w.becomes(host, models.InstanceRunningSetup)
		w.finish(host, models.CommandSetup, protocol.Successful)
		w.becomes(host, models.InstanceRegistered)

		second := must(w.engine.RegisterInstance(w.ctx, Registration{StackID: w.stack.ID}))(t)
		token := must(w.engine.CreateInstanceToken(w.ctx, second.ID, time.Hour))(t)
		if other := w.enrol(token, "some-other-name"); other.ID != second.ID {
			t.Errorf("a token of %s made %s", second.Hostname, other.Hostname)
		}
		_, err := w.engine.CreateInstanceToken(w.ctx, second.ID, time.Hour)
		w.refused("a token for an instance that has its agent", err)
		_, err = w.engine.RegisterInstance(w.ctx, Registration{StackID: w.stack.ID, Hostname: "RACK-7"})
		w.refused("a hostname twice", err)
		w.drain()
	})
}

// Of two tokens for one instance the first one's host is it.
func TestInstanceEnrolsOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := must(w.engine.RegisterInstance(w.ctx, Registration{StackID: w.stack.ID}))(t)
		first := must(w.engine.CreateInstanceToken(w.ctx, i.ID, time.Hour))(t)
		second := must(w.engine.CreateInstanceToken(w.ctx, i.ID, time.Hour))(t)
		w.enrol(first, "rack-7")
		request := protocol.EnrollRequest{Token: second, PublicKey: make([]byte, 32), Facts: protocol.Facts{Hostname: "rack-8"}}
		if got, err := w.engine.EnrollAgent(w.ctx, request); models.CodeOf(err) != models.CodeUnauthenticated {
			t.Errorf("a second host: %v, %v", got, err)
		}
		request.Token = first
		if _, err := w.engine.EnrollAgent(w.ctx, request); err != nil {
			t.Errorf("the same host again: %v", err) // its first answer may have been lost
		}
		w.drain()
	})
}

func TestRegisterInstanceRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, r := range map[string]Registration{
			"a bad hostname":               {Hostname: "-rack"},
			"a bad address":                {PublicIP: "300.1.1.1"},
			"a private key":                {RSAPublicKey: "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----"},
			"a document that is none":      {IdentityDocument: "hello", IdentitySignature: "x"},
			"a document of nothing":        {IdentityDocument: "{}", IdentitySignature: "x"},
			"a signature without document": {IdentitySignature: "x"},
		} {
			r.StackID = w.stack.ID
			_, err := w.engine.RegisterInstance(w.ctx, r)
			w.refused(name, err)
		}
		if _, err := w.engine.RegisterInstance(w.ctx, Registration{StackID: "none"}); models.CodeOf(err) != models.CodeNotFound {
			t.Errorf("an unknown stack: %v", err)
		}
	})
}

func TestRegisteredHostsWholeLife(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		peer := w.online(w.lb)
		i := w.registered("rack-7")
		w.drain()
		for name, err := range map[string]error{
			"start":    w.engine.StartInstance(w.ctx, i.ID),
			"stop":     w.engine.StopInstance(w.ctx, i.ID, false),
			"force":    w.engine.StopInstance(w.ctx, i.ID, true),
			"reboot":   w.engine.RebootInstance(w.ctx, i.ID),
			"delete":   w.engine.DeleteInstance(w.ctx, i.ID, DeleteOptions{}),
			"unassign": w.engine.UnassignInstance(w.ctx, i.ID),
			"to none":  w.engine.AssignInstance(w.ctx, i.ID, nil),
			"ours":     w.engine.AssignInstance(w.ctx, peer.ID, []models.LayerID{w.web.ID}),
			"ours out": w.engine.UnassignInstance(w.ctx, peer.ID),
			"let go":   w.engine.DeregisterInstance(w.ctx, peer.ID),
		} {
			w.refused(name, err)
		}
		before := len(w.commands(peer))
		w.assigned(i, w.web)
		w.refused("assign again", w.engine.AssignInstance(w.ctx, i.ID, []models.LayerID{w.web.ID}))
		if got := kinds(w.commands(peer)[before:]); !slices.Equal(got, []models.CommandName{models.CommandConfigure}) {
			t.Errorf("when a host was assigned, the other one was told %v", got)
		}

		before = len(w.commands(peer))
		w.act("unassign", w.engine.UnassignInstance(w.ctx, i.ID))
		run := w.finish(i, models.CommandShutdown, protocol.Successful)
		if len(run.RunList) == 0 {
			t.Error("the Shutdown recipes of the layer did not run")
		}
		w.becomes(i, models.InstanceRegistered)
		w.drain()
		now := must(w.store.Instances.Get(w.ctx, i.ID))(t)
		if len(now.LayerIDs) > 0 || len(must(w.store.Instances.InLayer(w.ctx, w.web.ID))(t)) > 0 {
			t.Errorf("it is unassigned and still in %v", now.LayerIDs)
		}
		if got := kinds(w.commands(peer)[before:]); !slices.Equal(got, []models.CommandName{models.CommandConfigure}) {
			t.Errorf("when a host was unassigned, the other one was told %v", got)
		}

		link := w.links[i.ID]
		w.act("deregister", w.engine.DeregisterInstance(w.ctx, i.ID))
		w.gone(i)
		w.eventually("the agent is told", func() bool {
			link.mu.Lock()
			defer link.mu.Unlock()
			return link.closed == protocol.RefusedDeregistered
		})
	})
}

func TestUnassignEndsTheSetup(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.registered("rack-7")
		w.act("assign", w.engine.AssignInstance(w.ctx, i.ID, []models.LayerID{w.web.ID}))
		run := w.sent(i, models.CommandSetup)
		w.act("unassign", w.engine.UnassignInstance(w.ctx, i.ID))
		w.becomes(i, models.InstanceRegistered)
		c := must(w.store.Commands.Get(w.ctx, models.CommandID(run.CommandID)))(t)
		if !c.Status.Finished() || c.Status == models.CommandSuccessful {
			t.Errorf("the setup is %s", c.Status)
		}
		w.refused("unassign twice", w.engine.UnassignInstance(w.ctx, i.ID))
	})
}

func TestAssignedHostWhoseSetupFails(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.registered("rack-7")
		w.act("assign", w.engine.AssignInstance(w.ctx, i.ID, []models.LayerID{w.web.ID}))
		run := w.sent(i, models.CommandSetup)
		w.engine.AcknowledgeCommand(i.ID, models.CommandID(run.CommandID))
		w.becomes(i, models.InstanceRunningSetup)
		w.finish(i, models.CommandSetup, protocol.Failed)
		w.becomes(i, models.InstanceSetupFailed)
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, InstanceIDs: []models.InstanceID{i.ID}, Command: models.DeploymentCommand{Name: models.CommandSetup}}))(t)
		w.finish(i, models.CommandSetup, protocol.Successful)
		w.becomes(i, models.InstanceOnline)
		w.drain()
	})
}

// What was begun before a restart of the server goes on after it.
func TestHostLeavesOverARestart(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.registered("rack-7")
		w.assigned(i, w.web)
		w.act("deregister", w.engine.DeregisterInstance(w.ctx, i.ID))
		w.reboot()
		w.connect(i)
		w.finish(i, models.CommandShutdown, protocol.Failed)
		w.gone(i)
	})
}

func TestUnassignedHostHearsRecipesOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.registered("rack-7")
		deploy := func(name models.CommandName, args map[string][]string) error {
			_, err := w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, InstanceIDs: []models.InstanceID{i.ID}, Command: models.DeploymentCommand{Name: name, Args: args}})
			return err
		}
		w.act("recipes", deploy(models.CommandExecuteRecipes, map[string][]string{"recipes": {"mine::check"}}))
		w.refused("setup", deploy(models.CommandSetup, nil))
		before := len(w.commands(i))
		w.drain()
		other := w.online(w.web)
		if got := kinds(w.commands(i)[before:]); len(got) > 0 {
			t.Errorf("a host in no layer was told %v when %s came online", got, other.Hostname)
		}
	})
}

func TestEC2HostJoinsCustomLayersOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		custom := models.NewLayer(w.stack.ID, models.LayerCustom)
		custom.Name, custom.Shortname = "Own", "own"
		own := must(w.engine.CreateLayer(w.ctx, custom))(t)
		i := must(w.engine.RegisterInstance(w.ctx, Registration{
			StackID: w.stack.ID, Hostname: "rack-7", IdentitySignature: "signed",
			IdentityDocument: `{"instanceId":"i-0123","instanceType":"m5.large","architecture":"x86_64","availabilityZone":"eu-west-1a","privateIp":"10.0.0.9"}`,
		}))(t)
		if i.InfrastructureClass != models.InfrastructureEC2 || i.Ec2InstanceID != "i-0123" || i.InstanceType != "m5.large" || i.PrivateIP != "10.0.0.9" {
			t.Errorf("registered as %+v", i)
		}
		w.enrol(must(w.engine.CreateInstanceToken(w.ctx, i.ID, time.Hour))(t), "anything")
		w.finish(i, models.CommandSetup, protocol.Successful)
		w.becomes(i, models.InstanceRegistered)
		w.refused("a built-in layer", w.engine.AssignInstance(w.ctx, i.ID, []models.LayerID{w.web.ID}))
		w.assigned(i, own)
		w.act("delete", w.engine.DeleteInstance(w.ctx, i.ID, DeleteOptions{}))
		w.finish(i, models.CommandShutdown, protocol.Successful)
		w.gone(i)
	})
}

func TestLostHostComesBackToRegistered(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.registered("rack-7")
		i = must(w.store.Instances.Get(w.ctx, i.ID))(t)
		w.act("lose", w.engine.lose(w.ctx, i, models.Cause{Kind: models.CauseAgent}, "silent"))
		w.becomes(i, models.InstanceConnectionLost)
		w.connect(i)
		w.becomes(i, models.InstanceRegistered)
	})
}
