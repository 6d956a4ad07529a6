package lifecycle

import (
	"slices"

	"opsyard/models"
)

// What cookbooks of Chef 11 stacks read besides layers and apps. Where OpsWorks
// named a place of its own Ruby, the distribution's is named here.

type settingsDoc struct {
	RubyVersion     any           `json:"ruby_version"`
	RubyStack       string        `json:"ruby_stack"`
	RunTests        bool          `json:"run_cookbook_tests"`
	DeployProvider  string        `json:"deploy_chef_provider"`
	ValidActivities []string      `json:"valid_client_activities"`
	RailsStack      railsStackDoc `json:"rails_stack"`
}

type railsStackDoc struct {
	Name           any `json:"name"`
	Recipe         any `json:"recipe"`
	RestartCommand any `json:"restart_command"`
	Service        any `json:"service"`
}

// validActivities are the commands that an agent understands (OpsWorks:
// valid_client_activities).
var validActivities = []string{
	"reboot", "stop", "setup", "configure", "update_dependencies", "install_dependencies", "update_custom_cookbooks",
	"execute_recipes", "grant_remote_access", "revoke_remote_access", "update_agent", "sync_remote_users", "shutdown",
	"deploy", "undeploy", "rollback", "start", "restart", "deregister",
}

// railsStacks is how apps are restarted in either of the stacks of a rails-app
// layer.
var railsStacks = map[string]railsStackDoc{
	"apache_passenger": {"apache_passenger", "passenger_apache2::rails", "touch tmp/restart.txt", "apache2"},
	"nginx_unicorn":    {"nginx_unicorn", "unicorn::rails", "../../shared/scripts/unicorn clean-restart", "unicorn"},
}

func settings(layers []models.Layer) settingsDoc {
	doc := settingsDoc{RubyStack: "ruby", DeployProvider: "Timestamped", ValidActivities: validActivities}
	if rails := layerOf(layers, models.LayerRailsApp); rails != nil {
		doc.RubyVersion, doc.RailsStack = orNull(attribute(rails, "RubyVersion")), railsStacks[attribute(rails, "RailsStack")]
	}
	return doc
}

type cookbookDoc struct {
	Dependencies dependenciesDoc `json:"dependencies"`
	Ganglia      struct {
		Web gangliaDoc `json:"web"`
	} `json:"ganglia"`
	Mysql struct {
		Clients []string `json:"clients"`
	} `json:"mysql"`
	Passenger passengerDoc `json:"passenger"`
	Rails     struct {
		MaxPoolSize int `json:"max_pool_size"`
	} `json:"rails"`
	Bundler struct {
		Manage  bool `json:"manage_package"`
		Version any  `json:"version"`
	} `json:"opsworks_bundler"`
	Rubygems struct {
		Version any `json:"version"`
	} `json:"opsworks_rubygems"`
	Languages map[string]any `json:"languages"`
	Memcached struct {
		Memory any `json:"memory"`
		Port   int `json:"port"`
	} `json:"memcached"`
}

type dependenciesDoc struct {
	GemBinary   string `json:"gem_binary"`
	UpgradeDebs bool   `json:"upgrade_debs"`
	UpdateDebs  bool   `json:"update_debs"`
}

// gangliaDoc lacks the password, which is private.
type gangliaDoc struct {
	URL  any `json:"url"`
	User any `json:"user"`
}

type passengerDoc struct {
	GemBin      string `json:"gem_bin"`
	MaxPoolSize int    `json:"max_pool_size"`
	RubyBin     string `json:"ruby_bin"`
	Version     any    `json:"version"`
}

const (
	gemBinary  = "/usr/bin/gem"
	rubyBinary = "/usr/bin/ruby"
	// poolSize is OpsWorks' number of processes of a Rails app.
	poolSize      = 8
	memcachedPort = 11211
)

func forCookbooks(layers []models.Layer, online []models.Instance) (doc cookbookDoc) {
	doc.Dependencies.GemBinary = gemBinary
	doc.Passenger = passengerDoc{GemBin: gemBinary, MaxPoolSize: poolSize, RubyBin: rubyBinary}
	doc.Rails.MaxPoolSize = poolSize
	doc.Languages = map[string]any{}
	doc.Memcached.Port = memcachedPort
	doc.Mysql.Clients = mysqlClients(layers, online)
	if l := layerOf(layers, models.LayerMonitoring); l != nil {
		doc.Ganglia.Web = gangliaDoc{orNull(attribute(l, "GangliaUrl")), orNull(attribute(l, "GangliaUser"))}
	}
	if l := layerOf(layers, models.LayerMemcached); l != nil {
		doc.Memcached.Memory = orNull(attribute(l, "MemcachedMemory"))
	}
	if l := layerOf(layers, models.LayerRailsApp); l != nil {
		doc.Passenger.Version = orNull(attribute(l, "PassengerVersion"))
		doc.Bundler.Manage, doc.Bundler.Version = l.On("ManageBundler"), orNull(attribute(l, "BundlerVersion"))
		doc.Rubygems.Version = orNull(attribute(l, "RubygemsVersion"))
		doc.Languages["ruby"] = map[string]any{"ruby_bin": rubyBinary}
	}
	return doc
}

// mysqlClients are the addresses from which a database layer is asked: those of
// the app servers. A stack without such a layer has none.
func mysqlClients(layers []models.Layer, online []models.Instance) []string {
	clients := []string{}
	if layerOf(layers, models.LayerDBMaster) == nil {
		return clients
	}
	for _, i := range online {
		if slices.ContainsFunc(LayersOf(i, layers), func(l models.Layer) bool { return l.Type.IsAppServer() }) {
			clients = append(clients, i.PrivateIP)
		}
	}
	return clients
}

// MemcachedHost is the address of the first online instance of a memcached
// layer, by host name; empty for none.
func MemcachedHost(layers []models.Layer, online []models.Instance) string {
	host, address := "", ""
	for _, i := range online {
		if l := layerOf(LayersOf(i, layers), models.LayerMemcached); l != nil && l.RunsOn() == models.EngineMemcached && (host == "" || i.Hostname < host) {
			host, address = i.Hostname, i.PrivateIP
		}
	}
	return address
}

// layerOf is the first layer of a type, nil for none.
func layerOf(layers []models.Layer, kind models.LayerType) *models.Layer {
	for n := range layers {
		if layers[n].Type == kind {
			return &layers[n]
		}
	}
	return nil
}

// attribute is a layer's attribute or the default of its type.
func attribute(l *models.Layer, key string) string {
	if value := l.Attributes[key]; value != "" {
		return value
	}
	a, _ := l.Type.Attribute(key)
	return a.Default
}
