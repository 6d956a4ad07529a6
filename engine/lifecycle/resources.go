package lifecycle

import (
	"slices"
	"strings"

	"opsyard/models"
)

// Resources are what a stack has besides layers, instances and apps.
type Resources struct {
	LoadBalancers []models.ElasticLoadBalancer
	Databases     []models.RdsDbInstance
	EcsClusters   []models.EcsCluster
	Volumes       []models.Volume
	RaidArrays    []models.RaidArray
	Users         []SSHUser
}

// The names of members are those of OpsWorks' data bags.

type balancerDoc struct {
	Name    string `json:"elastic_load_balancer_name"`
	DNSName string `json:"dns_name"`
	LayerID string `json:"layer_id"`
	Layer   string `json:"layer"` // its short name
}

type databaseDoc struct {
	Arn        string `json:"rds_db_instance_arn"`
	Identifier string `json:"db_instance_identifier"`
	Address    string `json:"address"`
	Port       int    `json:"port"`
	Engine     string `json:"engine"`
	DbUser     string `json:"db_user"`
	Region     string `json:"region"`
}

// stackBalancerDoc and rdsAttributesDoc are how cookbooks of Chef 11 stacks read
// the same.
type stackBalancerDoc struct {
	Name    string `json:"name"`
	DNSName string `json:"dns_name"`
	LayerID string `json:"layer_id"`
}

// rdsAttributesDoc is a map for its many fields that only the cloud could tell.
type rdsAttributesDoc map[string]any

type clusterDoc struct {
	Arn  string `json:"ecs_cluster_arn"`
	Name string `json:"ecs_cluster_name"`
}

type volumeDoc struct {
	ID         string `json:"volume_id"`
	Ec2ID      string `json:"ec2_volume_id,omitempty"`
	Name       string `json:"name"`
	MountPoint string `json:"mount_point"`
	Device     string `json:"device"`
	Size       int    `json:"size"`
	VolumeType string `json:"volume_type"`
	RaidLevel  *int   `json:"raid_level,omitempty"`
}

func (r Resources) balancers(shortnames map[models.LayerID]string) []balancerDoc {
	list := []balancerDoc{}
	for _, b := range r.LoadBalancers {
		list = append(list, balancerDoc{b.Name, b.DNSName, string(b.LayerID), shortnames[b.LayerID]})
	}
	return list
}

func (r Resources) stackBalancers() []stackBalancerDoc {
	list := []stackBalancerDoc{}
	for _, b := range r.LoadBalancers {
		list = append(list, stackBalancerDoc{b.Name, b.DNSName, string(b.LayerID)})
	}
	return list
}

func (r Resources) rdsAttributes() []rdsAttributesDoc {
	list := []rdsAttributesDoc{}
	for _, d := range r.Databases {
		doc := rdsAttributesDoc{
			"address": orNull(d.Address), "arn": d.Arn, "db_instance_identifier": d.DbInstanceIdentifier, "db_user": d.DbUser,
			"engine": orNull(d.Engine), "port": orNull(d.PortOrDefault()), "region": d.Region,
		}
		for _, unknown := range []string{
			"allocated_storage", "auto_minor_version_upgrade", "availability_zone", "backup_retention_period", "db_instance_class",
			"db_instance_status", "db_name", "instance_create_time", "license_model", "multi_az", "preferred_backup_window",
			"preferred_maintenance_window", "publicly_accessible",
		} {
			doc[unknown] = nil
		}
		for _, none := range []string{
			"db_parameter_groups", "db_security_groups", "option_group_memberships", "read_replica_db_instance_identifiers",
			"status_infos", "vpc_security_groups",
		} {
			doc[none] = []any{}
		}
		list = append(list, doc)
	}
	return list
}

func (r Resources) clusters() []clusterDoc {
	list := []clusterDoc{}
	for _, c := range r.EcsClusters {
		list = append(list, clusterDoc{c.Arn, c.Name})
	}
	return list
}

