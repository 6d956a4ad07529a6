package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/web/oidc/oidctest"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// sample is a stack with something of everything, good and bad.
type sample struct {
	stack       models.StackID
	layer       models.LayerID
	online      models.InstanceID
	setupFailed models.InstanceID
	timed       models.InstanceID
	app         string
	successful  models.DeploymentID
	failed      models.DeploymentID
	rolling     models.DeploymentID // waits between its batches
	plan        string
	lost        models.StackID // whose healing is frozen
	channel     string
	person      string
	group       string
	policy      string
}

// newSample makes the sample on process instances.
func newSample(t *testing.T, s *server, c *console) sample {
	t.Helper()
	site := repository(t, filepath.Join(s.dir, "site"), map[string]string{"index.html": "<h1>Shop</h1>\n"})
	p := sample{stack: c.newStack("Shop", "process")}
	in := "/stacks/" + string(p.stack)
	c.newStack("Empty", "sim")
	p.layer = c.newLayer(p.stack, "Web", map[models.Event]string{
		models.EventSetup: "opsyard_demo::setup", models.EventConfigure: "opsyard_demo::configure", models.EventDeploy: "opsyard_demo::deploy"})
	ids := c.newInstances(p.stack, p.layer, 2)
	p.online = ids[0]
	c.made(in+"/instances", url.Values{"LayerIds": {string(p.layer)}}) // stays stopped
	p.timed = models.InstanceID(c.made(in+"/instances", url.Values{"LayerIds": {string(p.layer)}, "AutoScalingType": {models.ScalingTimer}}))
	p.app = c.newApp(p.stack, "Shop front", site)
	p.person = c.made("/team/users", url.Values{"Name": {"ben"}, "Password": {password}})
	p.group = c.made("/team/groups", url.Values{"Name": {"ops"}})
	c.post("/team/groups/"+p.group+"/members", url.Values{"Add": {"ben"}})
	row := string(p.stack)
	c.post("/team/groups/"+p.group+"/permissions", url.Values{"row": {row}, "level-" + row: {string(models.LevelManage)}, "ssh-" + row: {"on"}})
	p.policy = c.made("/team/policies", url.Values{"Name": {"no-deletes"}, "do": {"save"},
		"Document": {`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "opsworks:Delete*", "Resource": "*"}]}`}})
	c.post("/team/policies/"+p.policy+"/attach", url.Values{"group": {p.group}})
	c.send("/team/invitations", url.Values{"Name": {"mira"}, "GroupId": {p.group}})
	c.send("/me/tokens", url.Values{"Name": {"nightly-report"}, "Days": {"90"}, "Level": {string(models.LevelShow)}, "Stacks": {row}})
	s.becomes(models.InstanceOnline, 2*time.Minute, ids...)
	p.successful = c.deploy(p.stack, p.app)
	s.successful(p.successful, time.Minute)
	p.plan = c.made(in+"/run", url.Values{"Command": {string(models.CommandDeploy)}, "AppId": {p.app}, "Targets": {"all"}, "Batch": {"1"}, "do": {"review"},
		"CustomJson": {`{"shop": {"ttl": 900}}`}, "Comment": {"Friday's release"}})
	p.rolling = models.DeploymentID(c.made(in+"/run", url.Values{"Command": {string(models.CommandConfigure)}, "Targets": {"all"},
		"Batch": {"1"}, "PauseSeconds": {"3600"}, "StopAfter": {"50"}, "StopAfterUnit": {"per cent"}}))
	p.failed = c.deploy(p.stack, c.newApp(p.stack, "Broken", "file:///nowhere/at/all"))
	s.ended(p.failed, time.Minute)
	p.setupFailed = c.newInstances(p.stack, p.layer, 1)[0] // because of the broken app
	s.wait("the setup of an instance has failed", time.Minute, func() bool { return s.instance(p.setupFailed).Status == models.InstanceSetupFailed })
	s.healed(p)
	p.lost, p.channel = s.lostHosts(c), s.channel(c, p)
	return p
}

