package views

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"opsyard/models"
	"opsyard/views/ui"
)

// LayerTab is one of the pages of a layer.
type LayerTab struct {
	Key, Label string
	Manage     bool // shows what only who may manage the stack sees
}

// LayerTabs are the pages of a layer, in the order that the console of
// OpsWorks had them; the first is shown without ?tab=.
var LayerTabs = []LayerTab{
	{"recipes", "Recipes", false}, {"instances", "Instances", false}, {"settings", "General", false}, {"json", "Custom JSON", true},
	{"network", "Network", false}, {"volumes", "Volumes", false}, {"security", "Security", false}, {"logs", "Logs", false},
	{"scaling", "Scaling", false}, {"tags", "Tags", false},
}

func (p LayerShow) tabs() []ui.TabProps {
	counts := map[string]int{
		"instances": p.Counts.Total(), "volumes": len(p.Layer.VolumeConfigurations),
		"logs": len(p.Layer.CloudWatchLogsConfiguration.LogStreams), "tags": len(p.Layer.Tags),
	}
	var tabs []ui.TabProps
	for n, t := range LayerTabs {
		if t.Manage && !p.Frame.CanManage {
			continue
		}
		tab := ui.TabProps{Href: templ.SafeURL(p.href("?tab=" + t.Key)), Label: t.Label, Current: p.Tab == t.Key}
		if n == 0 {
			tab.Href = templ.SafeURL(p.href(""))
		}
		if count := counts[t.Key]; count > 0 || t.Key == "instances" {
			tab.Count = Thousands(count)
		}
		tabs = append(tabs, tab)
		if t.Key == "instances" {
			tabs = append(tabs, ui.TabProps{Href: templ.SafeURL(p.href("/monitoring")), Label: "Monitoring", Current: p.Tab == "monitoring"})
		}
	}
	return tabs
}

// partNote explains the tab's part in a sentence or two: when its settings take
// effect, and which of them only API clients see.
func (p LayerShow) partNote() string {
	switch p.Tab {
	case "settings":
		return "Saved at once. Instances see it at their next event or start."
	case "json":
		return "Goes to every event of this layer's instances. It wins over the stack's, key by key."
	case "network":
		return "Addresses are given when an instance starts; those that run keep what they have."
	case "volumes":
		return "Each instance of the layer gets these volumes when it is started. Instances that have their volumes keep them."
	case "security":
		return "Recorded for API clients. The providers of this server have no cloud firewall and assume no role."
	case "logs":
		return "Which files an agent would send to a log service. This version keeps the list and sends nothing; the output of every command is under Deployments."
	case "tags":
		return "A layer has its own tags and those of its stack. Its own value wins; a tag of the stack is taken away at the stack."
	}
	return ""
}

// partName is the label of the tab.
func (p LayerShow) partName() string {
	for _, t := range LayerTabs {
		if t.Key == p.Tab {
			return t.Label
		}
	}
	return ""
}

// RAID levels that a volume can have; none is one disk, or several as they are.
func raidLevels(now string) []ui.Option {
	return choices(now, "", "none", "0", "RAID 0", "1", "RAID 1", "5", "RAID 5", "10", "RAID 10")
}

func volumeTypes(now string) []ui.Option {
	return choices(or(now, "standard"), "standard", "standard", "gp2", "gp2, SSD", "io1", "io1, SSD", "st1", "st1, HDD", "sc1", "sc1, HDD")
}

func yesNo(now string) []ui.Option { return choices(now, "", "no", "yes", "yes") }

func timeZones(now string) []ui.Option {
	return choices(now, "", "not given", "LOCAL", "LOCAL", "UTC", "UTC")
}

func positions(now string) []ui.Option {
	return choices(now, "", "start of file", "start_of_file", "start_of_file", "end_of_file", "end_of_file")
}

// choices makes options of pairs of value and label. What is stored and not
// among them is offered too: a form must not lose it.
func choices(now string, pairs ...string) []ui.Option {
	var options []ui.Option
	known := false
	for n := 0; n+1 < len(pairs); n += 2 {
		options = append(options, ui.Option{Value: pairs[n], Label: pairs[n+1], Selected: pairs[n] == now})
		known = known || pairs[n] == now
	}
	if !known {
		options = append(options, ui.Option{Value: now, Label: now, Selected: true})
	}
	return options
}

// VolumeFields and StreamFields are the fields of one row in the forms of
// volumes and of log streams. Each stands in the form once a row, so the n-th
// values of all belong together.
var (
	VolumeFields = []string{"MountPoint", "Size", "NumberOfDisks", "RaidLevel", "VolumeType", "Iops", "Encrypted"}
	StreamFields = []string{"File", "LogGroupName", "DatetimeFormat", "TimeZone", "InitialPosition", "Encoding",
		"FileFingerprintLines", "MultiLineStartPattern", "BufferDuration", "BatchCount", "BatchSize"}
)

// row is one row of a form of rows.
type row struct {
	form Form
	n    int
}

