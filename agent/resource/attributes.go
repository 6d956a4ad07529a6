package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"opsyard/agent/protocol"
)

// document reads the JSON file that a variable of the environment names; a
// recipe tried by hand may have none.
func document(variable string) (map[string]any, error) {
	path := os.Getenv(variable)
	if path == "" {
		return map[string]any{}, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", variable, err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	doc := map[string]any{}
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read %s (%s): %w", variable, path, err)
	}
	return numbers(doc).(map[string]any), nil
}

func attributes() (map[string]any, error) { return document("OPSYARD_ATTRIBUTES") }

// private is the document with the secrets; apps are found in it by short name.
func private() (map[string]any, error) {
	doc, err := document("OPSYARD_PRIVATE")
	if err != nil {
		return nil, err
	}
	apps := map[string]any{}
	list, _ := doc["apps"].([]any)
	for _, a := range list {
		if app, ok := a.(map[string]any); ok {
			apps[fmt.Sprint(app["shortname"])] = app
		}
	}
	doc["apps"] = apps
	return doc, nil
}

// apps are the apps of this command, in their order.
func apps() ([]protocol.App, error) {
	path := os.Getenv("OPSYARD_PRIVATE")
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the apps: %w", err)
	}
	var doc struct {
		Apps []protocol.App `json:"apps"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("read the apps: %w", err)
	}
	return doc.Apps, nil
}

func app(shortname string) (protocol.App, error) {
	all, err := apps()
	if err != nil {
		return protocol.App{}, err
	}
	for _, a := range all {
		if a.Shortname == shortname {
			return a, nil
		}
	}
	return protocol.App{}, fmt.Errorf("app %s is not part of this command", shortname)
}

// numbers makes integers of whole numbers: templates compare and print them so.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = numbers(value)
		}
	case []any:
		for i, value := range v {
			v[i] = numbers(value)
		}
	case json.Number:
		if i, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	}
	return v
}

// lookup follows a dotted path through objects and arrays. Keys may hold dots
// themselves: the longest one that fits is taken.
func lookup(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	switch v := v.(type) {
	case map[string]any:
		for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '.') {
			child, ok := v[path[:end]]
			if !ok {
				continue
			}
			if found, ok := lookup(child, strings.TrimPrefix(path[end:], ".")); ok {
				return found, true
			}
		}
	case []any:
		index, rest, _ := strings.Cut(path, ".")
		if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(v) {
			return lookup(v[i], rest)
		}
	}
	return nil, false
}

// text prints a value for bash: scalars as they are, lists one value a line,
// objects as their sorted keys.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		lines := make([]string, len(v))
		for i, item := range v {
			lines[i] = text(item)
		}
		return strings.Join(lines, "\n")
	case map[string]any:
		return strings.Join(sortedKeys(v), "\n")
	}
	return fmt.Sprint(v)
}

type attrCmd struct {
	Path    string  `arg:"" help:"Dotted path, such as opsworks.instance.hostname."`
	Default *string `help:"Print this when there is no such attribute; without it that is an error." placeholder:"VALUE"`
	JSON    bool    `name:"json" help:"Print JSON. Otherwise lists print one value a line and objects their keys."`
	Private bool    `help:"Look in the private document: apps.SHORTNAME.… and args."`
}

// Run prints the attribute.
func (c *attrCmd) Run(h *host) error {
	read := attributes
	if c.Private {
		read = private
	}
	doc, err := read()
	if err != nil {
		return err
	}
	v, ok := lookup(doc, c.Path)
	if (!ok || v == nil) && c.Default != nil {
		v, ok = *c.Default, true
		if c.JSON {
			_, err = fmt.Fprintln(h.out, *c.Default)
			return err
		}
	}
	if !ok {
		return fmt.Errorf("there is no attribute %s", c.Path)
	}
	return c.print(h.out, v)
}

func (c *attrCmd) print(w io.Writer, v any) error {
	if c.JSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	if s := text(v); s != "" {
		_, err := fmt.Fprintln(w, s)
		return err
	}
	return nil
}

type appCmd struct {
	List        appListCmd        `cmd:"" help:"Print the short names of the apps that this command deploys or removes."`
	Environment appEnvironmentCmd `cmd:"" help:"Write an app's environment and its data source's into a file."`
	Serve       appServeCmd       `cmd:"" help:"Run an app's own server behind Nginx, and switch between versions without losing a request."`
}

type appListCmd struct {
	Type string `help:"Only apps of this type (static, php, nodejs, rails, java, other)."`
}

// Run prints the names.
func (c *appListCmd) Run(h *host) error {
	all, err := apps()
	for _, a := range all {
		if c.Type == "" || a.Type == c.Type || c.Type == "static" && a.Type == "web" {
			h.say("%s", a.Shortname)
		}
	}
	return err
}