func (c *console) newApp(stack models.StackID, name, repository string) string {
	c.t.Helper()
	return c.made("/stacks/"+string(stack)+"/apps", url.Values{
		"Name": {name}, "Type": {string(models.AppOther)}, "SourceType": {string(models.SourceGit)}, "SourceUrl": {repository}, "do": {"save"}})
}

func (c *console) deploy(stack models.StackID, app string) models.DeploymentID {
	c.t.Helper()
	return models.DeploymentID(c.made("/stacks/"+string(stack)+"/run", url.Values{"Command": {string(models.CommandDeploy)}, "AppId": {app}, "Targets": {"all"}}))
}

// pages are all addresses of the console, by name.
func (p sample) pages() [][2]string {
	in := "/stacks/" + string(p.stack)
	return [][2]string{
		{"stacks", "/stacks"}, {"stack-new", "/stacks/new"}, {"me", "/me"}, {"me-security", "/me/security"}, {"me-keys", "/me/keys"}, {"me-access", "/me/access"}, {"team", "/team"}, {"stack", in}, {"settings", in + "/settings"},
		{"layers", in + "/layers"}, {"layer-new", in + "/layers/new"}, {"layer", in + "/layers/" + string(p.layer)},
		{"stack-clone", in + "/clone"}, {"stack-tags", in + "/tags"}, {"stack-errors", in + "/errors"}, {"stack-platform", in + "/platform"},
		{"layer-new-rails", in + "/layers/new?type=rails-app"}, {"layer-json", in + "/layers/" + string(p.layer) + "?tab=json"},
		{"layer-volumes", in + "/layers/" + string(p.layer) + "?tab=volumes"}, {"layer-logs", in + "/layers/" + string(p.layer) + "?tab=logs"},
		{"layer-scaling", in + "/layers/" + string(p.layer) + "?tab=scaling"}, {"layer-tags", in + "/layers/" + string(p.layer) + "?tab=tags"},
		{"layer-settings", in + "/layers/" + string(p.layer) + "?tab=settings"}, {"instances", in + "/instances"}, {"instance-new", in + "/instances/new"},
		{"instance", "/instances/" + string(p.online)}, {"instance-failed", "/instances/" + string(p.setupFailed)}, {"instance-edit", "/instances/" + string(p.online) + "/edit"},
		{"register", in + "/register"}, {"schedule", "/instances/" + string(p.timed) + "/schedule"}, {"permissions", in + "/permissions"},
		{"elastic-ips", in + "/resources"}, {"volumes", in + "/resources?tab=volumes"}, {"databases", in + "/resources?tab=rds"},
		{"load-balancers", in + "/resources?tab=load-balancers"}, {"team-new", "/team/new"}, {"audit", "/audit"}, {"audit-entry", "/audit?entry=12"}, {"stack-audit", in + "/audit?action=CreateApp"}, {"alarms", in + "/alarms"},
		{"team-person", "/team/users/" + p.person}, {"team-access", "/team/users/" + p.person + "/access?stack=" + string(p.stack)}, {"team-invite", "/team/invite"},
		{"team-groups", "/team/groups"}, {"team-group-new", "/team/groups/new"}, {"team-group", "/team/groups/" + p.group},
		{"team-policies", "/team/policies"}, {"team-policy-new", "/team/policies/new?from=start-stop"}, {"team-policy", "/team/policies/" + p.policy},
		{"stack-access", in + "/access/" + p.person}, {"me-token-new", "/me/tokens/new"}, {"me-key-new", "/me/keys/new"},
		{"monitoring", in + "/monitoring"}, {"monitoring-layer", in + "/layers/" + string(p.layer) + "/monitoring?range=8h"},
		{"monitoring-instance", "/instances/" + string(p.online) + "/monitoring"}, {"shell", "/instances/" + string(p.online) + "/shell"}, {"monitoring-none", "/instances/" + string(p.timed) + "/monitoring"},
		{"apps", in + "/apps"}, {"app-new", in + "/apps/new"}, {"app", in + "/apps/" + p.app}, {"app-edit", in + "/apps/" + p.app + "/edit"},
		{"run", in + "/run"}, {"run-deploy", in + "/run?command=deploy&app=" + p.app}, {"deployments", in + "/deployments"},
		{"deployment", "/deployments/" + string(p.successful)}, {"deployment-failed", "/deployments/" + string(p.failed)}, {"plan", "/plans/" + p.plan},
		{"deployment-rolling", "/deployments/" + string(p.rolling)}, {"run-planned", in + "/run?plan=" + p.plan}, {"confirm", "/confirm"}, {"welcome", "/welcome"}, {"not-found", "/stacks/nope"},
		{"healing", in + "/healing"}, {"healing-frozen", "/stacks/" + string(p.lost) + "/healing"},
		{"notifications", in + "/notifications"}, {"notification-channel", in + "/notifications/" + p.channel},
		{"notification-new", in + "/notifications/new"}, {"notification-new-chat", in + "/notifications/new?kind=slack"},
		{"notifications-all", "/settings/notifications"},
	}
}

