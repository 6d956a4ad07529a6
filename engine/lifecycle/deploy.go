package lifecycle

import (
	"strings"

	"opsyard/models"
)

// Deploying is what the deploy attributes are made of.
type Deploying struct {
	Stack      models.Stack
	Deployment models.Deployment
	Layers     []models.Layer // of the stack
	Apps       []models.App   // of the command
	Databases  Servers
	Memcached  string // address of the first online one
}

// Attributes is the document about the apps that a command deploys, without
// their secrets (OpsWorks: the deploy attributes); nil for none. What of it must
// not be shared is in PrivateAttributes.
func (d Deploying) Attributes() map[string]any {
	if len(d.Apps) == 0 {
		return nil
	}
	deploy := map[string]any{}
	for _, a := range d.Apps {
		deploy[a.Shortname] = d.app(a)
	}
	return map[string]any{"deploy": deploy}
}

func (d Deploying) app(a models.App) map[string]any {
	app := map[string]any{
		"application":            a.Shortname,
		"application_name":       a.Name,
		"application_type":       RecipeType(a.Type),
		"auto_bundle_on_deploy":  a.Type == models.AppRails && a.Attributes["AutoBundleOnDeploy"] != "false",
		"deploy_to":              "/srv/www/" + a.Shortname,
		"deploying_user":         orNull(d.Deployment.IamUserArn),
		"domains":                append([]string{a.Shortname}, a.Domains...),
		"document_root":          a.Attributes["DocumentRoot"],
		"environment_variables":  map[string]any{},
		"group":                  webGroup(d.Stack.DefaultOs),
		"keep_releases":          5,
		"memcached":              map[string]any{"host": orNull(d.Memcached), "port": memcachedPort},
		"migrate":                isTrue(d.Deployment.Command.Args["migrate"]),
		"mounted_at":             nil,
		"purge_before_symlink":   []string{"log", "tmp/pids", "public/system"},
		"rails_env":              railsEnv(a),
		"restart_command":        d.restartCommand(a.Type),
		"scm":                    map[string]any{"scm_type": a.AppSource.Type, "repository": a.AppSource.URL, "revision": a.AppSource.Revision},
		"sleep_before_restart":   0,
		"ssl_support":            a.EnableSsl,
		"stack":                  map[string]any{"needs_reload": a.Type == models.AppRails},
		"symlink_before_migrate": symlinkBeforeMigrate(a.Type),
		"symlinks":               map[string]string{"system": "public/system", "pids": "tmp/pids", "log": "log"},
		"user":                   "deploy",
		"database":               map[string]any{},
	}
	if db := d.Databases.Database(a); db != nil {
		app["database"] = map[string]any{
			"adapter": db.Adapter, "host": db.Host, "port": db.Port, "username": db.Username, "database": db.Database,
			"data_source_provider": db.DataSourceProvider, "reconnect": true,
		}
	}
	return app
}

func isTrue(arg []string) bool { return len(arg) == 1 && arg[0] == "true" }

// webGroup is the group of the web server in the stack's operating system.
func webGroup(os string) string {
	for _, family := range []string{"Amazon", "CentOS", "Red Hat"} {
		if strings.HasPrefix(os, family) {
			return "apache"
		}
	}
	return "www-data"
}

func railsEnv(a models.App) any {
	if env := a.Attributes["RailsEnv"]; env != "" || a.Type != models.AppRails {
		return orNull(env)
	}
	return "production"
}

func (d Deploying) restartCommand(t models.AppType) any {
	switch t {
	case models.AppRails:
		if l := layerOf(d.Layers, models.LayerRailsApp); l != nil {
			return railsStacks[attribute(l, "RailsStack")].RestartCommand
		}
		return railsStacks["apache_passenger"].RestartCommand
	case models.AppNodejs:
		return "monit restart node_web_app"
	}
	return `echo "restarting app"`
}

// symlinkBeforeMigrate are the files of the shared directory that an app's code
// finds in its own.
func symlinkBeforeMigrate(t models.AppType) map[string]string {
	switch t {
	case models.AppRails:
		return map[string]string{"config/database.yml": "config/database.yml", "config/memcached.yml": "config/memcached.yml"}
	case models.AppPHP, models.AppNodejs:
		file := map[models.AppType]string{models.AppPHP: "opsworks.php", models.AppNodejs: "opsworks.js"}[t]
		return map[string]string{"config/" + file: file}
	}
	return map[string]string{}
}

// PrivateAttributes are the attributes that cookbooks of Chef 11 stacks read and
// that must be in no document that others read or that stays on a disk: what the
// command's apps need, and passwords that the instance's own layers may know.
// Custom JSON goes over them. nil for none.
func PrivateAttributes(own, all []models.Layer, apps []models.App, databases Servers) map[string]any {
	private := map[string]any{}
	deploy := map[string]any{}
	for _, a := range apps {
		deploy[a.Shortname] = privateApp(a, databases)
	}
	if len(deploy) > 0 {
		private["deploy"] = deploy
	}
	if password := RootPassword(own, all); password != "" {
		private["mysql"] = map[string]any{"server_root_password": password}
	}
	if l := layerOf(own, models.LayerMonitoring); l != nil {
		private["ganglia"] = map[string]any{"web": map[string]any{"password": orNull(l.Attributes["GangliaPassword"])}}
	}
	if len(private) == 0 {
		return nil
	}
	return private
}

func privateApp(a models.App, databases Servers) map[string]any {
	s, tls := a.AppSource, a.SslConfiguration
	app := map[string]any{
		"environment_variables": environment(a),
		"scm":                   map[string]any{"user": orNull(s.Username), "password": orNull(s.Password), "ssh_key": orNull(s.SSHKey)},
		"ssl_certificate":       orNull(tls.Certificate),
		"ssl_certificate_key":   orNull(tls.PrivateKey),
		"ssl_certificate_ca":    orNull(tls.Chain),
	}
	if db := databases.Database(a); db != nil {
		app["database"] = map[string]any{"password": db.Password}
	}
	return app
}

func environment(a models.App) map[string]string {
	variables := make(map[string]string, len(a.Environment))
	for _, v := range a.Environment {
		variables[v.Key] = v.Value
	}
	return variables
}

// RootPassword is the MySQL root password, for the database's own instances, and
// for those of app servers or, if it is ubiquitous, for all.
func RootPassword(own, all []models.Layer) string {
	db := layerOf(all, models.LayerDBMaster)
	if db == nil || db.Engine == models.EnginePostgresql {
		return ""
	}
	if db.On("MysqlRootPasswordUbiquitous") || layerOf(own, models.LayerDBMaster) != nil {
		return db.Attributes["MysqlRootPassword"]
	}
	for _, l := range own {
		if l.Type.IsAppServer() {
			return db.Attributes["MysqlRootPassword"]
		}
	}
	return ""
}
