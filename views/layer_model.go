package views

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"opsyard/models"
	"opsyard/views/ui"
)

// LayerList is the list of a stack's layers.
type LayerList struct {
	Frame StackFrame
	Rows  []LayerRow
}

// LayerRow is one layer in the list.
type LayerRow struct {
	Layer   models.Layer
	Counts  StatusCounts
	Recipes map[models.Event]int // custom ones
}

// LayerShow is the page of one layer.
type LayerShow struct {
	Frame     StackFrame
	Now       time.Time
	Layer     models.Layer
	Tab       string // "recipes", "instances", "settings"
	Counts    StatusCounts
	Events    []EventRecipes
	Editing   bool // the lists are open for editing
	EditError string
	Instances []InstanceRow
	Form      Form
	Deletable bool
}

// Sentence says what the layer is and how its instances do.
func (p LayerShow) Sentence() Sentence {
	s := Sentence{Lead: LayerKind(p.Layer.Type) + "."}
	total, online := p.Counts.Total(), p.Counts[models.InstanceOnline]
	switch {
	case total == 0:
		s.Rest = []Phrase{{Text: "It has no instances yet. Its recipes run on each instance that you add."}}
	case online == total:
		s.Rest = []Phrase{{Text: fmt.Sprintf("All of its %s online.", countBe(total))}}
	default:
		s.Rest = []Phrase{{Text: fmt.Sprintf("%s of %s online.", Thousands(online), countBe(total))}}
	}
	return s
}

func countBe(n int) string {
	if n == 1 {
		return "1 instance is"
	}
	return Thousands(n) + " instances are"
}

// EventRecipes is one of the five lists: what is built in runs first and
// cannot be edited, what is custom follows.
type EventRecipes struct {
	Event   models.Event
	When    string
	BuiltIn []string
	Custom  []string
	Error   string
}

// EventWhen says when an event runs.
func EventWhen(e models.Event, shutdownTimeout int) string {
	switch e {
	case models.EventSetup:
		return "When an instance has booted. Deploy follows."
	case models.EventConfigure:
		return "When any instance of the stack enters or leaves online."
	case models.EventDeploy:
		return "On deploy, and right after Setup."
	case models.EventUndeploy:
		return "On undeploy, or when an app is deleted."
	case models.EventShutdown:
		return fmt.Sprintf("Before a stop. Cut after %d s.", shutdownTimeout)
	}
	return ""
}

// EventName is an event as the page spells it.
func EventName(e models.Event) string {
	if e == "" {
		return ""
	}
	return string(e[0]-'a'+'A') + string(e[1:])
}

// LayerNew is the page that makes a layer.
type LayerNew struct {
	Frame StackFrame
	Types []LayerChoice
	Form  Form
}

// LayerChoice is a type that can be chosen, or the reason why not.
type LayerChoice struct {
	Type   models.LayerType
	Reason string // why it cannot be chosen
}

// AttributeField is one of the attributes that a layer type knows.
type AttributeField struct {
	Key, Label, Hint, Default string
	Secret                    bool
	Bool                      bool
	Options                   []string
}

