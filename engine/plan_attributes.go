package engine

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"opsyard/agent/protocol"
	"opsyard/engine/lifecycle"
	"opsyard/models"
)

const (
	attributesShown = 600 // of one group; the rest are counted
	valueShown      = 160 // characters
	listedMembers   = 40  // of one object; larger ones are one value
)

// source is one of the objects that are merged into a group's attributes.
type source struct {
	origin string
	object map[string]any
}

// describe names the documents of a group and says where each value comes from.
// It merges what the agents would merge; only custom JSON is taken apart into
// the texts that it is made of.
func (p *planner) describe(ctx context.Context, g *models.PlanGroup, run *protocol.Run, layers []models.Layer) error {
	custom, err := lifecycle.CustomJSON(*p.stack, layers, p.request.CustomJSON)
	if err != nil {
		return err
	}
	customDigest, err := p.e.contents.document(ctx, custom)
	if err != nil {
		return err
	}
	var sources []source
	for n, digest := range run.Attributes {
		object, err := p.document(ctx, digest)
		if err != nil {
			return err
		}
		name := nameOf(n, digest, customDigest, object)
		g.Documents = append(g.Documents, models.PlanDocument{Name: name, Digest: digest})
		if digest != customDigest {
			sources = append(sources, source{name, object})
		}
	}
	if len(run.PrivateAttributes) > 0 {
		var object map[string]any
		if err := json.Unmarshal(run.PrivateAttributes, &object); err != nil {
			return fmt.Errorf("read private attributes: %w", err)
		}
		sources = append(sources, source{"built-in", object})
	}
	sources, err = p.customSources(sources, layers)
	if err != nil {
		return err
	}
	for _, digest := range run.DataBags {
		g.Documents = append(g.Documents, models.PlanDocument{Name: "data bags", Digest: digest})
	}
	for _, digest := range run.Cookbooks {
		g.Documents = append(g.Documents, models.PlanDocument{Name: "built-in cookbooks", Digest: digest})
	}
	g.Attributes = originsOf(sources, showing(secretValues(run)))
	return nil
}

func nameOf(n int, digest, custom string, object map[string]any) string {
	ours, _ := object["opsworks"].(map[string]any)
	_, activity := ours["activity"]
	_, deploy := object["deploy"]
	switch {
	case n == 0:
		return "state of the stack"
	case digest == custom:
		return "custom JSON"
	case deploy:
		return "deploy attributes"
	case activity:
		return "command"
	}
	return "built-in"
}

func (p *planner) customSources(sources []source, layers []models.Layer) ([]source, error) {
	add := func(origin, text string) error {
		object, err := lifecycle.MergeJSON(text)
		if err == nil && object != nil {
			sources = append(sources, source{origin, object})
		}
		return err
	}
	if err := add("custom JSON of the stack", p.stack.CustomJSON); err != nil {
		return nil, err
	}
	for _, l := range layers {
		if err := add("custom JSON of layer "+l.Name, l.CustomJSON); err != nil {
			return nil, err
		}
	}
	return sources, add("custom JSON of this run", p.request.CustomJSON)
}

// document reads one of the documents that agents fetch.
func (p *planner) document(ctx context.Context, digest string) (map[string]any, error) {
	if object, ok := p.docs[digest]; ok {
		return object, nil
	}
	packed, err := p.e.Content(ctx, digest)
	if err != nil {
		return nil, err
	}
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack content %s: %w", digest, err)
	}
	plain, err := io.ReadAll(unzip)
	if err != nil {
		return nil, fmt.Errorf("unpack content %s: %w", digest, err)
	}
	var object map[string]any
	if err := json.Unmarshal(plain, &object); err != nil {
		return nil, fmt.Errorf("read content %s: %w", digest, err)
	}
	p.docs[digest] = object
	return object, nil
}

// leaf is a value and who set it; inner nodes have children instead.
type leaf struct {
	value    any
	origin   string
	lost     []models.PlanAttribute
	children map[string]*leaf
}

