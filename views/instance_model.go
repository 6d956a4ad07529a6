package views

import (
	"net/url"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// InstanceList is the list of a stack's instances.
type InstanceList struct {
	Frame    StackFrame
	Sentence Sentence
	Now      time.Time
	Layers   []models.Layer
	Rows     []InstanceRow
	Counts   StatusCounts // of the whole stack, for the filter
	Query    url.Values   // state, layer, q, sort, dir: the address is the state
	Pager    Pager
	// Hosts that are registered and in no layer yet: some of them, and how many.
	Unassigned      []models.Instance
	UnassignedTotal int
}

// Sort is the column the list is ordered by.
func (l InstanceList) Sort() string { return l.Query.Get("sort") }

// SortHref is the address that orders by a column; asked again it turns round.
func (l InstanceList) SortHref(column string) string {
	q := url.Values{}
	for k, v := range l.Query {
		q[k] = v
	}
	q.Del("dir")
	if l.Sort() == column && l.Query.Get("dir") != "desc" {
		q.Set("dir", "desc")
	}
	return withQuery(l.Pager.Path, q, "sort", column)
}

// AriaSort is the aria-sort value of a column.
func (l InstanceList) AriaSort(column string) string {
	if l.Sort() != column && !(column == "hostname" && l.Sort() == "") {
		return "none"
	}
	if l.Query.Get("dir") == "desc" {
		return "descending"
	}
	return "ascending"
}

// Filtered tells whether the list hides something.
func (l InstanceList) Filtered() bool {
	return l.Query.Get("state") != "" || l.Query.Get("layer") != "" || l.Query.Get("q") != ""
}

// InstanceRow is one instance in a list.
type InstanceRow struct {
	Instance models.Instance
	Layers   []models.Layer
}

// Kind is how the instance is started and stopped.
func Kind(i models.Instance) string {
	switch {
	case i.Registered():
		return "registered"
	case i.AutoScalingType == models.ScalingTimer:
		return "time-based"
	case i.AutoScalingType == models.ScalingLoad:
		return "load-based"
	}
	return "24/7"
}

// Address is the address people reach the instance at.
func Address(i models.Instance) string {
	for _, a := range []string{i.ElasticIP, i.PublicIP, i.PrivateIP} {
		if a != "" {
			return a
		}
	}
	return ""
}

// InstanceShow is the page of one instance.
type InstanceShow struct {
	Frame    StackFrame
	Now      time.Time
	Instance models.Instance
	Layers   []models.Layer
	Last     *models.Command
	Cause    string
	Commands []CommandRow // newest first, at most 30 as OpsWorks keeps
	Errors   []models.ServiceError
	Actions  InstanceActions
	Provider string
	// All are the stack's layers, for a host that can be assigned.
	All     []models.Layer
	Volumes []models.Volume
	Wants   Wants
	// Healing is its newest decision about the instance, nil if there is none.
	Healing  *models.Healing
	Accounts models.InstanceAccounts
	// Credential was just granted: it is shown now and never again.
	Credential *models.TemporaryCredential
}

// trouble tells whether the state wants a person, who then reads errors first.
func (p InstanceShow) trouble() bool { return isTrouble(p.Instance.Status) }

// resourcesNote names what is attached to the instance.
func (p InstanceShow) resourcesNote() string {
	var kept []string
	if p.Instance.ElasticIP != "" {
		kept = append(kept, "its elastic IP "+p.Instance.ElasticIP)
	}
	if n := len(p.Volumes); n > 0 {
		kept = append(kept, Count(n, "volume"))
	}
	return strings.Join(kept, " and ")
}

// Sentence is the state sentence of the page.
func (p InstanceShow) Sentence() Sentence {
	return InstanceSentence(p.Instance, p.Last, p.Cause, p.Now)
}

// InstanceActions are the actions that make sense in the instance's state,
// with what stopping it would leave behind.
type InstanceActions struct {
	Start, Stop, ForceStop, Reboot, Delete, Edit bool
	// Of registered hosts.
	Assign, Unassign, Deregister bool
	// Access is of Windows instances: a password for some time.
	Access bool
	// Impact has one sentence per layer: "web: 3 of 4 instances stay online."
	Impact []string
}

// ActionsFor asks the instance's own rules what is possible.
func ActionsFor(i models.Instance) InstanceActions {
	return InstanceActions{
		Start:      i.CanStart() == nil && i.ByHand() == nil,
		Stop:       i.CanStop(false) == nil && i.ByHand() == nil,
		ForceStop:  i.CanStop(true) == nil,
		Reboot:     i.CanReboot() == nil,
		Delete:     i.CanDelete() == nil && !i.Registered(),
		Edit:       i.CanUpdate() == nil,
		Assign:     i.CanAssign() == nil,
		Unassign:   i.CanUnassign() == nil,
		Deregister: i.CanDeregister() == nil,
	}
}

// StopImpact says what keeps working when one instance of a layer leaves.
func StopImpact(layer models.Layer, counts StatusCounts, status models.InstanceStatus) string {
	left, total := counts[models.InstanceOnline], counts.Total()
	if status == models.InstanceOnline {
		left--
	}
	switch {
	case left <= 0 && status == models.InstanceOnline:
		return layer.Shortname + ": no instance stays online; nothing of this layer keeps working."
	case left <= 0:
		return layer.Shortname + ": no instance is online either way."
	case left == 1:
		return layer.Shortname + ": 1 of " + Count(total, "instance") + " stays online and keeps working."
	default:
		return layer.Shortname + ": " + Thousands(left) + " of " + Count(total, "instance") + " stay online and keep working."
	}
}

// InstanceFacts are the lines beside the page.
func InstanceFacts(i models.Instance, provider string, now time.Time) []Fact {
	system := strings.TrimSpace(i.ReportedOs.Name + " " + i.ReportedOs.Version)
	if system == "" {
		system = i.Os
	}
	agent := i.ReportedAgentVersion
	if agent == "" {
		agent = i.AgentVersion
	}
	seen := ""
	if i.AgentSeenAt != nil {
		seen = Age(now.Sub(*i.AgentSeenAt)) + " ago"
	}
	machine := i.Ec2InstanceID
	if machine == string(i.ID) { // most providers name it like the instance
		machine = ""
	}
	var console Fact
	if i.Ec2InstanceID != "" && provider != "sim" {
		console = Fact{Name: "Console", Value: "boot output", Href: "/instances/" + string(i.ID) + "/console"}
	}
	disk := "lost at a stop"
	switch {
	case i.Registered(): // its machine is not ours
		disk, provider = "", ""
	case i.KeepsDisk():
		disk = "kept over a stop"
	}
	return facts(
		Fact{Name: "Instance id", Value: string(i.ID), Code: true},
		Fact{Name: "Machine", Value: machine, Code: true},
		Fact{Name: "Kind", Value: Kind(i)},
		Fact{Name: "Provider", Value: provider},
		Fact{Name: "Registered by", Value: i.RegisteredBy},
		Fact{Name: "Size", Value: i.InstanceType, Code: true},
		Fact{Name: "Private address", Value: i.PrivateIP, Code: true},
		Fact{Name: "Public address", Value: i.PublicIP, Code: true},
		Fact{Name: "Elastic IP", Value: i.ElasticIP, Code: true, Href: elasticIPHref(i)},
		Fact{Name: "Zone", Value: i.AvailabilityZone},
		Fact{Name: "System", Value: system},
		Fact{Name: "Architecture", Value: i.Architecture},
		Fact{Name: "Disk", Value: disk},
		Fact{Name: "Agent", Value: agent},
		Fact{Name: "Agent heard", Value: seen},
		console,
		Fact{Name: "Created", Value: i.CreatedAt.UTC().Format("2 Jan 2006 15:04") + " UTC"},
	)
}

func elasticIPHref(i models.Instance) string {
	if i.ElasticIP == "" {
		return ""
	}
	return ResourcesHref(i.StackID, TabElasticIPs)
}

// MoreFacts are the lines that one looks up now and then.
func MoreFacts(i models.Instance) []Fact {
	yes := func(on bool, text string) string {
		if on {
			return text
		}
		return ""
	}
	return facts(
		Fact{Name: "ARN", Value: i.Arn, Code: true},
		Fact{Name: "System asked for", Value: i.Os},
		Fact{Name: "Platform", Value: i.Platform},
		Fact{Name: "AMI", Value: i.AmiID, Code: true},
		Fact{Name: "Virtualization", Value: i.VirtualizationType},
		Fact{Name: "Tenancy", Value: i.Tenancy},
		Fact{Name: "Infrastructure", Value: i.InfrastructureClass},
		Fact{Name: "Subnet", Value: i.SubnetID, Code: true},
		Fact{Name: "Security groups", Value: words(i.SecurityGroupIDs), Code: true},
		Fact{Name: "Private DNS", Value: i.PrivateDNS, Code: true},
		Fact{Name: "Public DNS", Value: i.PublicDNS, Code: true},
		Fact{Name: "Root device", Value: i.RootDeviceType},
		Fact{Name: "Root volume", Value: i.RootDeviceVolumeID, Code: true},
		Fact{Name: "Block devices", Value: blockDevices(i.BlockDeviceMappings)},
		Fact{Name: "EBS-optimized", Value: yes(i.EbsOptimized, "yes")},
		Fact{Name: "Updates on boot", Value: yes(i.InstallUpdatesOnBoot, "yes")},
		Fact{Name: "Agent asked for", Value: i.AgentVersion},
		Fact{Name: "SSH key", Value: i.SSHKeyName},
		Fact{Name: "SSH host key, RSA", Value: i.SSHHostRsaKeyFingerprint, Code: true},
		Fact{Name: "SSH host key, DSA", Value: i.SSHHostDsaKeyFingerprint, Code: true},
		Fact{Name: "Instance profile", Value: i.InstanceProfileArn, Code: true},
		Fact{Name: "ECS cluster", Value: i.EcsClusterArn, Code: true},
		Fact{Name: "ECS container instance", Value: i.EcsContainerInstanceArn, Code: true},
		Fact{Name: "Boot id", Value: i.BootID, Code: true},
	)
}

func blockDevices(list []models.BlockDeviceMapping) string {
	names := make([]string, len(list))
	for n, d := range list {
		names[n] = d.DeviceName
		if d.Ebs != nil && d.Ebs.VolumeSize != nil {
			names[n] += " (" + gib(*d.Ebs.VolumeSize) + ")"
		}
	}
	return words(names)
}

func commandsNote(n int) string {
	if n == 0 {
		return ""
	}
	return "newest " + Thousands(n)
}

// StateTrouble is the filter for everything that wants a person.
const StateTrouble = "trouble"

func (l InstanceList) stateOptions() []ui.Option {
	out := []ui.Option{{Value: "", Label: "Any state"}}
	trouble := 0
	var states []ui.Option
	for _, s := range models.InstanceStatuses {
		n := l.Counts[s]
		if isTrouble(s) {
			trouble += n
		}
		if n > 0 || l.Query.Get("state") == string(s) {
			states = append(states, ui.Option{Value: string(s), Label: string(s) + " (" + Thousands(n) + ")"})
		}
	}
	if trouble > 0 || l.Query.Get("state") == StateTrouble {
		out = append(out, ui.Option{Value: StateTrouble, Label: "Needs attention (" + Thousands(trouble) + ")"})
	}
	return append(out, states...)
}

func (l InstanceList) layerOptions() []ui.Option {
	out := []ui.Option{{Value: "", Label: "Any layer"}}
	for _, y := range l.Layers {
		out = append(out, ui.Option{Value: string(y.ID), Label: y.Name})
	}
	return out
}

// TroubleStatuses are the states behind StateTrouble.
func TroubleStatuses() []models.InstanceStatus {
	var out []models.InstanceStatus
	for _, s := range models.InstanceStatuses {
		if isTrouble(s) {
			out = append(out, s)
		}
	}
	return out
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// unassignedNote says what an unassigned host waits for.
func unassignedNote(i models.Instance, now time.Time) string {
	note := "Registered " + Age(now.Sub(i.StatusSince)) + " ago, in no layer."
	if i.Status != models.InstanceRegistered {
		note = "Its agent is expected; " + string(i.Status) + " since " + Age(now.Sub(i.StatusSince)) + "."
	}
	if a := Address(i); a != "" {
		note += " " + a
	}
	return note
}
