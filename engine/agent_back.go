package engine

import (
	"context"
	"reflect"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// back is the instance of an agent that comes back as it went, nil of another: nothing is to be moved,
// settled or written of it but that it was heard, which is written for many at
// once. When a server restarts, thousands do so within seconds, and each would
// wait for a transaction of its own.
func (e *Engine) back(ctx context.Context, id models.InstanceID, hello protocol.Hello) (*models.Instance, error) {
	if len(hello.Unfinished) > 0 {
		return nil, nil
	}
	i, err := e.store.Instances.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	switch i.Status {
	case models.InstanceOnline, models.InstanceSetupFailed, models.InstanceRegistered:
	default:
		return nil, nil
	}
	now := e.Clock()
	if min(now.Sub(lastHeard(i)), now.Sub(e.listening(now))) > e.times.Silence/2 || !sameFacts(i, hello.Facts) {
		return nil, nil // it may be about to count as lost, or has something to tell
	}
	unfinished, err := e.store.Commands.Unfinished(ctx, id)
	if err != nil || len(unfinished) > 0 {
		return nil, err
	}
	e.acks.back(i)
	return i, nil
}

// sameFacts tells whether the row says what the agent says.
func sameFacts(i *models.Instance, said protocol.Facts) bool {
	f := facts(i, said, nil, i.CreatedAt)
	for _, pair := range [][2]string{
		{f.BootID, i.BootID}, {f.AgentVersion, i.ReportedAgentVersion}, {f.PrivateIP, i.PrivateIP}, {f.PublicIP, i.PublicIP},
		{f.SSHHostRSAFingerprint, i.SSHHostRsaKeyFingerprint},
	} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return reflect.DeepEqual(*f.Os, i.ReportedOs)
}
