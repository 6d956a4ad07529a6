package handlers

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// editRows does what a button of a form of rows asks: "add", or "remove 2". It
// tells whether it did, so that the form is drawn again instead of stored.
// The fields stand in the form once a row each; the first one counts the rows.
func editRows(form url.Values, fields ...string) bool {
	deed := strings.Fields(form.Get("do"))
	if len(deed) == 0 {
		return false
	}
	rows := len(form[fields[0]])
	switch deed[0] {
	case "add":
		for _, name := range fields {
			form[name] = append(level(form[name], rows), "")
		}
		form.Set("fresh", "1")
		return true
	case "remove":
		n := -1
		if len(deed) == 2 {
			if at, err := strconv.Atoi(deed[1]); err == nil {
				n = at
			}
		}
		for _, name := range fields {
			if list := level(form[name], rows); n >= 0 && n < rows {
				form[name] = slices.Delete(list, n, n+1)
			}
		}
		return true
	}
	return false
}

// level makes a list as long as the others: a form that was not ours may have
// left some out.
func level(list []string, n int) []string {
	list = slices.Clone(list)
	for len(list) < n {
		list = append(list, "")
	}
	return list[:n]
}

// at is an element of a list that may be shorter.
func at(list []string, n int) string {
	if n < len(list) {
		return list[n]
	}
	return ""
}