// rowsOf are the rows of a form, counted by its first field.
func rowsOf(f Form, first string) []row {
	list := make([]row, len(f.Values[first]))
	for n := range list {
		list[n] = row{f, n}
	}
	return list
}

func (r row) value(name string) string {
	if list := r.form.Values[name]; r.n < len(list) {
		return list[r.n]
	}
	return ""
}

// input is a field of the row; its id has the row's number, its name has not.
func (r row) input(name, label, hint string) ui.FieldProps {
	return ui.FieldProps{Name: name, ID: name + "-" + strconv.Itoa(r.n), Label: label, Hint: hint, Value: r.value(name)}
}

func (r row) number(name, label, hint string) ui.FieldProps {
	f := r.input(name, label, hint)
	f.Attrs = map[string]any{"inputmode": "numeric"}
	return f
}

// fresh tells whether the row was just added: its first field takes the focus.
func (r row) fresh(name string) bool {
	return r.form.Value("fresh") != "" && r.n == len(r.form.Values[name])-1
}

func (r row) title(noun, name string) string {
	return or(r.value(name), fmt.Sprintf("%s %d", noun, r.n+1))
}

func (r row) remove() string { return "remove " + strconv.Itoa(r.n) }

// more tells whether the row has a value in one of the fields that are folded.
func (r row) more(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return r.value(name) != "" })
}

// VolumesForm is a layer's volumes as a form.
func VolumesForm(list []models.VolumeConfiguration) url.Values {
	v := url.Values{}
	for _, c := range list {
		for n, value := range []string{
			c.MountPoint, number0(c.Size), number0(c.NumberOfDisks), pointed(c.RaidLevel), or(c.VolumeType, "standard"), pointed(c.Iops),
			map[bool]string{true: "yes"}[c.Encrypted != nil && *c.Encrypted],
		} {
			v.Add(VolumeFields[n], value)
		}
	}
	return v
}

// StreamsForm is a layer's log streams as a form.
func StreamsForm(c models.CloudWatchLogsConfiguration) url.Values {
	v := url.Values{}
	if c.Enabled {
		v.Set("Enabled", "on")
	}
	for _, s := range c.LogStreams {
		for n, value := range []string{
			s.File, s.LogGroupName, s.DatetimeFormat, s.TimeZone, s.InitialPosition, s.Encoding, s.FileFingerprintLines, s.MultiLineStartPattern,
			number0(s.BufferDuration), number0(s.BatchCount), number0(s.BatchSize),
		} {
			v.Add(StreamFields[n], value)
		}
	}
	return v
}

func number0(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func pointed(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// partFacts are a part for those who may only look.
func (p LayerShow) partFacts() []Fact {
	l := p.Layer
	switch p.Tab {
	case "settings":
		return append(LayerFacts(l), facts(
			Fact{Name: "Wait for draining", Value: onOff(l.Shutdown.DelayUntilElbConnectionsDrained)},
			Fact{Name: "Updates on boot", Value: onOff(l.InstallUpdatesOnBoot)},
			Fact{Name: "EBS-optimized", Value: onOff(l.UseEbsOptimizedInstances)},
		)...)
	case "network":
		return facts(Fact{Name: "Public addresses", Value: onOff(l.AutoAssignPublicIPs)}, Fact{Name: "Elastic addresses", Value: onOff(l.AutoAssignElasticIPs)})
	case "security":
		return facts(
			Fact{Name: "Built-in groups", Value: or(strings.Join(l.DefaultSecurityGroupNames, ", "), "none")},
			Fact{Name: "Own groups", Value: or(strings.Join(l.CustomSecurityGroupIDs, ", "), "none"), Code: true},
			Fact{Name: "Instance profile", Value: or(l.CustomInstanceProfileArn, "the stack's"), Code: l.CustomInstanceProfileArn != ""},
		)
	case "volumes":
		var list []Fact
		for _, v := range l.VolumeConfigurations {
			list = append(list, Fact{Name: v.MountPoint, Value: volumeText(v)})
		}
		return list
	case "logs":
		list := []Fact{{Name: "Log streams", Value: onOff(l.CloudWatchLogsConfiguration.Enabled)}}
		for _, s := range l.CloudWatchLogsConfiguration.LogStreams {
			list = append(list, Fact{Name: s.File, Value: s.LogGroupName, Code: true})
		}
		return list
	case "tags":
		return tagFacts(p.Tags)
	}
	return nil
}

// volumeText is a volume in words.
func volumeText(v models.VolumeConfiguration) string {
	text := fmt.Sprintf("%d GiB, %s, %s", v.Size, Count(v.NumberOfDisks, "disk"), or(v.VolumeType, "standard"))
	if v.RaidLevel != nil {
		text += fmt.Sprintf(", RAID %d", *v.RaidLevel)
	}
	if v.Iops != nil {
		text += fmt.Sprintf(", %d IOPS", *v.Iops)
	}
	if v.Encrypted != nil && *v.Encrypted {
		text += ", encrypted"
	}
	return text
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
