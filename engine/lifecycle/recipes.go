// Package lifecycle decides, without doing anything: which recipes an instance
// runs at an event, in which order, and what they are told of the stack.
package lifecycle

import (
	"slices"

	"opsyard/models"
)

// Common recipes run on every instance whose machine is its own, before those
// of its layers (OpsWorks: "opsworks_initial_setup" and friends).
var Common = models.Recipes{
	Setup:     []string{"opsyard_initial_setup::default"},
	Configure: []string{"opsyard_initial_setup::configure"},
}

// builtIn are the recipes of the layer types that have cookbooks
// (OpsWorks: "Layer" reference, DefaultRecipes).
var builtIn = map[models.LayerType]models.Recipes{
	models.LayerCustom: {},
	models.LayerLB: {
		Setup:     []string{"haproxy::default"},
		Configure: []string{"haproxy::configure"},
		Deploy:    []string{"deploy::default", "haproxy::configure"},
		Shutdown:  []string{"haproxy::stop"},
	},
	models.LayerMemcached: {
		Setup:    []string{"memcached::default"},
		Shutdown: []string{"memcached::stop"},
	},
	models.LayerMonitoring: {
		Setup:     []string{"nginx::default", "monitoring::default"},
		Configure: []string{"monitoring::configure"},
		Shutdown:  []string{"nginx::stop", "monitoring::stop"},
	},
	models.LayerDBMaster: {
		Setup:     []string{"mysql::default"},
		Configure: []string{"mysql::configure"},
		Deploy:    []string{"mysql::configure"},
		Shutdown:  []string{"mysql::stop"},
	},
	models.LayerWeb: {
		Setup:    []string{"nginx::default"},
		Deploy:   []string{"deploy::default", "deploy::web"},
		Undeploy: []string{"deploy::web-undeploy"},
		Shutdown: []string{"nginx::stop"},
	},
	models.LayerNodejsApp: {
		Setup:    []string{"nginx::default", "nodejs::default"},
		Deploy:   []string{"deploy::default", "deploy::nodejs"},
		Undeploy: []string{"deploy::nodejs-undeploy"},
		Shutdown: []string{"nginx::stop", "deploy::services-stop"},
	},
	models.LayerPHPApp: {
		Setup:    []string{"apache::default", "php::default"},
		Deploy:   []string{"deploy::default", "deploy::php"},
		Undeploy: []string{"deploy::php-undeploy"},
		Shutdown: []string{"apache::stop"},
	},
	models.LayerRailsApp: {
		Setup:     []string{"nginx::default", "rails::default"},
		Configure: []string{"rails::configure"},
		Deploy:    []string{"deploy::default", "deploy::rails"},
		Undeploy:  []string{"deploy::rails-undeploy"},
		Shutdown:  []string{"nginx::stop", "deploy::services-stop"},
	},
	models.LayerJavaApp: {
		Setup:    []string{"nginx::default", "java::default"},
		Deploy:   []string{"deploy::default", "deploy::java"},
		Undeploy: []string{"deploy::java-undeploy"},
		Shutdown: []string{"nginx::stop", "java::stop"},
	},
}

// byEngine are the recipes of layers whose engine is not the usual one of their
// type.
var byEngine = map[string]models.Recipes{
	models.EnginePostgresql: {
		Setup:     []string{"postgresql::default"},
		Configure: []string{"postgresql::configure"},
		Deploy:    []string{"postgresql::configure"},
		Shutdown:  []string{"postgresql::stop"},
	},
	models.EngineRedis: {
		Setup:    []string{"redis::default"},
		Shutdown: []string{"redis::stop"},
	},
	models.EngineProgram: {
		Setup:    []string{"nginx::default", "program::default"},
		Deploy:   []string{"deploy::default", "deploy::program"},
		Undeploy: []string{"deploy::program-undeploy"},
		Shutdown: []string{"nginx::stop", "deploy::services-stop"},
	},
}

// appRecipes are the recipes of app commands that are not lifecycle events.
var appRecipes = map[models.LayerType]map[models.CommandName][]string{
	models.LayerWeb: {
		models.CommandRollback: {"deploy::web-rollback"},
		models.CommandStart:    {"nginx::start"},
		models.CommandStop:     {"nginx::stop"},
		models.CommandRestart:  {"nginx::restart"},
	},
	models.LayerNodejsApp: {
		models.CommandRollback: {"deploy::nodejs-rollback"},
		models.CommandStart:    {"deploy::nodejs-start"},
		models.CommandStop:     {"deploy::nodejs-stop"},
		models.CommandRestart:  {"deploy::nodejs-restart"},
	},
	models.LayerPHPApp: {
		models.CommandRollback: {"deploy::php-rollback"},
		models.CommandStart:    {"apache::start"},
		models.CommandStop:     {"apache::stop"},
		models.CommandRestart:  {"apache::restart"},
	},
	models.LayerRailsApp: {
		models.CommandRollback: {"deploy::rails-rollback"},
		models.CommandStart:    {"deploy::rails-start"},
		models.CommandStop:     {"deploy::rails-stop"},
		models.CommandRestart:  {"deploy::rails-restart"},
	},
	models.LayerJavaApp: {
		models.CommandRollback: {"deploy::java-rollback"},
		models.CommandStart:    {"deploy::java-start"},
		models.CommandStop:     {"deploy::java-stop"},
		models.CommandRestart:  {"deploy::java-restart"},
	},
}