// originsOf merges as lifecycle.Merge does, and keeps who set what. show makes
// a value what people may see of it.
func originsOf(sources []source, show func(path string, value any) string) []models.PlanAttribute {
	root := &leaf{children: map[string]*leaf{}}
	for _, s := range sources {
		root.put("", s.object, s.origin, show)
	}
	var all []models.PlanAttribute
	root.list("", show, &all)
	if more := len(all) - attributesShown; more > 0 {
		all = append(all[:attributesShown:attributesShown], models.PlanAttribute{Path: "…", Value: fmt.Sprintf("%d more values", more), Origin: "built-in"})
	}
	return all
}

func (l *leaf) put(path string, object map[string]any, origin string, show func(string, any) string) {
	for key, value := range object {
		at := join(path, key)
		child := l.children[key]
		inner, isObject := value.(map[string]any)
		opens := isObject && len(inner) > 0 && !summed(at, inner)
		switch {
		case child == nil:
			child = &leaf{}
		case child.children != nil && opens:
		case opens && emptyObject(child.value): // is filled, not replaced
		case child.children == nil && child.value != nil:
			child.lost = append([]models.PlanAttribute{{Path: at, Value: show(at, child.value), Origin: child.origin}}, child.lost...)
		case child.children != nil && !isObject:
			child.lost = append([]models.PlanAttribute{{Path: at, Value: holds(len(child.children)), Origin: "several"}}, child.lost...)
			child.children = nil
		}
		l.children[key] = child
		if !opens {
			if !isObject || child.children == nil {
				child.value, child.origin = value, origin
			}
			continue
		}
		if child.children == nil {
			child.children, child.value = map[string]*leaf{}, nil
		}
		child.put(at, inner, origin, show)
	}
}

func emptyObject(value any) bool {
	object, ok := value.(map[string]any)
	return ok && len(object) == 0
}

// summed tells whether an object is shown as one value: too many members for a
// page, or one for each instance.
func summed(path string, object map[string]any) bool {
	return len(object) > listedMembers || strings.HasPrefix(path, "opsworks.layers.") && strings.HasSuffix(path, ".instances")
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (l *leaf) list(path string, show func(string, any) string, all *[]models.PlanAttribute) {
	for _, key := range slices.Sorted(maps.Keys(l.children)) {
		child, at := l.children[key], join(path, key)
		if child.children == nil || len(child.lost) > 0 {
			value := holds(len(child.children))
			if child.children == nil {
				value = show(at, child.value)
			}
			*all = append(*all, models.PlanAttribute{Path: at, Value: value, Origin: cmp.Or(child.origin, "several"), Overridden: child.lost})
		}
		child.list(at, show, all)
	}
}

func holds(n int) string { return fmt.Sprintf("{%d members}", n) }

// secretKey are keys whose values are hidden, whoever wrote them.
var secretKey = regexp.MustCompile(`(?i)(passw|secret|token|credential|private_?key|api_?key|access_?key|ssh_?key|\bpwd\b)`)

// showing shows values without secrets and cut to a length that pages can hold.
func showing(secrets []string) func(string, any) string {
	return func(path string, value any) string {
		if object, ok := value.(map[string]any); ok && summed(path, object) {
			return tellsOf(slices.Sorted(maps.Keys(object)))
		}
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(hidden(path, value, secrets)); err != nil {
			return models.Filtered
		}
		return clipped(strings.TrimSpace(text.String()))
	}
}

// hidden is the value with secrets replaced, inside lists and objects too.
func hidden(path string, value any, secrets []string) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[key] = hidden(join(path, key), inner, secrets)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for n, inner := range v {
			out[n] = hidden(path, inner, secrets)
		}
		return out
	case nil, bool:
		return v
	}
	text := fmt.Sprint(value)
	if text == "" {
		return value
	}
	if secretKey.MatchString(path) {
		return models.Filtered
	}
	for _, s := range secrets {
		if len(s) > 3 && strings.Contains(text, s) || text == s {
			return models.Filtered
		}
	}
	return value
}

func clipped(s string) string {
	if r := []rune(s); len(r) > valueShown {
		return string(r[:valueShown]) + "…"
	}
	return s
}
