package engine

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// Plans are kept for as long as they are good for reading, and so many of each
// stack.
const (
	keepPlans     = 14 * 24 * time.Hour
	plansPerStack = 100
)

// Plan computes what a request would do, with what executes it, and keeps it:
// Deploy with the plan's id then runs that, or says what has changed. It needs
// the level deploy, as running it does.
func (e *Engine) Plan(ctx context.Context, r DeploymentRequest) (*models.Plan, error) {
	return e.plan(ctx, r, nil)
}

// Replan makes a plan anew and says what has changed since.
func (e *Engine) Replan(ctx context.Context, id models.PlanID) (*models.Plan, error) {
	old, err := e.store.Plans.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := e.plan(ctx, old.Request, old)
	return p, hide(err, "plan", id)
}

func (e *Engine) plan(ctx context.Context, r DeploymentRequest, old *models.Plan) (*models.Plan, error) {
	stack, err := e.Authorize(ctx, r.StackID, "CreatePlan")
	if err != nil {
		return nil, err
	}
	r.PlanID = ""
	if err := checkRequest(stack, &r); err != nil {
		return nil, err
	}
	actor := models.ActorFrom(ctx)
	p := &models.Plan{
		ID: models.NewID[models.PlanID](), StackID: stack.ID, UserID: actor.UserID, Author: actor.Name,
		CreatedAt: e.Clock().UTC().Truncate(time.Microsecond), Request: r,
	}
	if err := e.fillPlan(ctx, stack, p); err != nil {
		return nil, err
	}
	if old != nil {
		p.Previous = old.ID
		now, err := e.asOf(ctx, stack, old)
		if err != nil {
			return nil, err
		}
		p.Changes = changes(old.Content, now.Content)
	}
	return p, e.store.Plans.Create(ctx, p, plansPerStack)
}

// asOf is the plan as it would be now, with its own time, which recipes see.
func (e *Engine) asOf(ctx context.Context, stack *models.Stack, old *models.Plan) (*models.Plan, error) {
	now := &models.Plan{ID: old.ID, StackID: old.StackID, CreatedAt: old.CreatedAt, Request: old.Request}
	return now, e.fillPlan(ctx, stack, now)
}

// upToDate reads a plan of the stack and refuses one that would do something
// else by now.
func (e *Engine) upToDate(ctx context.Context, stack *models.Stack, id models.PlanID) (*models.Plan, error) {
	old, err := e.store.Plans.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if old.StackID != stack.ID {
		return nil, models.NotFound("plan", id)
	}
	now, err := e.asOf(ctx, stack, old)
	if err != nil {
		return nil, err
	}
	if now.Fingerprint != old.Fingerprint {
		return nil, models.Conflict("What runs would not be what the plan has shown. %s", strings.Join(changes(old.Content, now.Content), " "))
	}
	return now, nil
}

// asShown is the request of a plan, with the comment of who runs it.
func asShown(p *models.Plan, r DeploymentRequest) DeploymentRequest {
	asked := p.Request
	asked.PlanID, asked.RetryOf = p.ID, r.RetryOf
	asked.Comment = cmp.Or(r.Comment, p.Request.Comment)
	return asked
}

// stillAsShown checks, inside the transaction that makes the deployment, that
// nothing moved since the plan was found up to date. All that recipes see
// counts the stack's version on.
func (t *tx) stillAsShown(ctx context.Context, stack *models.Stack, p *models.Plan, targets []store.Member) error {
	now, err := t.Stacks.Get(ctx, stack.ID)
	if err != nil {
		return err
	}
	same := now.Version == stack.Version && len(targets) == p.Content.Instances()
	shown := map[models.InstanceID]bool{}
	for _, g := range p.Content.Groups {
		for _, i := range g.Instances {
			shown[i.ID] = true
		}
	}
	for _, m := range targets {
		same = same && shown[m.ID]
	}
	if !same {
		return models.Conflict("What runs would not be what the plan has shown. The stack is changing at this moment.")
	}
	return nil
}

// planner makes the content of one plan.
type planner struct {
	e       *Engine
	stack   *models.Stack
	parts   *stackParts
	request *DeploymentRequest
	draft   *models.Deployment // the deployment that would be made
	builder *runBuilder
	common  *plans
	docs    map[string]map[string]any // by digest
	told    []byte                    // everything that agents would be told
	content models.PlanContent
}

