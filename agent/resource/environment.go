package resource

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"opsyard/agent/protocol"
)

// appEnvironmentCmd writes an app's environment for whatever starts it. The
// values go from the private document into the file and nowhere else.
type appEnvironmentCmd struct {
	App    string   `arg:"" help:"Short name of the app."`
	Dest   string   `arg:"" name:"path" help:"Path of the file."`
	Format string   `enum:"systemd,shell,apache,php" default:"systemd" help:"systemd (EnvironmentFile), shell (to source), apache (SetEnv) or php (a script to prepend)."`
	Set    []string `help:"Variable to add; it wins over one of the app." placeholder:"NAME=VALUE" sep:"none"`
	Owner  string   `help:"User that owns the file." placeholder:"USER"`
	Group  string   `help:"Group that owns the file." placeholder:"GROUP"`
	Mode   string   `default:"0600" help:"Permissions, octal." placeholder:"0600"`
	Notify string   `help:"Command to run when the file has changed; if it fails, the old file comes back." placeholder:"COMMAND"`
}

func (c *appEnvironmentCmd) step() string { return "app environment " + c.App }

// Run writes the file.
func (c *appEnvironmentCmd) Run(ctx context.Context, h *host) error {
	a, err := app(c.App)
	if err != nil {
		return err
	}
	env := appEnvironment(a)
	for _, pair := range c.Set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !isVariable(name) {
			return fmt.Errorf("--set takes NAME=VALUE, not a value alone or a name such as %q", name)
		}
		env[name] = value
	}
	content, err := formatEnvironment(c.Format, env)
	if err != nil {
		return fmt.Errorf("environment of %s: %w", c.App, err)
	}
	w := writing{ownership: ownership{c.Owner, c.Group, c.Mode}, Notify: c.Notify, Sensitive: true}
	return w.write(ctx, h, c.Dest, content, nil)
}

// appEnvironment is what an app is told: how to reach its data source, and its
// own variables, which win.
func appEnvironment(a protocol.App) map[string]string {
	env := map[string]string{}
	if a.Database != nil {
		env = databaseEnvironment(*a.Database)
	}
	maps.Copy(env, a.Services)
	maps.Copy(env, a.Environment)
	return env
}

func databaseEnvironment(db protocol.Database) map[string]string {
	address := url.URL{Scheme: db.Adapter, Host: db.Host, Path: "/" + db.Database, User: url.UserPassword(db.Username, db.Password)}
	env := map[string]string{
		"DATABASE_ADAPTER": db.Adapter, "DATABASE_HOST": db.Host, "DATABASE_USERNAME": db.Username,
		"DATABASE_PASSWORD": db.Password, "DATABASE_NAME": db.Database,
	}
	if db.Port > 0 {
		env["DATABASE_PORT"] = strconv.Itoa(db.Port)
		address.Host = net.JoinHostPort(db.Host, env["DATABASE_PORT"])
	}
	env["DATABASE_URL"] = address.String()
	return env
}

// isVariable tells whether name can be a variable of the environment in each
// of the formats.
func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// environmentFormat says how one variable is written, with what is around all
// of them. The value is one that accepts has let through.
type environmentFormat struct {
	header  string
	line    func(name, value string) string
	accepts func(value string) error
}

// environmentFormats quote so that a value can only ever be a value: the app's
// people write the values, root's programs read the files.
var environmentFormats = map[string]environmentFormat{
	// systemd keeps what is between double quotes, but for escapes, over
	// several lines too. It drops variables with other control characters.
	"systemd": {
		"# Written by Opsyard.\n",
		func(name, value string) string {
			return name + `="` + escape(value, "\\\"`$") + `"`
		},
		func(value string) error { return refuse(value, "\t\n", "a service's environment") },
	},
	"shell": {
		"# Written by Opsyard.\n",
		func(name, value string) string { return "export " + name + "=" + quoteShell(value) },
		func(string) error { return nil },
	},
	// Apache replaces ${NAME}, once, and has no escape for it.
	"apache": {
		"# Written by Opsyard.\nDefine OPSYARD_DOLLAR $\n",
		func(name, value string) string {
			value = strings.ReplaceAll(escape(value, `\"`), "${", "${OPSYARD_DOLLAR}{")
			return "SetEnv " + name + ` "` + value + `"`
		},
		func(value string) error { return refuse(value, "\t", "Apache's configuration") },
	},
	"php": {
		"<?php // Written by Opsyard.\n" +
			"if (!function_exists('opsyard_environment')) {\n" +
			"    function opsyard_environment($name, $value) {\n" +
			"        putenv($name . '=' . $value);\n" +
			"        $_ENV[$name] = $_SERVER[$name] = $value;\n" +
			"    }\n" +
			"}\n",
		func(name, value string) string {
			return "opsyard_environment('" + name + "', '" + escape(value, `\'`) + "');"
		},
		func(string) error { return nil },
	},
}

func formatEnvironment(format string, env map[string]string) ([]byte, error) {
	f := environmentFormats[format]
	var b strings.Builder
	b.WriteString(f.header)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		value := env[name]
		if !isVariable(name) {
			return nil, fmt.Errorf("%q cannot be the name of a variable", name)
		}
		if strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("the value of %s holds a zero byte, which no process can be given", name)
		}
		if err := f.accepts(value); err != nil {
			return nil, fmt.Errorf("the value of %s %w", name, err)
		}
		b.WriteString(f.line(name, value) + "\n")
	}
	return []byte(b.String()), nil
}

// refuse tells why the value cannot be written: control characters other than
// the allowed ones, and what is not text.
func refuse(value, allowed, place string) error {
	if !utf8.ValidString(value) {
		return fmt.Errorf("is not UTF-8 text, which %s cannot hold", place)
	}
	for _, r := range value {
		if (r < ' ' || r == 0x7f) && !strings.ContainsRune(allowed, r) {
			return fmt.Errorf("holds the control character %q, which %s cannot hold", r, place)
		}
	}
	return nil
}

// escape puts a backslash before each of the given characters.
func escape(value, special string) string {
	var b strings.Builder
	for i := range len(value) {
		if strings.IndexByte(special, value[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(value[i])
	}
	return b.String()
}
