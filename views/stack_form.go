package views

import (
	"regexp"
	"slices"
	"strings"

	"opsyard/models"
	"opsyard/views/ui"
)

// StackForm is what the forms of new and of existing stacks have in common.
type StackForm struct {
	Form      Form
	New       bool // what is fixed at creation can still be chosen
	Providers []string
	Systems   []string // operating systems that are offered; others may be typed
	Agents    []string // agent versions that are offered
	Themes    []ThemeChoice
}

// ThemeChoice is a hostname theme with names it would give.
type ThemeChoice struct {
	Theme   models.HostnameTheme
	Samples []string
}

// StackNewPage is the form for a new stack.
type StackNewPage struct {
	Page  Page
	Stack StackForm
}

// StackSettings is the page of a stack's attributes.
type StackSettings struct {
	Frame    StackFrame
	Stack    StackForm
	Provider string
	Region   string
	VpcID    string
}

// managerChoice is what can run a stack's recipes.
type managerChoice struct{ Value, Text string }

var managers = []managerChoice{
	{"Shell", "A recipe is a bash script in a cookbook. Built-in layers; nothing to install."},
	{"Chef 12", "Linux. Custom and ECS cluster layers only."},
	{"Chef 11.10", "Linux. Built-in layers, Berkshelf."},
	{"Chef 11.4", "Linux. Built-in layers, chef-solo."},
	{"Chef 12.2", "Windows. Custom layers only."},
	{"Puppet", "A recipe is a class of a module."},
	{"Ansible", "A recipe is a role or a playbook."},
}

// managers are the choices; what the stack has now is always among them.
func (p StackForm) managers() []managerChoice {
	now := p.Form.Value("ConfigurationManager")
	if now == "" || slices.ContainsFunc(managers, func(c managerChoice) bool { return c.Value == now }) {
		return managers
	}
	return append([]managerChoice{{now, "As the stack has it now."}}, managers...)
}

// themes are the options of the hostname theme, each with names it gives.
func (p StackForm) themes() []ui.Option {
	var options []ui.Option
	for _, t := range p.Themes {
		label := strings.ReplaceAll(string(t.Theme), "_", " ") + ": " + strings.Join(t.Samples, ", ")
		options = append(options, ui.Option{Value: string(t.Theme), Label: label, Selected: string(t.Theme) == p.Form.Value("HostnameTheme")})
	}
	return options
}

func (p StackForm) rootDevices() []ui.Option {
	return []ui.Option{
		{Value: models.RootDeviceEBS, Label: "ebs: the disk outlives a stop", Selected: p.Form.Value("DefaultRootDeviceType") == models.RootDeviceEBS},
		{Value: models.RootDeviceInstanceStore, Label: "instance-store: a stop loses the disk", Selected: p.Form.Value("DefaultRootDeviceType") == models.RootDeviceInstanceStore},
	}
}

// stackColour is one of the colours that the console of OpsWorks offered.
type stackColour struct{ Value, Name string }

var stackColours = []stackColour{
	{"", "None"}, {"rgb(45, 114, 184)", "Blue"}, {"rgb(38, 146, 168)", "Teal"}, {"rgb(57, 131, 94)", "Green"}, {"rgb(100, 131, 57)", "Olive"},
	{"rgb(184, 133, 46)", "Ochre"}, {"rgb(209, 105, 41)", "Orange"}, {"rgb(186, 65, 50)", "Red"}, {"rgb(146, 89, 164)", "Violet"}, {"rgb(101, 112, 128)", "Grey"},
}

// colours are the choices; a colour that an API client set is among them.
func (p StackForm) colours() []stackColour {
	now := p.Form.Value("Color")
	if slices.ContainsFunc(stackColours, func(c stackColour) bool { return c.Value == now }) {
		return stackColours
	}
	return append(slices.Clip(stackColours), stackColour{now, now})
}

var rgb = regexp.MustCompile(`\A(rgb\( *\d{1,3} *, *\d{1,3} *, *\d{1,3} *\)|#[0-9a-fA-F]{3,8})\z`)

// Paint is a stack's colour, if it is one that can be drawn.
func Paint(attributes map[string]string) string {
	if c := attributes["Color"]; rgb.MatchString(c) {
		return c
	}
	return ""
}

// field is an input that may offer a list of values to choose from.
func (p StackForm) listed(name, label, hint, list string) ui.FieldProps {
	f := p.Form.input(name, label, hint)
	f.Attrs = map[string]any{"list": list, "autocapitalize": "none", "spellcheck": "false"}
	return f
}

func (p StackForm) name() ui.FieldProps {
	f := required(p.Form.input("Name", "Name", "Up to 64 characters, for example shop-prod. Renaming changes nothing on instances."))
	f.Attrs = map[string]any{"maxlength": "64"}
	f.Autofocus = p.New
	return f
}

// chefOnly tells whether the Berkshelf fields need to be seen.
func (p StackForm) chefOnly() bool {
	return p.Form.wrong("ChefConfiguration", "BerkshelfVersion", "ManageBerkshelf") || p.Form.On("ManageBerkshelf")
}

// The summaries of folded groups say what is set inside.

func (p StackForm) networkNow() string {
	parts := []string{or(p.Form.Value("Region"), "default region"), or(p.Form.Value("VpcId"), "no VPC")}
	if p.Form.On("UseOpsworksSecurityGroups") {
		parts = append(parts, "built-in security groups")
	} else {
		parts = append(parts, "own security groups only")
	}
	return strings.Join(parts, ", ")
}

func (p StackForm) advancedNow() string {
	parts := []string{"agent " + or(p.Form.Value("AgentVersion"), "LATEST")}
	if p.Form.Value("ServiceRoleArn") != "" {
		parts = append(parts, "a service role")
	}
	if p.Form.Value("DefaultInstanceProfileArn") != "" {
		parts = append(parts, "an instance profile")
	}
	return strings.Join(parts, ", ")
}
