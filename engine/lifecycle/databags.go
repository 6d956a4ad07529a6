package lifecycle

import (
	"strconv"

	"opsyard/models"
)

// DataBags are Chef's data bags by name, their items by theirs.
type DataBags map[string]map[string]map[string]any

// Names of the data bags of Chef 12 stacks (OpsWorks: "Data Bag Reference").
// aws_opsworks_command is not made here: the agent makes it, as it adds to the
// other bags what only it or its command knows.
const (
	BagApp          = "aws_opsworks_app"
	BagEcsCluster   = "aws_opsworks_ecs_cluster"
	BagLoadBalancer = "aws_opsworks_elastic_load_balancer"
	BagInstance     = "aws_opsworks_instance"
	BagLayer        = "aws_opsworks_layer"
	BagRds          = "aws_opsworks_rds_db_instance"
	BagStack        = "aws_opsworks_stack"
	BagUser         = "aws_opsworks_user"
)

func (b DataBags) add(bag, item string, fields map[string]any) {
	if b[bag] == nil {
		b[bag] = map[string]map[string]any{}
	}
	b[bag][item] = fields
}

// SharedDataBags are the data bags of a Chef 12 stack as all its instances read
// them, without secrets: those are null or empty.
func SharedDataBags(stack models.Stack, layers []models.Layer, instances []models.Instance, apps []models.App, r Resources) DataBags {
	bags := DataBags{}
	bags.add(BagStack, stack.Name, stackItem(stack))
	for _, l := range layers {
		bags.add(BagLayer, l.Shortname, layerItem(l))
	}
	for _, i := range instances {
		bags.add(BagInstance, i.Hostname, InstanceItem(i))
	}
	for _, a := range apps {
		bags.add(BagApp, a.Shortname, appItem(a))
	}
	for _, b := range r.LoadBalancers {
		bags.add(BagLoadBalancer, b.Name, map[string]any{
			"elastic_load_balancer_name": b.Name, "dns_name": orNull(b.DNSName), "layer_id": b.LayerID,
		})
	}
	for _, c := range r.EcsClusters {
		bags.add(BagEcsCluster, c.Name, map[string]any{"ecs_cluster_arn": c.Arn, "ecs_cluster_name": c.Name})
	}
	names := databaseNames(r.Databases)
	for _, d := range r.Databases {
		bags.add(BagRds, names[d.Arn], map[string]any{
			"address": orNull(d.Address), "port": orNull(d.PortOrDefault()), "db_instance_identifier": d.DbInstanceIdentifier,
			"db_password": nil, "db_user": d.DbUser, "engine": orNull(d.Engine), "rds_db_instance_arn": d.Arn, "region": d.Region,
		})
	}
	for _, u := range r.Users {
		bags.add(BagUser, u.SSHUsername, map[string]any{
			"administrator_privileges": u.Sudo, "iam_user_arn": orNull(u.IamUserArn), "remote_access": true,
			"ssh_public_key": orNull(u.SSHPublicKey), "unix_user_id": strconv.Itoa(u.UnixUID), "username": u.SSHUsername,
		})
	}
	return bags
}

func stackItem(s models.Stack) map[string]any {
	src := s.CustomCookbooksSource
	return map[string]any{
		"arn": orNull(s.Arn), "name": s.Name, "region": s.Region, "stack_id": s.ID, "vpc_id": orNull(s.VpcID),
		"use_custom_cookbooks": s.UseCustomCookbooks,
		"custom_cookbooks_source": map[string]any{
			"type": orNull(src.Type), "url": orNull(src.URL), "revision": orNull(src.Revision),
			"username": nil, "password": nil, "ssh_key": nil,
		},
	}
}

func layerItem(l models.Layer) map[string]any {
	volumes := []map[string]any{}
	for _, v := range l.VolumeConfigurations {
		volumes = append(volumes, map[string]any{
			"encrypted": v.Encrypted, "iops": v.Iops, "mount_point": v.MountPoint, "number_of_disks": v.NumberOfDisks,
			"raid_level": v.RaidLevel, "size": v.Size, "volume_type": orNull(v.VolumeType),
		})
	}
	return map[string]any{
		"ecs_cluster_arn": orNull(l.Attributes[models.AttributeECSCluster]), "layer_id": l.ID, "name": l.Name,
		"packages": list(l.Packages), "shortname": l.Shortname, "type": l.Type, "volume_configurations": volumes,
	}
}

