package awsapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// certificate is one that signs itself, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private))(t)
	keyDER := must(x509.MarshalPKCS8PrivateKey(private))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// app is the stored app.
func (w *world) app(t testing.TB, id *string) *models.App {
	t.Helper()
	return must(w.store.Apps.Get(w.ctx, models.AppID(*id)))(t)
}

func (w *world) shown(t testing.TB, id *string) *opsworks.App {
	t.Helper()
	out := must(w.admin.DescribeApps(&opsworks.DescribeAppsInput{AppIds: []*string{id}}))(t)
	return out.Apps[0]
}

func TestApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "CreateApp", "UpdateApp", "DescribeApps", "DeleteApp")
	stack := w.stack(t)
	sid := aws.String(string(stack.ID))
	const arn = "arn:aws:rds:us-east-1:123456789012:db:shop"
	check(t, w.engine.RegisterRdsDbInstance(w.ctx, models.RdsDbInstance{StackID: stack.ID, Arn: arn, DbUser: "u", DbPassword: "p"}))
	cert, key := certificate(t)

	minimal := must(w.admin.CreateApp(&opsworks.CreateAppInput{StackId: sid, Name: aws.String("Simple PHP"), Type: aws.String("php")}))(t)
	if a := w.shown(t, minimal.AppId); *a.Shortname != "simplephp" || *a.EnableSsl || a.AppSource != nil || len(a.Environment) != 0 || a.SslConfiguration != nil {
		t.Errorf("the minimal app is %v", a)
	}
	full := must(w.admin.CreateApp(&opsworks.CreateAppInput{
		StackId: sid, Name: aws.String("Shop"), Shortname: aws.String("the-shop"), Type: aws.String("rails"), Description: aws.String("sells"),
		AppSource: &opsworks.Source{
			Type: aws.String("git"), Url: aws.String("https://example.org/shop.git"), Username: aws.String("ci"), Password: aws.String("secret-1"),
			SshKey: aws.String("secret-2"), Revision: aws.String("v1"),
		},
		Attributes: map[string]*string{
			"DocumentRoot": aws.String("public"), "RailsEnv": aws.String("production"), "AutoBundleOnDeploy": aws.String("true"), "AwsFlowRubySettings": aws.String(`{"a":1}`),
		},
		DataSources:      []*opsworks.DataSource{{Type: aws.String("RdsDbInstance"), Arn: aws.String(arn), DatabaseName: aws.String("shop")}},
		Domains:          aws.StringSlice([]string{"shop.example.org", "www.example.org"}),
		EnableSsl:        aws.Bool(true),
		SslConfiguration: &opsworks.SslConfiguration{Certificate: &cert, PrivateKey: &key, Chain: &cert},
		Environment: []*opsworks.EnvironmentVariable{
			{Key: aws.String("PLAIN"), Value: aws.String("1")}, {Key: aws.String("EMPTY"), Value: aws.String("")},
			{Key: aws.String("TOKEN"), Value: aws.String("secret-3"), Secure: aws.Bool(true)},
		},
	}))(t)
	a := w.shown(t, full.AppId)
	if text := fmt.Sprint(a); strings.Contains(text, "secret-") || strings.Contains(text, "PRIVATE KEY") {
		t.Errorf("a secret is shown: %s", text)
	}
	if *a.Shortname != "the-shop" || *a.AppSource.Password != models.Filtered || *a.SslConfiguration.Certificate != strings.TrimSpace(cert) && *a.SslConfiguration.Certificate != cert ||
		*a.SslConfiguration.PrivateKey != models.Filtered || *a.Environment[2].Value != models.Filtered || *a.Environment[0].Value != "1" {
		t.Errorf("the full app is %v", a)
	}

	// What was read can be written back, and changes nothing.
	before := w.app(t, full.AppId)
	must(w.admin.UpdateApp(&opsworks.UpdateAppInput{
		AppId: full.AppId, Name: a.Name, Type: a.Type, Description: a.Description, AppSource: a.AppSource, Attributes: a.Attributes,
		DataSources: a.DataSources, Domains: a.Domains, EnableSsl: a.EnableSsl, SslConfiguration: a.SslConfiguration, Environment: a.Environment,
	}))(t)
	after := w.app(t, full.AppId)
	after.UpdatedAt = before.UpdatedAt
	if fmt.Sprint(*after) != fmt.Sprint(*before) {
		t.Errorf("writing back what was read made\n%+v\nof\n%+v", after, before)
	}

	// A build server names a revision only; the environment is replaced as a whole.
	must(w.admin.UpdateApp(&opsworks.UpdateAppInput{AppId: full.AppId, AppSource: &opsworks.Source{Revision: aws.String("v2")}}))(t)
	must(w.admin.UpdateApp(&opsworks.UpdateAppInput{
		AppId: full.AppId, Environment: []*opsworks.EnvironmentVariable{{Key: aws.String("TOKEN"), Value: aws.String(models.Filtered), Secure: aws.Bool(true)}},
		Attributes: map[string]*string{"RailsEnv": aws.String("staging"), "DocumentRoot": aws.String("")},
	}))(t)
	got := w.app(t, full.AppId)
	if got.AppSource.Revision != "v2" || got.AppSource.Password != "secret-1" || got.AppSource.URL != "https://example.org/shop.git" {
		t.Errorf("the source is %+v", got.AppSource)
	}
	if len(got.Environment) != 1 || got.Environment[0].Value != "secret-3" {
		t.Errorf("the environment is %v", got.Environment)
	}
	if fmt.Sprint(got.Attributes) != "map[AutoBundleOnDeploy:true AwsFlowRubySettings:{\"a\":1} RailsEnv:staging]" {
		t.Errorf("the attributes are %v", got.Attributes)
	}

	all := must(w.admin.DescribeApps(&opsworks.DescribeAppsInput{StackId: sid}))(t)
	if len(all.Apps) != 2 {
		t.Errorf("the stack has %d apps", len(all.Apps))
	}
	must(w.admin.DeleteApp(&opsworks.DeleteAppInput{AppId: full.AppId}))(t)
	_, err := w.admin.DescribeApps(&opsworks.DescribeAppsInput{AppIds: []*string{full.AppId}})
	wantError(t, err, "ResourceNotFoundException", "Unable to find app with ID "+*full.AppId)
}

func TestAppsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	sid := aws.String(string(stack.ID))
	there := must(w.admin.CreateApp(&opsworks.CreateAppInput{
		StackId: sid, Name: aws.String("Shop"), Type: aws.String("other"),
		AppSource:   &opsworks.Source{Type: aws.String("git"), Url: aws.String("https://example.org/shop.git"), Password: aws.String("secret")},
		Environment: []*opsworks.EnvironmentVariable{{Key: aws.String("TOKEN"), Value: aws.String("secret"), Secure: aws.Bool(true)}},
	}))(t)
	long := strings.Repeat("x", 257)
	var many []*opsworks.EnvironmentVariable
	for n := range 100 {
		many = append(many, &opsworks.EnvironmentVariable{Key: aws.String(fmt.Sprint("K", n)), Value: aws.String(long[:250])})
	}
	env := func(key, value string, secure bool) []*opsworks.EnvironmentVariable {
		return []*opsworks.EnvironmentVariable{{Key: &key, Value: &value, Secure: &secure}}
	}
	for name, c := range map[string]struct {
		change func(*opsworks.CreateAppInput)
		code   string
		text   string
	}{
		"unknown stack": {func(in *opsworks.CreateAppInput) { in.StackId = aws.String("none") }, "ResourceNotFoundException", "Unable to find stack with ID none"},
		"name taken":    {func(in *opsworks.CreateAppInput) { in.Name = aws.String("Shop") }, "ValidationException", `There is already an app named "Shop" for this stack`},
		"type":          {func(in *opsworks.CreateAppInput) { in.Type = aws.String("perl") }, "ValidationException", "perl"},
		"short name":    {func(in *opsworks.CreateAppInput) { in.Shortname = aws.String("../x") }, "ValidationException", "Shortname"},
		"document root": {func(in *opsworks.CreateAppInput) {
			in.Attributes = map[string]*string{"DocumentRoot": aws.String("/etc")}
		}, "ValidationException", "Document root"},
		"attribute": {func(in *opsworks.CreateAppInput) { in.Attributes = map[string]*string{"Color": aws.String("red")} }, "ValidationException", "Color"},
		"domain":    {func(in *opsworks.CreateAppInput) { in.Domains = aws.StringSlice([]string{"a b"}) }, "ValidationException", "Domains"},
		"two data sources": {func(in *opsworks.CreateAppInput) {
			in.DataSources = []*opsworks.DataSource{{Type: aws.String("None")}, {Type: aws.String("OpsworksMysqlInstance")}}
		}, "ValidationException", "Data sources: an app has one at most"},
		"data source type": {func(in *opsworks.CreateAppInput) {
			in.DataSources = []*opsworks.DataSource{{Type: aws.String("Oracle")}}
		}, "ValidationException", "Oracle"},
		"database unknown": {func(in *opsworks.CreateAppInput) {
			in.DataSources = []*opsworks.DataSource{{Type: aws.String("RdsDbInstance"), Arn: aws.String("arn:x")}}
		}, "ResourceNotFoundException", "unable to find rds instance with ARN arn:x"},
		"no certificate": {func(in *opsworks.CreateAppInput) { in.EnableSsl = aws.Bool(true) }, "ValidationException", "Ssl configuration"},
		"not a certificate": {func(in *opsworks.CreateAppInput) {
			in.SslConfiguration = &opsworks.SslConfiguration{Certificate: aws.String("x"), PrivateKey: aws.String("y")}
		}, "ValidationException", "PEM"},
		"no key to keep": {func(in *opsworks.CreateAppInput) {
			in.SslConfiguration = &opsworks.SslConfiguration{Certificate: aws.String("x"), PrivateKey: aws.String(models.Filtered)}
		}, "ValidationException", "no stored private key"},
		"key":             {func(in *opsworks.CreateAppInput) { in.Environment = env("1A", "x", false) }, "ValidationException", "Environment"},
		"value":           {func(in *opsworks.CreateAppInput) { in.Environment = env("A", long, false) }, "ValidationException", "maximum is 256"},
		"unprintable":     {func(in *opsworks.CreateAppInput) { in.Environment = env("A", "a\nb", false) }, "ValidationException", "printed"},
		"environment":     {func(in *opsworks.CreateAppInput) { in.Environment = many }, "ValidationException", "Environment: is too large (maximum is 20 KB)"},
		"nothing to keep": {func(in *opsworks.CreateAppInput) { in.Environment = env("A", models.Filtered, true) }, "ValidationException", "no stored value of A"},
		"source":          {func(in *opsworks.CreateAppInput) { in.AppSource = &opsworks.Source{Type: aws.String("git")} }, "ValidationException", "Url is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &opsworks.CreateAppInput{StackId: sid, Name: aws.String("Other"), Type: aws.String("other")}
			c.change(in)
			_, err := w.admin.CreateApp(in)
			wantError(t, err, c.code, c.text)
		})
	}
	if n := len(must(w.store.Apps.InStack(w.ctx, stack.ID))(t)); n != 1 {
		t.Errorf("there are %d apps after all refusals", n)
	}

	t.Run("update", func(t *testing.T) {
		_, err := w.admin.UpdateApp(&opsworks.UpdateAppInput{AppId: there.AppId, Environment: env("TOKEN", models.Filtered, false)})
		wantError(t, err, "ValidationException", "TOKEN is a secure variable")
		_, err = w.admin.UpdateApp(&opsworks.UpdateAppInput{AppId: there.AppId, AppSource: &opsworks.Source{
			Type: aws.String("git"), Url: aws.String("https://evil.example.org/shop.git"), Password: aws.String(models.Filtered),
		}})
		wantError(t, err, "ValidationException", "another server")
		_, err = w.admin.UpdateApp(&opsworks.UpdateAppInput{AppId: aws.String("none"), Name: aws.String("x")})
		wantError(t, err, "ResourceNotFoundException", "Unable to find app with ID none")
		_, err = w.admin.DeleteApp(&opsworks.DeleteAppInput{AppId: aws.String("none")})
		wantError(t, err, "ResourceNotFoundException", "Unable to find app with ID none")
	})
	t.Run("selectors", func(t *testing.T) {
		const sentence = "Please provide one or more app IDs or a stack ID"
		_, err := w.admin.DescribeApps(&opsworks.DescribeAppsInput{StackId: sid, AppIds: []*string{there.AppId}})
		wantError(t, err, "ValidationException", sentence)
		_, err = w.admin.DescribeApps(&opsworks.DescribeAppsInput{})
		wantError(t, err, "ValidationException", sentence)
		_, err = w.admin.DescribeApps(&opsworks.DescribeAppsInput{AppIds: aws.StringSlice([]string{*there.AppId, "x", "y"})})
		wantError(t, err, "ResourceNotFoundException", "Unable to find app with ID x, y")
	})
	t.Run("levels", func(t *testing.T) {
		deployer, stranger := w.user(t, "dora", models.LevelDeploy, stack), w.user(t, "stan", models.LevelIAMOnly, nil)
		must(deployer.UpdateApp(&opsworks.UpdateAppInput{AppId: there.AppId, Description: aws.String("by dora")}))(t)
		_, err := deployer.CreateApp(&opsworks.CreateAppInput{StackId: sid, Name: aws.String("Mine"), Type: aws.String("other")})
		wantError(t, err, "AccessDeniedException")
		_, err = deployer.DeleteApp(&opsworks.DeleteAppInput{AppId: there.AppId})
		wantError(t, err, "AccessDeniedException")
		_, err = stranger.UpdateApp(&opsworks.UpdateAppInput{AppId: there.AppId, Description: aws.String("by stan")})
		wantError(t, err, "ResourceNotFoundException", "Unable to find app with ID "+*there.AppId)
		_, err = stranger.DescribeApps(&opsworks.DescribeAppsInput{AppIds: []*string{there.AppId}})
		wantError(t, err, "ResourceNotFoundException", "Unable to find app with ID "+*there.AppId)
	})
}

