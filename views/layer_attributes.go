package views

import (
	"opsyard/models"
	"opsyard/views/ui"
)

// attributeText is what a form says about an attribute.
type attributeText struct{ label, hint string }

var attributeTexts = map[string]attributeText{
	"HaproxyHealthCheckUrl":       {"Health check path", "The balancer asks each instance for it; 2xx and 3xx are healthy."},
	"HaproxyHealthCheckMethod":    {"Health check method", "OPTIONS, GET or HEAD."},
	"EnableHaproxyStats":          {"Statistics page", ""},
	"HaproxyStatsUrl":             {"Statistics path", ""},
	"HaproxyStatsUser":            {"Statistics user", ""},
	"HaproxyStatsPassword":        {"Statistics password", ""},
	"MysqlRootPassword":           {"Root password", ""},
	"MysqlRootPasswordUbiquitous": {"Give the root password to every instance", "Off: only app servers get it."},
	"GangliaUrl":                  {"Path", ""},
	"GangliaUser":                 {"User", ""},
	"GangliaPassword":             {"Password", ""},
	"MemcachedMemory":             {"Memory in MB", ""},
	"NodejsVersion":               {"Node.js version", ""},
	"RubyVersion":                 {"Ruby version", "Of the apps, not of the recipes."},
	"RubygemsVersion":             {"RubyGems version", ""},
	"ManageBundler":               {"Install and manage Bundler", ""},
	"BundlerVersion":              {"Bundler version", ""},
	"RailsStack":                  {"Rails stack", ""},
	"PassengerVersion":            {"Passenger version", "For apache_passenger."},
	"Jvm":                         {"JVM", ""},
	"JvmVersion":                  {"JVM version", ""},
	"JvmOptions":                  {"JVM options", "Given to the JVM as they are."},
	"JavaAppServer":               {"App server", ""},
	"JavaAppServerVersion":        {"App server version", ""},
	models.AttributeECSCluster:    {"Cluster ARN", "A cluster that is registered with the stack."},
}

// AttributeField is the name of an attribute's field in forms.
func AttributeField(key string) string { return "attr-" + key }

// attributeInput is an attribute as a field; one that is not set shows its
// default behind the cursor.
func attributeInput(f Form, a models.LayerAttribute) ui.FieldProps {
	text := attributeTexts[a.Key]
	field := f.input(AttributeField(a.Key), or(text.label, a.Key), text.hint)
	if a.Secret {
		field.Hint = "Stored encrypted and never shown. Leave it as it is to keep it."
		return secret(field)
	}
	return placeholder(field, a.Default)
}

// newAttributeInput is the field of an attribute of a layer that is being made.
func newAttributeInput(f Form, a models.LayerAttribute) ui.FieldProps {
	field := attributeInput(f, a)
	if a.Secret {
		field.Hint = "Empty makes one up. Stored encrypted and never shown."
	}
	return field
}
