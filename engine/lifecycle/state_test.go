package lifecycle

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"opsyard/models"
)

const canary = "canary-7f3a"

func sample() (models.Stack, []models.Layer, []models.Instance, []models.App) {
	lb := models.Layer{ID: "l1", Type: models.LayerLB, Shortname: "lb", Name: "Balancer", Attributes: map[string]string{"HaproxyStatsUser": "boss", "HaproxyStatsPassword": canary}}
	web := models.Layer{ID: "l2", Type: models.LayerWeb, Shortname: "web", Name: "Web", Packages: []string{"htop"}}
	instances := []models.Instance{
		{ID: "i1", Hostname: "lb1", Status: models.InstanceOnline, LayerIDs: []models.LayerID{"l1"}, PrivateIP: "10.0.0.1", PublicIP: "198.51.100.1"},
		{ID: "i2", Hostname: "both", Status: models.InstanceOnline, LayerIDs: []models.LayerID{"l2", "l1"}, PrivateIP: "10.0.0.2", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)},
	}
	apps := []models.App{{
		Name: "Hello", Shortname: "hello", Type: models.AppStatic, Domains: []string{"hello.example"},
		AppSource:        models.Source{Type: models.SourceGit, URL: "https://git.example/x", Password: canary, SSHKey: canary},
		Environment:      []models.EnvironmentVariable{{Key: "K", Value: canary, Secure: true}, {Key: "MODE", Value: "plain"}},
		SslConfiguration: models.SslConfiguration{PrivateKey: canary},
	}}
	stack := models.Stack{ID: "s", Name: "Shop", Region: "local", CustomCookbooksSource: models.Source{Password: canary}, CustomJSON: `{"p":"` + canary + `"}`}
	return stack, []models.Layer{lb, web}, instances, apps
}

func TestStateHoldsNoSecret(t *testing.T) {
	t.Parallel()
	stack, layers, online, apps := sample()
	resources := sampleResources()
	apps[0].DataSources = []models.DataSource{{Type: models.DataSourceRds, Arn: resources.Databases[0].Arn, DatabaseName: "hello"}}
	doc, err := State(stack, layers, online, apps, resources)
	if err != nil {
		t.Fatal(err)
	}
	deploy, err := json.Marshal(Deploying{Apps: apps, Databases: Servers{Registered: resources.Databases}}.Attributes())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(doc), string(deploy)} {
		if strings.Contains(text, canary) {
			t.Errorf("a secret is in the document that all instances share: %s", text)
		}
	}
	for name, value := range SecretsOf(layers, apps, stack.CustomCookbooksSource) {
		if value != canary {
			t.Errorf("%s = %q counts as a secret", name, value)
		}
	}
	if got := len(SecretsOf(layers, apps, stack.CustomCookbooksSource)); got != 6 {
		t.Errorf("%d secrets are masked, want 6", got)
	}
}

func TestOwnAttributesAreForTheirLayerOnly(t *testing.T) {
	t.Parallel()
	_, layers, _, _ := sample()
	if OwnAttributes(layers[1:]) != nil {
		t.Error("the web layer is given secrets")
	}
	doc, err := json.Marshal(OwnAttributes(layers[:1]))
	if err != nil || !strings.Contains(string(doc), canary) {
		t.Errorf("the balancer lacks its password: %s, %v", doc, err)
	}
}

func TestStateShape(t *testing.T) {
	t.Parallel()
	stack, given, online, apps := sample()
	doc, err := State(stack, given, online, apps, Resources{})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Opsworks struct {
			Stack  struct{ Name string }
			Layers map[string]struct {
				Type      string
				Packages  []string
				Instances map[string]struct {
					PrivateIP string `json:"private_ip"`
					IP        string `json:"ip"`
					CreatedAt string `json:"created_at"`
				}
			}
			Applications []struct {
				SlugName        string `json:"slug_name"`
				ApplicationType string `json:"application_type"`
			}
		}
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	layers := got.Opsworks.Layers
	switch {
	case len(layers["lb"].Instances) != 2 || len(layers["web"].Instances) != 1:
		t.Errorf("an instance of two layers is not in both: %+v", layers)
	case layers["web"].Instances["both"].IP != "10.0.0.2":
		t.Errorf("without a public address the private one counts: %+v", layers["web"])
	case layers["web"].Instances["both"].CreatedAt != "2026-01-02T03:04:05+00:00":
		t.Errorf("times are written %q", layers["web"].Instances["both"].CreatedAt)
	case layers["lb"].Packages == nil:
		t.Error("no packages are null instead of an empty list")
	case got.Opsworks.Applications[0].ApplicationType != "web":
		t.Errorf("a static app is spelled %q", got.Opsworks.Applications[0].ApplicationType)
	}
}

func TestHostnames(t *testing.T) {
	t.Parallel()
	if got := Hostname("Layer_Dependent", "web", []string{"web1", "WEB3"}); got != "web2" {
		t.Errorf("the lowest free number gives %q", got)
	}
	valid := regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z`)
	rapid.Check(t, func(t *rapid.T) {
		theme := rapid.SampledFrom(models.HostnameThemes).Draw(t, "theme")
		short := rapid.StringMatching(`[a-z0-9._-]{1,32}`).Draw(t, "short")
		var taken []string
		for n := range rapid.IntRange(0, 120).Draw(t, "n") {
			name := Hostname(theme, short, taken)
			if slices.Contains(taken, name) || !valid.MatchString(name) {
				t.Fatalf("name %d is %q", n, name)
			}
			taken = append(taken, name)
		}
	})
}

func ExampleTimestamp() {
	fmt.Println(Timestamp(time.Date(2013, 7, 25, 20, 57, 49, 0, time.FixedZone("CEST", 2*60*60))))
	// Output: 2013-07-25T18:57:49+00:00
}