// InstanceItem is an instance's item of aws_opsworks_instance. The instance
// itself adds self and its own host keys.
func InstanceItem(i models.Instance) map[string]any {
	return map[string]any{
		"ami_id": orNull(i.AmiID), "architecture": orNull(i.Architecture), "auto_scaling_type": orNull(i.AutoScalingType),
		"availability_zone": orNull(i.AvailabilityZone), "created_at": orNull(Timestamp(i.CreatedAt)), "ebs_optimized": i.EbsOptimized,
		"ec2_instance_id": orNull(i.Ec2InstanceID), "elastic_ip": orNull(i.ElasticIP), "hostname": i.Hostname,
		"infrastructure_class": orNull(i.InfrastructureClass), "instance_id": i.ID, "instance_type": orNull(i.InstanceType),
		"layer_ids": list(i.LayerIDs), "os": orNull(i.Os), "private_dns": orNull(i.PrivateDNS), "private_ip": orNull(i.PrivateIP),
		"public_dns": orNull(i.PublicDNS), "public_ip": orNull(i.PublicIP), "root_device_type": orNull(i.RootDeviceType),
		"root_device_volume_id": orNull(i.RootDeviceVolumeID), "self": false,
		"ssh_host_dsa_key_fingerprint": orNull(i.SSHHostDsaKeyFingerprint), "ssh_host_dsa_key_private": nil, "ssh_host_dsa_key_public": nil,
		"ssh_host_rsa_key_fingerprint": orNull(i.SSHHostRsaKeyFingerprint), "ssh_host_rsa_key_private": nil, "ssh_host_rsa_key_public": nil,
		"status": i.Status, "subnet_id": orNull(i.SubnetID), "virtualization_type": orNull(i.VirtualizationType),
	}
}

func appItem(a models.App) map[string]any {
	attributes := map[string]any{
		"document_root": orNull(a.Attributes["DocumentRoot"]), "rails_env": orNull(a.Attributes["RailsEnv"]),
		"auto_bundle_on_deploy": orNull(a.Attributes["AutoBundleOnDeploy"]), "aws_flow_ruby_settings": orNull(a.Attributes["AwsFlowRubySettings"]),
	}
	sources := []map[string]any{}
	for _, s := range a.DataSources {
		sources = append(sources, map[string]any{"type": s.Type, "arn": orNull(s.Arn), "database_name": orNull(s.DatabaseName)})
	}
	return map[string]any{
		"app_id": a.ID, "attributes": attributes, "data_sources": sources, "deploy": false, "domains": list(a.Domains),
		"enable_ssl": a.EnableSsl, "environment": map[string]any{}, "name": a.Name, "shortname": a.Shortname,
		"app_source": map[string]any{
			"type": orNull(a.AppSource.Type), "url": orNull(a.AppSource.URL), "revision": orNull(a.AppSource.Revision),
			"user": nil, "password": nil, "ssh_key": nil,
		},
		"ssl_configuration": map[string]any{"certificate": nil, "chain": nil, "private_key": nil},
		"type":              models.AppOther, // the only type that OpsWorks had on these stacks
	}
}

// PrivateDataBags are what instances of the given layers add to the shared data
// bags: the secrets of the apps that the layers serve, of the databases that
// those use, and of the stack's cookbooks.
func PrivateDataBags(stack models.Stack, layers []models.Layer, served []models.App, databases []models.RdsDbInstance) DataBags {
	bags := DataBags{}
	for _, a := range served {
		bags.add(BagApp, a.Shortname, map[string]any{
			"environment": environment(a),
			"app_source": map[string]any{
				"user": orNull(a.AppSource.Username), "password": orNull(a.AppSource.Password), "ssh_key": orNull(a.AppSource.SSHKey),
			},
			"ssl_configuration": map[string]any{
				"certificate": orNull(a.SslConfiguration.Certificate), "chain": orNull(a.SslConfiguration.Chain),
				"private_key": orNull(a.SslConfiguration.PrivateKey),
			},
		})
	}
	for name, db := range DatabasesFor(layers, served, databases) {
		bags.add(BagRds, name, map[string]any{"db_password": db.Password})
	}
	if src := stack.CustomCookbooksSource; stack.UseCustomCookbooks && !src.IsZero() {
		bags.add(BagStack, stack.Name, map[string]any{"custom_cookbooks_source": map[string]any{
			"username": orNull(src.Username), "password": orNull(src.Password), "ssh_key": orNull(src.SSHKey),
		}})
	}
	return bags
}
