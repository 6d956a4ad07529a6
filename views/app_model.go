package views

import (
	"strconv"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// AppList is the list of a stack's apps.
type AppList struct {
	Frame StackFrame
	Now   time.Time
	Rows  []AppVersion
}

// AppShow is the page of an app.
type AppShow struct {
	Frame       StackFrame
	Now         time.Time
	App         models.App
	Last        *models.Deployment
	Deployments []DeploymentRow
	Layers      []string // that serve it
	Online      int      // instances that a deploy reaches
}

// Sentence says what was deployed last and what a deploy would reach.
func (p AppShow) Sentence() Sentence {
	var s Sentence
	switch {
	case p.Last == nil:
		s.Lead = "No deploy was asked for yet; instances get it at their Setup."
	case p.Last.Status == models.DeploymentRunning:
		s.Lead = "It is going out now."
	case p.Last.Status == models.DeploymentFailed:
		s.Lead = "The last " + string(p.Last.CommandName) + " failed."
	case p.Last.CommandName == models.CommandUndeploy:
		s.Lead = "Undeployed " + Age(p.Now.Sub(p.Last.CreatedAt)) + " ago."
	default:
		s.Lead = "Last " + string(p.Last.CommandName) + " " + Age(p.Now.Sub(p.Last.CreatedAt)) + " ago, successful."
	}
	if p.Last != nil {
		s.Rest = append(s.Rest, Phrase{"#" + strconv.FormatInt(p.Last.Number, 10), DeploymentHref(p.Last.ID)}, Phrase{Text: ". "})
	}
	if p.Online == 0 {
		s.Rest = append(s.Rest, Phrase{Text: "No instance is online, so a deploy would reach none."})
	} else {
		s.Rest = append(s.Rest, Phrase{Text: "A deploy reaches " + Count(p.Online, "online instance") + "."})
	}
	return s
}

// AppFacts are the lines beside an app's page.
func AppFacts(a models.App) []Fact {
	return facts(
		Fact{Name: "App id", Value: string(a.ID), Code: true},
		Fact{Name: "Short name", Value: a.Shortname, Code: true},
		Fact{Name: "Type", Value: string(a.Type), Code: true},
		Fact{Name: "Document root", Value: a.Attributes["DocumentRoot"], Code: true},
		Fact{Name: "Rails environment", Value: a.Attributes["RailsEnv"], Code: true},
		Fact{Name: "Bundle on deploy", Value: a.Attributes["AutoBundleOnDeploy"]},
		Fact{Name: "Flow settings", Value: a.Attributes["AwsFlowRubySettings"], Code: true},
		Fact{Name: "Data source", Value: dataSource(a)},
		Fact{Name: "Database", Value: databaseName(a), Code: true},
		Fact{Name: "Created", Value: a.CreatedAt.UTC().Format("2 Jan 2006 15:04") + " UTC"},
	)
}

// dataSource says where the app's database is.
func dataSource(a models.App) string {
	if len(a.DataSources) == 0 {
		return ""
	}
	d := a.DataSources[0]
	name := d.Arn[strings.LastIndexAny(d.Arn, ":/")+1:]
	switch d.Type {
	case models.DataSourceAutoSelect:
		return "the database layer of this stack"
	case models.DataSourceMysql:
		return strings.TrimSpace("database instance " + name)
	case models.DataSourceRds:
		return "RDS instance " + name
	}
	return ""
}

func databaseName(a models.App) string {
	if len(a.DataSources) == 0 {
		return ""
	}
	return a.DataSources[0].DatabaseName
}

// SourceFacts are the lines of a source; secrets are named, never shown.
func SourceFacts(s models.Source) []Fact {
	set := func(secret string) string {
		if secret != "" {
			return "set, not shown"
		}
		return ""
	}
	return facts(
		Fact{Name: "Source", Value: string(s.Type)},
		Fact{Name: "Address", Value: s.URL, Code: true},
		Fact{Name: "Revision", Value: s.Revision, Code: true},
		Fact{Name: "User", Value: s.Username, Code: true},
		Fact{Name: "Password", Value: set(s.Password)},
		Fact{Name: "Deploy key", Value: set(s.SSHKey)},
	)
}

// AppForm is the page that makes or changes an app.
type AppForm struct {
	Frame StackFrame
	App   *models.App // nil for a new one
	Form  Form
	Env   []EnvRow
	// What a data source can be, besides the database layer: by ARN and name.
	Databases []ArnChoice // registered with the stack
	Mysql     []ArnChoice // instances of the database layer
}

// ArnChoice is something that forms name by its ARN.
type ArnChoice struct{ Arn, Name string }

// arnOptions offers the choices; one that is chosen but not offered stays.
func arnOptions(list []ArnChoice, chosen string) []ui.Option {
	out := []ui.Option{{Label: "Choose…", Selected: chosen == ""}}
	found := chosen == ""
	for _, c := range list {
		out = append(out, ui.Option{Value: c.Arn, Label: c.Name, Selected: c.Arn == chosen})
		found = found || c.Arn == chosen
	}
	if !found {
		out = append(out, ui.Option{Value: chosen, Label: chosen + " (not of this stack)", Selected: true})
	}
	return out
}

// asUsual is a choice that may be left to the layer.
func asUsual(chosen string) []ui.Option {
	return []ui.Option{
		{Label: "As usual", Selected: chosen == ""}, {Value: "true", Label: "Yes", Selected: chosen == "true"}, {Value: "false", Label: "No", Selected: chosen == "false"},
	}
}

// EnvRow is one variable in the form; a stored secure one shows Filtered.
type EnvRow struct {
	Key, Value string
	Secure     bool
}

func (p AppForm) formHref() string {
	if p.App != nil {
		return AppHref(p.Frame.ID, p.App.ID) + "/edit"
	}
	return p.Frame.Href("/apps")
}

func (p AppForm) back() string {
	if p.App != nil {
		return AppHref(p.Frame.ID, p.App.ID)
	}
	return p.Frame.Href("/apps")
}

// appTypeNames explain the types.
var appTypeNames = map[models.AppType]string{
	models.AppStatic: "Static files", models.AppPHP: "PHP", models.AppRails: "Ruby on Rails", models.AppNodejs: "Node.js",
	models.AppJava: "Java", models.AppAWSFlowRuby: "AWS Flow (Ruby)", models.AppOther: "Other: only my recipes",
}

func appTypeOptions(chosen string) []ui.Option {
	var out []ui.Option
	for _, t := range models.AppTypes {
		out = append(out, ui.Option{Value: string(t), Label: appTypeNames[t], Selected: string(t) == chosen})
	}
	return out
}

func sourceOptions(chosen string) []ui.Option {
	out := []ui.Option{{Value: "", Label: "None"}}
	for _, t := range []struct {
		value models.SourceType
		label string
	}{
		{models.SourceGit, "Git"}, {models.SourceArchive, "HTTP archive"}, {models.SourceS3, "S3 archive"},
		{models.SourceSvn, "Subversion"}, {models.SourceOther, "Other: recipes fetch it"},
	} {
		out = append(out, ui.Option{Value: string(t.value), Label: t.label, Selected: string(t.value) == chosen})
	}
	return out
}

func dataSourceOptions(chosen string) []ui.Option {
	return []ui.Option{
		{Value: "", Label: "None", Selected: chosen == "" || chosen == "None"},
		{Value: "AutoSelectOpsworksMysqlInstance", Label: "The database layer of this stack", Selected: chosen == "AutoSelectOpsworksMysqlInstance"},
		{Value: "OpsworksMysqlInstance", Label: "The database layer, or one instance of it, by name", Selected: chosen == "OpsworksMysqlInstance"},
		{Value: "RdsDbInstance", Label: "RDS instance", Selected: chosen == "RdsDbInstance"},
	}
}
