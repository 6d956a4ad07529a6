package views

import (
	"net/url"

	"opsyard/models"
	"opsyard/views/ui"
)

// RunForm is the page that asks for a command on instances.
type RunForm struct {
	Frame   StackFrame
	Form    Form
	Manager models.ConfigurationManager // says which commands there are
	Apps    []models.App
	Layers  []RunLayer
	// Named are the instances that are offered one by one: those that were asked
	// for by the address, or all when they are few.
	Named  []InstanceRef
	Online int
}

// RunLayer is a layer as a target.
type RunLayer struct {
	Layer  models.Layer
	Online int
}

// Command is the chosen command.
func (p RunForm) Command() models.CommandName { return models.CommandName(p.Form.Value("Command")) }

// offered are those of the commands that the stack's manager takes.
func (p RunForm) offered(commands []models.CommandName) []models.CommandName {
	var list []models.CommandName
	for _, c := range commands {
		if p.Manager.Offers(c) {
			list = append(list, c)
		}
	}
	return list
}

func (p RunForm) appOptions() []ui.Option {
	out := []ui.Option{{Value: "", Label: "Choose an app"}}
	for _, a := range p.Apps {
		out = append(out, ui.Option{Value: string(a.ID), Label: a.Name, Selected: string(a.ID) == p.Form.Value("AppId")})
	}
	return out
}

func (p RunForm) everybody() bool { return p.Form.Value("Targets") != "some" }

// commandNames explain the commands that can be asked for.
var commandNames = map[models.CommandName]struct{ label, what string }{
	models.CommandDeploy:                {"Deploy", "Fetches the app and runs the Deploy recipes."},
	models.CommandUndeploy:              {"Undeploy", "Runs the Undeploy recipes and removes the app's releases."},
	models.CommandRollback:              {"Roll back", "Goes back to the release before."},
	models.CommandStart:                 {"Start app", "Starts the app's server."},
	models.CommandStop:                  {"Stop app", "Stops the app's server."},
	models.CommandRestart:               {"Restart app", "Restarts the app's server."},
	models.CommandExecuteRecipes:        {"Execute recipes", "Runs the recipes that you name, in order."},
	models.CommandUpdateCustomCookbooks: {"Update custom cookbooks", "Fetches the cookbooks again; runs nothing."},
	models.CommandSetup:                 {"Setup", "Runs Setup and Deploy again; the instance leaves online while they run."},
	models.CommandConfigure:             {"Configure", "Runs the Configure recipes."},
	models.CommandInstallDependencies:   {"Install dependencies", "Installs the packages of the layers."},
	models.CommandUpdateDependencies:    {"Update dependencies", "Updates packages and the operating system."},
}

func commandLabel(c models.CommandName) string { return or(commandNames[c].label, string(c)) }

func deployHref(f StackFrame, a models.App, c models.CommandName) string {
	return f.Href("/run?" + url.Values{"command": {string(c)}, "app": {string(a.ID)}}.Encode())
}

func appsLead(p AppList) string {
	if len(p.Rows) == 0 {
		return "There is no app yet."
	}
	return Count(len(p.Rows), "app") + "."
}

// submit is what the button says without script; with it, it names the size.
func (p RunForm) submit() string { return "Run on the chosen instances" }

func runLead(p RunForm) string {
	if p.Online == 0 {
		return "No instance is online, so nothing can run now."
	}
	return Count(p.Online, "instance") + " online in " + p.Frame.Name + "."
}
