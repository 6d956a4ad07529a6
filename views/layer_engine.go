package views

import (
	"opsyard/models"
	"opsyard/views/ui"
)

var engineNames = map[string]string{
	"":                      "My recipes only",
	models.EngineMysql:      "MySQL (MariaDB)",
	models.EnginePostgresql: "PostgreSQL",
	models.EngineMemcached:  "Memcached",
	models.EngineRedis:      "Redis",
	models.EngineProgram:    "Each app's own program, as a service",
}

// EngineName is what serves a layer whose type leaves a choice; empty for others.
func EngineName(l models.Layer) string {
	if len(l.Type.Engines()) == 0 || l.RunsOn() == "" {
		return ""
	}
	return engineNames[l.RunsOn()]
}

// layerLead is what a layer is, in a word or two.
func layerLead(l models.Layer) string {
	if l.RunsOn() != "" && len(l.Type.Engines()) > 0 && l.RunsOn() != l.Type.Engines()[0] {
		return LayerKind(l.Type) + ": " + EngineName(l)
	}
	return LayerKind(l.Type)
}

func engineInput(f Form, fixed bool) ui.FieldProps {
	field := f.input("Engine", "Engine", "Can be changed while the layer has no instances.")
	if fixed {
		field.Hint = "Is fixed while the layer has instances."
		field.Attrs = map[string]any{"disabled": true}
	}
	return field
}

func engineOptions(t models.LayerType, chosen string) []ui.Option {
	l := models.Layer{Type: t, Engine: chosen}
	var options []ui.Option
	for _, e := range t.Engines() {
		options = append(options, ui.Option{Value: e, Label: engineNames[e], Selected: e == l.RunsOn()})
	}
	return options
}
