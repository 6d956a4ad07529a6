package models

import (
	"encoding/pem"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// AppType is the kind of an app.
type AppType string

// Types of apps.
const (
	AppAWSFlowRuby AppType = "aws-flow-ruby"
	AppJava        AppType = "java"
	AppRails       AppType = "rails"
	AppPHP         AppType = "php"
	AppNodejs      AppType = "nodejs"
	AppStatic      AppType = "static"
	AppOther       AppType = "other"
)

// AppTypes is every type of app.
var AppTypes = []AppType{AppStatic, AppPHP, AppRails, AppNodejs, AppJava, AppAWSFlowRuby, AppOther}

// LayerType is the built-in layer that serves apps of this type; empty for other.
func (t AppType) LayerType() LayerType {
	switch t {
	case AppStatic:
		return LayerWeb
	case AppPHP:
		return LayerPHPApp
	case AppRails:
		return LayerRailsApp
	case AppNodejs:
		return LayerNodejsApp
	case AppJava:
		return LayerJavaApp
	case AppAWSFlowRuby:
		return LayerAWSFlowRuby
	}
	return ""
}

// AppAttributes are the keys that App.Attributes may have (OpsWorks: "App
// attributes").
var AppAttributes = []string{"DocumentRoot", "RailsEnv", "AutoBundleOnDeploy", "AwsFlowRubySettings"}

// Types of data sources.
const (
	DataSourceAutoSelect = "AutoSelectOpsworksMysqlInstance"
	DataSourceMysql      = "OpsworksMysqlInstance"
	DataSourceRds        = "RdsDbInstance"
	DataSourceNone       = "None"
)

// DataSource is the database of an app.
type DataSource struct {
	Type         string `json:"type"`
	Arn          string `json:"arn,omitempty"`
	DatabaseName string `json:"database_name,omitempty"`
}

// OfLayer tells whether it means the stack's own database layer.
func (d DataSource) OfLayer() bool {
	return d.Type == DataSourceAutoSelect || d.Type == DataSourceMysql
}

// databasePattern is what both MySQL and PostgreSQL take for a name.
var databasePattern = regexp.MustCompile(`\A[A-Za-z0-9_][A-Za-z0-9_.$-]*\z`)

// EnvironmentVariable is given to an app when it runs.
type EnvironmentVariable struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Secure bool   `json:"secure,omitempty"` // shown as Filtered
}

// SslConfiguration is the certificate of an app, in PEM.
type SslConfiguration struct {
	Certificate string `json:"certificate,omitempty"`
	PrivateKey  string `json:"private_key,omitempty"`
	Chain       string `json:"chain,omitempty"`
}

// App is code that is deployed to instances. OpsWorks: App.
type App struct {
	ID               AppID   `gorm:"primaryKey;size:36"`
	StackID          StackID `gorm:"size:36;not null;uniqueIndex:app_name;uniqueIndex:app_shortname"`
	Name             string  `gorm:"size:255;not null;uniqueIndex:app_name"`
	Shortname        string  `gorm:"size:64;not null;uniqueIndex:app_shortname"`
	Description      string
	Type             AppType      `gorm:"size:32;not null"`
	AppSource        Source       `gorm:"serializer:secret"`
	DataSources      []DataSource `gorm:"serializer:json"`
	Domains          []string     `gorm:"serializer:json"`
	EnableSsl        bool
	SslConfiguration SslConfiguration      `gorm:"serializer:secret"`
	Attributes       map[string]string     `gorm:"serializer:json"` // DocumentRoot, RailsEnv, …
	Environment      []EnvironmentVariable `gorm:"serializer:secret"`
	CreatedAt        time.Time             `gorm:"not null"`
	UpdatedAt        time.Time             `gorm:"not null"`
}

// MaxEnvironment is the limit of an app's environment, in bytes.
const MaxEnvironment = 20 << 10