// databases are by identifier; their passwords are in the private document of
// those who may know them.
func (r Resources) databases() map[string]databaseDoc {
	all := map[string]databaseDoc{}
	names := databaseNames(r.Databases)
	for _, d := range r.Databases {
		all[names[d.Arn]] = databaseDoc{d.Arn, d.DbInstanceIdentifier, d.Address, d.PortOrDefault(), d.Engine, d.DbUser, d.Region}
	}
	return all
}

// databaseNames are what recipes call the databases: their identifiers. Of two
// with one identifier, in two regions, the later one goes by its ARN.
func databaseNames(databases []models.RdsDbInstance) map[string]string {
	names, taken := map[string]string{}, map[string]bool{}
	for _, d := range databases {
		name := d.DbInstanceIdentifier
		if taken[name] {
			name = d.Arn
		}
		taken[name], names[d.Arn] = true, name
	}
	return names
}

// disks are what is mounted in each instance: single volumes, and arrays as one
// disk each.
func (r Resources) disks() map[models.InstanceID][]volumeDoc {
	all := map[models.InstanceID][]volumeDoc{}
	for _, v := range r.Volumes {
		if v.InstanceID != "" && v.RaidArrayID == "" {
			all[v.InstanceID] = append(all[v.InstanceID], volumeDoc{
				ID: string(v.ID), Ec2ID: v.Ec2VolumeID, Name: v.Name, MountPoint: v.MountPoint, Device: v.Device, Size: v.Size, VolumeType: v.VolumeType,
			})
		}
	}
	for _, a := range r.RaidArrays {
		if a.InstanceID != "" {
			all[a.InstanceID] = append(all[a.InstanceID], volumeDoc{
				ID: string(a.ID), Name: a.Name, MountPoint: a.MountPoint, Device: a.Device, Size: a.Size, VolumeType: a.VolumeType, RaidLevel: &a.RaidLevel,
			})
		}
	}
	return all
}

// Database is how to reach a database, with its password.
type Database struct {
	Adapter            string
	Host               string
	Port               int
	Username, Password string
	Database           string // empty where no app says which
	DataSourceProvider string
}

// DatabasesFor are the databases whose passwords the instances of the given
// layers need, by the names that recipes know: those of the apps that the
// layers serve, and all for custom layers, whose own recipes decide (OpsWorks:
// aws_opsworks_rds_db_instance).
func DatabasesFor(layers []models.Layer, served []models.App, databases []models.RdsDbInstance) map[string]Database {
	custom := slices.ContainsFunc(layers, func(l models.Layer) bool { return l.Type == models.LayerCustom })
	known := map[string]Database{}
	names := databaseNames(databases)
	for _, d := range databases {
		if custom || slices.ContainsFunc(served, func(a models.App) bool { return uses(a, d) }) {
			known[names[d.Arn]] = databaseFor(d, "")
		}
	}
	return known
}

func uses(a models.App, d models.RdsDbInstance) bool {
	return slices.ContainsFunc(a.DataSources, func(s models.DataSource) bool { return s.Type == models.DataSourceRds && s.Arn == d.Arn })
}

func databaseFor(d models.RdsDbInstance, name string) Database {
	return Database{
		Adapter: adapterOf(d.Engine), Host: d.Address, Port: d.PortOrDefault(), Username: d.DbUser, Password: d.DbPassword,
		Database: name, DataSourceProvider: "rds",
	}
}

// AppDatabase is the database of an app whose data source is a registered one;
// nil for any other app (OpsWorks: deploy attributes, database).
func AppDatabase(a models.App, databases []models.RdsDbInstance) *Database {
	for _, s := range a.DataSources {
		for _, d := range databases {
			if s.Type == models.DataSourceRds && s.Arn == d.Arn {
				db := databaseFor(d, s.DatabaseName)
				return &db
			}
		}
	}
	return nil
}

// adapterOf is the engine as database libraries name it.
func adapterOf(engine string) string {
	switch {
	case strings.Contains(engine, "postgres"):
		return "postgresql"
	case strings.HasPrefix(engine, "mysql"), strings.HasPrefix(engine, "mariadb"), strings.HasPrefix(engine, "aurora"):
		return "mysql2"
	}
	return engine
}
