package engine

import (
	"fmt"
	"slices"
	"strings"

	"opsyard/engine/compute"
	"opsyard/models"
)

// The rules of instances over which their stack and its provider decide.

func instanceArn(s *models.Stack, id models.InstanceID) string {
	return fmt.Sprintf("arn:aws:opsworks:%s:000000000000:instance/%s", s.Region, id)
}

// inherit fills what a new instance leaves to its stack.
func inherit(i *models.Instance, s *models.Stack) {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&i.RootDeviceType, s.DefaultRootDeviceType}, {&i.Os, s.DefaultOs}, {&i.SSHKeyName, s.DefaultSSHKeyName},
		{&i.InstanceProfileArn, s.DefaultInstanceProfileArn}, {&i.SubnetID, s.DefaultSubnetID},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if i.AvailabilityZone == "" && s.VpcID == "" { // in a VPC the subnet decides
		i.AvailabilityZone = s.DefaultAvailabilityZone
	}
}

// dress gives an instance what its layers decide.
func dress(i *models.Instance, layers []models.Layer) {
	for _, l := range layers {
		if l.CustomInstanceProfileArn != "" {
			i.InstanceProfileArn = l.CustomInstanceProfileArn
		}
	}
	i.SecurityGroupIDs = securityGroups(layers)
}

// securityGroups are those of all layers, each once.
func securityGroups(layers []models.Layer) []string {
	var ids []string
	for _, l := range layers {
		for _, id := range l.CustomSecurityGroupIDs {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// keepFixed puts back what OpsWorks fixes at creation.
func keepFixed(i, before *models.Instance) {
	i.ID, i.StackID, i.Arn, i.CreatedAt, i.Status = before.ID, before.StackID, before.Arn, before.CreatedAt, before.Status
	i.AvailabilityZone, i.SubnetID = before.AvailabilityZone, before.SubnetID
	i.RootDeviceType, i.VirtualizationType, i.BlockDeviceMappings = before.RootDeviceType, before.VirtualizationType, before.BlockDeviceMappings
	i.EbsOptimized, i.Tenancy = before.EbsOptimized, before.Tenancy
	i.InfrastructureClass, i.RegisteredBy, i.InstanceProfileArn = before.InfrastructureClass, before.RegisteredBy, before.InstanceProfileArn
}

// checkInstance refuses an instance that OpsWorks or the stack's provider would
// refuse; before is nil for a new one.
func (e *Engine) checkInstance(s *models.Stack, i, before *models.Instance) error {
	if err := i.Validate(); err != nil {
		return err
	}
	if before == nil || before.Os != i.Os || before.AmiID != i.AmiID {
		if err := e.checkOS(s, i, before); err != nil {
			return err
		}
	}
	if before == nil || before.InstanceType != i.InstanceType {
		if err := e.checkSize(s, i); err != nil {
			return err
		}
	}
	if i.AgentVersion != models.AgentInherit && (before == nil || before.AgentVersion != i.AgentVersion) && i.AgentVersion != e.version {
		return models.InvalidField("AgentVersion", "Agent version: %q is not offered here; use %s or %s.", i.AgentVersion, models.AgentInherit, e.version)
	}
	if before != nil {
		return nil
	}
	return checkPlace(s, i)
}

// checkOS checks the operating system against the stack's, and that it does
// not change where the disk is kept.
func (e *Engine) checkOS(s *models.Stack, i, before *models.Instance) error {
	m := s.ConfigurationManager
	o, known := models.FindOperatingSystem(i.Os)
	switch {
	case before != nil && before.AmiID != i.AmiID:
		return models.InvalidField("AmiId", "Ami id: cannot be changed; make a new instance with the other image.")
	case models.OSFamily(i.Os) != models.OSFamily(s.DefaultOs):
		return models.InvalidField("Os", "Os: a stack is all Linux or all Windows, and stack %s is %s.", s.Name, models.OSFamily(s.DefaultOs))
	case before != nil && before.KeepsDisk():
		return models.InvalidField("Os", "Os: an EBS-backed instance keeps the operating system that it was made with.")
	case known && !o.Runs(m) || !known && i.Os != "" && m.IsChef():
		return models.InvalidField("Os", "Os: %q is not supported with %s.", i.Os, m)
	case o.Closed && i.Os != s.DefaultOs:
		return models.InvalidField("Os", "Os: %s is no longer supported.", i.Os)
	case !models.IsWindows(i.Os):
		return nil
	case !i.KeepsDisk():
		return models.InvalidField("RootDeviceType", "Root device type: must be ebs for Windows.")
	}
	p, err := e.provider(s)
	if err != nil {
		return err
	}
	if !p.Caps().Simulated {
		return models.InvalidField("Os", "Os: there is no agent for Windows, so Windows instances exist only where machines are simulated (provider sim).")
	}
	return nil
}

// checkSize asks the provider whether it knows the instance type.
func (e *Engine) checkSize(s *models.Stack, i *models.Instance) error {
	p, err := e.provider(s)
	if err != nil {
		return err
	}
	if sizer, ok := p.(compute.Sizer); ok && !sizer.HasSize(i.InstanceType) {
		return models.InvalidField("InstanceType", "Instance Type: is not supported for machines of provider %s: %q.", p.Name(), i.InstanceType)
	}
	return nil
}

// checkPlace checks where the machine is to be.
func checkPlace(s *models.Stack, i *models.Instance) error {
	if i.SubnetID != "" && s.VpcID == "" {
		return models.InvalidField("SubnetId", "Subnet id: stack %s is not in a VPC.", s.Name)
	}
	if z := i.AvailabilityZone; z != "" && !strings.HasPrefix(z, s.Region) {
		return models.InvalidField("AvailabilityZone", "Availability zone: %s is not in region %s.", z, s.Region)
	}
	return nil
}

// InstanceTypes are the types that the stack's provider offers, to choose
// from; it may know more. Nil where nobody can tell.
func (e *Engine) InstanceTypes(s *models.Stack) []string {
	p, err := e.provider(s)
	if err != nil {
		return nil
	}
	sizer, ok := p.(compute.Sizer)
	if !ok {
		return nil
	}
	return sizer.Sizes()
}
