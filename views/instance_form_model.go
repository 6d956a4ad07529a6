package views

import (
	"strconv"

	"opsyard/models"
	"opsyard/views/ui"
)

// InstanceForm is the page that makes or changes an instance.
type InstanceForm struct {
	Frame     StackFrame
	Instance  *models.Instance // nil for a new one
	Layers    []models.Layer
	Form      Form
	Sizes     []string
	Systems   []string // operating systems to choose from; others may be typed
	Suggested string
	Disks     []DiskRow // of a new one
}

// DiskRow is one block device in the form.
type DiskRow struct {
	Device, Virtual, Snapshot, Size, Type, Iops string
	None, Keep                                  bool // hide the device; keep the volume when the instance is deleted
}

// FormHref is where the form goes.
func (p InstanceForm) FormHref() string {
	if p.Instance != nil {
		return InstanceHref(p.Instance.ID) + "/edit"
	}
	return p.Frame.Href("/instances")
}

func (p InstanceForm) hostname() ui.FieldProps {
	f := p.Form.input("Hostname", "Hostname", "Letters, digits and hyphens.")
	if p.Instance == nil {
		f.Placeholder = p.Suggested
		f.Hint = "Left empty, the stack's theme chooses one."
	}
	f.Attrs = map[string]any{"maxlength": "63", "autocapitalize": "none", "spellcheck": "false"}
	return f
}

func (p InstanceForm) size() ui.FieldProps {
	f := p.Form.input("InstanceType", "Size", "What the provider offers, or an EC2 name such as c5.large.")
	if len(p.Sizes) > 0 {
		f.Attrs = map[string]any{"list": "sizes"}
	}
	return f
}

func (p InstanceForm) system() ui.FieldProps {
	f := p.Form.input("Os", "Operating system", "Empty means the stack's default. Custom goes with an AMI.")
	if len(p.Systems) > 0 {
		f.Attrs = map[string]any{"list": "systems"}
	}
	return f
}

// kindOptions explain the types of scaling.
func (p InstanceForm) kindOptions() []kindOption {
	chosen := p.Form.Value("AutoScalingType")
	all := []kindOption{
		{models.ScalingNone, "24/7", "People start and stop it.", false},
		{models.ScalingTimer, "Time-based", "Has a weekly schedule of hours, which you set once it is added.", false},
		{models.ScalingLoad, "Load-based", "Waits until the load of its layer asks for it. Linux only.", false},
	}
	for n := range all {
		all[n].Chosen = all[n].Value == chosen
	}
	return all
}

type kindOption struct {
	Value, Label, What string
	Chosen             bool
}

// choose is a select of plain values, with the empty one named.
func choose(f Form, name, label, hint, empty string, values ...string) (ui.FieldProps, []ui.Option) {
	p := f.input(name, label, hint)
	p.Value = ""
	options := ui.Options(values, f.Value(name))
	if empty != "" {
		options = append([]ui.Option{{Label: empty, Selected: f.Value(name) == ""}}, options...)
	}
	return p, options
}

// moreIsWrong opens the further options when the error is among them, or when
// the form came back for more rows.
func (p InstanceForm) moreIsWrong() bool {
	switch p.Form.Field {
	case "":
		return p.Form.Value("do") == "more"
	case "LayerIds", "Hostname", "InstanceType", "AutoScalingType":
		return false
	}
	return true
}

func (p InstanceForm) back() string {
	if p.Instance != nil {
		return InstanceHref(p.Instance.ID)
	}
	return p.Frame.Href("/instances")
}

func diskLabel(what string, n int) string { return what + " of device " + strconv.Itoa(n+1) }
