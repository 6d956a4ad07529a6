package models

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// LayerAttribute is an attribute of a built-in layer (OpsWorks: "Layer
// Attributes").
type LayerAttribute struct {
	Key     string
	Default string
	Boolean bool     // "true" or "false"
	Secret  bool     // shown as Filtered; made up when it is not given
	Choices []string // when only these are understood
}

// layerAttributes has the attributes of each type with their defaults.
var layerAttributes = map[LayerType][]LayerAttribute{
	LayerLB: {
		{Key: "EnableHaproxyStats", Default: "true", Boolean: true},
		{Key: "HaproxyStatsUrl", Default: "/haproxy?stats"},
		{Key: "HaproxyStatsUser", Default: "opsworks"},
		{Key: "HaproxyStatsPassword", Secret: true},
		{Key: "HaproxyHealthCheckUrl", Default: "/"},
		{Key: "HaproxyHealthCheckMethod", Default: "OPTIONS"},
	},
	LayerDBMaster: {
		{Key: "MysqlRootPassword", Secret: true},
		{Key: "MysqlRootPasswordUbiquitous", Default: "true", Boolean: true},
	},
	LayerMonitoring: {
		{Key: "GangliaUrl", Default: "/ganglia"},
		{Key: "GangliaUser", Default: "opsworks"},
		{Key: "GangliaPassword", Secret: true},
	},
	LayerMemcached: {{Key: "MemcachedMemory", Default: "512"}},
	LayerNodejsApp: {{Key: "NodejsVersion", Default: "0.12.18"}},
	LayerRailsApp: {
		{Key: "RubyVersion", Default: "2.3"},
		{Key: "RubygemsVersion", Default: "2.5.1"},
		{Key: "ManageBundler", Default: "true", Boolean: true},
		{Key: "BundlerVersion", Default: "1.12.5"},
		{Key: "RailsStack", Default: "apache_passenger", Choices: []string{"apache_passenger", "nginx_unicorn"}},
		{Key: "PassengerVersion", Default: "5.0.28"},
	},
	LayerJavaApp: {
		{Key: "Jvm", Default: "openjdk"},
		{Key: "JvmVersion", Default: "7"},
		{Key: "JvmOptions"},
		{Key: "JavaAppServer", Default: "tomcat"},
		{Key: "JavaAppServerVersion", Default: "7"},
	},
	LayerAWSFlowRuby: {{Key: "BundlerVersion", Default: "1.12.5"}},
	LayerECSCluster:  {{Key: AttributeECSCluster}},
}

// AttributeECSCluster names the cluster that the instances of an ecs-cluster
// layer join.
const AttributeECSCluster = "EcsClusterArn"

// Attributes are the attributes that layers of the type know, in the order the
// console shows them.
func (t LayerType) Attributes() []LayerAttribute { return layerAttributes[t] }

// Attribute finds one attribute of the type.
func (t LayerType) Attribute(key string) (LayerAttribute, bool) {
	for _, a := range layerAttributes[t] {
		if a.Key == key {
			return a, true
		}
	}
	return LayerAttribute{}, false
}

// SecretAttributes are the keys of all attributes that only the layer's own
// instances may read, and that reads show as Filtered.
var SecretAttributes = secretAttributes()

func secretAttributes() []string {
	var keys []string
	for _, t := range LayerTypes {
		for _, a := range t.Attributes() {
			if a.Secret && !slices.Contains(keys, a.Key) {
				keys = append(keys, a.Key)
			}
		}
	}
	return keys
}

// On tells whether a boolean attribute is on: anything but "false" is, and
// nothing is what the default says.
func (l *Layer) On(key string) bool {
	value := l.Attributes[key]
	if value == "" {
		a, _ := l.Type.Attribute(key)
		value = a.Default
	}
	return value != "" && value != "false"
}

// normalizeAttributes drops what is unset and spells booleans in one way.
func (l *Layer) normalizeAttributes() {
	kept := make(map[string]string, len(l.Attributes))
	for key, value := range l.Attributes {
		if value == "" {
			continue
		}
		if a, _ := l.Type.Attribute(key); a.Boolean && value != "false" {
			value = "true"
		}
		kept[key] = value
	}
	l.Attributes = kept
}

// validateAttributes refuses attributes of other types and values that the
// recipes could not use. No message repeats a value: it may be a password.
func (l *Layer) validateAttributes() error {
	for key, value := range l.Attributes {
		a, known := l.Type.Attribute(key)
		switch {
		case !known:
			return InvalidField("Attributes", "Attributes: %s is not an attribute of %s layers.", key, l.Type)
		case strings.ContainsFunc(value, unicode.IsControl):
			return InvalidField(key, "%s: holds characters that configuration files cannot take.", key)
		case len(a.Choices) > 0 && !slices.Contains(a.Choices, value):
			return InvalidField(key, "%s: must be %s.", key, strings.Join(a.Choices, " or "))
		}
	}
	if m := l.Attributes["HaproxyHealthCheckMethod"]; m != "" && !methodPattern.MatchString(m) {
		return InvalidField("HaproxyHealthCheckMethod", "HaproxyHealthCheckMethod: must be the name of an HTTP method such as OPTIONS, GET or HEAD.")
	}
	if m := l.Attributes["MemcachedMemory"]; m != "" {
		if n, err := strconv.Atoi(m); err != nil || n < 1 {
			return InvalidField("MemcachedMemory", "MemcachedMemory: must be a number of megabytes.")
		}
	}
	return nil
}

// securityGroups is the built-in security group of each type (OpsWorks: "Using
// Security Groups").
var securityGroups = map[LayerType]string{
	LayerLB: "LB-Server", LayerWeb: "Web-Server", LayerPHPApp: "PHP-App-Server", LayerRailsApp: "Rails-App-Server",
	LayerNodejsApp: "nodejs-App-Server", LayerJavaApp: "Java-App-Server", LayerAWSFlowRuby: "AWS-Flow-Ruby-Server",
	LayerDBMaster: "DB-Master-Server", LayerMemcached: "Memcached-Server", LayerMonitoring: "Monitoring-Master-Server",
	LayerECSCluster: "ECS-Cluster", LayerCustom: "Custom-Server",
}

// SecurityGroup is the built-in security group of layers of the type.
func (t LayerType) SecurityGroup() string { return "AWS-OpsWorks-" + securityGroups[t] }
