package handlers

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/models/store"
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
	for _, name := range []string{"show", "deploy", "manage", "root"} {
		b := c.as(name)
		for _, path := range append(c.everyPage(b), "/audit/export", "/stacks/"+string(c.fleet.stack.ID)+"/audit/export", "/nothing/here", "/stacks/none") {
			a := b.get(path)
			for key, values := range a.header {
				look("header "+key+" of "+path, strings.Join(values, " "))
			}
			if (name == "manage" || name == "root") && strings.Contains(path, "tab=json") {
				a.body = strings.ReplaceAll(a.body, canary+"layer-json", "") // its editor is there
			}
			look("page "+path+" as "+name, a.body)
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
	if a := b.post(stack+"/resources/rds/register", "RdsDbInstanceArn", "wrong", "DbUser", "app", "DbPassword", canary+"rds-refused"); strings.Contains(a.body, canary) {
		t.Error("a refused database's form shows its password")
	}
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
	key, err := eng.CreateAccessKey(ctx, root.ID)
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
	return map[string]string{"the secret of an access key": key.Secret, "a token": token, "the secret of a webhook": signing}
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
