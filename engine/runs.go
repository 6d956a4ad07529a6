package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"opsyard/agent/protocol"
	"opsyard/engine/dispatch"
	"opsyard/engine/lifecycle"
	"opsyard/models"
)

// buildRuns makes the messages for leased commands. What commands of one
// deployment share is read and made once, however many there are.
func (e *Engine) buildRuns(ctx context.Context, commands []models.Command) ([]dispatch.Offer, error) {
	b := &runBuilder{e: e, stacks: map[models.StackID]*stackParts{}, deployments: map[models.DeploymentID]*models.Deployment{}, shared: map[string]*sharedRun{}}
	if err := b.load(ctx, commands); err != nil {
		return nil, err
	}
	if err := b.chooseMigrators(ctx, commands); err != nil {
		return nil, err
	}
	offers := make([]dispatch.Offer, len(commands))
	for n := range commands {
		wire, err := b.run(ctx, &commands[n])
		if err != nil {
			return nil, fmt.Errorf("build command %s: %w", commands[n].ID, err)
		}
		offers[n] = dispatch.Offer{Instance: commands[n].InstanceID, Message: wire}
	}
	return offers, nil
}

type stackParts struct {
	stack     *models.Stack
	layers    []models.Layer
	apps      []models.App
	databases lifecycle.Servers
	state     stateOf // once a command has needed it
}

type runBuilder struct {
	e           *Engine
	stacks      map[models.StackID]*stackParts
	deployments map[models.DeploymentID]*models.Deployment
	layerIDs    map[models.InstanceID][]models.LayerID
	shared      map[string]*sharedRun // by deployment and layers
}

// sharedRun is the message for commands of one deployment on instances of the
// same layers.
type sharedRun struct {
	run      protocol.Run
	list     []models.RunItem
	template *protocol.RunTemplate
}

func (b *runBuilder) load(ctx context.Context, commands []models.Command) error {
	var unknown []models.InstanceID
	known := map[models.InstanceID][]models.LayerID{}
	for _, c := range commands {
		if c.LayerIDs == nil {
			unknown = append(unknown, c.InstanceID)
		} else {
			known[c.InstanceID] = c.LayerIDs
		}
		if b.deployments[c.DeploymentID] == nil {
			d, err := b.e.store.Deployments.Get(ctx, c.DeploymentID)
			if err != nil {
				return err
			}
			b.deployments[c.DeploymentID] = d
		}
		if b.stacks[c.StackID] == nil {
			parts, err := b.e.loadStack(ctx, c.StackID)
			if err != nil {
				return err
			}
			b.stacks[c.StackID] = parts
		}
	}
	var err error
	b.layerIDs, err = b.e.store.Instances.LayerIDs(ctx, unknown)
	maps.Copy(b.layerIDs, known)
	return err
}

func (e *Engine) loadStack(ctx context.Context, id models.StackID) (*stackParts, error) {
	stack, err := e.store.Stacks.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	layers, err := e.store.Layers.InStack(ctx, id)
	if err != nil {
		return nil, err
	}
	apps, err := e.store.Apps.InStack(ctx, id)
	if err != nil {
		return nil, err
	}
	databases, err := e.servers(ctx, id, layers)
	return &stackParts{stack: stack, layers: layers, apps: apps, databases: databases}, err
}

