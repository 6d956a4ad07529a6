package views

import (
	"opsyard/models"
	"opsyard/views/ui"
)

// LayerNew is the page that makes a layer: first its type, then its form.
type LayerNew struct {
	Frame       StackFrame
	Types       []LayerChoice
	Chosen      *LayerChoice // nil: the type is to be chosen
	Form        Form
	Manager     models.ConfigurationManager
	NeedsGroups bool // each layer needs a security group of its own
}

// LayerChoice is a type that can be chosen, or the reason why not.
type LayerChoice struct {
	Type    models.LayerType
	BuiltIn bool   // this version has recipes for it
	Reason  string // why it cannot be chosen
}

func (c LayerChoice) recipes() string {
	switch {
	case c.Type == models.LayerCustom:
		return "Your recipes only"
	case c.BuiltIn:
		return "Built-in recipes"
	}
	return "No built-in recipes in this version: runs yours"
}

func (p LayerNew) title() HeadProps {
	if p.Chosen == nil {
		return HeadProps{Title: "New layer", Bold: "A layer is a role.", Rest: p.rule()}
	}
	h := HeadProps{Title: "New layer", Bold: LayerKind(p.Chosen.Type) + ".", Rest: LayerPurpose(p.Chosen.Type)}
	if !p.Chosen.BuiltIn && p.Chosen.Type != models.LayerCustom {
		h.Rest += " This version has no built-in recipes for it: the layer runs the custom recipes that you give it."
	}
	return h
}

// rule says what the stack's configuration manager allows.
func (p LayerNew) rule() string {
	switch {
	case p.Manager.IsChef12() && p.Manager.Version == models.Chef12:
		return "This stack runs Chef 12, which has no built-in layers: its layers are custom ones, and one ECS cluster."
	case p.Manager.IsChef12():
		return "This stack runs " + p.Manager.String() + ", which has no built-in layers: its layers are custom ones."
	}
	return "Choose what its instances are; this stack runs " + p.Manager.String() + "."
}

func (p LayerNew) name() ui.FieldProps {
	f := p.Form.input("Name", "Name", "Shown to people, at most 32 characters.")
	if p.Chosen.Type == models.LayerCustom {
		f.Required = true
	} else {
		f.Placeholder, f.Hint = LayerKind(p.Chosen.Type), "Left empty, it is called as its type is."
	}
	f.Attrs = map[string]any{"maxlength": "32"}
	f.Autofocus = true
	return f
}

func (p LayerNew) shortname() ui.FieldProps {
	f := required(p.Form.input("Shortname", "Short name", "Recipes and hostnames use it: a-z, 0-9, -, _ and dot."))
	f.Attrs = map[string]any{"maxlength": "32", "autocapitalize": "none", "spellcheck": "false"}
	return f
}

// layerGroups are the types as the page groups them.
var layerGroups = []struct {
	Name  string
	Types []models.LayerType
}{
	{"Traffic", []models.LayerType{models.LayerLB}},
	{"App servers", []models.LayerType{
		models.LayerWeb, models.LayerPHPApp, models.LayerRailsApp, models.LayerNodejsApp, models.LayerJavaApp, models.LayerAWSFlowRuby}},
	{"Data and more", []models.LayerType{models.LayerDBMaster, models.LayerMemcached, models.LayerMonitoring, models.LayerECSCluster}},
	{"Your own", []models.LayerType{models.LayerCustom}},
}

func (p LayerNew) choice(t models.LayerType) LayerChoice {
	for _, c := range p.Types {
		if c.Type == t {
			return c
		}
	}
	return LayerChoice{Type: t}
}
