package engine

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/netip"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// Registration is what a host that somebody else made says of itself when it
// joins a stack (OpsWorks: RegisterInstance).
type Registration struct {
	StackID                 models.StackID
	Hostname                string
	PublicIP, PrivateIP     string
	RSAPublicKey            string
	RSAPublicKeyFingerprint string
	// IdentityDocument and its signature come with an EC2 machine. Only AWS
	// could check the signature; here the agent's token lets a host in.
	IdentityDocument, IdentitySignature string
}

// identity is what the document of an EC2 machine says.
type identity struct {
	InstanceID       string `json:"instanceId"`
	InstanceType     string `json:"instanceType"`
	Architecture     string `json:"architecture"`
	AvailabilityZone string `json:"availabilityZone"`
	PrivateIP        string `json:"privateIp"`
}

// registeredAs is the short name of hosts without a layer, for suggestions.
const registeredAs = "host"

// RegisterInstance makes the record of a host that somebody else made
// (OpsWorks: RegisterInstance). It waits in registering until the host's agent
// enrols, with a token of the stack and the same hostname.
func (e *Engine) RegisterInstance(ctx context.Context, r Registration) (*models.Instance, error) {
	stack, err := e.Authorize(ctx, r.StackID, "RegisterInstance")
	if err != nil {
		return nil, err
	}
	i, err := r.instance()
	if err != nil {
		return nil, err
	}
	i.RegisteredBy = models.ActorFrom(ctx).Name
	i.StatusCause = byWhom(ctx, "it was registered")
	err = e.tx(ctx, func(t *tx) error {
		if err := t.register(ctx, stack, i); err != nil {
			return err
		}
		return t.audit(ctx, "RegisterInstance", onInstance(i), nil, i, models.Cause{})
	})
	return i, err
}

// register stores the record of a registered host; an empty hostname gets a
// suggested one.
func (t *tx) register(ctx context.Context, stack *models.Stack, i *models.Instance) error {
	if models.OSFamily(stack.DefaultOs) == models.FamilyWindows {
		return models.Invalid("Stack %s is a Windows stack: only Linux hosts can be registered.", stack.Name)
	}
	now := t.e.Clock()
	i.ID, i.StackID, i.Status = models.NewID[models.InstanceID](), stack.ID, models.InstanceRegistering
	i.Arn = instanceArn(stack, i.ID)
	i.StatusSince, i.CreatedAt, i.UpdatedAt, i.RootDeviceType = now, now, now, models.RootDeviceEBS
	i.Normalize()
	if i.Hostname == "" {
		taken, err := t.Instances.Hostnames(ctx, stack.ID)
		if err != nil {
			return err
		}
		i.Hostname = lifecycle.Hostname(stack.HostnameTheme, registeredAs, taken)
	}
	if err := i.Validate(); err != nil {
		return err
	}
	if err := t.roomFor(ctx, stack, "instance"); err != nil {
		return err
	}
	if err := t.Instances.Create(ctx, i); err != nil {
		return err
	}
	t.tellInstance(i.StackID, i.ID)
	t.tellStack(i.StackID)
	return t.event(ctx, models.StackEvent{
		StackID: stack.ID, Kind: "instance", Tone: Tone(i.Status), InstanceID: i.ID,
		Text: i.Hostname + " is " + string(i.Status), Cause: i.StatusCause,
	})
}

// instance is the record that a registration asks for.
func (r *Registration) instance() (*models.Instance, error) {
	i := &models.Instance{
		Hostname: r.Hostname, RSAPublicKey: strings.TrimSpace(r.RSAPublicKey), RSAPublicKeyFingerprint: strings.TrimSpace(r.RSAPublicKeyFingerprint),
		InfrastructureClass: models.InfrastructureOnPremises, PublicIP: r.PublicIP, PrivateIP: r.PrivateIP,
	}
	if err := r.identify(i); err != nil {
		return nil, err
	}
	for field, address := range map[string]*string{"PublicIp": &i.PublicIP, "PrivateIp": &i.PrivateIP} {
		if *address == "" {
			continue
		}
		parsed, err := netip.ParseAddr(*address)
		if err != nil || parsed.Zone() != "" {
			return nil, models.InvalidField(field, "%s: %q is not an IP address.", map[string]string{"PublicIp": "Public ip", "PrivateIp": "Private ip"}[field], *address)
		}
		*address = parsed.String()
	}
	if key := i.RSAPublicKey; strings.HasPrefix(key, "-----") {
		if block, _ := pem.Decode([]byte(key)); block == nil || !strings.Contains(block.Type, "PUBLIC KEY") {
			return nil, models.InvalidField("RsaPublicKey", "Rsa public key: is not a public key in PEM form.")
		}
	}
	if len(i.RSAPublicKey) > 8<<10 || len(i.RSAPublicKeyFingerprint) > 128 {
		return nil, models.InvalidField("RsaPublicKey", "Rsa public key: the key or its fingerprint is too long.")
	}
	return i, nil
}

