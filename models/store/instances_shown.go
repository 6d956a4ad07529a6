package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"opsyard/models"
)

// InstanceSelector chooses instances: those of a stack, of a layer, or by id.
type InstanceSelector struct {
	StackID models.StackID
	LayerID models.LayerID
	IDs     []models.InstanceID
}

// Shown reads instances by hostname, or in the order of their ids, for clients
// of the API. They ask over and over, so the columns that they see are read
// without GORM, which takes three times as long; all others stay zero. Several
// callers may get the same instances: they must not be changed.
func (s Instances) Shown(ctx context.Context, by InstanceSelector) ([]models.Instance, error) {
	read := func() ([]models.Instance, error) { return s.readShown(ctx, by) }
	switch {
	case by.StackID != "":
		return remember(ctx, s.handle, question{what: "instances", id: string(by.StackID), of: kindStack}, read)
	case by.LayerID != "":
		return remember(ctx, s.handle, question{what: "instances", id: string(by.LayerID), of: kindLayer}, read)
	case len(by.IDs) == 1:
		return remember(ctx, s.handle, question{what: "instances", id: string(by.IDs[0])}, read)
	}
	return read()
}

func (s Instances) readShown(ctx context.Context, by InstanceSelector) ([]models.Instance, error) {
	db := s.r(ctx).Model(&models.Instance{}).Select(shownColumns)
	switch {
	case by.StackID != "":
		return shown(db.Where("stack_id = ?", by.StackID).Order("hostname"))
	case by.LayerID != "":
		// Sorting here spares the database from copying each row once more.
		list, err := shown(db.Where(inLayer, by.LayerID))
		slices.SortFunc(list, func(a, b models.Instance) int { return strings.Compare(a.Hostname, b.Hostname) })
		return list, err
	}
	var all []models.Instance
	for part := range chunks(by.IDs, batch) {
		some, err := shown(db.Session(&gorm.Session{}).Where("id IN ?", part))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	ids := make([]string, len(by.IDs))
	for n, id := range by.IDs {
		ids[n] = string(id)
	}
	return inOrder(all, ids, func(i *models.Instance) string { return string(i.ID) }, func(missing string) error {
		return models.NotFound(kindInstance, missing)
	})
}

// shownColumns and shownFields go together, one by one.
var shownColumns = []string{
	"id", "stack_id", "hostname", "status", "arn", "agent_version", "ami_id", "architecture", "auto_scaling_type",
	"availability_zone", "ec2_instance_id", "ecs_cluster_arn", "ecs_container_instance_arn", "elastic_ip",
	"infrastructure_class", "instance_profile_arn", "instance_type", "last_service_error_id", "os", "platform",
	"private_dns", "private_ip", "public_dns", "public_ip", "registered_by", "reported_agent_version",
	"root_device_type", "root_device_volume_id", "ssh_host_dsa_key_fingerprint", "ssh_host_rsa_key_fingerprint",
	"ssh_key_name", "subnet_id", "tenancy", "virtualization_type",
	"ebs_optimized", "install_updates_on_boot",
	"layer_ids", "block_device_mappings", "reported_os", "security_group_ids",
	"created_at",
}

func shownFields(i *models.Instance) []any {
	return []any{
		(*textColumn)(&i.ID), (*textColumn)(&i.StackID), (*textColumn)(&i.Hostname), (*textColumn)(&i.Status), (*textColumn)(&i.Arn),
		(*textColumn)(&i.AgentVersion), (*textColumn)(&i.AmiID), (*textColumn)(&i.Architecture), (*textColumn)(&i.AutoScalingType),
		(*textColumn)(&i.AvailabilityZone), (*textColumn)(&i.Ec2InstanceID), (*textColumn)(&i.EcsClusterArn),
		(*textColumn)(&i.EcsContainerInstanceArn), (*textColumn)(&i.ElasticIP),
		(*textColumn)(&i.InfrastructureClass), (*textColumn)(&i.InstanceProfileArn), (*textColumn)(&i.InstanceType),
		(*textColumn)(&i.LastServiceErrorID), (*textColumn)(&i.Os), (*textColumn)(&i.Platform),
		(*textColumn)(&i.PrivateDNS), (*textColumn)(&i.PrivateIP), (*textColumn)(&i.PublicDNS), (*textColumn)(&i.PublicIP),
		(*textColumn)(&i.RegisteredBy), (*textColumn)(&i.ReportedAgentVersion),
		(*textColumn)(&i.RootDeviceType), (*textColumn)(&i.RootDeviceVolumeID), (*textColumn)(&i.SSHHostDsaKeyFingerprint),
		(*textColumn)(&i.SSHHostRsaKeyFingerprint),
		(*textColumn)(&i.SSHKeyName), (*textColumn)(&i.SubnetID), (*textColumn)(&i.Tenancy), (*textColumn)(&i.VirtualizationType),
		(*boolColumn)(&i.EbsOptimized), (*boolColumn)(&i.InstallUpdatesOnBoot),
		jsonColumn[[]models.LayerID]{&i.LayerIDs}, jsonColumn[[]models.BlockDeviceMapping]{&i.BlockDeviceMappings},
		jsonColumn[models.ReportedOs]{&i.ReportedOs}, jsonColumn[[]string]{&i.SecurityGroupIDs},
		&i.CreatedAt,
	}
}

func shown(db *gorm.DB) (all []models.Instance, err error) {
	rows, err := db.Rows()
	if err != nil {
		return nil, wrap(err, "read instances to show")
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var i models.Instance
	fields := shownFields(&i)
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return nil, wrap(err, "read an instance to show")
		}
		all = append(all, i)
	}
	return all, wrap(rows.Err(), "read instances to show")
}

// textColumn takes text, and nothing where an older row has none.
type textColumn string

// Scan is for database/sql.
func (c *textColumn) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*c = ""
	case string:
		*c = textColumn(v)
	case []byte:
		*c = textColumn(v)
	default:
		return fmt.Errorf("%T is no text", value)
	}
	return nil
}

// boolColumn takes the booleans of both databases, and false for nothing.
type boolColumn bool

// Scan is for database/sql.
func (c *boolColumn) Scan(value any) error {
	var b sql.NullBool
	err := b.Scan(value)
	*c = boolColumn(b.Bool)
	return err
}

// jsonColumn takes what GORM's serializer has written; nothing is zero.
type jsonColumn[T any] struct{ into *T }

// Scan is for database/sql.
func (c jsonColumn[T]) Scan(value any) error {
	var text textColumn
	if err := text.Scan(value); err != nil {
		return err
	}
	var fresh T // rows must not share a list
	*c.into = fresh
	switch text {
	case "", "null", "[]", "{}":
		return nil
	}
	return json.Unmarshal([]byte(text), c.into)
}
