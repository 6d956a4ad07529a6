package views

import (
	"net/url"
	"slices"
	"strings"

	"opsyard/views/ui"
)

// Form is what was typed into a form, and what is wrong with it.
type Form struct {
	Values  url.Values
	Problem string // the refusal, one sentence
	Field   string // the field it is about, if any
}

// Value is what a field holds.
func (f Form) Value(name string) string { return f.Values.Get(name) }

// Ticked tells whether a box with that name and value is ticked.
func (f Form) Ticked(name, value string) bool { return slices.Contains(f.Values[name], value) }

// On tells whether the box of that name is ticked.
func (f Form) On(name string) bool { return f.Value(name) != "" }

// error is the refusal, if it is about that field.
func (f Form) error(name string) string {
	if f.Field == name {
		return f.Problem
	}
	return ""
}

// input is a field that keeps what was typed.
func (f Form) input(name, label, hint string) ui.FieldProps {
	return ui.FieldProps{Name: name, Label: label, Hint: hint, Value: f.Value(name), Error: f.error(name)}
}

// check is a box to tick; its value is "on".
func (f Form) check(name, label, hint string) ui.FieldProps {
	p := f.input(name, label, hint)
	p.Value = ""
	return p
}

// problems are the links of the summary.
func (f Form) problems() []ui.Problem {
	if f.Field == "" {
		return nil
	}
	return []ui.Problem{{ID: strings.ReplaceAll(f.Field, " ", "-"), Label: "Go to the field"}}
}

// wrong tells whether the refusal is about one of the fields.
func (f Form) wrong(names ...string) bool { return f.Field != "" && slices.Contains(names, f.Field) }

// What follows sets one property of a field each, for short calls in pages.

func required(p ui.FieldProps) ui.FieldProps { p.Required = true; return p }

func rows(p ui.FieldProps, n int) ui.FieldProps { p.Rows = n; return p }

func placeholder(p ui.FieldProps, text string) ui.FieldProps { p.Placeholder = text; return p }

func number(p ui.FieldProps) ui.FieldProps {
	p.Type = "number"
	p.Attrs = map[string]any{"min": "1", "inputmode": "numeric"}
	return p
}

func secret(p ui.FieldProps) ui.FieldProps {
	p.Type, p.Autocomplete = "password", "new-password"
	return p
}

func full(p ui.FieldProps) ui.FieldProps { p.Full = true; return p }
