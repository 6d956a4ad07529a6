package lifecycle

import (
	"encoding/json"
	"slices"
	"strings"

	"opsyard/models"
)

// The documents that recipes read. All configuration managers get the same
// one; docs/cookbooks.md describes it for those who write recipes
// (OpsWorks: "Stack Configuration and Deployment Attributes").

type stateDoc struct {
	Opsworks opsworksDoc        `json:"opsworks"`
	SSHUsers map[string]userDoc `json:"ssh_users"`
	// Deploy is empty until a command has apps; cookbooks go through it always.
	Deploy struct{} `json:"deploy"`
	cookbookDoc
}

type opsworksDoc struct {
	settingsDoc
	Stack        stackDoc            `json:"stack"`
	Layers       map[string]layerDoc `json:"layers"`
	Applications []applicationDoc    `json:"applications"`

	LoadBalancers []balancerDoc          `json:"elastic_load_balancers"`
	Databases     map[string]databaseDoc `json:"rds_db_instances"`
	EcsClusters   []clusterDoc           `json:"ecs_clusters"`
}

type stackDoc struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Region    string             `json:"region"`
	VpcID     any                `json:"vpc_id"`
	Balancers []stackBalancerDoc `json:"elb-load-balancers"`
	Databases []rdsAttributesDoc `json:"rds_instances"`
}

