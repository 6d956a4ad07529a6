package models

import (
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

// DataSource is the database of an app.
type DataSource struct {
	Type         string `json:"type"` // AutoSelectOpsworksMysqlInstance, OpsworksMysqlInstance, RdsDbInstance, None
	Arn          string `json:"arn,omitempty"`
	DatabaseName string `json:"database_name,omitempty"`
}

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
	if root := a.Attributes["DocumentRoot"]; root != "" && (!docRootPattern.MatchString(root) || strings.Contains(root, "..")) {
		return InvalidField("DocumentRoot", "Document root: must begin with a letter, digit, _ or -, and stay inside the app.")
	}
	for _, d := range a.Domains {
		if len(d) > 253 || !domainPattern.MatchString(d) {
			return InvalidField("Domains", "Domains: %q is not a domain name.", d)
		}
	}
	if a.EnableSsl && (a.SslConfiguration.Certificate == "" || a.SslConfiguration.PrivateKey == "") {
		return InvalidField("SslConfiguration", "Ssl configuration: a certificate and its private key are needed.")
	}
	return a.validateEnvironment()
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
		a.SslConfiguration.PrivateKey = stored.SslConfiguration.PrivateKey
	}
	old := map[string]string{}
	for _, v := range stored.Environment {
		old[v.Key] = v.Value
	}
	for n, v := range a.Environment {
		if v.Value == Filtered {
			a.Environment[n].Value = old[v.Key]
		}
	}
	return nil
}
