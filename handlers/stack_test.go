package handlers

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"
	"opsyard/web/auth"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// shop is a console with a stack of forty instances, at noon.
func shop(t *testing.T) (*console, *fleet) {
	t.Helper()
	c := setup(t)
	c.h.Now = func() time.Time { return noon }
	return c, seedFleet(t, c.store, noon, 40)
}

func (f *fleet) at(path string) string { return views.StackHref(f.stack.ID) + path }

func (f *fleet) host(name string) models.Instance {
	f.t.Helper()
	for _, i := range f.instances {
		if i.Hostname == name {
			return i
		}
	}
	f.t.Fatalf("there is no %s", name)
	return models.Instance{}
}

// pages are the addresses of all pages inside a stack.
func (f *fleet) pages() []string {
	return append(f.deskPages(),
		f.at(""), f.at("?view=list"), f.at("?kind=deployment"), f.at("/settings"),
		f.at("/layers"), f.at("/layers/new"), views.LayerHref(f.stack.ID, f.layers[3].ID), views.LayerHref(f.stack.ID, f.layers[3].ID)+"?edit=1",
		views.LayerHref(f.stack.ID, f.layers[0].ID)+"?tab=settings", views.LayerHref(f.stack.ID, f.layers[3].ID)+"?tab=instances",
		f.at("/instances"), f.at("/instances/new"), views.InstanceHref(f.host("php-3").ID), views.InstanceHref(f.host("php-12").ID)+"/edit",
		f.at("/apps"), f.at("/apps/new"), views.AppHref(f.stack.ID, f.app.ID), views.AppHref(f.stack.ID, f.app.ID)+"/edit",
		f.at("/clone"), f.at("/tags"), f.at("/errors"), f.at("/platform"), f.at("/layers/new?type=rails-app"),
		views.LayerHref(f.stack.ID, f.layers[0].ID)+"?tab=json", views.LayerHref(f.stack.ID, f.layers[0].ID)+"?tab=network",
		views.LayerHref(f.stack.ID, f.layers[5].ID)+"?tab=volumes", views.LayerHref(f.stack.ID, f.layers[5].ID)+"?tab=security",
		views.LayerHref(f.stack.ID, f.layers[5].ID)+"?tab=logs", views.LayerHref(f.stack.ID, f.layers[5].ID)+"?tab=scaling",
		views.LayerHref(f.stack.ID, f.layers[5].ID)+"?tab=tags",
		f.at("/monitoring"), views.LayerHref(f.stack.ID, f.layers[3].ID)+"/monitoring", views.MonitoringHref(f.host("php-3").ID),
		f.at("/run"), f.at("/deployments"), views.DeploymentHref(f.failed.ID), views.DeploymentHref(f.running.ID),
	)
}

func TestEveryPageInsideAStack(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	inline := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<script>|javascript:|src="data:`)
	ids := regexp.MustCompile(`\sid="([^"]+)"`)
	for _, path := range f.pages() {
		got := ana.get(path)
		got.want(t, http.StatusOK, "shop-prod", `<main id="main"`, `aria-current="page"`)
		if found := inline.FindString(got.body); found != "" {
			t.Errorf("%s has %q, which the content policy forbids", path, found)
		}
		for _, secret := range []string{"hidden-", "BEGIN SECRET"} {
			if strings.Contains(got.body, secret) {
				t.Errorf("%s shows a secret", path)
			}
		}
		seen := map[string]bool{}
		for _, id := range ids.FindAllStringSubmatch(got.body, -1) {
			if seen[id[1]] {
				t.Errorf("%s has the id %q twice", path, id[1])
			}
			seen[id[1]] = true
		}
	}
}