// Every page of the console, wide and narrow, light and dark: nothing sticks
// out, nothing complains, and whoever cannot see or point can use it.
// OPSYARD_SHOTS names a directory for pictures, which are of all four ways.
func TestPages(t *testing.T) {
	t.Parallel()
	chromium(t)
	if shots := os.Getenv("OPSYARD_SHOTS"); shots != "" {
		if err := os.MkdirAll(shots, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	provider := oidctest.New(t, "opsyard", "s3cret")
	s := newServer(t, "serve", "--provider", "process", "--allow-internal-webhooks",
		"--oidc-issuer", provider.URL, "--oidc-client-id", provider.ClientID, "--oidc-name", "Example ID")
	// A name, because browsers offer passkeys at names only.
	address := strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	s.args = append(s.args, "--public-url", address)
	s.start()
	b := openTab(t, address, 15*time.Minute)
	b.firstRun(s)
	c := visit(t, s.url)
	c.post("/sign-in", url.Values{"name": {userName}, "password": {password}})
	sample := newSample(t, s, c)
	t.Run("keyboard only", func(t *testing.T) { b.in(t).keyboardOnly(sample) })
	for _, page := range sample.pages() {
		t.Run(page[0], func(t *testing.T) { b.in(t).inspect(page[0], page[1]) })
	}
	t.Run("doors", func(t *testing.T) { doors{b.in(t), s.in(t), c.in(t), sample}.all() })
}

// way is one of the ways in which somebody looks at a page.
type way struct {
	scheme string
	width  int64 // in CSS pixels
}

// in lets a part of a test fail by itself.
func (b *tab) in(t *testing.T) *tab { return &tab{t, b.ctx, b.url} }

// ways are all ways in which a page is looked at. Two of them see every rule of
// the style sheet that depends on width or theme; pictures are for people, who
// compare.
func ways() []way {
	if os.Getenv("OPSYARD_SHOTS") == "" {
		return []way{{"light", 1440}, {"dark", 390}}
	}
	return []way{{"light", 1440}, {"dark", 1440}, {"light", 390}, {"dark", 390}}
}

// inspect opens a page and looks at it.
func (b *tab) inspect(name, path string) {
	b.t.Helper()
	b.open(path)
	if eval[bool](b, `location.pathname === '/sign-in'`) {
		b.t.Fatal("nobody is signed in: the part \"keyboard only\" does that")
	}
	b.look(name)
}

// look looks at the page that is open in all ways, without loading it again:
// the server answers each of them the same, and what answers a form is there
// only once.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, w := range ways() {
		b.do(chromedp.EmulateViewport(w.width, 900), prefer(w.scheme))
		b.until("its fonts are here", "document.readyState === 'complete' && document.fonts.status === 'loaded'", 10*time.Second)
		if over := b.tooWide(); over > 0 {
			b.t.Errorf("%s at %d: the page is %d px too wide because of %s", name, w.width, over, b.ask(widest))
		}
		b.audit(fmt.Sprintf("%s at %d, %s", name, w.width, w.scheme))
		if shots := os.Getenv("OPSYARD_SHOTS"); shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("%s-%d-%s.png", name, w.width, w.scheme)))
		}
	}
	b.do(chromedp.EmulateViewport(1440, 900), prefer("light"))
}

