package awsapi

import (
	"context"
	"maps"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) appOperations() operations {
	return operations{
		"CreateApp":    on(a.createApp),
		"UpdateApp":    do(a.updateApp),
		"DeleteApp":    do(a.deleteApp),
		"DescribeApps": on(a.describeApps),
	}
}

func (a *API) createApp(ctx context.Context, in *wire.CreateAppRequest) (*wire.CreateAppResult, error) {
	app := models.App{
		StackID: id[models.StackID](in.StackId), Name: text(in.Name), Shortname: text(in.Shortname), Description: text(in.Description),
		Type: models.AppType(text(in.Type)),
	}
	appMembers{
		source: in.AppSource, attributes: in.Attributes, dataSources: in.DataSources, domains: in.Domains,
		enableSsl: in.EnableSsl, environment: in.Environment, ssl: in.SslConfiguration,
	}.into(&app)
	made, err := a.Engine.CreateApp(ctx, app)
	if err != nil {
		return nil, err
	}
	return &wire.CreateAppResult{AppId: str(made.ID)}, nil
}

func (a *API) updateApp(ctx context.Context, in *wire.UpdateAppRequest) error {
	_, err := a.Engine.UpdateApp(ctx, id[models.AppID](in.AppId), func(app *models.App) error {
		put(&app.Name, in.Name)
		put(&app.Description, in.Description)
		putText(&app.Type, in.Type)
		appMembers{
			source: in.AppSource, attributes: in.Attributes, dataSources: in.DataSources, domains: in.Domains,
			enableSsl: in.EnableSsl, environment: in.Environment, ssl: in.SslConfiguration,
		}.into(app)
		return nil
	})
	return err
}

func (a *API) deleteApp(ctx context.Context, in *wire.DeleteAppRequest) error {
	return a.Engine.DeleteApp(ctx, id[models.AppID](in.AppId))
}

// appMembers are what CreateApp and UpdateApp have in common.
type appMembers struct {
	source      *wire.Source
	attributes  map[string]string
	dataSources []wire.DataSource
	domains     []string
	enableSsl   *bool
	environment []wire.EnvironmentVariable
	ssl         *wire.SslConfiguration
}

// into stores the members that were given. Lists and the certificate take the
// place of those before as a whole; of the attributes the keys that are given.
func (m appMembers) into(app *models.App) {
	put(&app.EnableSsl, m.enableSsl)
	if m.source != nil {
		app.AppSource = mergeSource(app.AppSource, m.source)
	}
	if m.attributes != nil {
		app.Attributes = maps.Clone(app.Attributes)
		if app.Attributes == nil {
			app.Attributes = map[string]string{}
		}
		maps.Copy(app.Attributes, m.attributes) // "" takes a key away
	}
	if m.dataSources != nil {
		app.DataSources = nil
		for _, d := range m.dataSources {
			if d != (wire.DataSource{}) { // Terraform's way to say none
				app.DataSources = append(app.DataSources, models.DataSource{Type: text(d.Type), Arn: text(d.Arn), DatabaseName: text(d.DatabaseName)})
			}
		}
	}
	putList(&app.Domains, given(m.domains))
	if m.environment != nil {
		app.Environment = nil
		for _, v := range m.environment {
			app.Environment = append(app.Environment, models.EnvironmentVariable{Key: text(v.Key), Value: text(v.Value), Secure: isSet(v.Secure)})
		}
	}
	if m.ssl != nil {
		app.SslConfiguration = models.SslConfiguration{Certificate: text(m.ssl.Certificate), PrivateKey: text(m.ssl.PrivateKey), Chain: text(m.ssl.Chain)}
	}
}

// mergeSource is a source with what was given of it. One with a Url is whole:
// what it leaves out is unset. Without, the members take the place of the
// stored ones; build servers send nothing but a new Revision.
func mergeSource(stored models.Source, given *wire.Source) models.Source {
	source := stored
	if given.Url != nil {
		source = models.Source{Type: stored.Type}
	}
	putText(&source.Type, given.Type)
	put(&source.URL, given.Url)
	put(&source.Username, given.Username)
	put(&source.Password, given.Password)
	put(&source.SSHKey, given.SshKey)
	put(&source.Revision, given.Revision)
	return source
}

func (a *API) describeApps(ctx context.Context, in *wire.DescribeAppsRequest) (*wire.DescribeAppsResult, error) {
	if err := selectOne("Please provide one or more app IDs or a stack ID", len(in.AppIds) > 0, has(in.StackId)); err != nil {
		return nil, err
	}
	apps, err := a.appsOf(ctx, in)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeAppsResult{Apps: make([]wire.App, len(apps))}
	for n := range apps {
		out.Apps[n] = wireApp(&apps[n])
	}
	return out, nil
}

func (a *API) appsOf(ctx context.Context, in *wire.DescribeAppsRequest) ([]models.App, error) {
	if has(in.StackId) {
		stack, err := a.show(ctx, id[models.StackID](in.StackId))
		if err != nil {
			return nil, err
		}
		return a.Store.Apps.InStack(ctx, stack.ID)
	}
	return see(ctx, a, nounApp, ids[models.AppID](in.AppIds), a.Store.Apps.ByIDs)
}

func wireApp(stored *models.App) wire.App {
	app := stored.Redacted()
	out := wire.App{
		AppId: str(app.ID), StackId: str(app.StackID), Name: str(app.Name), Shortname: str(app.Shortname), Description: str(app.Description),
		Type: str(app.Type), CreatedAt: stamp(app.CreatedAt), EnableSsl: yes(app.EnableSsl), Attributes: app.Attributes, Domains: strs(app.Domains),
		DataSources: make([]wire.DataSource, len(app.DataSources)), Environment: make([]wire.EnvironmentVariable, len(app.Environment)),
	}
	if s := app.AppSource; !s.IsZero() && s.Type != models.SourceOther { // the model knows only four types
		out.AppSource = sourceShown(s)
	}
	for n, d := range app.DataSources {
		out.DataSources[n] = wire.DataSource{Type: str(d.Type), Arn: str(d.Arn), DatabaseName: str(d.DatabaseName)}
	}
	for n := range app.Environment {
		v := &app.Environment[n]
		out.Environment[n] = wire.EnvironmentVariable{Key: &v.Key, Value: &v.Value, Secure: &v.Secure}
	}
	if c := app.SslConfiguration; c != (models.SslConfiguration{}) {
		out.SslConfiguration = &wire.SslConfiguration{Certificate: str(c.Certificate), PrivateKey: str(c.PrivateKey), Chain: str(c.Chain)}
	}
	return out
}