// A stranger learns nothing; who may only look is offered nothing to do, and
// doing it by hand is refused.
func TestLevelsInsideAStack(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	s := &f.stack
	c.user("stranger", false)
	c.permit(c.user("viewer", false), s, models.LevelShow)
	c.permit(c.user("deployer", false), s, models.LevelDeploy)
	stranger, viewer, deployer := c.as("stranger"), c.as("viewer"), c.as("deployer")
	for _, path := range f.pages() {
		if got := stranger.get(path); got.status != http.StatusNotFound || strings.Contains(got.body, "shop-prod") {
			t.Errorf("%s for a stranger: got %d", path, got.status)
		}
	}
	for _, path := range []string{f.at(""), f.at("/layers"), f.at("/instances"), views.InstanceHref(f.host("php-3").ID), views.AppHref(s.ID, f.app.ID), views.DeploymentHref(f.failed.ID)} {
		got := viewer.get(path)
		got.want(t, http.StatusOK, "shop-prod")
		if body := mainOf(got.body); strings.Contains(body, `method="post"`) || strings.Contains(body, "/run") {
			t.Errorf("%s offers a viewer something to do", path)
		}
	}
	deploy := deployer.get(f.at(""))
	deploy.want(t, http.StatusOK, "Run command", "Deploy")
	if strings.Contains(deploy.body, "stop-stack") {
		t.Error("the overview offers somebody of level deploy to stop the stack")
	}
	for path, who := range map[string]*browser{
		f.at("/start"): deployer, f.at("/settings"): deployer, f.at("/layers"): deployer, f.at("/run"): viewer,
		views.InstanceHref(f.host("php-3").ID) + "/stop": deployer, views.DeploymentHref(f.running.ID) + "/cancel": viewer,
	} {
		if got := who.post(path); got.status != http.StatusForbidden {
			t.Errorf("POST %s: got %d, want 403", path, got.status)
		}
	}
}

func mainOf(body string) string {
	_, after, _ := strings.Cut(body, "<main")
	return after
}

func TestOverviewSaysWhatIsTrue(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	got := c.as("ana").get(f.at(""))
	got.want(t, http.StatusOK,
		"<b>34 of 40 instances are online.</b>", "worker-7</a> has been silent for 6 min", "worker-9</a> failed setup", "1 is running_setup and 3 are stopped.",
		"9 of 13 online", "to php-app and nodejs-app", `aria-label="worker-7: connection_lost"`,
		"#6 execute_recipes", "14 ok · 2 running · 1 failed · 17 waiting",
		"php-3 entered online", "mira asked: the sale begins", "Run setup again on worker-9", "Stop 37 of 40 instances?",
		`data-live="stack/`+string(f.stack.ID)+`"`)
	list := c.as("ana").get(f.at("?view=list"))
	list.want(t, http.StatusOK, "As bands", "worker-7", "connection_lost")
}