func (e *Engine) fillPlan(ctx context.Context, stack *models.Stack, p *models.Plan) error {
	reads := &tx{Store: e.store, e: e}
	if err := reads.checkApp(ctx, &p.Request); err != nil {
		return err
	}
	targets, left, err := reads.targets(ctx, &p.Request)
	if err != nil {
		return err
	}
	made := &planner{
		e: e, stack: stack, request: &p.Request, docs: map[string]map[string]any{},
		draft: &models.Deployment{
			StackID: stack.ID, AppID: p.Request.AppID, Command: p.Request.Command, CommandName: p.Request.Command.Name,
			CustomJSON: p.Request.CustomJSON, DryRun: p.Request.DryRun, CreatedAt: p.CreatedAt,
		},
	}
	if made.parts, err = e.loadStack(ctx, stack.ID); err != nil {
		return err
	}
	made.stack = made.parts.stack
	if made.common, err = reads.plans(ctx, made.stack, p.Request.Command); err != nil {
		return err
	}
	made.builder = &runBuilder{
		e: e, stacks: map[models.StackID]*stackParts{stack.ID: made.parts}, shared: map[string]*sharedRun{},
		deployments: map[models.DeploymentID]*models.Deployment{"": made.draft}, layerIDs: map[models.InstanceID][]models.LayerID{},
	}
	made.content.LeftOut = left
	if err := made.fill(ctx, targets); err != nil {
		return err
	}
	p.Content, p.Fingerprint = made.content, e.fingerprint(made.content.Parts)
	return nil
}

func (p *planner) fill(ctx context.Context, targets []store.Member) error {
	busy, err := p.e.store.Commands.Busy(ctx, p.stack.ID)
	if err != nil {
		return err
	}
	if p.request.Rollout.InBatches() {
		p.content.Batches = p.request.Rollout.Batches(len(targets))
	}
	groups := map[string]int{}
	for n, m := range targets {
		key := keyOf(m.LayerIDs)
		at, ok := groups[key]
		if !ok {
			at = len(p.content.Groups)
			groups[key] = at
			group, err := p.group(ctx, m)
			if err != nil {
				return err
			}
			p.content.Groups = append(p.content.Groups, group)
		}
		g := &p.content.Groups[at]
		g.Instances = append(g.Instances, models.PlanInstance{
			ID: m.ID, Hostname: m.Hostname, Status: m.Status, Batch: p.request.Rollout.BatchOf(n, len(targets)), Busy: busy[m.ID],
		})
	}
	if p.content.Sources, err = p.sources(ctx, targets); err != nil {
		return err
	}
	silent, err := p.e.silent(ctx, targets)
	if err != nil {
		return err
	}
	if p.content.Warnings, err = p.warnRolling(ctx); err != nil {
		return err
	}
	p.content.Warnings = append(p.content.Warnings, p.warnings(silent)...)
	missing, err := p.warnManager(ctx)
	if err != nil {
		return err
	}
	p.content.Warnings = append(p.content.Warnings, missing...)
	p.content.Parts = p.deciding()
	return nil
}

// group is what instances of m's layers would be sent: the same message, but
// for its id.
func (p *planner) group(ctx context.Context, m store.Member) (models.PlanGroup, error) {
	made := p.common.of(m.LayerIDs)
	command := &models.Command{
		StackID: p.stack.ID, InstanceID: m.ID, Type: p.request.Command.Name, RunList: made.list, TimeoutSeconds: int(made.timeout / time.Second),
	}
	p.builder.layerIDs[m.ID] = m.LayerIDs
	shared, err := p.builder.share(ctx, command)
	if err != nil {
		return models.PlanGroup{}, err
	}
	wire, err := shared.template.For("")
	if err != nil {
		return models.PlanGroup{}, err
	}
	p.told = append(p.told, wire...)
	layers := lifecycle.LayersOf(models.Instance{LayerIDs: m.LayerIDs}, p.parts.layers)
	g := models.PlanGroup{
		Recipes: made.list, TimeoutSeconds: command.TimeoutSeconds,
		RefreshCookbooks: shared.run.RefreshCookbooks && shared.run.CustomCookbooks != nil,
	}
	for _, l := range layers {
		g.Layers = append(g.Layers, l.Shortname)
	}
	for _, a := range shared.run.Apps {
		g.Apps = append(g.Apps, a.Shortname)
	}
	return g, p.describe(ctx, &g, &shared.run, layers)
}