// identify takes what the identity document of an EC2 machine says.
func (r *Registration) identify(i *models.Instance) error {
	if r.IdentityDocument == "" {
		if r.IdentitySignature != "" {
			return models.InvalidField("InstanceIdentity", "Instance identity: there is a signature without a document.")
		}
		return nil
	}
	var said identity
	if err := json.Unmarshal([]byte(r.IdentityDocument), &said); err != nil || said.InstanceID == "" {
		return models.InvalidField("InstanceIdentity", "Instance identity: the document is not the identity document of an EC2 instance.")
	}
	i.InfrastructureClass, i.Ec2InstanceID = models.InfrastructureEC2, said.InstanceID
	i.InstanceType, i.Architecture, i.AvailabilityZone = said.InstanceType, said.Architecture, said.AvailabilityZone
	if i.PrivateIP == "" {
		i.PrivateIP = said.PrivateIP
	}
	return nil
}

// registrationTTL is how long a host has from being told how to register until
// its agent enrols; the AWS CLI asks for it and starts the installer at once.
const registrationTTL = 2 * time.Hour

// registrationToken makes a one-time token with which any host joins the
// stack, in no layer.
func (e *Engine) registrationToken(ctx context.Context, stack *models.Stack) (string, error) {
	return e.enrollToken(ctx, stack, "", registrationTTL)
}

// CreateInstanceToken makes a one-time token for the agent of one instance
// that has been registered and that no agent has become yet.
func (e *Engine) CreateInstanceToken(ctx context.Context, id models.InstanceID, ttl time.Duration) (string, error) {
	i, err := e.instanceFor(ctx, id, "CreateEnrollToken")
	if err != nil {
		return "", err
	}
	if i.Status != models.InstanceRegistering || len(i.AgentKey) > 0 {
		return "", models.Invalid("Instance %s is %s: a token is for a registered host whose agent has not called yet.", i.Hostname, i.Status)
	}
	if err := checkTokenTTL(ttl); err != nil {
		return "", err
	}
	row := models.EnrollToken{StackID: i.StackID, InstanceID: i.ID, CreatedBy: models.ActorFrom(ctx).Name}
	return e.auditedEnrollToken(ctx, row, ttl, onInstance(i), map[string]string{"Ttl": ttl.String()})
}

// AssignInstance puts a registered host into layers; it is set up, and goes
// online (OpsWorks: AssignInstance).
func (e *Engine) AssignInstance(ctx context.Context, id models.InstanceID, layerIDs []models.LayerID) error {
	return e.onInstance(ctx, id, "AssignInstance", func(t *tx, s *models.Stack, i *models.Instance) error {
		if err := i.CanAssign(); err != nil {
			return err
		}
		i.LayerIDs = layerIDs
		i.Normalize()
		layers, err := t.assignable(ctx, i)
		if err != nil {
			return err
		}
		i.SecurityGroupIDs = securityGroups(layers)
		i.UpdatedAt = e.Clock()
		if err := t.Instances.Save(ctx, i); err != nil {
			return err
		}
		cause := byWhom(ctx, "it was assigned to "+layerNames(layers))
		if err := t.move(ctx, i, models.InstanceAssigning, cause, store.InstanceChange{}); err != nil {
			return err
		}
		return t.createDeployment(ctx, s, &models.Deployment{
			Command: models.DeploymentCommand{Name: models.CommandSetup}, Cause: cause,
		}, []store.Member{store.MemberOf(i)})
	})
}

// assignable checks the layers that a registered host is to join. EC2 machines
// may join custom layers only; OpsWorks' guide lets others join any.
func (t *tx) assignable(ctx context.Context, i *models.Instance) ([]models.Layer, error) {
	if len(i.LayerIDs) == 0 {
		return nil, models.InvalidField("LayerIds", "Layer ids: choose at least one layer.")
	}
	layers, err := t.membership(ctx, i)
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		if i.InfrastructureClass == models.InfrastructureEC2 && l.Type != models.LayerCustom {
			return nil, models.InvalidField("LayerIds", "Layer ids: %s is a registered EC2 machine, which can join custom layers only; %s is of type %s.", i.Hostname, l.Name, l.Type)
		}
	}
	return layers, nil
}

func layerNames(layers []models.Layer) string {
	names := make([]string, len(layers))
	for n, l := range layers {
		names[n] = l.Name
	}
	return some(names)
}

