package engine

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"opsyard/models"
	"opsyard/models/store"
)

// warnings are what a person should know before the plan runs.
func (p *planner) warnings(silent []string) []string {
	var said []string
	for _, warn := range []func() []string{p.warnApp, p.warnCookbooks, p.warnIdle, p.warnBusy} {
		said = append(said, warn()...)
	}
	if len(silent) > 0 {
		said = append(said, fmt.Sprintf("Nothing has been heard lately from %s: its commands wait until its agent is back.", tellsOf(silent)))
	}
	return said
}

// warnRolling is about a deployment of the same app that is not through.
func (p *planner) warnRolling(ctx context.Context) ([]string, error) {
	if p.request.DryRun || p.request.AppID == "" {
		return nil, nil
	}
	rolling, err := p.e.store.Deployments.RollingOf(ctx, p.request.AppID, "")
	if err != nil || rolling == nil {
		return nil, err
	}
	return []string{stillRolls(rolling, p.appName(), p.request.Command.Name)}, nil
}

// warnManager is about instances that lack what is to run the stack's own
// recipes: it is installed first, by the command that the agent was given, or
// the recipes fail.
func (p *planner) warnManager(ctx context.Context) ([]string, error) {
	name := p.stack.ConfigurationManager.Name
	if name == models.ManagerShell {
		return nil, nil
	}
	var need []models.InstanceID
	for _, g := range p.content.Groups {
		if !slices.ContainsFunc(g.Recipes, func(r models.RunItem) bool { return !r.BuiltIn }) {
			continue
		}
		for _, i := range g.Instances {
			need = append(need, i.ID)
		}
	}
	hosts, err := p.e.store.Instances.Without(ctx, strings.ToLower(name), need)
	if err != nil || len(hosts) == 0 {
		return nil, err
	}
	return []string{fmt.Sprintf("%s is not installed on %s: the command that the agent was given for that installs it first; without one the recipes fail there.", name, tellsOf(hosts))}, nil
}

func (p *planner) appName() string {
	for _, a := range p.parts.apps {
		if a.ID == p.request.AppID {
			return a.Name
		}
	}
	return ""
}

// warnApp is about the app of the command, and who serves it.
func (p *planner) warnApp() (said []string) {
	n := slices.IndexFunc(p.parts.apps, func(a models.App) bool { return a.ID == p.request.AppID })
	if n < 0 {
		return nil
	}
	app := p.parts.apps[n]
	if p.request.Command.Name == models.CommandDeploy && (app.AppSource.IsZero() || app.AppSource.Type == models.SourceOther) {
		said = append(said, fmt.Sprintf("App %s has no source that the agents can fetch: its recipes must bring the code themselves.", app.Name))
	}
	for _, l := range p.parts.layers {
		if serves([]models.Layer{l}, app) {
			continue
		}
		var hosts []string
		for _, g := range p.content.Groups {
			if slices.Contains(g.Layers, l.Shortname) && !slices.Contains(g.Apps, app.Shortname) {
				hosts = append(hosts, hostsOf(g, func(models.PlanInstance) bool { return true })...)
			}
		}
		if len(hosts) > 0 {
			said = append(said, fmt.Sprintf("Layer %s does not serve app %s: %s run its recipes without the app.", l.Name, app.Name, count(len(hosts), "instance")))
		}
	}
	return said
}

// warnCookbooks is about recipes that nothing provides.
func (p *planner) warnCookbooks() []string {
	if p.stack.UseCustomCookbooks && !p.stack.CustomCookbooksSource.IsZero() {
		return nil
	}
	var missing []string
	for _, g := range p.content.Groups {
		for _, r := range g.Recipes {
			if !r.BuiltIn && !slices.Contains(missing, r.Recipe) && !p.e.recipes[r.Recipe] {
				missing = append(missing, r.Recipe)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("The stack has no custom cookbooks, which should hold %s.", strings.Join(missing, ", "))}
}

// recipesIn lists the recipes of an archive of cookbooks by their full names;
// nothing when it cannot be read.
func recipesIn(archive []byte) map[string]bool {
	names := map[string]bool{}
	unzip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return names
	}
	for files := tar.NewReader(unzip); ; {
		file, err := files.Next()
		if err != nil {
			return names
		}
		parts := strings.Split(strings.TrimPrefix(file.Name, "./"), "/")
		if len(parts) == 3 && parts[1] == "recipes" {
			names[parts[0]+"::"+strings.TrimSuffix(parts[2], path.Ext(parts[2]))] = true
		}
	}
}

// warnIdle is about instances that would run no recipe.
func (p *planner) warnIdle() (said []string) {
	for _, g := range p.content.Groups {
		if len(g.Recipes) == 0 && p.request.Command.Name != models.CommandUpdateCustomCookbooks {
			where := "Instances in no layer"
			if len(g.Layers) > 0 {
				where = "Instances of " + strings.Join(g.Layers, " and ")
			}
			said = append(said, fmt.Sprintf("%s have no recipe for %s: it ends there at once.", where, p.request.Command.Name))
		}
	}
	return said
}

// warnBusy is about instances that have something else to do first.
func (p *planner) warnBusy() []string {
	var hosts []string
	for _, g := range p.content.Groups {
		hosts = append(hosts, hostsOf(g, func(i models.PlanInstance) bool { return i.Busy })...)
	}
	if len(hosts) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Busy with another command now: %s. This one waits for its end.", tellsOf(hosts))}
}

func hostsOf(g models.PlanGroup, which func(models.PlanInstance) bool) (hosts []string) {
	for _, i := range g.Instances {
		if which(i) {
			hosts = append(hosts, i.Hostname)
		}
	}
	return hosts
}

// silent names those of the instances whose agents are late.
func (e *Engine) silent(ctx context.Context, members []store.Member) ([]string, error) {
	late, err := e.store.Instances.Silent(ctx, e.Clock().Add(-e.times.Offline), models.InstanceOnline, models.InstanceSetupFailed, models.InstanceRegistered)
	if err != nil {
		return nil, fmt.Errorf("look for silent agents: %w", err)
	}
	quiet := make(map[models.InstanceID]bool, len(late))
	for _, i := range late {
		quiet[i.ID] = true
	}
	var hosts []string
	for _, m := range members {
		if quiet[m.ID] && !e.dispatcher.Connected(m.ID) {
			hosts = append(hosts, m.Hostname)
		}
	}
	return hosts, nil
}
