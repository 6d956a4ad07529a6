package ui

import "github.com/a-h/templ"

// Variant is the weight of a button.
type Variant string

// Variants. A page has at most one Primary.
const (
	Plain       Variant = ""
	Primary     Variant = "btn-p"
	Danger      Variant = "btn-d"  // opens a question
	DangerSolid Variant = "btn-ds" // does it
	Ghost       Variant = "btn-g"
)

// ButtonProps is a button or a link that looks like one.
type ButtonProps struct {
	Variant  Variant
	Small    bool
	Icon     string
	Disabled bool
	Title    string // why it is disabled, or what it does
	Name     string
	Value    string
	Attrs    templ.Attributes
}

func (p ButtonProps) class() string {
	return templ.Classes("btn", string(p.Variant), templ.KV("btn-sm", p.Small)).String()
}

// TabProps is one tab: a page of its own with an address of its own.
type TabProps struct {
	Href    templ.SafeURL
	Label   string
	Count   string // shown small beside the label
	Current bool
}

// Crumb is one step of the way to this page; the last one is the page itself.
type Crumb struct {
	Label string
	Href  templ.SafeURL
}

// ConfirmProps asks before something is done that others feel.
type ConfirmProps struct {
	ID       string // of the dialog
	Question string // names the size: "Stop 12 of 40 instances?"
	Keep     string // the safe button: "Keep running"
	Do       string // the button that does it: "Stop 12 instances"
	Action   templ.SafeURL
	// Typed must be typed to go on; only for what cannot be undone. The form
	// sends it as "confirm", for the server to check.
	Typed  string
	Fields map[string]string // hidden fields of the form
	// Calm asks without red: the deed destroys nothing.
	Calm bool
}

func (p ConfirmProps) doVariant() Variant {
	if p.Calm {
		return Primary
	}
	return DangerSolid
}

// PagerProps leads to the neighbouring pages of a list; an empty address
// means that there is none.
type PagerProps struct {
	Text     string // "1 to 50 of 428"
	Previous templ.SafeURL
	Next     templ.SafeURL
}
