package views

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"opsyard/models"
	"opsyard/views/ui"
)

// StackFrame is what every page inside a stack shows around its content: name,
// tabs with counts, and what the visitor may do there.
type StackFrame struct {
	Page      Page
	ID        models.StackID
	Name      string
	Tab       string // "overview", "layers", "instances", "apps", "deployments", "settings"
	Layers    int
	Instances int
	Apps      int
	CanDeploy bool
	CanManage bool
}

func (f StackFrame) tabs() []ui.TabProps {
	tab := func(key, label, path, count string) ui.TabProps {
		return ui.TabProps{Href: templ.SafeURL(f.Href(path)), Label: label, Count: count, Current: f.Tab == key}
	}
	tabs := []ui.TabProps{
		tab("overview", "Overview", "", ""),
		tab("layers", "Layers", "/layers", Thousands(f.Layers)),
		tab("instances", "Instances", "/instances", Thousands(f.Instances)),
		tab("apps", "Apps", "/apps", Thousands(f.Apps)),
		tab("deployments", "Deployments", "/deployments", ""),
		tab("monitoring", "Monitoring", "/monitoring", ""),
		tab("alarms", "Alarms", "/alarms", ""),
		tab("healing", "Healing", "/healing", ""),
		tab("resources", "Resources", "/resources", ""),
	}
	if f.CanManage {
		tabs = append(tabs, tab("permissions", "Permissions", "/permissions", ""), tab("audit", "Audit", "/audit", ""), tab("settings", "Settings", "/settings", ""))
	}
	return tabs
}

// Href is an address inside the stack.
func (f StackFrame) Href(path string) string { return StackHref(f.ID) + path }

// StackHref is the overview of a stack.
func StackHref(id models.StackID) string { return "/stacks/" + string(id) }

// LayerHref is the page of a layer.
func LayerHref(stack models.StackID, id models.LayerID) string {
	return StackHref(stack) + "/layers/" + string(id)
}

// AppHref is the page of an app.
func AppHref(stack models.StackID, id models.AppID) string {
	return StackHref(stack) + "/apps/" + string(id)
}

// DeploymentHref is the page of a deployment.
func DeploymentHref(id models.DeploymentID) string { return "/deployments/" + string(id) }

// InstanceHref is the page of an instance.
func InstanceHref(id models.InstanceID) string { return "/instances/" + string(id) }

// Fact is one line of a list of facts.
type Fact struct {
	Name  string
	Value string
	Href  string
	Code  bool // an id, a path or an address
	State *State
}

// facts drops what has no value.
func facts(all ...Fact) []Fact {
	out := all[:0]
	for _, f := range all {
		if f.Value != "" || f.State != nil {
			out = append(out, f)
		}
	}
	return out
}

// Pager is one page of a longer list.
type Pager struct {
	Path    string
	Query   url.Values
	Offset  int
	Limit   int
	Total   int    // after filtering
	Overall int    // before filtering
	Key     string // of the offset in the address, "offset" when empty
}

// Text is "1 to 50 of 1 600".
func (p Pager) Text() string {
	if p.Total == 0 {
		return "0 of " + Thousands(p.Overall)
	}
	text := fmt.Sprintf("%s to %s of %s", Thousands(p.Offset+1), Thousands(min(p.Offset+p.Limit, p.Total)), Thousands(p.Total))
	if p.Total < p.Overall {
		text += ", " + Thousands(p.Overall-p.Total) + " hidden by the filter"
	}
	return text
}

// Previous is the address of the page before; empty on the first.
func (p Pager) Previous() string {
	if p.Offset <= 0 {
		return ""
	}
	return p.at(max(p.Offset-p.Limit, 0))
}

// Next is the address of the page after; empty on the last.
func (p Pager) Next() string {
	if p.Offset+p.Limit >= p.Total {
		return ""
	}
	return p.at(p.Offset + p.Limit)
}

func (p Pager) at(offset int) string {
	if p.Key != "" {
		if offset == 0 {
			return withQuery(p.Path, p.Query, p.Key, "")
		}
		return withQuery(p.Path, p.Query, p.Key, strconv.Itoa(offset))
	}
	return withQuery(p.Path, p.Query, "offset", strconv.Itoa(offset))
}

// withQuery is the address with one parameter changed; an empty value or "0"
// offset drops it, so that addresses stay short.
func withQuery(path string, q url.Values, key, value string) string {
	c := url.Values{}
	for k, v := range q {
		if len(v) > 0 && v[0] != "" {
			c[k] = v
		}
	}
	c.Set(key, value)
	if value == "" || key == "offset" && value == "0" {
		c.Del(key)
	}
	if key != "offset" {
		c.Del("offset") // another filter or order begins at the first page
	}
	if len(c) == 0 {
		return path
	}
	return path + "?" + c.Encode()
}
