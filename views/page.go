// Package views draws the console's pages from view models shaped like them.
// It asks nobody anything: what a page shows is in its model.
package views

import (
	"strings"
	"time"

	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// Page is what the frame around every page needs.
type Page struct {
	Title   string // of the window; the frame adds the product
	Section string // "stacks", "team", "me": the rail's current entry
	Crumbs  []ui.Crumb
	User    string // who is signed in
	Admin   bool
	Theme   string // "light", "dark", or "" for the system's
	Path    string // of this page, for coming back to it
	Flash   *Flash
	Notice  string // what the person should know of sign-ins in their name
	Now     time.Time
	Version string
	// Live names the page's live parts, as handlers registered them:
	// "stack/ID deployment/ID". Empty: nothing changes by itself.
	Live string
	// Dot shows whether the page is live, for pages that name their live parts
	// in the parts themselves. Live implies it.
	Dot bool
	// Scripts are further modules of static/js that this page needs.
	Scripts []string
	// Sheets are further style sheets of static that this page needs.
	Sheets []string
}

// Flash is the result of what was just done, shown once.
type Flash struct {
	Tone ui.Tone
	Text string
}

func (p Page) initials() string {
	runes := []rune(strings.ToLower(p.User))
	return string(runes[:min(2, len(runes))])
}

type railEntry struct {
	Section, Label, Icon string
	Href                 templ.SafeURL
}

func (p Page) rail() []railEntry {
	entries := []railEntry{{"stacks", "Stacks", "stacks", "/stacks"}}
	if p.Admin {
		entries = append(entries, railEntry{"team", "Team", "team", "/team"}, railEntry{"audit", "Audit", "audit", "/audit"}, railEntry{"notifications", "Notifications", "bell", "/settings/notifications"})
	}
	return entries
}

// nextTheme is what the toggle leads to: system, light, dark, system.
func (p Page) nextTheme() string {
	switch p.Theme {
	case "":
		return "light"
	case "light":
		return "dark"
	}
	return ""
}

func (p Page) themeWord() string {
	if p.Theme == "" {
		return "follow system"
	}
	return p.Theme
}

// htmxConfig: no inline styles, no eval, and a refused form (422) is shown.
const htmxConfig = `{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyCacheSize":0,` +
	`"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"422","swap":true},{"code":"[45]..","swap":false,"error":true}]}`
