package views

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// Kinds of resources, as the addresses of their lists name them.
const (
	TabElasticIPs    = "elastic-ips"
	TabVolumes       = "volumes"
	TabRaidArrays    = "raid-arrays"
	TabRds           = "rds"
	TabLoadBalancers = "load-balancers"
	TabEcsClusters   = "ecs-clusters"
)

// ResourceTab is one kind of resources and how many the stack has.
type ResourceTab struct {
	Key, Label string
	N          int
}

// ResourcesPage lists one kind of a stack's resources; beside it stands the
// form that registers one, or the one that is being looked at.
type ResourcesPage struct {
	Frame StackFrame
	Now   time.Time
	Tab   string
	Tabs  []ResourceTab
	Pager Pager
	Form  Form
	// Chosen is the key of the resource that is being looked at; "" registers.
	Chosen string

	ElasticIPs []ElasticIPRow
	Volumes    []VolumeRow
	RaidArrays []RaidArrayRow
	Databases  []DatabaseRow
	Balancers  []BalancerRow
	Clusters   []models.EcsCluster

	Address  *ElasticIPRow // the chosen one of its kind
	Volume   *VolumeRow
	Database *DatabaseRow
	Balancer *BalancerRow
	Cluster  *models.EcsCluster

	Layers    []models.Layer // that a load balancer can be attached to
	Hostnames []string       // to choose from; others may be typed
}

// ElasticIPRow is an address and who has it.
type ElasticIPRow struct {
	models.ElasticIP
	Hostname string
}

// VolumeRow is a volume and who has it.
type VolumeRow struct {
	models.Volume
	Hostname string
}

// RaidArrayRow is an array and who has it.
type RaidArrayRow struct {
	models.RaidArray
	Hostname string
}

// DatabaseRow is a database and the apps that use it. Its password stays with
// the server.
type DatabaseRow struct {
	models.RdsDbInstance
	Apps []string
}

// BalancerRow is a load balancer and its layer.
type BalancerRow struct {
	models.ElasticLoadBalancer
	Layer string
}

// ResourcesHref is the list of one kind of a stack's resources.
func ResourcesHref(stack models.StackID, tab string) string {
	return StackHref(stack) + "/resources?tab=" + tab
}

func (p ResourcesPage) href(tab string) string { return ResourcesHref(p.Frame.ID, tab) }

// chosenHref leads to one of the list, whose form stands beside it.
func (p ResourcesPage) chosenHref(key string) string {
	q := url.Values{"tab": {p.Tab}, "edit": {key}}
	if p.Pager.Offset > 0 {
		q.Set("offset", strconv.Itoa(p.Pager.Offset))
	}
	return StackHref(p.Frame.ID) + "/resources?" + q.Encode() + "#chosen"
}

// do is the address of a deed on this kind of resource.
func (p ResourcesPage) do(deed string) string {
	return StackHref(p.Frame.ID) + "/resources/" + p.Tab + "/" + deed
}

func (p ResourcesPage) count() int {
	for _, t := range p.Tabs {
		if t.Key == p.Tab {
			return t.N
		}
	}
	return 0
}

// Sentence says what the stack has, and what of it needs somebody.
func (p ResourcesPage) Sentence() Sentence {
	total := 0
	for _, t := range p.Tabs {
		total += t.N
	}
	s := Sentence{Lead: "No resource is registered."}
	if total > 0 {
		s.Lead = Count(total, "resource") + " registered with this stack."
		if total == 1 {
			s.Lead = "1 resource is registered with this stack."
		}
	}
	missing := 0
	for _, d := range p.Databases {
		if d.MissingOnRds() {
			missing++
		}
	}
	if missing > 0 {
		s.Rest = append(s.Rest, Phrase{Text: Count(missing, "database") + " of this list " + isAre(missing) + " without an address: apps cannot reach " + itThem(missing) + " until you write it down."})
		return s
	}
	s.Rest = append(s.Rest, Phrase{Text: "They stay where they are when the stack goes: here is only who uses them."})
	return s
}

func itThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// input is a field of the form beside the list; what was typed stands, else
// what is stored.
func (p ResourcesPage) input(name, label, hint, stored string) ui.FieldProps {
	f := p.Form.input(name, label, hint)
	if _, typed := p.Form.Values[name]; !typed {
		f.Value = stored
	}
	f.Attrs = map[string]any{"autocapitalize": "none", "spellcheck": "false"}
	return f
}

// host is the field that names an instance.
func (p ResourcesPage) host(label, hint, stored string) ui.FieldProps {
	f := p.input("Instance", label, hint, stored)
	f.Autocomplete, f.Required = "off", true
	if len(p.Hostnames) > 0 {
		f.Attrs["list"] = "hostnames"
	}
	return f
}

// password is written and never read.
func (p ResourcesPage) password(label, hint string) ui.FieldProps {
	f := secret(p.Form.input("DbPassword", label, hint))
	f.Value = ""
	return f
}

func (p ResourcesPage) layerOptions(chosen models.LayerID) []ui.Option {
	var out []ui.Option
	for _, l := range p.Layers {
		out = append(out, ui.Option{Value: string(l.ID), Label: l.Name, Selected: l.ID == chosen || p.Form.Value("LayerId") == string(l.ID)})
	}
	return out
}

func gib(n int) string {
	if n == 0 {
		return "–"
	}
	return Thousands(n) + " GiB"
}

func port(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func words(list []string) string { return strings.Join(list, ", ") }

// where is the address of a database with its port.
func (d DatabaseRow) where() string {
	if n := d.PortOrDefault(); d.Address != "" && n != 0 {
		return d.Address + ":" + strconv.Itoa(n)
	}
	return d.Address
}

func useUses(n int) string {
	if n == 1 {
		return "uses"
	}
	return "use"
}

func volumeKind(v models.Volume) string {
	kind := v.VolumeType
	if kind == "" {
		kind = "standard"
	}
	if v.Iops != nil {
		kind += ", " + Thousands(*v.Iops) + " IOPS"
	}
	if v.Encrypted {
		kind += ", encrypted"
	}
	return kind
}

// current marks the row whose form stands beside the list.
func current(is bool) templ.Attributes {
	if is {
		return templ.Attributes{"aria-current": "true"}
	}
	return nil
}