// tooWide is by how much the page sticks out, once what draws itself by its
// width has done so.
func (b *tab) tooWide() int {
	b.t.Helper()
	const over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
	for range 20 {
		if eval[int](b, over) <= 0 {
			return 0
		}
		time.Sleep(50 * time.Millisecond)
	}
	return eval[int](b, over)
}

const widest = `(() => { const w = document.documentElement.clientWidth; return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1)
	.slice(0, 4).map(e => e.tagName.toLowerCase() + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right)).join(', '); })()`

func prefer(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	})
}

// audit fails for what axe calls serious or critical.
func (b *tab) audit(where string) {
	b.t.Helper()
	if !eval[bool](b, "'axe' in window") {
		axe, err := os.ReadFile("testdata/axe-core/axe.min.js")
		if err != nil {
			b.t.Fatal(err)
		}
		b.ask(string(axe) + ";''")
	}
	// region is moderate at most and takes long; the style sheets are needed only
	// by rules that are off.
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ['violations'], preload: false, rules: {region: {enabled: false}}}).then(r => r.violations
		.filter(v => v.impact === 'serious' || v.impact === 'critical')
		.map(v => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + (n.any[0]?.message || '')).join(' | ')))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: axe: %v", where, err)
	}
	for _, f := range found {
		b.t.Errorf("%s: %s", where, f)
	}
}

func (b *tab) shoot(file string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(file, picture, 0o644)
	}
	if err != nil {
		b.t.Fatalf("take a picture: %v", err)
	}
}

// keyboardOnly signs in and deploys without a mouse.
func (b *tab) keyboardOnly(p sample) {
	b.t.Helper()
	b.open("/sign-in")
	b.until("the name has the focus", `document.activeElement.id === 'name'`, 5*time.Second)
	b.do(chromedp.KeyEvent(userName), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(password), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#stacks-head"))
	b.tabTo("Shop")
	b.press("the stack", "/stacks/"+string(p.stack))
	b.tabTo("Apps")
	b.press("its apps", "/apps")
	b.tabTo("Shop front")
	b.press("the app", p.app)
	b.tabTo("Deploy")
	b.press("the form", "/run")
	b.tabTo("Run on 2 instances")
	b.press("the deployment", "/deployments/")
	b.until("it succeeds", `document.querySelector('#deployment-head h1').innerText.includes('successful')`, time.Minute)
}

// tabTo presses Tab until the link or button of that name has the focus, and
// shows it.
func (b *tab) tabTo(name string) {
	b.t.Helper()
	var passed []string
	for range 80 {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := eval[string](b, `document.activeElement.innerText?.trim().split('\n')[0] || document.activeElement.getAttribute('aria-label') || ''`)
		if at == name {
			if !eval[bool](b, `document.activeElement.matches(':focus-visible') && document.activeElement.checkVisibility()`) {
				b.t.Errorf("the focus on %q cannot be seen", name)
			}
			return
		}
		passed = append(passed, at)
	}
	b.t.Fatalf("Tab does not lead to %q but to %s", name, strings.Join(passed, ", "))
}

// press presses Enter, which must lead to a page with the words in its path.
func (b *tab) press(what, path string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("Enter leads to "+what, fmt.Sprintf(`location.pathname.includes(%q) && document.readyState === 'complete'`, path), 15*time.Second)
}