var (
	envKeyPattern  = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]{0,63}\z`)
	docRootPattern = regexp.MustCompile(`\A[A-Za-z0-9_-][A-Za-z0-9_./-]*\z`)
	domainPattern  = regexp.MustCompile(`\A(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\z`)
)

// ShortnameFor makes an app's short name from its name: lower case, everything
// but letters, digits, - and _ dropped ("Simple PHP" becomes "simplephp").
func ShortnameFor(name string) string {
	return strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, name)
}

// Normalize fills what a new app leaves out (OpsWorks: CreateApp).
func (a *App) Normalize() {
	a.Name = strings.TrimSpace(a.Name)
	a.AppSource = a.AppSource.Normalize()
	if a.Shortname == "" {
		a.Shortname = ShortnameFor(a.Name)
	}
	a.Attributes = given(a.Attributes)
}

// given is a copy of attributes without the empty ones, which clients send for
// those that are not set.
func given(attributes map[string]string) map[string]string {
	set := make(map[string]string, len(attributes))
	for key, value := range attributes {
		if value != "" {
			set[key] = value
		}
	}
	return set
}

// Validate refuses an app that OpsWorks would refuse, as far as the app alone
// shows it.
func (a *App) Validate() error {
	if err := checkName("Name", a.Name, 255); err != nil {
		return err
	}
	if len(a.Shortname) > 64 || !shortnamePattern.MatchString(a.Shortname) || strings.Trim(a.Shortname, ".-") == "" || strings.HasPrefix(a.Shortname, "-") {
		return InvalidField("Shortname", "Shortname: must be 1 to 64 of a-z, 0-9, -, _ and dot, and not begin with -.")
	}
	if !contains(AppTypes, a.Type) {
		return InvalidField("Type", "Type: %q is not an app type.", a.Type)
	}
	if err := a.AppSource.Validate("App source"); err != nil {
		return err
	}
	for key, value := range a.Attributes {
		if !contains(AppAttributes, key) {
			return InvalidField("Attributes", "Attributes: %q is not an attribute of apps.", shorten(key, 64))
		}
		if strings.ContainsFunc(value, unshowable) && key != "AwsFlowRubySettings" {
			return InvalidField(key, "%s: holds characters that configuration files cannot take.", key)
		}
	}
	if root := a.Attributes["DocumentRoot"]; root != "" && (!docRootPattern.MatchString(root) || strings.Contains(root, "..")) {
		return InvalidField("DocumentRoot", "Document root: must begin with a letter, digit, _ or -, and stay inside the app.")
	}
	for _, d := range a.Domains {
		if len(d) > 253 || !domainPattern.MatchString(d) {
			return InvalidField("Domains", "Domains: %q is not a domain name.", d)
		}
	}
	for _, check := range []func() error{a.validateDataSources, a.validateSsl, a.validateEnvironment} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) validateDataSources() error {
	if len(a.DataSources) > 1 {
		return InvalidField("DataSources", "Data sources: an app has one at most.")
	}
	for _, d := range a.DataSources {
		switch {
		case !contains([]string{DataSourceAutoSelect, DataSourceMysql, DataSourceRds, DataSourceNone}, d.Type):
			return InvalidField("DataSources", "Data sources: %q is not a type of data source.", shorten(d.Type, 64))
		case d.Type == DataSourceRds && d.Arn == "":
			return InvalidField("DataSources", "Data sources: the ARN of the RDS instance is missing.")
		case d.OfLayer() && d.DatabaseName != "" && (len(d.DatabaseName) > 63 || !databasePattern.MatchString(d.DatabaseName) || ReservedDatabaseName(d.DatabaseName)):
			return InvalidField("DatabaseName", "Database name: must be 1 to 63 letters, digits, _, -, $ and dots, begin with a letter, digit or _, and be no database of the server's own.")
		case len(d.Arn) > maxARN || len(d.DatabaseName) > 255 || strings.ContainsFunc(d.Arn+d.DatabaseName, unshowable):
			return InvalidField("DataSources", "Data sources: the ARN or the name of the database cannot be right.")
		}
	}
	return nil
}

func (a *App) validateSsl() error {
	c := a.SslConfiguration
	if c == (SslConfiguration{}) && !a.EnableSsl {
		return nil
	}
	if c.Certificate == "" || c.PrivateKey == "" {
		return InvalidField("SslConfiguration", "Ssl configuration: a certificate and its private key are needed.")
	}
	for _, part := range []struct{ field, name, text, kind string }{
		{"SslConfiguration", "the certificate", c.Certificate, "CERTIFICATE"},
		{"PrivateKey", "the private key", c.PrivateKey, "PRIVATE KEY"},
		{"Chain", "the chain", c.Chain, "CERTIFICATE"},
	} {
		block, _ := pem.Decode([]byte(part.text))
		if part.text != "" && (block == nil || !strings.HasSuffix(block.Type, part.kind)) {
			return InvalidField(part.field, "Ssl configuration: %s is not in PEM form.", part.name)
		}
	}
	return nil
}

func (a *App) validateEnvironment() error {
	size := 0
	seen := map[string]bool{}
	for _, v := range a.Environment {
		size += len(v.Key) + len(v.Value)
		switch {
		case !envKeyPattern.MatchString(v.Key):
			return InvalidField("Environment", "Environment: %q is not a variable name (letters, digits and _, at most 64).", v.Key)
		case len(v.Value) > 256:
			return InvalidField("Environment", "Environment: the value of %s is too long (maximum is 256 characters).", v.Key)
		case strings.ContainsFunc(v.Value, func(r rune) bool { return !unicode.IsPrint(r) }):
			return InvalidField("Environment", "Environment: the value of %s holds characters that cannot be printed.", v.Key)
		case seen[v.Key]:
			return InvalidField("Environment", "Environment: %s is given twice.", v.Key)
		}
		seen[v.Key] = true
	}
	if size > MaxEnvironment {
		return InvalidField("Environment", "Environment: is too large (maximum is 20 KB)")
	}
	return nil
}

// KeepSecrets puts back the stored secrets where a client wrote Filtered.
func (a *App) KeepSecrets(stored App) error {
	var err error
	if a.AppSource, err = a.AppSource.KeepSecrets(stored.AppSource); err != nil {
		return err
	}
	if a.SslConfiguration.PrivateKey == Filtered {
		if a.SslConfiguration.PrivateKey = stored.SslConfiguration.PrivateKey; a.SslConfiguration.PrivateKey == "" {
			return InvalidField("PrivateKey", "Ssl configuration: there is no stored private key to keep; give it anew.")
		}
	}
	old := map[string]EnvironmentVariable{}
	for _, v := range stored.Environment {
		old[v.Key] = v
	}
	for n, v := range a.Environment {
		if v.Value != Filtered {
			continue
		}
		kept, there := old[v.Key]
		switch {
		case !there:
			return InvalidField("Environment", "Environment: there is no stored value of %s to keep; give it anew.", shorten(v.Key, 64))
		case kept.Secure && !v.Secure: // or whoever may change the app could read it
			return InvalidField("Environment", "Environment: %s is a secure variable; give its value anew to make it a plain one.", v.Key)
		}
		a.Environment[n].Value = kept.Value
	}
	return nil
}

// Redacted is the app as people may see it, with Filtered for its secrets. The
// app itself stays as it is.
func (a App) Redacted() App {
	a.AppSource = a.AppSource.Redacted()
	if a.SslConfiguration.PrivateKey != "" {
		a.SslConfiguration.PrivateKey = Filtered
	}
	a.Environment = append([]EnvironmentVariable(nil), a.Environment...)
	for n := range a.Environment {
		if a.Environment[n].Secure {
			a.Environment[n].Value = Filtered
		}
	}
	return a
}
