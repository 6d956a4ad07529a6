package engine

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/dispatch"
	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// The verbs of agents. The surface has checked who the agent is; Actor in the
// context names its instance.

// EnrollAgent exchanges a one-time token for an identity: from now on the
// instance is whoever holds the private half of the key. The same token with
// the same key is answered alike, so that a lost answer does no harm.
func (e *Engine) EnrollAgent(ctx context.Context, r protocol.EnrollRequest) (*protocol.EnrollResponse, error) {
	if len(r.PublicKey) != ed25519.PublicKeySize {
		return nil, models.InvalidField("public_key", "The agent's public key has %d bytes instead of %d.", len(r.PublicKey), ed25519.PublicKeySize)
	}
	var answer *protocol.EnrollResponse
	err := e.tx(ctx, func(t *tx) error {
		token, err := t.usableToken(ctx, r)
		if err != nil {
			return err
		}
		i, err := t.enrolling(ctx, token, r)
		if err != nil {
			return err
		}
		answer = &protocol.EnrollResponse{InstanceID: string(i.ID), Hostname: i.Hostname}
		if token.UsedAt != nil {
			return nil
		}
		if err := t.EnrollTokens.Use(ctx, token.Hash, i.ID, r.PublicKey, e.Clock()); err != nil {
			return err
		}
		if err := t.Instances.SetAgent(ctx, i.ID, facts(i, r.Facts, r.PublicKey, e.Clock())); err != nil {
			return err
		}
		t.tellInstance(i.StackID, i.ID)
		agent := models.WithActor(ctx, models.Actor{Kind: models.ActorAgent, InstanceID: i.ID, Name: i.Hostname, Surface: "agent", SourceAddr: models.ActorFrom(ctx).SourceAddr})
		return t.audit(agent, "EnrollAgent", onInstance(i), nil, map[string]string{"Key": hex.EncodeToString(r.PublicKey)}, models.Cause{})
	})
	return answer, err
}

// errToken is the same for every reason, so that nobody learns which tokens exist.
func errToken() error {
	return &models.Error{Code: models.CodeUnauthenticated, Message: "This enrolment token is unknown, used or expired. Make a new one with: opsyard token create."}
}

func (t *tx) usableToken(ctx context.Context, r protocol.EnrollRequest) (*models.EnrollToken, error) {
	token, err := t.EnrollTokens.Get(ctx, hashOf(r.Token))
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil, errToken()
		}
		return nil, err
	}
	if token.UsedAt != nil && slices.Equal(token.UsedKey, r.PublicKey) {
		return token, nil
	}
	if token.UsedAt != nil || t.e.Clock().After(token.ExpiresAt) {
		return nil, errToken()
	}
	return token, nil
}

// enrolling is the instance that a token stands for. A token of a stack or
// layer makes the host that brings it the registered one of the same hostname,
// or else a new one.
func (t *tx) enrolling(ctx context.Context, token *models.EnrollToken, r protocol.EnrollRequest) (*models.Instance, error) {
	if token.InstanceID != "" {
		i, err := t.Instances.GetForUpdate(ctx, token.InstanceID)
		if err == nil && i.Registered() && len(i.AgentKey) > 0 && token.UsedAt == nil {
			return nil, errToken() // a host has enrolled meanwhile, with another token
		}
		return i, err
	}
	i, err := t.Instances.Awaited(ctx, token.StackID, r.Facts.Hostname)
	if err != nil {
		return nil, err
	}
	if i == nil {
		return t.enrolNew(ctx, token, r)
	}
	if token.LayerID != "" {
		i.LayerIDs = []models.LayerID{token.LayerID}
		return i, t.Instances.Save(ctx, i)
	}
	return i, nil
}