type layerDoc struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"name"`
	Type       string                 `json:"type"`
	Engine     string                 `json:"engine,omitempty"` // if it is not the type's usual one
	Attributes map[string]string      `json:"attributes"`
	Packages   []string               `json:"packages"`
	Instances  map[string]instanceDoc `json:"instances"`
}

type instanceDoc struct {
	ID               string `json:"id"`
	AwsInstanceID    any    `json:"aws_instance_id"`
	Status           string `json:"status"`
	InstanceType     string `json:"instance_type"`
	IP               string `json:"ip"`
	PrivateIP        string `json:"private_ip"`
	PublicDNS        string `json:"public_dns_name"`
	PrivateDNS       string `json:"private_dns_name"`
	ElasticIP        string `json:"elastic_ip"`
	Region           string `json:"region"`
	AvailabilityZone string `json:"availability_zone"`
	CreatedAt        string `json:"created_at"`
	BootedAt         string `json:"booted_at"`
	Backends         int    `json:"backends"`

	Volumes []volumeDoc `json:"volumes"`
}

type applicationDoc struct {
	Name            string   `json:"name"`
	SlugName        string   `json:"slug_name"`
	ApplicationType string   `json:"application_type"`
	Domains         []string `json:"domains"`
}

// backends is the weight of an app server behind a load balancer where its
// size is not known better.
const backends = 10

// State is the document about the stack that all its instances share: layers
// with their online instances, apps, resources, and no secrets.
func State(stack models.Stack, layers []models.Layer, online []models.Instance, apps []models.App, resources Resources) ([]byte, error) {
	doc := opsworksDoc{
		settingsDoc: settings(layers),
		Stack: stackDoc{
			ID: string(stack.ID), Name: stack.Name, Region: stack.Region, VpcID: orNull(stack.VpcID),
			Balancers: resources.stackBalancers(), Databases: resources.rdsAttributes(),
		},
		Layers:       map[string]layerDoc{},
		Applications: []applicationDoc{},
		Databases:    resources.databases(),
		EcsClusters:  resources.clusters(),
	}
	byID := map[models.LayerID]string{}
	for _, l := range layers {
		byID[l.ID] = l.Shortname
		doc.Layers[l.Shortname] = layerDoc{
			ID: string(l.ID), Name: l.Name, Type: string(l.Type), Engine: l.Engine, Attributes: publicAttributes(l),
			Packages: packagesOf(stack, l), Instances: map[string]instanceDoc{},
		}
	}
	doc.LoadBalancers = resources.balancers(byID)
	disks := resources.disks()
	for _, i := range online {
		described := describe(i, stack)
		described.Volumes = list(disks[i.ID])
		for _, id := range i.LayerIDs {
			if short, ok := byID[id]; ok {
				doc.Layers[short].Instances[i.Hostname] = described
			}
		}
	}
	for _, a := range apps {
		doc.Applications = append(doc.Applications, applicationDoc{a.Name, a.Shortname, RecipeType(a.Type), a.Domains})
	}
	return json.Marshal(stateDoc{Opsworks: doc, SSHUsers: sshUsers(resources.Users), cookbookDoc: forCookbooks(layers, online)})
}

// OwnInstance is the document about an instance that is not among the online
// ones of the state, as while it is set up (OpsWorks: opsworks.instance).
func OwnInstance(i models.Instance, stack models.Stack) ([]byte, error) {
	return json.Marshal(describe(i, stack))
}

func describe(i models.Instance, stack models.Stack) instanceDoc {
	public := i.PublicIP
	if public == "" {
		public = i.PrivateIP
	}
	return instanceDoc{
		ID: string(i.ID), AwsInstanceID: orNull(i.Ec2InstanceID), Status: string(i.Status), InstanceType: i.InstanceType, IP: public, PrivateIP: i.PrivateIP,
		PublicDNS: i.PublicDNS, PrivateDNS: i.PrivateDNS, ElasticIP: i.ElasticIP, Region: stack.Region,
		AvailabilityZone: i.AvailabilityZone, CreatedAt: Timestamp(i.CreatedAt), BootedAt: Timestamp(i.StatusSince), Backends: backends,
	}
}

// packagesOf are the packages that the layer's instances install: none in Chef
// 12 stacks (OpsWorks: "Chef 12 Linux").
func packagesOf(stack models.Stack, l models.Layer) []string {
	if stack.ConfigurationManager.IsChef12() {
		return []string{}
	}
	return list(l.Packages)
}

func publicAttributes(l models.Layer) map[string]string {
	public := map[string]string{}
	for k, v := range l.Attributes {
		if !slices.Contains(models.SecretAttributes, k) {
			public[k] = v
		}
	}
	return public
}

// OwnAttributes is the document with what only the instances of the given
// layers may know, nil when there is nothing. Names and values for masking
// are in SecretsOf.
func OwnAttributes(layers []models.Layer) map[string]any {
	own := map[string]any{}
	for _, l := range layers {
		secret := map[string]any{}
		for k, v := range l.Attributes {
			if slices.Contains(models.SecretAttributes, k) && v != "" {
				secret[k] = v
			}
		}
		if len(secret) > 0 {
			own[l.Shortname] = map[string]any{"attributes": secret}
		}
	}
	if len(own) == 0 {
		return nil
	}
	return map[string]any{"opsworks": map[string]any{"layers": own}}
}

// Activity is the document about the command itself: which one it is, and
// which layers the instance that runs it belongs to.
func Activity(command models.CommandName, layers []models.Layer) map[string]any {
	short := make([]string, len(layers))
	for n, l := range layers {
		short[n] = l.Shortname
	}
	return map[string]any{"opsworks": map[string]any{"activity": command, "instance": map[string]any{"layers": short}}}
}

// RecipeType is the app type as recipes spell it: static apps are "web"
// (OpsWorks: "deploy Attributes").
func RecipeType(t models.AppType) string {
	if t == models.AppStatic {
		return "web"
	}
	return string(t)
}

// orNull is how the documents say that something is not known.
func orNull[T comparable](v T) any {
	var none T
	if v == none {
		return nil
	}
	return v
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// SecretsOf names the values that must not appear in a command's output.
func SecretsOf(layers []models.Layer, apps []models.App, cookbooks models.Source) map[string]string {
	secrets := map[string]string{}
	add := func(name, value string) {
		if strings.TrimSpace(value) != "" {
			secrets[name] = value
		}
	}
	for _, l := range layers {
		for _, key := range models.SecretAttributes {
			add(l.Shortname+" "+key, l.Attributes[key])
		}
	}
	for _, a := range apps {
		add(a.Shortname+" source password", a.AppSource.Password)
		add(a.Shortname+" source SSH key", a.AppSource.SSHKey)
		add(a.Shortname+" TLS key", a.SslConfiguration.PrivateKey)
		for _, v := range a.Environment {
			if v.Secure {
				add(a.Shortname+" "+v.Key, v.Value)
			}
		}
	}
	add("cookbooks password", cookbooks.Password)
	add("cookbooks SSH key", cookbooks.SSHKey)
	return secrets
}