// LayerAttributes are the attributes of a layer type (OpsWorks: the keys of
// Layer Attributes).
func LayerAttributes(t models.LayerType) []AttributeField {
	switch t {
	case models.LayerLB:
		return []AttributeField{
			{Key: "HaproxyHealthCheckUrl", Label: "Health check path", Default: "/", Hint: "The balancer asks each instance for it."},
			{Key: "HaproxyHealthCheckMethod", Label: "Health check method", Default: "OPTIONS", Options: []string{"OPTIONS", "GET", "HEAD"}},
			{Key: "EnableHaproxyStats", Label: "Statistics page", Default: "true", Bool: true},
			{Key: "HaproxyStatsUrl", Label: "Statistics path", Default: "/haproxy?stats"},
			{Key: "HaproxyStatsUser", Label: "Statistics user", Default: "opsworks"},
			{Key: "HaproxyStatsPassword", Label: "Statistics password", Secret: true},
		}
	case models.LayerDBMaster:
		return []AttributeField{
			{Key: "MysqlRootPassword", Label: "Root password", Secret: true},
			{Key: "MysqlRootPasswordUbiquitous", Label: "Give the password to every instance", Default: "true", Bool: true, Hint: "Otherwise only app servers get it."},
		}
	case models.LayerMonitoring:
		return []AttributeField{
			{Key: "GangliaUrl", Label: "Path", Default: "/ganglia"},
			{Key: "GangliaUser", Label: "User", Default: "opsworks"},
			{Key: "GangliaPassword", Label: "Password", Secret: true},
		}
	case models.LayerMemcached:
		return []AttributeField{{Key: "MemcachedMemory", Label: "Memory in MB", Default: "512"}}
	case models.LayerNodejsApp:
		return []AttributeField{{Key: "NodejsVersion", Label: "Node.js version", Hint: "Empty means the version of the operating system."}}
	case models.LayerRailsApp:
		return []AttributeField{
			{Key: "RailsStack", Label: "Rails stack", Default: "apache_passenger", Options: []string{"apache_passenger", "nginx_unicorn"}},
			{Key: "RubyVersion", Label: "Ruby version"},
			{Key: "RubygemsVersion", Label: "RubyGems version"},
			{Key: "PassengerVersion", Label: "Passenger version"},
			{Key: "ManageBundler", Label: "Install and manage Bundler", Default: "true", Bool: true},
			{Key: "BundlerVersion", Label: "Bundler version"},
		}
	case models.LayerAWSFlowRuby:
		return []AttributeField{{Key: "BundlerVersion", Label: "Bundler version"}}
	case models.LayerJavaApp:
		return []AttributeField{
			{Key: "Jvm", Label: "JVM", Default: "openjdk"},
			{Key: "JvmVersion", Label: "JVM version"},
			{Key: "JvmOptions", Label: "JVM options"},
			{Key: "JavaAppServer", Label: "App server", Default: "tomcat"},
			{Key: "JavaAppServerVersion", Label: "App server version"},
		}
	case models.LayerECSCluster:
		return []AttributeField{{Key: "EcsClusterArn", Label: "Cluster ARN"}}
	}
	return nil
}

func (p LayerList) lead() string {
	if len(p.Rows) == 0 {
		return "There is no layer yet."
	}
	return Count(len(p.Rows), "layer") + " in traffic order."
}

func (p LayerShow) href(path string) string { return LayerHref(p.Frame.ID, p.Layer.ID) + path }

func (p LayerShow) tabs() []ui.TabProps {
	tab := func(key, label, count string) ui.TabProps {
		path := "?tab=" + key
		if key == "recipes" {
			path = ""
		}
		return ui.TabProps{Href: templ.SafeURL(p.href(path)), Label: label, Count: count, Current: p.Tab == key}
	}
	return []ui.TabProps{tab("recipes", "Recipes", ""), tab("instances", "Instances", Thousands(p.Counts.Total())), tab("settings", "Settings", "")}
}

// LayerFacts are a layer's settings for those who may only look.
func LayerFacts(l models.Layer) []Fact {
	onOff := map[bool]string{true: "on", false: "off"}
	return facts(
		Fact{Name: "Layer id", Value: string(l.ID), Code: true},
		Fact{Name: "Type", Value: string(l.Type), Code: true},
		Fact{Name: "Short name", Value: l.Shortname, Code: true},
		Fact{Name: "Healing flag", Value: onOff[l.EnableAutoHealing]},
		Fact{Name: "Shutdown timeout", Value: fmt.Sprintf("%d s", l.Shutdown.ExecutionTimeout)},
		Fact{Name: "Packages", Value: strings.Join(l.Packages, ", "), Code: true},
		Fact{Name: "Created", Value: l.CreatedAt.UTC().Format("2 Jan 2006 15:04") + " UTC"},
	)
}

func (p LayerNew) name() ui.FieldProps {
	f := p.Form.input("Name", "Name", "Left empty, a built-in layer gets the name of its type.")
	f.Attrs = map[string]any{"maxlength": "32"}
	return f
}

func (p LayerNew) shortname() ui.FieldProps {
	f := p.Form.input("Shortname", "Short name", "For custom layers: a-z, 0-9, -, _ and dot. Built-in layers keep the name of their type.")
	f.Attrs = map[string]any{"maxlength": "32", "autocapitalize": "none", "spellcheck": "false"}
	return f
}

func noneText(e EventRecipes) string {
	if len(e.BuiltIn) == 0 {
		return "None. Nothing runs."
	}
	return "None. Only built-in recipes run."
}

func dashZero(n int) string {
	if n == 0 {
		return "–"
	}
	return Thousands(n)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