// Terraform sends "" for members that are not set, and a list with null for no
// data source.
func TestPitfall27EmptyMembersOfApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	status, answer := w.raw(t, w.key, "CreateApp", `{"StackId":"`+string(stack.ID)+`","Name":"Shop","Shortname":"","Description":"","Type":"other",
		"AppSource":{"Type":"git","Url":"https://example.org/x.git","Username":"","Password":"","SshKey":"","Revision":""},
		"DataSources":[null],"Domains":[null,""],"Environment":[],"Attributes":{"DocumentRoot":""}}`)
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, answer)
	}
	a := must(w.store.Apps.InStack(w.ctx, stack.ID))(t)[0]
	if a.Shortname != "shop" || len(a.DataSources)+len(a.Domains)+len(a.Attributes) != 0 || a.AppSource.Password != "" {
		t.Errorf("the app is %+v", a)
	}
}

// A deleted app is undeployed from the instances.
func TestDeleteAppUndeploys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	i := w.online(t, w.layer(t, stack, models.LayerWeb), 1)[0]
	app := must(w.admin.CreateApp(&opsworks.CreateAppInput{StackId: aws.String(string(stack.ID)), Name: aws.String("Shop"), Type: aws.String("static")}))(t)
	must(w.admin.DeleteApp(&opsworks.DeleteAppInput{AppId: app.AppId}))(t)
	out := must(w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{StackId: aws.String(string(stack.ID))}))(t)
	// The Configure of the instance that went online may come before or after.
	if !slices.ContainsFunc(out.Deployments, func(d *opsworks.Deployment) bool {
		return *d.Command.Name == "undeploy" && *d.AppId == *app.AppId && len(d.InstanceIds) == 1 && *d.InstanceIds[0] == string(i.ID)
	}) {
		t.Errorf("the deployments are %v", out.Deployments)
	}
}
