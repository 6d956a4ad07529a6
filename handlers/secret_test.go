package handlers

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"
	"opsyard/web/oidc"
)

// canary is part of every secret of the test, followed by where it was put.
const canary = "c4n4ry-"

// heard gathers a log.
type heard struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}

// TestSecretsStayInside puts a canary into every secret there is, by the forms
// that people use, and looks for it in everything that leaves: each page as
// each level, the log, the audit and the database's files.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	log := &heard{}
	c := setupReal(t, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	generated := fillSecrets(t, c)

	var leaks []string
	look := func(where, text string) {
		for name, secret := range generated {
			if strings.Contains(text, secret) {
				leaks = append(leaks, where+" shows "+name)
			}
		}
		for _, found := range regexp.MustCompile(canary+`[a-z-]+`).FindAllString(text, -1) {
			leaks = append(leaks, where+" shows "+found)
		}
	}
	shells := views.ShellHref(c.fleet.instances[0].ID)
	recorded := c.path(c.fleet, "/shells/{shell}")
	for _, name := range []string{"show", "deploy", "manage", "root", "deny"} {
		b := c.as(name)
		for _, path := range append(c.everyPage(b), "/audit/export", "/stacks/"+string(c.fleet.stack.ID)+"/audit/export", shells, recorded, recorded+"/recording", "/nothing/here", "/stacks/none") {
			a := b.get(path)
			for key, values := range a.header {
				look("header "+key+" of "+path, strings.Join(values, " "))
			}
			if (name == "manage" || name == "root") && strings.Contains(path, "tab=json") {
				a.body = strings.ReplaceAll(a.body, canary+"layer-json", "") // its editor is there
			}
			look("page "+path+" as "+name, a.body)
		}
		if name == "show" || name == "root" {
			c.everyFrame(b, func(view, frame string) { look("live view "+view+" as "+name, frame) })
		}
	}
	look("the log", log.String())
	entries, err := c.store.Audit.Page(t.Context(), models.AuditFilter{}, store.AuditCursor{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 5 {
		t.Errorf("only %d audit entries: the test looks at too little", len(entries))
	}
	for _, e := range entries {
		look("audit of "+e.Action, e.Before+e.After+e.TargetName+e.Cause.Text)
	}
	for _, file := range c.databaseFiles() {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		look("file "+filepath.Base(file), string(raw))
	}
	slices.Sort(leaks)
	for _, leak := range slices.Compact(leaks) {
		t.Error(leak)
	}
}

// pemOf is a block of PEM, after any text.
func pemOf(kind string) string {
	return "-----BEGIN " + kind + "-----\nAAAA\n-----END " + kind + "-----\n"
}

// fillSecrets writes every secret by its form.
func fillSecrets(t *testing.T, c *realConsole) (generated map[string]string) {
	t.Helper()
	f, b := c.fleet, c.as("root")
	saved := func(what string, a answer) {
		t.Helper()
		if a.status != 303 || strings.Contains(a.location, "/sign-in") {
			t.Fatalf("%s: %d: %s", what, a.status, regexp.MustCompile(`(?s)role="alert".{0,300}`).FindString(a.body))
		}
	}
	stack := "/stacks/" + string(f.stack.ID)
	saved("stack", b.post(stack+"/settings", "Name", "shop-prod", "HostnameTheme", "Layer_Dependent", "ConfigurationManager", f.stack.ConfigurationManager.Name,
		"ConfigurationManagerVersion", f.stack.ConfigurationManager.Version, "DefaultOs", "Debian 12", "DefaultRootDeviceType", "ebs", "UseCustomCookbooks", "on",
		"SourceType", "git", "SourceUrl", "https://builder:"+canary+"cookbooks-url@git.example/cookbooks.git",
		"SourceSshKey", canary+"cookbooks-key"))
	saved("layer", b.post(stack+"/layers/"+string(f.layers[0].ID)+"/settings", "Name", "Load balancer", "ExecutionTimeout", "120",
		"attr-HaproxyStatsPassword", canary+"stats-password", "attr-HaproxyHealthCheckMethod", "OPTIONS", "attr-HaproxyHealthCheckUrl", "/",
		"attr-HaproxyStatsUrl", "/s", "attr-HaproxyStatsUser", "ops", "attr-EnableHaproxyStats", "on"))
	saved("layer JSON", b.post(stack+"/layers/"+string(f.layers[0].ID)+"/json", "CustomJson", `{"token": "`+canary+`layer-json"}`))
	saved("database layer", b.post(stack+"/layers/"+string(f.layers[5].ID)+"/settings", "Name", "Database", "ExecutionTimeout", "120",
		"attr-MysqlRootPassword", canary+"root-password"))
	saved("new layer", b.post(stack+"/layers", "form", "whole", "Type", "monitoring-master", "Name", "Ganglia", "attr-GangliaPassword", canary+"ganglia-password"))
	saved("clone", b.post(stack+"/clone", "Name", "shop-clone", "CloneAppIds", string(f.app.ID)))
	saved("app", b.post(stack+"/apps/"+string(f.app.ID)+"/edit", "Name", "storefront", "Type", "php", "SourceType", "git",
		"SourceUrl", "https://shop:"+canary+"app-url@git.example/shop.git", "SourceSshKey", canary+"app-key",
		"EnableSsl", "on", "SslConfiguration", pemOf("CERTIFICATE"), "PrivateKey", canary+"tls-key\n"+pemOf("PRIVATE KEY"),
		"EnvKey", "PAYMENT_KEY", "EnvValue", canary+"env-secret", "EnvSecure", "0"))
	saved("second app", b.post(stack+"/apps", "Name", "second", "Type", "static", "SourceType", "archive",
		"SourceUrl", "https://files.example/x.tar.gz", "SourceUsername", "u", "SourcePassword", canary+"archive-password"))
	const database = "arn:aws:rds:us-east-1:123456789012:db:orders"
	saved("database", b.post(stack+"/resources/rds/register", "RdsDbInstanceArn", database, "DbUser", "app", "DbPassword", canary+"rds-password"))
	saved("database again", b.post(stack+"/resources/rds/save", "edit", database, "DbUser", "app", "DbPassword", canary+"rds-changed",
		"Address", "orders.example", "Engine", "mysql"))
	// A form that is shown again, refused or not, comes without the secrets.
	more := b.post(stack+"/apps", "do", "more", "Name", "again", "Type", "static", "EnvKey", "A", "EnvValue", canary+"env-more", "EnvSecure", "0")
	more.want(t, 200, `value="again"`, "Type the passwords, keys and secret addresses again")
	if strings.Contains(more.body, canary) {
		t.Error("the form of an app with more variables shows a secure one")
	}
	for what, a := range map[string]answer{
		"a database": b.post(stack+"/resources/rds/register", "RdsDbInstanceArn", "wrong", "DbUser", "app", "DbPassword", canary+"rds-refused"),
		"a stack": b.post(stack+"/settings", "Name", strings.Repeat("x", 300), "UseCustomCookbooks", "on", "SourceType", "s3", "SourceUrl", "https://s3.example/x",
			"SourceUsername", "u", "SourcePassword", canary+"stack-refused"),
		"an app": b.post(stack+"/apps", "Name", "", "Type", "static", "SourceType", "archive", "SourceUrl", "https://u:"+canary+"url-refused@files.example/x",
			"SourcePassword", canary+"app-refused", "EnvKey", "A B", "EnvValue", canary+"env-refused", "EnvSecure", "0"),
		"another app": b.post(stack+"/apps", "Name", "x", "Type", "static", "SourceType", "git", "SourceUrl", "https://u:"+canary+"broken-refused@files.example:x/"),
		"a layer":     b.post(stack+"/layers/"+string(f.layers[5].ID)+"/settings", "Name", "", "ExecutionTimeout", "x", "attr-MysqlRootPassword", canary+"layer-refused"),
		"a user":      b.post("/team/users", "Name", "l e o", "Password", canary+"user-refused"),
		"a webhook": b.post(stack+"/notifications", "Kind", string(models.ChannelWebhook), "Name", "", "Types", string(models.NotifyInstance), "URL", "ftp://x",
			"Secret", "whsec_"+canary+"webhook-refused"),
		"a chat": b.post(stack+"/notifications", "Kind", string(models.ChannelSlack), "Name", "", "Types", string(models.NotifyInstance),
			"URL", "https://hooks.slack.example/"+canary+"slack-refused"),
		"a password":    c.as("deploy").post("/me/password", "Current", canary+"current-refused", "Password", canary+"n"),
		"a proof":       c.as("deploy").post("/me/security/codes", confirmPassword, canary+"proof-refused"),
		"a code":        c.browser().post("/sign-in/code", "Code", canary+"code-refused"),
		"an invitation": c.browser().post("/invitation/"+canary+"link-refused", "name", "eve", "password", canary+"invited-refused", "again", canary+"invited-refused"),
		"a first run":   c.browser().post("/setup/wrong", "name", "eve", "password", canary+"first-refused", "again", canary+"first-refused"),
	} {
		if a.status < 400 && !strings.HasPrefix(a.location, "/sign-in") {
			t.Errorf("%s is not refused: %d to %q", what, a.status, a.location)
		}
		if n := strings.Index(a.body, canary); n >= 0 {
			t.Errorf("the form of %s, refused, shows %s", what, a.body[n:min(len(a.body), n+30)])
		}
	}
	c.browser().get("/setup/" + canary + "setup-address") // for the log
	c.browser().get("/invitation/" + canary + "invitation-address")
	saved("user", b.post("/team/users", "Name", "zoe", "Password", canary+"user-password"))
	c.as("show").post("/me/password", "Current", canary+"wrong-password", "Password", canary+"new-password")
	c.browser().post("/sign-in", "name", "zoe", "password", canary+"mistyped-password")
	saved("password of another", b.post("/team/users/"+string(c.subject)+"/password", "password", canary+"reset-password"))
	eng := c.h.Engine.(*engine.Engine)
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test"})
	root, err := c.store.Users.ByName(ctx, "root")
	if err != nil {
		t.Fatal(err)
	}
	key, err := eng.CreateAccessKey(ctx, models.AccessKey{UserID: root.ID})
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := eng.CreateToken(ctx, models.Token{UserID: root.ID, Name: "for a test", ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	signing := "whsec_" + base64.StdEncoding.EncodeToString([]byte(canary+"webhook-secret-of-32-by"))
	saved("webhook", b.post(stack+"/notifications", "Kind", string(models.ChannelWebhook), "Name", "hook", "Types", string(models.NotifyInstance),
		"URL", "https://hooks.example/"+canary+"webhook-url", "Secret", signing))
	saved("chat", b.post(stack+"/notifications", "Kind", string(models.ChannelSlack), "Name", "chat", "Types", string(models.NotifyInstance),
		"URL", "https://hooks.slack.example/"+canary+"slack-url"))
	saved("deployment", b.post(stack+"/run", "Command", "configure", "Targets", "all", "CustomJson", `{"password": "`+canary+`deploy-json"}`))
	generated = map[string]string{"the secret of an access key": key.Secret, "a token": token, "the secret of a webhook": signing}
	c.generate(b, generated)
	return generated
}

// generate has the server make every secret that it makes itself, by the forms
// that show them once.
func (c *realConsole) generate(root *browser, made map[string]string) {
	c.t.Helper()
	f, ctx := c.fleet, c.t.Context()
	stack := "/stacks/" + string(f.stack.ID)
	keep := func(name string, a answer, pattern string) {
		c.t.Helper()
		found := regexp.MustCompile(pattern).FindAllString(a.body, -1)
		if len(found) == 0 {
			c.t.Fatalf("the answer %d shows no %s", a.status, name)
		}
		for n, secret := range slices.Compact(found) {
			made[name+" "+strconv.Itoa(n+1)] = secret
		}
	}
	const code = `[a-z2-7]{4}(?:-[a-z2-7]{4}){3}`
	keep("enrolment token", root.post(stack+"/register"), `oye_[A-Z0-9]+`)
	keep("recovery code of an account", root.post("/me/security/codes", "for", "account"), code)
	keep("link of an invitation", root.post("/team/invitations", "Name", "leo"), `/invitation/[A-Z0-9]+`)
	keep("own access key", root.post("/me/keys"), `[A-Z2-7]{40}`)
	keep("own token", root.post("/me/tokens", "Name", "nightly", "Days", "30"), `opsyard_[A-Z0-9]{32}`)

	// Somebody sets up an authenticator app, and begins to sign in with it.
	nobody := c.as("nobody")
	nobody.post("/me/security/app")
	u, err := c.store.Users.Get(ctx, c.userID("nobody"))
	f.must(err)
	first, err := totp.GenerateCode(u.TOTPSecret, c.h.Now())
	f.must(err)
	keep("recovery code", nobody.post("/me/security/app/enable", "Code", first), code)
	made["secret of an authenticator app"] = u.TOTPSecret
	half := c.browser()
	half.post("/sign-in", "name", "nobody", "password", goodPassword)
	for name, b := range map[string]*browser{"session of root": root, "session of nobody": nobody, "half-made sign-in": half} {
		cookies := b.cookies()
		if len(cookies) == 0 {
			c.t.Fatalf("there is no cookie of the %s", name)
		}
		for n, value := range cookies {
			made["cookie "+strconv.Itoa(n+1)+" of the "+name] = value
		}
	}

	// A login to a Windows instance, for an hour.
	windows := f.instances[3].ID
	_, err = c.store.SQL().ExecContext(ctx, "UPDATE instances SET os = 'Microsoft Windows Server 2012 R2 Base', status = 'online' WHERE id = ?", windows)
	f.must(err)
	granted, err := c.h.Engine.GrantAccess(models.WithActor(ctx, models.Actor{Kind: models.ActorSetup, Name: "test"}), windows, 60)
	f.must(err)
	made["password of a Windows login"] = granted.Password

	// A provider that is away, and what it would have been told.
	c.h.OIDC, err = oidc.New(oidc.Config{Issuer: "http://127.0.0.1:1", ClientID: "opsyard", ClientSecret: canary + "oidc-secret", PublicURL: c.url})
	f.must(err)
	half.get("/sign-in/oidc")
	half.get(oidc.CallbackPath + "?code=" + canary + "oidc-code&state=" + canary + "oidc-state")
	for _, path := range []string{"/me", "/me/security", "/me/security/app", "/me/keys"} {
		page := nobody.get(path).body
		for name, secret := range made {
			if strings.Contains(page, secret) {
				c.t.Errorf("%s shows its owner the %s again", path, name)
			}
		}
	}
}

// cookies are the values of a browser's cookies that open something.
func (b *browser) cookies() []string {
	b.c.t.Helper()
	u, err := url.Parse(b.c.url)
	if err != nil {
		b.c.t.Fatal(err)
	}
	var values []string
	for _, c := range b.client.Jar.Cookies(u) {
		if strings.HasPrefix(c.Name, "opsyard") {
			values = append(values, c.Value)
		}
	}
	return values
}

// everyFrame opens every live view that the browser may see, and hands on what
// is drawn first.
func (c *realConsole) everyFrame(b *browser, look func(view, frame string)) {
	c.t.Helper()
	seen := 0
	for view := range c.h.views {
		key, ok := c.fleet.liveKeys()[view]
		if !ok {
			c.t.Errorf("live view %q has no key", view)
		}
		conn, resp, err := b.dial("/ws/live?view="+view+"/"+key, c.url)
		if err != nil {
			if resp == nil || resp.StatusCode != 403 {
				c.t.Errorf("live view %s: %v", view, err)
			}
			continue
		}
		look(view, next(c.t, conn))
		conn.Close()
		seen++
	}
	logs, _, err := b.dial(c.path(c.fleet, "/ws/commands/{command}/log")+"?from=0", c.url)
	c.fleet.must(err)
	defer logs.Close()
	look("log", next(c.t, logs))
	if seen < 5 {
		c.t.Errorf("only %d live views were looked at", seen)
	}
}

var links = regexp.MustCompile(`href="(/[^"#]*)"`)

// everyPage follows the links of the console as far as they lead.
func (c *realConsole) everyPage(b *browser) []string {
	seen := map[string]bool{}
	paths := []string{"/stacks"}
	for n := 0; n < len(paths) && n < 150; n++ {
		for _, m := range links.FindAllStringSubmatch(b.get(paths[n]).body, -1) {
			path := strings.ReplaceAll(m[1], "&amp;", "&")
			if !seen[path] && !strings.HasPrefix(path, "/static/") {
				seen[path] = true
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// databaseFiles are the files of the test's database.
func (c *realConsole) databaseFiles() []string {
	var file string
	row := c.store.SQL().QueryRowContext(c.t.Context(), "SELECT file FROM pragma_database_list WHERE name = 'main'")
	c.fleet.must(row.Scan(&file))
	files, err := filepath.Glob(file + "*")
	c.fleet.must(err)
	return files
}