// enrolNew makes an instance for a host that comes without being announced.
func (t *tx) enrolNew(ctx context.Context, token *models.EnrollToken, r protocol.EnrollRequest) (*models.Instance, error) {
	stack, err := t.Stacks.Get(ctx, token.StackID)
	if err != nil {
		return nil, err
	}
	i := &models.Instance{
		Hostname: r.Facts.Hostname, RegisteredBy: token.CreatedBy, InfrastructureClass: models.InfrastructureOnPremises,
		StatusCause: models.Cause{Kind: models.CauseUser, Text: "its agent enrolled", Actor: token.CreatedBy},
		Os:          strings.TrimSpace(r.Facts.OSName + " " + r.Facts.OSVersion),
	}
	if r.InfrastructureClass == models.InfrastructureEC2 && token.LayerID == "" {
		i.InfrastructureClass = models.InfrastructureEC2
	}
	taken, err := t.Instances.Hostnames(ctx, stack.ID)
	if err != nil {
		return nil, err
	}
	if !models.ValidHostname(i.Hostname) || slices.Contains(taken, strings.ToLower(i.Hostname)) {
		i.Hostname = "" // another one is found
	}
	if token.LayerID != "" {
		layer, err := t.Layers.Get(ctx, token.LayerID)
		if err != nil {
			return nil, err
		}
		i.LayerIDs = []models.LayerID{layer.ID}
		if i.Hostname == "" {
			i.Hostname = lifecycle.Hostname(stack.HostnameTheme, layer.Shortname, taken)
		}
	}
	return i, t.register(ctx, stack, i)
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// facts are what the store keeps of an agent's own account. Its addresses count
// only where nobody knows better: the provider's are not for an agent to change.
func facts(i *models.Instance, f protocol.Facts, key []byte, at time.Time) store.AgentFacts {
	said := store.AgentFacts{
		Key: key, BootID: f.BootID, AgentVersion: f.AgentVersion,
		Os:                    &models.ReportedOs{Family: f.OSFamily, Name: f.OSName, Version: f.OSVersion, Managers: f.Managers},
		SSHHostRSAFingerprint: f.SSHHostRSAFingerprint, SeenAt: &at,
	}
	if i.PrivateIP == "" || i.Registered() {
		said.PrivateIP, said.PublicIP = f.PrivateIP, f.PublicIP
	}
	return said
}

// AgentInstance is the instance that an agent says it is, for the surface to
// check the signature against its key.
func (e *Engine) AgentInstance(ctx context.Context, id models.InstanceID) (*models.Instance, error) {
	i, err := e.store.Instances.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(i.AgentKey) == 0 {
		return nil, models.NotFound("instance", id)
	}
	return i, nil
}

// ConnectAgent opens a session: it takes up the agent's facts, offers again
// what was sent but never arrived, ends what the agent has lost, and moves the
// instance on (booting → running_setup, connection_lost → online, …).
func (e *Engine) ConnectAgent(ctx context.Context, id models.InstanceID, hello protocol.Hello, link dispatch.Link) error {
	ctx = models.AsEngine(ctx)
	back, err := e.back(ctx, id, hello)
	if err != nil {
		return err
	}
	if back != nil {
		e.shells.greet(id, hello, link)
		return e.connect(ctx, id, back.StackID, link)
	}
	var stack models.StackID
	var unheard []models.Command
	err = e.tx(ctx, func(t *tx) error {
		i, err := t.Instances.GetForUpdate(ctx, id)
		if err != nil {
			return err
		}
		stack = i.StackID
		switch i.Status {
		case models.InstanceStopped, models.InstanceTerminated, models.InstanceRequested:
			return models.Conflict("Instance %s is %s.", i.Hostname, i.Status)
		}
		if err := t.Instances.SetAgent(ctx, id, facts(i, hello.Facts, nil, e.Clock())); err != nil {
			return err
		}
		if unheard, err = t.settleUnfinished(ctx, id, hello.Unfinished); err != nil {
			return err
		}
		return t.welcome(ctx, i)
	})
	if err != nil {
		return err
	}
	e.shells.greet(id, hello, link)
	if err := e.connect(ctx, id, stack, link); err != nil {
		return err
	}
	for _, c := range unheard {
		e.dispatcher.Cancel(id, c.ID, c.CancelReason)
	}
	return nil
}

// settleUnfinished compares what the rows say with what the agent holds. The
// agent is the truth about its processes. It may have been away when somebody
// cancelled one of them: unheard are those that it must be asked to end.
func (t *tx) settleUnfinished(ctx context.Context, id models.InstanceID, held []string) (unheard []models.Command, err error) {
	unfinished, err := t.Commands.Unfinished(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, c := range unfinished {
		switch {
		case slices.Contains(held, string(c.ID)):
			moved, err := t.Commands.Acknowledge(ctx, []models.CommandID{c.ID}, t.e.Clock(), reportGrace)
			if err != nil {
				return nil, err
			}
			if err := t.setupBegan(ctx, moved); err != nil {
				return nil, err
			}
			if c.CancelReason != "" {
				unheard = append(unheard, c)
			}
		case c.CancelReason != "" && c.Status != models.CommandRunning: // it never arrived, and must not now
			if err := t.finish(ctx, &c, models.CommandSkipped, store.CommandChange{Message: "Canceled: " + c.CancelReason + "."}); err != nil {
				return nil, err
			}
		case c.Status == models.CommandSent:
			if err := t.Commands.Move(ctx, c.ID, []models.CommandStatus{models.CommandSent}, models.CommandPending, store.CommandChange{At: t.e.Clock()}); err != nil {
				return nil, err
			}
		case c.Status == models.CommandRunning:
			if err := t.finish(ctx, &c, models.CommandFailed, store.CommandChange{Message: "The agent lost the command: its data directory was emptied or replaced."}); err != nil {
				return nil, err
			}
		}
		t.tellCommand(&c)
	}
	return unheard, nil
}

// welcome makes the move that an agent's call means in the instance's state.
func (t *tx) welcome(ctx context.Context, i *models.Instance) error {
	called := models.Cause{Kind: models.CauseAgent, Text: "its agent called", InstanceID: i.ID}
	switch i.Status {
	case models.InstanceBooting, models.InstanceRegistering:
		return t.beginSetup(ctx, i, models.Cause{Kind: models.CauseStart, Text: i.Hostname + " booted", InstanceID: i.ID})
	case models.InstanceRebooting:
		called.Text = "it has been rebooted"
		return t.move(ctx, i, afterAbsence(i), called, store.InstanceChange{})
	case models.InstanceConnectionLost:
		called.Text = "its agent is back"
		unfinished, err := t.Commands.Unfinished(ctx, i.ID)
		if err != nil {
			return err
		}
		settingUp, err := t.settingUp(ctx, unfinished)
		if err != nil {
			return err
		}
		if settingUp {
			return t.move(ctx, i, models.InstanceRunningSetup, called, store.InstanceChange{})
		}
		return t.move(ctx, i, afterAbsence(i), called, store.InstanceChange{})
	}
	t.tellInstance(i.StackID, i.ID)
	return nil
}

// settingUp tells whether one of the commands is a Setup that has begun in
// earnest: not one that waits for its batch, nor a dry run.
func (t *tx) settingUp(ctx context.Context, unfinished []models.Command) (bool, error) {
	for _, c := range unfinished {
		if c.Type != models.CommandSetup || c.Held {
			continue
		}
		d, err := t.Deployments.Get(ctx, c.DeploymentID)
		if err != nil || !d.DryRun {
			return true, err
		}
	}
	return false, nil
}

// afterAbsence is the state of an instance that is back and has nothing to set up.
func afterAbsence(i *models.Instance) models.InstanceStatus {
	if i.SetupAt != nil {
		return afterSetup(i)
	}
	return models.InstanceSetupFailed
}

// beginSetup starts the Setup event, which Deploy of all apps follows.
func (t *tx) beginSetup(ctx context.Context, i *models.Instance, cause models.Cause) error {
	if err := t.move(ctx, i, models.InstanceRunningSetup, cause, store.InstanceChange{ClearSetup: true}); err != nil {
		return err
	}
	stack, err := t.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return err
	}
	return t.createDeployment(ctx, stack, &models.Deployment{
		Command: models.DeploymentCommand{Name: models.CommandSetup}, Cause: cause,
	}, []store.Member{store.MemberOf(i)})
}

// DisconnectAgent closes a session. Nothing changes state by it: an agent that
// is away a moment is not lost. Its shells end with it.
func (e *Engine) DisconnectAgent(id models.InstanceID, link dispatch.Link) {
	e.shells.disconnect(id, link)
	e.dispatcher.Disconnect(id, link)
	e.forgetAccounts(id)
}

// Heartbeat notes that the agent lives. It is written in batches.
func (e *Engine) Heartbeat(id models.InstanceID) { e.acks.heard(id) }

// AcknowledgeCommand notes that the agent holds the command on its disk. It is
// written in batches, and only if the command is the instance's.
func (e *Engine) AcknowledgeCommand(id models.InstanceID, command models.CommandID) {
	e.acks.acknowledge(id, command)
}

// FinishCommand takes a command's end. A repeat is answered like the first one.
func (e *Engine) FinishCommand(ctx context.Context, id models.InstanceID, done protocol.Done) error {
	ctx = models.AsEngine(ctx)
	command := models.CommandID(done.CommandID)
	err := e.tx(ctx, func(t *tx) error {
		c, err := t.Commands.Get(ctx, command)
		if err != nil {
			return err
		}
		if c.InstanceID != id {
			return models.NotFound("command", done.CommandID)
		}
		if c.Status.Finished() {
			return nil
		}
		if c.Status == models.CommandPending { // sent by an earlier process, whose lease was over
			if _, err := t.Commands.Acknowledge(ctx, []models.CommandID{command}, e.Clock(), reportGrace); err != nil {
				return err
			}
			c.Status = models.CommandRunning
		}
		if err := t.noteManagers(ctx, id, done.Managers); err != nil {
			return err
		}
		return t.finish(ctx, c, statusOf(done.Outcome), store.CommandChange{
			ExitCode: &done.ExitCode, Message: messageOf(c, done), LogLastSeq: &done.LastSeq, Sources: fetchedBy(done),
		})
	})
	if err != nil {
		return err
	}
	e.dispatcher.Wake(id)
	return e.logs.Finish(ctx, command, done.LastSeq)
}

// noteManagers keeps what an agent says about configuration managers after a Setup.
func (t *tx) noteManagers(ctx context.Context, id models.InstanceID, managers []string) error {
	if managers == nil {
		return nil
	}
	i, err := t.Instances.Get(ctx, id)
	if err != nil {
		return err
	}
	os := i.ReportedOs
	os.Managers = protocol.PlausibleManagers(managers)
	if slices.Equal(os.Managers, i.ReportedOs.Managers) && i.ReportedOs.Managers != nil {
		return nil
	}
	return t.Instances.SetAgent(ctx, id, store.AgentFacts{Os: &os})
}

func statusOf(o protocol.Outcome) models.CommandStatus {
	switch o {
	case protocol.Successful:
		return models.CommandSuccessful
	case protocol.Expired:
		return models.CommandExpired
	}
	return models.CommandFailed
}

func messageOf(c *models.Command, done protocol.Done) string {
	if done.Outcome == protocol.Canceled && c.CancelReason != "" {
		return "Canceled: " + c.CancelReason
	}
	return done.Message
}

// fetchedBy is what an agent says it got, as far as it can be believed.
func fetchedBy(done protocol.Done) []models.Fetched {
	var all []models.Fetched
	for _, f := range protocol.PlausibleSources(done.Sources) {
		all = append(all, models.Fetched{
			For: f.For, Type: models.SourceType(f.Type), URL: f.URL, Revision: f.Revision, Got: f.Got, Bytes: f.Bytes, Files: f.Files,
		})
	}
	return all
}

// OwnsCommand tells whether the command is the instance's own: agents send
// output and results only of those.
func (e *Engine) OwnsCommand(ctx context.Context, id models.InstanceID, command models.CommandID) (bool, error) {
	return e.store.Commands.Owns(ctx, id, command)
}