// setupBegan moves the hosts on that have the Setup of their assignment.
func (t *tx) setupBegan(ctx context.Context, commands []models.Command) error {
	var ids []models.InstanceID
	for _, c := range commands {
		if c.Type == models.CommandSetup {
			ids = append(ids, c.InstanceID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	assigned, err := t.Instances.Among(ctx, ids, models.InstanceAssigning)
	if err != nil {
		return err
	}
	for n := range assigned {
		if err := t.beginAssigned(ctx, &assigned[n]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) beginAssigned(ctx context.Context, i *models.Instance) error {
	return t.move(ctx, i, models.InstanceRunningSetup, i.StatusCause, store.InstanceChange{ClearSetup: true})
}

// UnassignInstance takes a registered host out of all its layers, after their
// Shutdown recipes; a setup under way is ended (OpsWorks: UnassignInstance).
func (e *Engine) UnassignInstance(ctx context.Context, id models.InstanceID) error {
	return e.onInstance(ctx, id, "UnassignInstance", func(t *tx, s *models.Stack, i *models.Instance) error {
		if err := i.CanUnassign(); err != nil {
			return err
		}
		return t.leave(ctx, s, i, models.InstanceUnassigning, byWhom(ctx, "it was unassigned"))
	})
}

// DeregisterInstance lets a registered host leave the stack, after the
// Shutdown recipes of its layers. Its agent is told to remove itself; the
// machine runs on (OpsWorks: DeregisterInstance).
func (e *Engine) DeregisterInstance(ctx context.Context, id models.InstanceID) error {
	return e.onInstance(ctx, id, "DeregisterInstance", func(t *tx, s *models.Stack, i *models.Instance) error {
		if err := i.CanDeregister(); err != nil {
			return err
		}
		return t.leave(ctx, s, i, models.InstanceDeregistering, byWhom(ctx, "it was deregistered"))
	})
}

// leave begins the way out of the layers; the machine's part of it is the
// Shutdown event. endLeave finishes it.
func (t *tx) leave(ctx context.Context, s *models.Stack, i *models.Instance, to models.InstanceStatus, cause models.Cause) error {
	served := i.Status == models.InstanceOnline || i.Status == models.InstanceRunningSetup || i.Status == models.InstanceSetupFailed
	deadline := t.e.Clock()
	shuts := served && len(i.LayerIDs) > 0 && t.e.dispatcher.Connected(i.ID)
	if shuts {
		timeout, err := t.shutdownTimeout(ctx, i)
		if err != nil {
			return err
		}
		deadline = deadline.Add(timeout)
	}
	if err := t.move(ctx, i, to, cause, store.InstanceChange{Deadline: &deadline}); err != nil {
		return err
	}
	if err := t.cancelCommands(ctx, i, "the instance is "+string(to)); err != nil || !shuts {
		return err
	}
	return t.shutDown(ctx, s, i, models.Cause{Kind: models.CauseStop, Text: i.Hostname + " is " + string(to), InstanceID: i.ID, Actor: cause.Actor})
}

// endLeave ends the way out once the Shutdown recipes have ended or their time
// is over.
func (e *Engine) endLeave(ctx context.Context, i *models.Instance) (bool, error) {
	running, err := e.store.Commands.Unfinished(ctx, i.ID)
	if err != nil {
		return false, err
	}
	over := i.StatusDeadline == nil || !e.Clock().Before(*i.StatusDeadline)
	if len(running) > 0 && !over {
		return false, nil
	}
	if i.Status == models.InstanceDeregistering {
		return false, e.letGo(ctx, i.ID)
	}
	return true, e.tx(ctx, func(t *tx) error {
		if err := t.endCommands(ctx, i, "the instance was unassigned"); err != nil {
			return err
		}
		now := e.Clock()
		i.LayerIDs, i.SecurityGroupIDs, i.UpdatedAt = nil, nil, now
		if err := t.Instances.Save(ctx, i); err != nil {
			return err
		}
		return t.move(ctx, i, models.InstanceRegistered, i.StatusCause, store.InstanceChange{SetupAt: &now})
	})
}

// letGo removes the record of a host that has left, with its addresses and
// disks, and tells its agent that nobody needs it here any more.
func (e *Engine) letGo(ctx context.Context, id models.InstanceID) error {
	err := e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if i.Status != models.InstanceDeregistering {
			return models.Conflict("Instance %s is %s.", i.Hostname, i.Status)
		}
		if err := t.endCommands(ctx, i, "the instance was deregistered"); err != nil {
			return err
		}
		if err := t.releaseResources(ctx, i, DeleteOptions{DeleteElasticIP: true, DeleteVolumes: true}); err != nil {
			return err
		}
		if err := t.Instances.Delete(ctx, id); err != nil {
			return err
		}
		t.tellInstance(i.StackID, id)
		t.tellStack(i.StackID)
		return t.event(ctx, models.StackEvent{StackID: i.StackID, Kind: "instance", Tone: "off", Text: i.Hostname + " was deregistered", Cause: i.StatusCause})
	})
	if err != nil {
		return err
	}
	e.dispatcher.Drop(id, protocol.RefusedDeregistered, "the host was deregistered")
	return nil
}