func TestOverviewOfALargeStack(t *testing.T) {
	t.Parallel()
	c := setup(t)
	f := seedFleet(t, c.store, time.Now(), 1600)
	req, _ := http.NewRequestWithContext(t.Context(), "GET", c.url+f.at(""), nil)
	req.Header.Set("Accept-Encoding", "gzip")
	ana := c.as("ana")
	resp, err := ana.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	packed, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(packed) > 100<<10 {
		t.Errorf("the page weighs %d bytes compressed", len(packed))
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	for _, text := range []string{"1\u00a0536 of 1\u00a0600 instances are online", "495 of 520 online", "9 setup_failed"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if n := strings.Count(page, `class="cell`); n > 5*views.MaxCells {
		t.Errorf("the page draws %d cells", n)
	}
	list := ana.get(f.at("/instances?state=setup_failed&sort=status"))
	list.want(t, http.StatusOK, "1 to 24 of 24, 1\u00a0576 hidden by the filter", "lb-61")
	ana.get(views.DeploymentHref(f.failed.ID)+"?offset=50").want(t, http.StatusOK, "51 to 100 of", "and 22 more")
}

func TestInstanceListFiltersAndSorts(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	got := ana.get(f.at("/instances?q=php"))
	got.want(t, http.StatusOK, "1 to 12 of 12, 28 hidden by the filter")
	if strings.Index(got.body, ">php-2<") > strings.Index(got.body, ">php-10<") {
		t.Error("php-10 stands before php-2")
	}
	ana.get(f.at("/instances?state=trouble")).want(t, http.StatusOK, "worker-7", "worker-9", "1 to 2 of 2")
	ana.get(f.at("/instances?layer="+string(f.layers[0].ID))).want(t, http.StatusOK, "lb-1", "1 to 2 of 2")
	ana.get(f.at("/instances?q=nowhere")).want(t, http.StatusOK, "Nothing matches", "Clear filter")
	ana.get(f.at("/instances?sort=since&dir=desc")).want(t, http.StatusOK, `aria-sort="descending"`)
	ana.get(f.at("/instances?sort=%27%3Bdrop&dir=x&offset=-4&state=nope")).want(t, http.StatusOK, "1 to 40 of 40")
}

func TestInstancePage(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	php := f.host("php-3")
	got := ana.get(views.InstanceHref(php.ID))
	got.want(t, http.StatusOK, "<b>Online for 12 min.</b>", "Last command:", "php-app: 9 of 12 instances stay online and keep working.",
		"push to release by ana", "Stop php-3?", "The disk is lost")
	// As plain text, whatever the machine printed.
	if console := ana.get(views.InstanceHref(php.ID) + "/console"); console.status != http.StatusOK || !strings.Contains(console.body, "<b>systemd</b> started") {
		t.Errorf("the console is %d %s", console.status, console.body)
	}
	ana.post(views.InstanceHref(php.ID)+"/stop").wantLocation(t, views.InstanceHref(php.ID))
	ana.get(views.InstanceHref(php.ID)).want(t, http.StatusOK, "stopping", "Stop by force", "php-3 is being stopped; its Shutdown recipes run first.")
	// What is refused leads back with the reason.
	ana.post(views.InstanceHref(php.ID)+"/reboot").wantLocation(t, views.InstanceHref(php.ID))
	ana.get(views.InstanceHref(php.ID)).want(t, http.StatusOK, "only an online instance can be rebooted")
	stopped := f.host("php-12")
	ana.post(views.InstanceHref(stopped.ID)+"/delete", "confirm", "php-11").wantLocation(t, views.InstanceHref(stopped.ID))
	ana.get(views.InstanceHref(stopped.ID)).want(t, http.StatusOK, "Nothing was deleted: type php-12 to confirm.")
	ana.post(views.InstanceHref(stopped.ID)+"/delete", "confirm", "php-12").wantLocation(t, f.at("/instances"))
	ana.get(views.InstanceHref(stopped.ID)).want(t, http.StatusNotFound)
}

func TestNewInstanceKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	worker := string(f.layers[3].ID)
	ana.get(f.at("/instances/new?layer="+worker)).want(t, http.StatusOK, `placeholder="worker14"`, `value="`+worker+`" checked`)
	refused := ana.post(f.at("/instances"), "LayerIds", worker, "Hostname", "-wrong-", "InstanceType", "local.large", "RootDeviceType", "ebs", "Tenancy", "")
	refused.want(t, http.StatusUnprocessableEntity, `value="-wrong-"`, `value="local.large"`, `aria-invalid="true"`, `aria-describedby="Hostname-error"`, `href="#Hostname"`)
	none := ana.post(f.at("/instances"), "Hostname", "worker20", "RootDeviceType", "ebs")
	none.want(t, http.StatusUnprocessableEntity, "choose at least one layer", `id="LayerIds-error"`)
	made := ana.post(f.at("/instances"), "LayerIds", worker, "Hostname", "worker20", "InstanceType", "local.small", "Start", "on")
	if made.status != http.StatusSeeOther || !strings.HasPrefix(made.location, "/instances/") {
		t.Fatalf("got %d %s %s", made.status, made.location, made.body)
	}
	ana.get(made.location).want(t, http.StatusOK, "worker20 was added and is being started.", "requested")
	edit := views.InstanceHref(f.host("php-12").ID) + "/edit"
	ana.post(edit, "LayerIds", string(f.layers[1].ID), "Hostname", "php-20", "InstanceType", "local.large", "Architecture", "x86_64").wantLocation(t, views.InstanceHref(f.host("php-12").ID))
	ana.get(views.InstanceHref(f.host("php-12").ID)).want(t, http.StatusOK, "php-20", "local.large")
	ana.get(views.InstanceHref(f.host("php-3").ID)+"/edit").wantLocation(t, views.InstanceHref(f.host("php-3").ID))
}

// The editor of recipes works without script: each button gives the form back
// changed, and nothing is stored before Save.
func TestRecipeEditor(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	worker := f.layers[3]
	page := views.LayerHref(f.stack.ID, worker.ID)
	send := func(do string, extra ...string) answer {
		return ana.post(page+"/recipes", append([]string{"do", do, "setup", "shop::base", "setup", "shop::queue", "deploy", "shop::migrate_once"}, extra...)...)
	}
	stored := func() models.Recipes {
		l, err := c.store.Layers.Get(t.Context(), worker.ID)
		if err != nil {
			t.Fatal(err)
		}
		return l.CustomRecipes
	}
	ana.get(page).want(t, http.StatusOK, "opsworks_initial_setup", "shop::queue", `<li value="5">shop::queue</li>`)
	swapped := send("up setup 1")
	swapped.want(t, http.StatusOK)
	if strings.Index(swapped.body, `value="shop::queue"`) > strings.Index(swapped.body, `value="shop::base"`) {
		t.Error("shop::queue was not moved up")
	}
	if got := send("remove setup 0"); strings.Contains(got.body, `value="shop::base"`) {
		t.Error("shop::base was not removed")
	}
	send("add configure", "add-configure", "shop::ring").want(t, http.StatusOK, `name="configure" value="shop::ring"`)
	send("up setup 99").want(t, http.StatusOK, `value="shop::queue"`)
	send("nonsense").want(t, http.StatusOK)
	if got := stored().Configure; len(got) != 0 {
		t.Errorf("stored before Save: %v", got)
	}
	send("save", "add-undeploy", "no such recipe!").want(t, http.StatusUnprocessableEntity, `value="recipe!"`, "is not a recipe name")
	send("save", "add-undeploy", "shop::forget.rb").wantLocation(t, page)
	got := stored()
	if want := "[shop::base shop::queue] [] [shop::migrate_once] [shop::forget] []"; fmt.Sprint(got.Setup, got.Configure, got.Deploy, got.Undeploy, got.Shutdown) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLayerFormsKeepSecrets(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	lb := f.layers[0]
	page := views.LayerHref(f.stack.ID, lb.ID)
	ana.get(page+"?tab=settings").want(t, http.StatusOK, models.Filtered, `value="/health"`)
	ana.post(page+"/settings", "Name", "Front", "ExecutionTimeout", "x").want(t, http.StatusUnprocessableEntity, "whole number of seconds", `value="Front"`, `aria-describedby="ExecutionTimeout-error"`)
	ana.post(page+"/json", "CustomJson", "{").want(t, http.StatusUnprocessableEntity, "is not a JSON object", `id="CustomJson-error"`)
	ana.post(page+"/settings", "Name", "Front", "ExecutionTimeout", "60", "attr-HaproxyStatsPassword", models.Filtered, "attr-HaproxyHealthCheckUrl", "/up",
		"Packages", "jq\r\ncurl", "HealingMode", "off").wantLocation(t, page+"?tab=settings")
	l, err := c.store.Layers.Get(t.Context(), lb.ID)
	if err != nil {
		t.Fatal(err)
	}
	if l.Attributes["HaproxyStatsPassword"] != "hidden-stats-password" || l.Attributes["HaproxyHealthCheckUrl"] != "/up" || fmt.Sprint(l.Packages) != "[jq curl]" || l.EnableAutoHealing {
		t.Errorf("got %+v", l)
	}
	ana.post(f.at("/layers"), "Type", "custom", "Name", "Search").want(t, http.StatusUnprocessableEntity, `id="Shortname-error"`, `value="Search"`)
	made := ana.post(f.at("/layers"), "Type", "custom", "Name", "Search", "Shortname", "search")
	if !strings.HasPrefix(made.location, f.at("/layers/")) {
		t.Fatalf("got %d %s", made.status, made.location)
	}
	ana.get(f.at("/layers/new")).want(t, http.StatusOK, "This stack already has one.")
}

func TestAppFormsKeepSecrets(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	page := views.AppHref(f.stack.ID, f.app.ID)
	form := []string{
		"do", "save", "Name", "storefront", "Type", "php", "SourceType", "git", "SourceUrl", "https://git.example/shop/new.git", "SourcePassword", models.Filtered,
		"EnvKey", "APP_ENV", "EnvValue", "staging", "EnvKey", "PAYMENT_KEY", "EnvValue", models.Filtered, "EnvSecure", "1", "EnvKey", "", "EnvValue", "",
		"Domains", "shop.example\r\nwww.shop.example", "DocumentRoot", "web",
	}
	ana.get(page).want(t, http.StatusOK, "•••• secure", "production", "set, not shown", "A deploy reaches 34 online instances.")
	ana.get(page+"/edit").want(t, http.StatusOK, models.Filtered)
	ana.post(page+"/edit", form...).wantLocation(t, page)
	a, err := c.store.Apps.Get(t.Context(), f.app.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a.AppSource.Password != "hidden-git-password" || a.AppSource.URL != "https://git.example/shop/new.git" || len(a.Environment) != 2 ||
		a.Environment[1].Value != "hidden-payment-key" || a.Environment[0].Value != "staging" || len(a.Domains) != 2 {
		t.Errorf("got %+v", a)
	}
	wrong := append(form, "EnvKey", "1NO", "EnvValue", "x")
	ana.post(page+"/edit", wrong...).want(t, http.StatusUnprocessableEntity, "is not a variable name", `value="1NO"`, `value="staging"`, `id="Environment-error"`)
	more := append([]string{"do", "more"}, form[2:]...)
	ana.post(page+"/edit", more...).want(t, http.StatusOK, `value="staging"`)
	made := ana.post(f.at("/apps"), "do", "save", "Name", "Hello World", "Type", "static")
	if made.status != http.StatusSeeOther {
		t.Fatalf("got %d %s", made.status, made.body)
	}
	ana.get(made.location).want(t, http.StatusOK, "No deploy was asked for yet", "helloworld")
}

func TestStackSettings(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	form := []string{
		"Name", "shop", "HostnameTheme", "Fruits", "ConfigurationManager", "Shell", "DefaultRootDeviceType", "ebs", "UseCustomCookbooks", "on",
		"SourceType", "git", "SourceUrl", "git@git.example:shop/cookbooks.git", "SourceSshKey", models.Filtered, "AgentVersion", "LATEST",
	}
	ana.post(f.at("/settings"), append(form, "CustomJson", `{"a": [}`)...).want(t, http.StatusUnprocessableEntity, "is not a JSON object", "{&#34;a&#34;: [}", `href="#CustomJson"`)
	ana.post(f.at("/settings"), append(form, "CustomJson", "{\r\n \"a\": 1\r\n}")...).wantLocation(t, f.at("/settings"))
	s, err := c.store.Stacks.Get(t.Context(), f.stack.ID)
	if err != nil {
		t.Fatal(err)
	}
	if s.CustomCookbooksSource.SSHKey != "-----BEGIN SECRET-----" || s.CustomJSON != "{\n \"a\": 1\n}" || s.HostnameTheme != "Fruits" {
		t.Errorf("got %+v", s)
	}
	ana.post(f.at("/start")).wantLocation(t, f.at(""))
	ana.post(f.at("/delete"), "confirm", "wrong").wantLocation(t, f.at(""))
	ana.get(f.at("")).want(t, http.StatusOK, "type shop to confirm")
}

func TestRunCommand(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	ana.get(f.at("/run?command=deploy&app="+string(f.app.ID))).want(t, http.StatusOK, `value="deploy" checked`, `value="`+string(f.app.ID)+`" selected`)
	php := f.host("php-3")
	ana.get(f.at("/run?instance="+string(php.ID))).want(t, http.StatusOK, `value="`+string(php.ID)+`"`, "9 online")
	ana.post(f.at("/run"), "Command", "execute_recipes", "Recipes", "", "Targets", "all", "Comment", "try").want(t, http.StatusUnprocessableEntity, "name at least one recipe", `id="Recipes-error"`, `value="try"`)
	ana.post(f.at("/run"), "Command", "configure", "Targets", "some").want(t, http.StatusUnprocessableEntity, "choose at least one layer or instance")
	done := ana.post(f.at("/run"), "Command", "execute_recipes", "Recipes", "shop::a\r\nshop::b", "Targets", "some", "InstanceIds", string(php.ID), "DryRun", "on", "Comment", "see what it would do")
	if done.status != http.StatusSeeOther || !strings.HasPrefix(done.location, "/deployments/") {
		t.Fatalf("got %d %s", done.status, done.location)
	}
	asked := c.engine.asked[len(c.engine.asked)-1]
	if fmt.Sprint(asked.Command.Args["recipes"]) != "[shop::a shop::b]" || !asked.DryRun || len(asked.InstanceIDs) != 1 || len(asked.LayerIDs) != 0 {
		t.Errorf("asked for %+v", asked)
	}
	ana.get(done.location).want(t, http.StatusOK, "(dry run)", "nothing is changed", "see what it would do", "1 waiting")
	ana.get(f.at("/run?again="+strings.TrimPrefix(done.location, "/deployments/"))).want(t, http.StatusOK, "shop::a\nshop::b", `value="some" checked`)
	ana.get(f.at("/run?again=nope")).want(t, http.StatusNotFound)
}

func TestDeploymentPage(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	page := views.DeploymentHref(f.failed.ID)
	got := ana.get(page)
	got.want(t, http.StatusOK, "<b>Failed on 2 of 34 instances.</b> deploy-bot started it 31 min ago.", "shop::migrate_once: failed", "no space left on device",
		"with the same failure:", "usual", "Retry 2 failed and 1 not reached", `<caption class="vh">State of each step`)
	if first := strings.Index(got.body, `aria-label="Log of node-4"`); first < 0 || first > strings.Index(got.body, `aria-label="Log of lb-1"`) {
		t.Error("what failed does not stand first")
	}
	ana.get(page+"?state=failed").want(t, http.StatusOK, "1 to 2 of 2, 32 hidden by the filter")
	ana.get(page+"?state=running").want(t, http.StatusOK, "No command is running", "Show all")
	retry := ana.post(page + "/retry")
	if retry.status != http.StatusSeeOther {
		t.Fatalf("got %d", retry.status)
	}
	asked := c.engine.asked[len(c.engine.asked)-1]
	if len(asked.InstanceIDs) != 3 || asked.Command.Name != models.CommandDeploy || asked.AppID != f.app.ID || asked.Comment != "Retry of #5" {
		t.Errorf("asked for %+v", asked)
	}
	ana.post(views.DeploymentHref(f.finished.ID)+"/retry").wantLocation(t, views.DeploymentHref(f.finished.ID))
	ana.post(views.DeploymentHref(f.running.ID)+"/cancel").wantLocation(t, views.DeploymentHref(f.running.ID))
	ana.get(views.DeploymentHref(f.running.ID)).want(t, http.StatusOK, "15 of 34 done, 1 failed.", "17 pending will not begin.", "is being cancelled")
	c.user("stranger", false)
	if got := c.as("stranger").post("/commands/" + string(f.anyCommand().ID) + "/cancel"); got.status != http.StatusNotFound {
		t.Errorf("a stranger cancels: got %d", got.status)
	}
	ana.get(f.at("/deployments?state=failed")).want(t, http.StatusOK, "#5", "1 to 1 of 1, 6 hidden")
	ana.get(f.at("/deployments?kind=event")).want(t, http.StatusOK, "php-1 entered online")
}

func (f *fleet) anyCommand() models.Command {
	f.t.Helper()
	list, err := f.store.Commands.OfDeployment(f.ctx, f.running.ID)
	f.must(err)
	return list[len(list)-1]
}

// Unknown ids of every kind are a page that says so.
func TestUnknownThings(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	other := c.stack("other")
	ana := c.as("ana")
	for _, path := range []string{
		"/stacks/nope", f.at("/layers/nope"), f.at("/apps/nope"), "/instances/nope", "/deployments/nope",
		views.LayerHref(other.ID, f.layers[0].ID), views.AppHref(other.ID, f.app.ID), views.StackHref(other.ID) + "/run?again=" + string(f.failed.ID),
		"/instances/" + url.PathEscape("'; drop table instances"),
	} {
		ana.get(path).want(t, http.StatusNotFound)
	}
	ana.get(views.DeploymentHref(f.failed.ID)+"?command=nope").want(t, http.StatusOK, "Failed on 2")
	ana.get(views.StackHref(other.ID)).want(t, http.StatusOK, "This stack is empty", "There is no instance yet.", "Add a layer")
	ana.get(views.StackHref(other.ID)+"/instances/new").want(t, http.StatusOK, "This stack has no layers")
	ana.get(views.StackHref(other.ID)+"/deployments").want(t, http.StatusOK, "No deployments yet")
}

// What changes is drawn without a reload, by fragments that the page has.
func TestLiveInsideAStack(t *testing.T) {
	t.Parallel()
	c, f := shop(t)
	ana := c.as("ana")
	for _, path := range []string{f.at(""), f.at("?view=list"), f.at("/instances?state=online"), f.at("/layers"), views.LayerHref(f.stack.ID, f.layers[3].ID) + "?tab=instances",
		views.InstanceHref(f.host("php-3").ID), f.at("/deployments?state=failed"), views.DeploymentHref(f.failed.ID) + "?state=failed", views.AppHref(f.stack.ID, f.app.ID)} {
		page := ana.get(path)
		_, after, _ := strings.Cut(page.body, `data-live="`)
		view, _, _ := strings.Cut(after, `"`)
		view = strings.ReplaceAll(view, "&amp;", "&")
		if view == "" {
			t.Fatalf("%s is not live", path)
		}
		first := next(t, ana.mustDial("/ws/live?"+url.Values{"view": {view}}.Encode()))
		for _, id := range outermost(first) {
			if !strings.Contains(page.body, `id="`+id+`"`) {
				t.Errorf("%s: the fragment %q has no place on the page", path, id)
			}
		}
	}
	php := f.host("php-3")
	conn := ana.mustDial("/ws/live?" + url.Values{"view": {"stack/" + string(f.stack.ID)}}.Encode())
	next(t, conn)
	ana.post(views.InstanceHref(php.ID) + "/stop")
	if got := next(t, conn); !strings.Contains(got, `aria-label="php-3: stopping"`) || !strings.Contains(got, "33 of 40 instances are online") {
		t.Errorf("got %.300s", got)
	}
}

var opening = regexp.MustCompile(`<(/?)([a-z0-9-]+)([^>]*?)(/?)>`)

// outermost are the ids of the elements that lie side by side at the top.
func outermost(html string) []string {
	var ids []string
	depth := 0
	for _, m := range opening.FindAllStringSubmatch(html, -1) {
		switch {
		case m[1] == "/":
			depth--
		case m[4] == "/" || m[2] == "input":
		default:
			if depth == 0 {
				_, after, _ := strings.Cut(m[3], ` id="`)
				id, _, _ := strings.Cut(after, `"`)
				ids = append(ids, id)
			}
			depth++
		}
	}
	return ids
}

// BenchmarkOverview is the server's part of the overview of 1,600 instances.
func BenchmarkOverview(b *testing.B) {
	h, f, ctx := benchFleet(b)
	b.ResetTimer()
	for b.Loop() {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, "GET", f.at(""), nil)
		r.SetPathValue("stack", string(f.stack.ID))
		h.withStack(models.ActionShow, h.showStack)(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body.String())
		}
		b.ReportMetric(float64(w.Body.Len()), "bytes/page")
	}
}

// BenchmarkDeploymentPage is the page of a deployment on 1,600 instances.
func BenchmarkDeploymentPage(b *testing.B) {
	h, f, ctx := benchFleet(b)
	b.ResetTimer()
	for b.Loop() {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(ctx, "GET", views.DeploymentHref(f.failed.ID), nil)
		r.SetPathValue("deployment", string(f.failed.ID))
		h.withDeployment(models.ActionShow, h.showDeployment)(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body.String())
		}
		b.ReportMetric(float64(w.Body.Len()), "bytes/page")
	}
}

func benchFleet(b *testing.B) (*Handlers, *fleet, context.Context) {
	b.Helper()
	box, err := store.NewSecretBox([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	st, err := store.Open(b.Context(), store.Config{URL: "sqlite:" + filepath.Join(b.TempDir(), "db"), Secrets: box, Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	hub := pubsub.NewHub()
	eng := &fakeEngine{store: st, hub: hub, sessions: map[string]models.UserID{}}
	h, err := New(Config{Engine: eng, Store: st, Hub: hub, Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(h.Stop)
	u, err := eng.CreateUser(b.Context(), models.User{Name: "ana", Admin: true}, goodPassword)
	if err != nil {
		b.Fatal(err)
	}
	return h, seedFleet(b, st, time.Now(), 1600), auth.WithUser(b.Context(), u)
}
