package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"
)

type templateCmd struct {
	Source  string            `arg:"" help:"The template; a relative path is looked up in the cookbook's templates/."`
	Dest    string            `arg:"" help:"Path of the file to write."`
	Set     map[string]string `help:"Values for the template, under .vars." placeholder:"NAME=VALUE" mapsep:"none"`
	Private bool              `help:"Offer the private document under .private; nothing of the file is shown then."`
	writing
}

func (c *templateCmd) step() string { return "template " + c.Dest }

// Run fills the template and writes the file.
func (c *templateCmd) Run(ctx context.Context, h *host) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	r := renderer{data: data}
	content, err := r.render(inCookbook(c.Source, "templates"))
	if err != nil {
		return err
	}
	c.Sensitive = c.Sensitive || c.Private
	return c.write(ctx, h, c.Dest, content, r.secrets)
}

func (c *templateCmd) data() (map[string]any, error) {
	data, err := attributes()
	if err != nil {
		return nil, err
	}
	vars := map[string]any{}
	for name, value := range c.Set {
		vars[name] = value
	}
	data["vars"] = vars
	if c.Private {
		data["private"], err = private()
	}
	return data, err
}

// renderer fills one template and remembers the secrets it put in.
type renderer struct {
	data    map[string]any
	secrets []string
}

func (r *renderer) render(path string) ([]byte, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	// A missing key is an error: "<no value>" in a configuration file is worse.
	t, err := template.New(filepath.Base(path)).Option("missingkey=error").Funcs(r.funcs()).Parse(string(source))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, r.data); err != nil {
		return nil, fmt.Errorf("%w (for attributes that may be missing write: attr \"dotted.path\" \"default\")", err)
	}
	return out.Bytes(), nil
}

func (r *renderer) funcs() template.FuncMap {
	return template.FuncMap{
		"attr":       r.attr,
		"secret":     r.secret,
		"default":    orDefault,
		"json":       toJSON,
		"keys":       keysOf,
		"quote":      func(v any) string { return strconv.Quote(text(v)) },
		"shellquote": func(v any) string { return quoteShell(text(v)) },
		"plain":      plain,
		"word":       word,
		"join":       func(sep string, list any) string { return strings.Join(stringsOf(list), sep) },
		"split":      func(sep, s string) []string { return strings.Split(s, sep) },
		"sort":       func(list any) []string { return slices.Sorted(slices.Values(stringsOf(list))) },
		"has":        func(item, list any) bool { return slices.Contains(stringsOf(list), text(item)) },
		"list":       func(items ...any) []any { return items },
		"append":     func(list []any, items ...any) []any { return append(slices.Clip(list), items...) },
		"uniq":       func(list any) []string { return slices.Compact(slices.Sorted(slices.Values(stringsOf(list)))) },
		"lower":      strings.ToLower,
		"upper":      strings.ToUpper,
		"trim":       strings.TrimSpace,
		"replace":    func(old, to, s string) string { return strings.ReplaceAll(s, old, to) },
		"indent":     indent,
		"int":        toInt,
		"bool":       toBool,
		"add":        func(a, b any) (int64, error) { return calculate(a, b, func(a, b int64) int64 { return a + b }) },
		"mul":        func(a, b any) (int64, error) { return calculate(a, b, func(a, b int64) int64 { return a * b }) },
		"env":        os.Getenv,
		"hostname":   os.Hostname,
		"fail":       func(message string) (string, error) { return "", fmt.Errorf("%s", message) },
	}
}

// attr is the attribute at a dotted path, or the default, or nothing.
func (r *renderer) attr(path string, fallback ...any) any {
	if v, ok := lookup(r.data, path); ok && v != nil {
		return v
	}
	if len(fallback) > 0 {
		return fallback[0]
	}
	return nil
}

// secret puts a value into the file and keeps it out of the diff.
func (r *renderer) secret(v any) string {
	r.secrets = append(r.secrets, strings.Trim(quoteShell(text(v)), "'"), text(v))
	return text(v)
}

// plain lets only values pass that cannot leave their place in a configuration
// file: whoever may write an attribute must not thereby write directives.
func plain(v any) (string, error) {
	s := text(v)
	if strings.ContainsAny(s, ";{}\"'`#$\\") || strings.ContainsFunc(s, unicode.IsControl) {
		return "", errors.New("the value holds quotes, ; { } # $ \\ or control characters, which are not allowed here")
	}
	return s, nil
}

// word is a name that a configuration file cannot take for anything else.
func word(v any) (string, error) {
	s := text(v)
	for _, r := range s {
		if !strings.ContainsRune("_-.", r) && (r > 127 || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
			return "", fmt.Errorf("%q is not a name of letters, digits, _, - and dots", s)
		}
	}
	if s == "" || s[0] == '-' || s[0] == '.' {
		return "", fmt.Errorf("%q is not a name", s)
	}
	return s, nil
}

func orDefault(fallback, v any) any {
	if v == nil || v == "" {
		return fallback
	}
	return v
}

func toJSON(v any) (string, error) {
	out, err := json.Marshal(v)
	return string(out), err
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func keysOf(v any) []string {
	m, _ := v.(map[string]any)
	return sortedKeys(m)
}

func stringsOf(v any) []string {
	switch v := v.(type) {
	case []string:
		return slices.Clone(v)
	case []any:
		out := make([]string, len(v))
		for i, item := range v {
			out[i] = text(item)
		}
		return out
	}
	return nil
}

func indent(n int, s string) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
}

func toInt(v any) (int64, error) {
	n, err := strconv.ParseInt(text(v), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text(v))
	}
	return n, nil
}

// toBool reads booleans as OpsWorks spells them in layer attributes, as strings.
func toBool(v any) bool {
	switch strings.ToLower(text(v)) {
	case "true", "1", "yes", "on":
		return true
	}
	return false
}

func calculate(a, b any, f func(a, b int64) int64) (int64, error) {
	x, err := toInt(a)
	if err != nil {
		return 0, err
	}
	y, err := toInt(b)
	return f(x, y), err
}
