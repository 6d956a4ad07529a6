package models

import (
	"errors"
	"strings"
	"testing"
)

func ptr[T any](v T) *T { return &v }

func TestInstanceRules(t *testing.T) {
	t.Parallel()
	disk := func(device, virtual string, ebs *EbsBlockDevice) func(*Instance) {
		return func(i *Instance) {
			i.BlockDeviceMappings = []BlockDeviceMapping{{DeviceName: device, VirtualName: virtual, Ebs: ebs}}
		}
	}
	const windows = "Microsoft Windows Server 2012 R2 Base"
	for name, c := range map[string]struct {
		change func(*Instance)
		field  string // that is refused, "" for none
	}{
		"least":                 {func(*Instance) {}, ""},
		"63 letters":            {func(i *Instance) { i.Hostname = strings.Repeat("a", 63) }, ""},
		"64 letters":            {func(i *Instance) { i.Hostname = strings.Repeat("a", 64) }, "Hostname"},
		"hyphen first":          {func(i *Instance) { i.Hostname = "-a" }, "Hostname"},
		"hyphen last":           {func(i *Instance) { i.Hostname = "a-" }, "Hostname"},
		"a dot":                 {func(i *Instance) { i.Hostname = "a.b" }, "Hostname"},
		"15 letters on Windows": {func(i *Instance) { i.Os, i.Hostname = windows, strings.Repeat("a", 15) }, ""},
		"16 letters on Windows": {func(i *Instance) { i.Os, i.Hostname = windows, strings.Repeat("a", 16) }, "Hostname"},
		"no layer":              {func(i *Instance) { i.LayerIDs = nil }, "LayerIds"},
		"no layer, registered":  {func(i *Instance) { i.LayerIDs, i.RegisteredBy = nil, "ana" }, ""},
		"timer on Windows":      {func(i *Instance) { i.Os, i.AutoScalingType = windows, ScalingTimer }, ""},
		"load on Windows":       {func(i *Instance) { i.Os, i.AutoScalingType = windows, ScalingLoad }, "AutoScalingType"},
		"version":               {func(i *Instance) { i.AgentVersion = "1.2.3-rc.1+4" }, ""},
		"no version":            {func(i *Instance) { i.AgentVersion = "LATEST" }, "AgentVersion"},
		"AMI":                   {func(i *Instance) { i.Os, i.AmiID = OSCustom, "ami-1" }, ""},
		"AMI of another system": {func(i *Instance) { i.AmiID = "ami-1" }, "Os"},
		"Custom":                {func(i *Instance) { i.Os = OSCustom }, "AmiId"},
		"ephemeral":             {disk("/dev/sdb", "ephemeral0", nil), ""},
		"ephemeral and EBS":     {disk("/dev/sdb", "ephemeral0", &EbsBlockDevice{}), "BlockDeviceMappings"},
		"no device":             {disk("", "ephemeral0", nil), "BlockDeviceMappings"},
		"ephemeral root":        {disk(RootDevice, "ephemeral0", nil), "BlockDeviceMappings"},
		"root of 8":             {disk(RootDevice, "", &EbsBlockDevice{VolumeSize: ptr(8)}), ""},
		"root of 7":             {disk(RootDevice, "", &EbsBlockDevice{VolumeSize: ptr(7)}), "BlockDeviceMappings"},
		"root of 16384":         {disk(RootDevice, "", &EbsBlockDevice{VolumeSize: ptr(16384), VolumeType: "gp2"}), ""},
		"root of 16385":         {disk(RootDevice, "", &EbsBlockDevice{VolumeSize: ptr(16385), VolumeType: "gp2"}), "BlockDeviceMappings"},
		"magnetic root of 1024": {disk(RootDevice, "", &EbsBlockDevice{VolumeSize: ptr(1024), VolumeType: "standard"}), ""},
		"magnetic root of 1025": {disk(RootDevice, "", &EbsBlockDevice{VolumeSize: ptr(1025), VolumeType: "standard"}), "BlockDeviceMappings"},
		"disk of 1":             {disk("/dev/sdb", "", &EbsBlockDevice{VolumeSize: ptr(1)}), ""},
		"Iops":                  {disk("/dev/sdb", "", &EbsBlockDevice{VolumeType: "io1", Iops: ptr(100)}), ""},
		"Iops without io1":      {disk("/dev/sdb", "", &EbsBlockDevice{Iops: ptr(100)}), "BlockDeviceMappings"},
		"EBS root, instance store": {func(i *Instance) {
			i.RootDeviceType = RootDeviceInstanceStore
			disk(RootDevice, "", &EbsBlockDevice{VolumeSize: ptr(8)})(i)
		}, "BlockDeviceMappings"},
	} {
		i := Instance{Hostname: "Web1 ", LayerIDs: []LayerID{"a", "b", "a"}, RootDeviceType: RootDeviceEBS}
		c.change(&i)
		i.Normalize()
		var field string
		if refused := (*Error)(nil); errors.As(i.Validate(), &refused) {
			field = refused.Field
		}
		if field != c.field {
			t.Errorf("%s: refused for %q, want %q: %v", name, field, c.field, i.Validate())
		}
	}
	i := Instance{Hostname: " Web1", LayerIDs: []LayerID{"a", "b", "a"}}
	i.Normalize()
	if i.Hostname != "web1" || len(i.LayerIDs) != 2 || i.RootDeviceType != RootDeviceInstanceStore || i.VirtualizationType != VirtualizationHVM {
		t.Errorf("normalized to %+v", i)
	}
}