// sources are where the code comes from that the plan's instances fetch.
func (p *planner) sources(ctx context.Context, targets []store.Member) ([]models.PlanSource, error) {
	var list []models.PlanSource
	if s := p.stack.CustomCookbooksSource; p.stack.UseCustomCookbooks && !s.IsZero() {
		list = append(list, models.PlanSource{Type: s.Type, URL: s.URL, Revision: s.Revision})
	}
	for _, a := range p.parts.apps {
		told := slices.ContainsFunc(p.content.Groups, func(g models.PlanGroup) bool { return slices.Contains(g.Apps, a.Shortname) })
		if told && !a.AppSource.IsZero() {
			list = append(list, models.PlanSource{Name: a.Shortname, Type: a.AppSource.Type, URL: a.AppSource.URL, Revision: a.AppSource.Revision})
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	fetched, err := p.e.store.Commands.LastFetched(ctx, idsOf(targets[:min(len(targets), 20)]))
	for n := range list {
		s := &list[n]
		if last, ok := fetched[s.Name]; ok && last.URL == s.URL {
			s.Fetched, s.By = last.Got, last.Deployment
		}
	}
	return list, err
}

// deciding signs everything that decides what runs, by the names under which
// people know it. Their order in sentences is that of the names.
func (p *planner) deciding() map[string]string {
	parts := p.e.settingParts(p.stack, p.parts.layers, p.parts.apps)
	for _, g := range p.content.Groups {
		for _, i := range g.Instances {
			p.e.sign(parts, partInstance+i.Hostname, []any{i.ID, g.Layers, i.Batch})
		}
	}
	for _, i := range p.content.LeftOut {
		if i.Status == models.InstanceOnline {
			p.e.sign(parts, partOnline+i.Hostname, i.ID)
		}
	}
	p.e.sign(parts, partTold, string(p.told))
	return parts
}

// settingParts signs what people set for a stack and for some of its layers and apps.
func (e *Engine) settingParts(s *models.Stack, layers []models.Layer, apps []models.App) map[string]string {
	parts := map[string]string{}
	e.sign(parts, "The custom JSON of the stack", s.CustomJSON)
	e.sign(parts, "The source of the custom cookbooks", []any{s.UseCustomCookbooks, s.CustomCookbooksSource})
	e.sign(parts, "The configuration manager", s.ConfigurationManager)
	e.sign(parts, "The built-in cookbooks", e.contents.cookbooks)
	for _, l := range layers {
		e.sign(parts, "The custom JSON of layer "+l.Name, l.CustomJSON)
		e.sign(parts, "The recipes of layer "+l.Name, l.CustomRecipes)
		e.sign(parts, "The settings of layer "+l.Name, []any{l.Attributes, l.Packages, l.Shutdown})
	}
	for _, a := range apps {
		e.sign(parts, "The source of app "+a.Name, a.AppSource)
		e.sign(parts, "The environment of app "+a.Name, a.Environment)
		e.sign(parts, "The settings of app "+a.Name, []any{a.Shortname, a.Type, a.Attributes, a.Domains, a.EnableSsl, a.SslConfiguration, a.DataSources})
	}
	return parts
}

func (e *Engine) sign(parts map[string]string, name string, value any) {
	text, err := json.Marshal(value)
	if err != nil { // of plain structs, cannot happen
		text = fmt.Append(nil, value)
	}
	parts[name] = hex.EncodeToString(e.store.MAC("plan", name+"\x00"+string(text)))[:32]
}

const (
	partInstance = "instance "
	partOnline   = "online "
	partTold     = "What recipes are told of the stack"
)

func (e *Engine) fingerprint(parts map[string]string) string {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		all.WriteString(name + "\x00" + parts[name] + "\x00")
	}
	return hex.EncodeToString(e.store.MAC("plan fingerprint", all.String()))
}

// changes says in sentences how one plan differs from an older one.
func changes(was, is models.PlanContent) []string {
	var said []string
	names := slices.Sorted(maps.Keys(was.Parts))
	for name := range is.Parts {
		if _, ok := was.Parts[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	reasons := map[string]string{}
	for _, i := range is.LeftOut {
		reasons[i.Hostname] = i.Reason
	}
	for _, name := range names {
		before, had := was.Parts[name]
		after, has := is.Parts[name]
		if before != after && name != partTold {
			said = append(said, change(name, had, has, reasons))
		}
	}
	if len(said) == 0 && was.Parts[partTold] != is.Parts[partTold] {
		said = append(said, partTold+" has changed.")
	}
	const most = 12
	if more := len(said) - most; more > 1 {
		said = append(said[:most], fmt.Sprintf("%d more changes.", more))
	}
	return said
}

func change(name string, had, has bool, reasons map[string]string) string {
	if host, ok := strings.CutPrefix(name, partInstance); ok {
		switch {
		case !had:
			return host + " can be reached now and would run it too."
		case !has && reasons[host] == "":
			return host + " is no longer there."
		case !has:
			return host + " would not run it: " + reasons[host] + "."
		}
		return host + " is in another layer or batch now."
	}
	if host, ok := strings.CutPrefix(name, partOnline); ok {
		if has {
			return host + " is online now, which recipes are told."
		}
		return host + " is not online any more, which recipes are told."
	}
	is, have := "is", "has"
	if strings.HasPrefix(name, "The recipes") || strings.HasPrefix(name, "The settings") || strings.HasPrefix(name, "The built-in cookbooks") {
		is, have = "are", "have"
	}
	switch {
	case !had:
		return name + " " + is + " new."
	case !has:
		return name + " " + is + " gone."
	}
	return name + " " + have + " changed."
}

// tellsOf lists host names, a few by name.
func tellsOf(hosts []string) string {
	const named = 4
	if more := len(hosts) - named; more > 1 {
		return strings.Join(hosts[:named], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(hosts, ", ")
}

// secretValues are what must not be shown of a message.
func secretValues(run *protocol.Run) []string {
	var values []string
	for _, s := range run.Secrets {
		values = append(values, s.Value)
	}
	return values
}