// servers are what the apps of a stack can be told to use.
func (e *Engine) servers(ctx context.Context, id models.StackID, layers []models.Layer) (s lifecycle.Servers, err error) {
	if s.Registered, err = e.store.RdsDbInstances.InStack(ctx, id); err != nil {
		return s, err
	}
	for n := range layers {
		l := &layers[n]
		switch l.Type {
		case models.LayerDBMaster:
			s.DatabaseLayer = l
			s.DatabaseInstances, err = e.store.Instances.InLayer(ctx, l.ID)
		case models.LayerMemcached:
			s.CacheLayer = l
			s.CacheInstances, err = e.store.Instances.InLayer(ctx, l.ID)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// run is the message for one command: the part that its deployment and layers
// decide, with the command's own id.
func (b *runBuilder) run(ctx context.Context, c *models.Command) (protocol.Wire, error) {
	key := string(c.DeploymentID) + keyOf(b.layerIDs[c.InstanceID])
	shared := b.shared[key]
	if shared == nil || shared.run.TimeoutSeconds != c.TimeoutSeconds || !slices.Equal(shared.list, c.RunList) {
		var err error
		if shared, err = b.share(ctx, c); err != nil {
			return nil, err
		}
		b.shared[key] = shared
	}
	own, err := b.own(ctx, c)
	if err != nil || own == nil {
		return sharedWire(shared, c, err)
	}
	run := shared.run
	run.CommandID, run.Instance = string(c.ID), own
	return protocol.Encode(run)
}

func sharedWire(shared *sharedRun, c *models.Command, err error) (protocol.Wire, error) {
	if err != nil {
		return nil, err
	}
	return shared.template.For(string(c.ID))
}

// keyOf names a list of layers.
func keyOf(ids []models.LayerID) string {
	if len(ids) == 1 {
		return string(ids[0])
	}
	return fmt.Sprint(ids)
}

func (b *runBuilder) share(ctx context.Context, c *models.Command) (*sharedRun, error) {
	run, err := b.makeShared(ctx, c)
	if err != nil {
		return nil, err
	}
	run.TimeoutSeconds = c.TimeoutSeconds
	run.RunList = make([]protocol.RunItem, len(c.RunList))
	for n, item := range c.RunList {
		run.RunList[n] = protocol.RunItem(item)
	}
	template, err := protocol.NewRunTemplate(*run)
	return &sharedRun{*run, c.RunList, template}, err
}

// own describes an instance that its stack's documents do not have among the
// online ones, as while it is set up; nil for all others.
func (b *runBuilder) own(ctx context.Context, c *models.Command) (*protocol.OwnInstance, error) {
	parts := b.stacks[c.StackID]
	if parts.state.online[c.InstanceID] {
		return nil, nil
	}
	i, err := b.e.store.Instances.Get(ctx, c.InstanceID)
	if err != nil {
		return nil, err
	}
	own := &protocol.OwnInstance{}
	if own.Attributes, err = lifecycle.OwnInstance(*i, *parts.stack); err != nil {
		return nil, fmt.Errorf("describe instance %s: %w", i.Hostname, err)
	}
	if parts.stack.ConfigurationManager.IsChef12() {
		if own.DataBagItem, err = json.Marshal(lifecycle.InstanceItem(*i)); err != nil {
			return nil, fmt.Errorf("describe instance %s: %w", i.Hostname, err)
		}
	}
	return own, nil
}

func (b *runBuilder) makeShared(ctx context.Context, c *models.Command) (*protocol.Run, error) {
	parts, d := b.stacks[c.StackID], b.deployments[c.DeploymentID]
	layers := lifecycle.LayersOf(models.Instance{LayerIDs: b.layerIDs[c.InstanceID]}, parts.layers)
	apps := appsOf(d, layers, parts.apps)
	served := servedBy(layers, parts.apps)
	digests, err := b.attributes(ctx, parts, layers, apps, d)
	if err != nil {
		return nil, err
	}
	run := &protocol.Run{
		DeploymentID: string(d.ID), Type: string(c.Type), Manager: strings.ToLower(parts.stack.ConfigurationManager.Name),
		Args: d.Command.Args, DryRun: d.DryRun, Attributes: digests, Cookbooks: []string{b.e.contents.cookbooks},
		RefreshCookbooks: lifecycle.RunList(c.Type, nil, nil, false).Refresh,
		SentAt:           d.CreatedAt.Unix(), IamUserArn: d.IamUserArn, DataBags: parts.state.dataBags,
		Migrator: string(d.MigratorID),
	}
	var cookbooks models.Source
	if parts.stack.UseCustomCookbooks && !parts.stack.CustomCookbooksSource.IsZero() {
		cookbooks = parts.stack.CustomCookbooksSource
		source := sourceOf(cookbooks)
		run.CustomCookbooks = &source
	}
	for _, a := range apps {
		app := appFor(a)
		if db := parts.databases.Database(a); db != nil {
			app.Database = (*protocol.Database)(db)
			run.Secrets = append(run.Secrets, protocol.Secret{Name: a.Shortname + " database password", Value: db.Password})
		}
		app.Services = parts.databases.CacheEnvironment()
		run.Apps = append(run.Apps, app)
	}
	addDatabases(run, layers, served, parts)
	told := apps // whose secrets the instance is told
	if parts.stack.ConfigurationManager.IsChef12() {
		told = served
	}
	for name, value := range lifecycle.SecretsOf(layers, told, cookbooks) {
		run.Secrets = append(run.Secrets, protocol.Secret{Name: name, Value: value})
	}
	if err := addChef(run, parts, layers, apps, served); err != nil {
		return nil, err
	}
	if err := b.addPassword(ctx, c, run); err != nil {
		return nil, err
	}
	slices.SortFunc(run.Secrets, func(a, b protocol.Secret) int { return strings.Compare(a.Name, b.Name) })
	return run, nil
}

// addPassword gives the command that grants access the password, which its
// deployment must not show.
func (b *runBuilder) addPassword(ctx context.Context, c *models.Command, run *protocol.Run) error {
	if c.Type != models.CommandGrantRemoteAccess {
		return nil
	}
	access, err := b.e.store.RemoteAccesses.OfGrant(ctx, c.DeploymentID)
	if err != nil {
		if models.CodeOf(err) == models.CodeNotFound {
			return nil // another grant has taken its place; the agent fails this one
		}
		return err
	}
	run.Args = maps.Clone(run.Args)
	run.Args["password"] = []string{access.Password}
	run.Secrets = append(run.Secrets, protocol.Secret{Name: "password of " + access.Username, Value: access.Password})
	return nil
}

// addDatabases gives the command the databases that its instances may reach,
// and, on the servers of the stack's layers, what they are to serve.
func addDatabases(run *protocol.Run, layers []models.Layer, served []models.App, parts *stackParts) {
	for name, db := range lifecycle.DatabasesFor(layers, served, parts.databases.Registered) {
		if run.RdsDbInstances == nil {
			run.RdsDbInstances = map[string]protocol.Database{}
		}
		run.RdsDbInstances[name] = protocol.Database(db)
		run.Secrets = append(run.Secrets, protocol.Secret{Name: "database " + name + " password", Value: db.Password})
	}
	if slices.ContainsFunc(layers, func(l models.Layer) bool { return l.Type == models.LayerDBMaster }) {
		run.AppDatabases = map[string]protocol.Database{}
		for app, db := range parts.databases.Served(parts.apps) {
			run.AppDatabases[app] = protocol.Database(db)
			run.Secrets = append(run.Secrets, protocol.Secret{Name: app + " database password", Value: db.Password})
		}
	}
	if password := parts.databases.CachePassword(); password != "" {
		run.Secrets = append(run.Secrets, protocol.Secret{Name: "redis password", Value: password})
		if slices.ContainsFunc(layers, func(l models.Layer) bool { return l.Type == models.LayerMemcached }) {
			run.RedisPassword = password
		}
	}
}

// addChef gives the command what cookbooks of Chef read and what nobody else may
// see or needs: to stacks of Chef 11 as attributes, to those of Chef 12 in data
// bags.
func addChef(run *protocol.Run, parts *stackParts, layers []models.Layer, apps, served []models.App) (err error) {
	m := parts.stack.ConfigurationManager
	switch {
	case m.IsChef12():
		run.PrivateDataBags, err = json.Marshal(lifecycle.PrivateDataBags(*parts.stack, layers, served, parts.databases.Registered))
	case m.IsChef():
		private := lifecycle.PrivateAttributes(layers, parts.layers, apps, parts.databases)
		if private == nil {
			return nil
		}
		run.PrivateAttributes, err = json.Marshal(private)
		if password := lifecycle.RootPassword(layers, parts.layers); password != "" {
			run.Secrets = append(run.Secrets, protocol.Secret{Name: "mysql root password", Value: password})
		}
	}
	if err != nil {
		return fmt.Errorf("encode what only Chef reads: %w", err)
	}
	return nil
}

// attributes are the digests of the documents that make up the recipes'
// attributes: the stack's state, what only these layers may know, the apps of
// this command, and on top the custom JSON. The agent adds who it is.
func (b *runBuilder) attributes(ctx context.Context, parts *stackParts, layers []models.Layer, apps []models.App, d *models.Deployment) ([]string, error) {
	state, err := b.e.contents.state(ctx, parts.stack, parts.layers)
	if err != nil {
		return nil, err
	}
	parts.state = state
	deploying := lifecycle.Deploying{
		Stack: *parts.stack, Deployment: *d, Layers: parts.layers, Apps: apps, Databases: parts.databases, Memcached: state.memcached,
	}
	custom, err := lifecycle.CustomJSON(*parts.stack, layers, d.CustomJSON)
	if err != nil {
		return nil, err
	}
	digests := []string{state.digest}
	for _, object := range []map[string]any{
		lifecycle.Activity(d.CommandName, layers), lifecycle.OwnAttributes(layers), deploying.Attributes(), custom,
	} {
		digest, err := b.e.contents.document(ctx, object)
		if err != nil {
			return nil, err
		}
		if digest != "" {
			digests = append(digests, digest)
		}
	}
	return digests, nil
}

// appsOf are the apps that a command is about: the named one, at Setup all
// (OpsWorks: aws_opsworks_app.deploy), otherwise none. An instance is told only
// of apps that its layers serve; custom layers are told of all, for their own
// recipes decide.
func appsOf(d *models.Deployment, layers []models.Layer, all []models.App) []models.App {
	if d.AppID != "" {
		for _, a := range all {
			if a.ID == d.AppID && serves(layers, a) {
				return []models.App{a}
			}
		}
		if gone := d.Command.Args["app"]; len(gone) == 1 { // deleted: its short name is enough
			return []models.App{{ID: d.AppID, Shortname: gone[0], Name: gone[0], Type: models.AppOther}}
		}
		return nil
	}
	if d.CommandName != models.CommandSetup && d.CommandName != models.CommandExecuteRecipes {
		return nil
	}
	return servedBy(layers, all)
}

// servedBy are the apps that an instance of the layers is told of.
func servedBy(layers []models.Layer, all []models.App) (mine []models.App) {
	for _, a := range all {
		if serves(layers, a) {
			mine = append(mine, a)
		}
	}
	return mine
}

func serves(layers []models.Layer, a models.App) bool {
	return slices.ContainsFunc(layers, func(l models.Layer) bool {
		return l.Type == models.LayerCustom || l.Type == a.Type.LayerType()
	})
}

func sourceOf(s models.Source) protocol.Source {
	return protocol.Source{Type: string(s.Type), URL: s.URL, Username: s.Username, Password: s.Password, SSHKey: s.SSHKey, Revision: s.Revision}
}

func appFor(a models.App) protocol.App {
	app := protocol.App{
		ID: string(a.ID), Name: a.Name, Shortname: a.Shortname, Type: string(a.Type), Source: sourceOf(a.AppSource), Domains: a.Domains,
		Attributes: a.Attributes, Environment: map[string]string{}, EnableSSL: a.EnableSsl,
		Certificate: a.SslConfiguration.Certificate, PrivateKey: a.SslConfiguration.PrivateKey, Chain: a.SslConfiguration.Chain,
	}
	for _, v := range a.Environment {
		app.Environment[v.Key] = v.Value
	}
	return app
}
