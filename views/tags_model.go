package views

import (
	"maps"
	"net/url"
	"slices"
	"strconv"

	"opsyard/models"
)

// TagsPage shows the tags of a stack.
type TagsPage struct {
	Frame  StackFrame
	Editor TagEditorProps
	Rows   []TagRow
}

// TagRow is a tag for those who may only look.
type TagRow struct {
	Key, Value string
	Inherited  bool   // from the stack
	Stack      string // the stack's value that an own one stands over
}

func (t TagRow) text() string {
	switch {
	case t.Inherited:
		return t.Value + " (from the stack)"
	case t.Stack != "":
		return t.Value + " (the stack's is " + t.Stack + ")"
	}
	return t.Value
}

// TagRows are own and inherited tags in the order of their keys.
func TagRows(own, inherited map[string]string) []TagRow {
	all := maps.Clone(inherited)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, own)
	rows := make([]TagRow, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		_, mine := own[key]
		row := TagRow{Key: key, Value: all[key], Inherited: !mine}
		if mine {
			row.Stack = inherited[key]
		}
		rows = append(rows, row)
	}
	return rows
}

// TagEditorProps is the form of tags.
type TagEditorProps struct {
	Action    string
	Form      Form
	Inherited map[string]string // of a layer: the stack's
}

// TagsForm is what is stored as a form: own tags, and the values of inherited
// ones, which a layer may change.
func TagsForm(own, inherited map[string]string) url.Values {
	v := url.Values{}
	for _, key := range slices.Sorted(maps.Keys(inherited)) {
		value, mine := own[key]
		if !mine {
			value = inherited[key]
		}
		v.Add("InheritedKey", key)
		v.Add("InheritedValue", value)
	}
	for _, key := range slices.Sorted(maps.Keys(own)) {
		if _, ok := inherited[key]; !ok {
			v.Add("TagKey", key)
			v.Add("TagValue", own[key])
		}
	}
	if len(v["TagKey"]) == 0 {
		v.Add("TagKey", "")
		v.Add("TagValue", "")
	}
	return v
}

// full tells whether no more tags fit.
func (p TagEditorProps) full() bool {
	return len(p.Form.Values["TagKey"])+len(p.Form.Values["InheritedKey"]) >= models.MaxTags
}

func (p TagEditorProps) count() string {
	n := len(p.Form.Values["InheritedKey"])
	for _, key := range p.Form.Values["TagKey"] {
		if key != "" {
			n++
		}
	}
	text := strconv.Itoa(n) + " of " + strconv.Itoa(models.MaxTags)
	if len(p.Inherited) > 0 {
		text += " with the stack's"
	}
	return text
}
