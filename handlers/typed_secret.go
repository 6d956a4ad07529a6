package handlers

import (
	"net/url"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"
)

// typeAgain says why fields of a form that comes back are empty.
const typeAgain = " Type the passwords, keys and secret addresses again: no page repeats them."

// refusedForm is a form that was refused, to be shown again.
func refusedForm(form url.Values, err error) views.Form {
	f := views.Form{Values: form, Problem: models.Sentence(err), Field: fieldOf(err)}
	if forgetSecrets(form) {
		f.Problem += typeAgain
	}
	return f
}

// forgetSecrets empties the fields of a form that hold secrets, before it is
// shown again, and tells whether there were any. What stands for a stored one
// stays.
func forgetSecrets(form url.Values) (found bool) {
	forget := func(value *string) {
		if *value != "" && *value != models.Filtered {
			*value, found = "", true
		}
	}
	fields := []string{"Password", "SourcePassword", "SourceSshKey", "PrivateKey", "Secret", "DbPassword"}
	for _, key := range models.SecretAttributes {
		fields = append(fields, views.AttributeField(key))
	}
	for _, name := range fields {
		for n := range form[name] {
			forget(&form[name][n])
		}
	}
	for _, row := range form["EnvSecure"] {
		if n, err := strconv.Atoi(row); err == nil && n >= 0 && n < len(form["EnvValue"]) {
			forget(&form["EnvValue"][n])
		}
	}
	if hookIsSecret(form.Get("URL")) {
		form.Set("URL", "")
		found = true
	}
	return forgetInAddress(form) || found
}

// hookIsSecret tells whether the address of a webhook is more than the name of
// a server: who knows the rest may send to it.
func hookIsSecret(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return true
	}
	return u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != ""
}

// forgetInAddress takes a password out of the address of a source, and the
// whole address where the password cannot be told from the rest.
func forgetInAddress(form url.Values) (found bool) {
	address := form.Get("SourceUrl")
	if _, err := url.Parse(address); err != nil && strings.Contains(address, "://") && strings.Contains(address, "@") {
		form.Set("SourceUrl", "")
		return true
	}
	s := models.Source{URL: address}.Normalize()
	if s.Password == "" {
		return false
	}
	form.Set("SourceUrl", s.URL)
	form.Set("SourceUsername", s.Username)
	return true
}
