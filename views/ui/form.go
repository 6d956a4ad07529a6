package ui

// FieldProps is one field of a form. Its id is its name, unless ID says
// otherwise because the name is on the page twice.
type FieldProps struct {
	Name         string
	ID           string
	Label        string
	Hint         string
	Error        string // a sentence; the field keeps what was typed
	Value        string
	Type         string // "text" when empty
	Autocomplete string
	Placeholder  string
	Required     bool
	Disabled     bool
	Autofocus    bool
	Rows         int // of a TextArea
	Full         bool
	Attrs        map[string]any // pattern, min, maxlength, …
}

// Option is one choice of a Select.
type Option struct {
	Value, Label string
	Selected     bool
	Disabled     bool
}

func (p FieldProps) id() string {
	if p.ID != "" {
		return p.ID
	}
	return p.Name
}

func (p FieldProps) kind() string {
	if p.Type != "" {
		return p.Type
	}
	return "text"
}

// describedBy ties hint and error to the field.
func (p FieldProps) describedBy() string {
	switch {
	case p.Error != "":
		return p.id() + "-error"
	case p.Hint != "":
		return p.id() + "-hint"
	}
	return ""
}

// Problem is one wrong field in the summary above a form.
type Problem struct {
	ID, Label string
}

// Options makes choices whose labels are their values.
func Options[S ~string](values []S, selected S) []Option {
	list := make([]Option, len(values))
	for i, v := range values {
		list[i] = Option{Value: string(v), Label: string(v), Selected: v == selected}
	}
	return list
}
