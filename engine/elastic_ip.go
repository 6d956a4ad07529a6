package engine

import (
	"context"
	"fmt"

	"opsyard/models"
)

func onElasticIP(a *models.ElasticIP) target { return target{"elastic IP", a.IP, a.IP, a.StackID} }

// RegisterElasticIP makes an address one of the stack's (OpsWorks:
// RegisterElasticIp).
func (e *Engine) RegisterElasticIP(ctx context.Context, stackID models.StackID, ip string) error {
	stack, err := e.Authorize(ctx, stackID, "RegisterElasticIp")
	if err != nil {
		return err
	}
	a := models.ElasticIP{IP: ip, StackID: stack.ID, Domain: models.DomainStandard, Region: stack.Region, CreatedAt: e.Clock()}
	if stack.VpcID != "" {
		a.Domain = models.DomainVPC
	}
	a.Normalize()
	if err := a.Validate(); err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		if err := t.ElasticIPs.Create(ctx, &a); err != nil {
			return err
		}
		t.tellStack(stack.ID)
		return t.audit(ctx, "RegisterElasticIp", onElasticIP(&a), nil, &a, models.Cause{})
	})
}

// DeregisterElasticIP takes an address that no instance has from its stack
// (OpsWorks: DeregisterElasticIp).
func (e *Engine) DeregisterElasticIP(ctx context.Context, ip string) error {
	return e.onElasticIP(ctx, ip, "DeregisterElasticIp", func(t *tx, stack *models.Stack, a *models.ElasticIP) (any, error) {
		if a.InstanceID != "" {
			return nil, models.Invalid("Elastic IP %s is associated with %s: disassociate it first.", a.IP, t.hostname(ctx, a.InstanceID))
		}
		t.tellStack(stack.ID)
		return nil, t.ElasticIPs.Delete(ctx, a.IP)
	})
}

// AssociateElasticIP gives the address to an instance, online or not; an
// instance that had it loses it, and this one loses the address it had
// (OpsWorks: AssociateElasticIp).
func (e *Engine) AssociateElasticIP(ctx context.Context, ip string, id models.InstanceID) error {
	return e.onElasticIP(ctx, ip, "AssociateElasticIp", func(t *tx, stack *models.Stack, a *models.ElasticIP) (any, error) {
		i, err := t.member(ctx, stack, id)
		switch {
		case err != nil:
			return nil, err
		case i.InfrastructureClass == models.InfrastructureOnPremises:
			return nil, models.Invalid("Instance %s is on-premises: it cannot have an Elastic IP.", i.Hostname)
		case a.InstanceID == id:
			return a, nil
		}
		told := fmt.Sprintf("Elastic IP %s was associated with %s", a.IP, i.Hostname)
		if a.InstanceID != "" {
			told = fmt.Sprintf("Elastic IP %s was moved from %s to %s", a.IP, t.hostname(ctx, a.InstanceID), i.Hostname)
		}
		others, err := t.ElasticIPs.OfInstance(ctx, id)
		if err != nil {
			return nil, err
		}
		for n := range others {
			if err := t.releaseElasticIP(ctx, &others[n], false); err != nil {
				return nil, err
			}
		}
		a.InstanceID = id
		return a, t.giveElasticIP(ctx, a, told)
	})
}

// DisassociateElasticIP takes the address from its instance; it stays
// registered (OpsWorks: DisassociateElasticIp).
func (e *Engine) DisassociateElasticIP(ctx context.Context, ip string) error {
	return e.onElasticIP(ctx, ip, "DisassociateElasticIp", func(t *tx, _ *models.Stack, a *models.ElasticIP) (any, error) {
		if a.InstanceID == "" {
			return nil, models.Invalid("Elastic IP %s is not associated with an instance.", a.IP)
		}
		told := fmt.Sprintf("Elastic IP %s was disassociated from %s", a.IP, t.hostname(ctx, a.InstanceID))
		t.tellInstance(a.StackID, a.InstanceID)
		a.InstanceID = ""
		return a, t.giveElasticIP(ctx, a, told)
	})
}

// UpdateElasticIP names the address (OpsWorks: UpdateElasticIp).
func (e *Engine) UpdateElasticIP(ctx context.Context, ip, name string) error {
	return e.onElasticIP(ctx, ip, "UpdateElasticIp", func(t *tx, stack *models.Stack, a *models.ElasticIP) (any, error) {
		a.Name = name
		a.Normalize()
		if err := a.Validate(); err != nil {
			return nil, err
		}
		t.tellStack(stack.ID)
		return a, t.ElasticIPs.Save(ctx, a)
	})
}

// onElasticIP runs do on an address, which it locks, and audits the change. do
// returns what is left of the address, nil for nothing.
func (e *Engine) onElasticIP(ctx context.Context, ip, action string, do func(*tx, *models.Stack, *models.ElasticIP) (any, error)) error {
	ip = models.NormalIP(ip)
	current, err := e.store.ElasticIPs.Get(ctx, ip)
	if err != nil {
		return err
	}
	missing := models.NotFound("elastic IP", ip)
	stack, err := e.stackOf(ctx, current.StackID, models.Action(action), missing)
	if err != nil {
		return err
	}
	return e.tx(ctx, func(t *tx) error {
		a, err := t.ElasticIPs.GetForUpdate(ctx, ip)
		if err != nil {
			return err
		}
		if a.StackID != stack.ID {
			return missing // it has changed its stack meanwhile
		}
		before := *a
		after, err := do(t, stack, a)
		if err != nil {
			return err
		}
		return t.audit(ctx, action, onElasticIP(&before), &before, after, models.Cause{})
	})
}

func (t *tx) giveElasticIP(ctx context.Context, a *models.ElasticIP, told string) error {
	if err := t.ElasticIPs.Save(ctx, a); err != nil {
		return err
	}
	if a.InstanceID != "" {
		t.tellInstance(a.StackID, a.InstanceID)
	}
	return t.configureFor(ctx, a.StackID, told)
}

// releaseElasticIP takes an address from its instance for another reason than
// that somebody asked for it.
func (t *tx) releaseElasticIP(ctx context.Context, a *models.ElasticIP, forGood bool) error {
	before := *a
	if forGood {
		if err := t.ElasticIPs.Delete(ctx, a.IP); err != nil {
			return err
		}
		return t.audit(ctx, "DeregisterElasticIp", onElasticIP(a), &before, nil, models.Cause{})
	}
	a.InstanceID = ""
	if err := t.ElasticIPs.Save(ctx, a); err != nil {
		return err
	}
	return t.audit(ctx, "DisassociateElasticIp", onElasticIP(a), &before, a, models.Cause{})
}

// hostname is how people know the instance; its id if it is gone.
func (t *tx) hostname(ctx context.Context, id models.InstanceID) string {
	i, err := t.Instances.Get(ctx, id)
	if err != nil {
		return string(id)
	}
	return i.Hostname
}