// appRecipesByEngine are those of layers that their engine gives recipes.
var appRecipesByEngine = map[string]map[models.CommandName][]string{
	models.EngineProgram: {
		models.CommandRollback: {"deploy::program-rollback"},
		models.CommandStart:    {"deploy::program-start"},
		models.CommandStop:     {"deploy::program-stop"},
		models.CommandRestart:  {"deploy::program-restart"},
	},
}

// appRecipesOf are the recipes of a layer for an app command.
func appRecipesOf(l models.Layer, command models.CommandName) []string {
	if r, ok := appRecipesByEngine[l.RunsOn()]; ok {
		return r[command]
	}
	return appRecipes[l.Type][command]
}

// BuiltIn gives the built-in recipes of a layer type, and whether this
// installation can run layers of the type at all.
func BuiltIn(t models.LayerType) (models.Recipes, bool) {
	r, ok := builtIn[t]
	return r, ok
}

// BuiltInOf are the built-in recipes of a layer, which its engine decides too.
func BuiltInOf(l models.Layer) models.Recipes {
	if r, ok := byEngine[l.RunsOn()]; ok {
		return r
	}
	return builtIn[l.Type]
}

// Plan says what one instance runs for a command.
type Plan struct {
	Items []models.RunItem
	// Refresh asks for the custom cookbooks to be fetched anew.
	Refresh bool
}

// RunList is what an instance runs for a command: for each event the built-in
// recipes of all its layers, then the custom ones, layers in the instance's
// order, each recipe once per event. Setup is followed by Deploy (OpsWorks:
// "Lifecycle Events"). recipes are the arguments of execute_recipes; common
// says whether the Common recipes apply.
func RunList(command models.CommandName, layers []models.Layer, recipes []string, common bool) Plan {
	switch command {
	case models.CommandSetup:
		p := Plan{Refresh: true}
		p.addEvent(models.EventSetup, layers, common)
		p.addEvent(models.EventDeploy, layers, common)
		return p
	case models.CommandConfigure, models.CommandDeploy, models.CommandUndeploy, models.CommandShutdown:
		var p Plan
		p.addEvent(models.Event(command), layers, common)
		return p
	case models.CommandExecuteRecipes:
		var p Plan
		for _, r := range recipes {
			p.Items = append(p.Items, models.RunItem{Recipe: Qualified(r)})
		}
		return p
	case models.CommandUpdateCustomCookbooks:
		return Plan{Refresh: true}
	case models.CommandInstallDependencies:
		return Plan{Items: []models.RunItem{{Recipe: "opsyard_initial_setup::packages", BuiltIn: true}}}
	case models.CommandUpdateDependencies:
		return Plan{Items: []models.RunItem{{Recipe: "opsyard_initial_setup::updates", BuiltIn: true}}}
	}
	var p Plan
	for _, l := range layers {
		for _, r := range appRecipesOf(l, command) {
			p.add(models.RunItem{Recipe: Qualified(r), BuiltIn: true, Layer: l.Shortname}, 0)
		}
	}
	return p
}

func (p *Plan) addEvent(e models.Event, layers []models.Layer, common bool) {
	start := len(p.Items)
	if common {
		for _, r := range Common.For(e) {
			p.add(models.RunItem{Recipe: Qualified(r), BuiltIn: true}, start)
		}
	}
	for _, l := range layers {
		for _, r := range BuiltInOf(l).For(e) {
			p.add(models.RunItem{Recipe: Qualified(r), BuiltIn: true, Layer: l.Shortname}, start)
		}
	}
	for _, l := range layers {
		for _, r := range l.CustomRecipes.For(e) {
			p.add(models.RunItem{Recipe: Qualified(r), Layer: l.Shortname}, start)
		}
	}
}

// add appends the item unless the same recipe already runs since start.
func (p *Plan) add(item models.RunItem, start int) {
	for _, have := range p.Items[start:] {
		if have.Recipe == item.Recipe && have.BuiltIn == item.BuiltIn {
			return
		}
	}
	p.Items = append(p.Items, item)
}

// Qualified is the recipe's full name: "cookbook" means "cookbook::default".
func Qualified(recipe string) string {
	if slices.Contains([]byte(recipe), ':') {
		return recipe
	}
	return recipe + "::default"
}

// LayersOf picks an instance's layers out of its stack's, in the instance's order.
func LayersOf(i models.Instance, all []models.Layer) []models.Layer {
	var mine []models.Layer
	for _, id := range i.LayerIDs {
		for _, l := range all {
			if l.ID == id {
				mine = append(mine, l)
			}
		}
	}
	return mine
}
