package views

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"

	"opsyard/models"
	"opsyard/views/ui"
)

// SecurityPage is what a person signs in with, and where they are signed in.
type SecurityPage struct {
	Page     Page
	Name     string
	Problem  string // of one of the forms
	Field    string // the field it is about
	Sessions []SessionRow

	Password    bool // there is one
	NoCurrent   bool // the present one is not asked for
	App         bool // an authenticator app is set up
	Codes       int  // recovery codes left
	AccountCode bool
	Passkeys    []models.Passkey
	CanPasskey  bool // browsers offer passkeys at this address
	Identities  []models.Identity
	Provider    string // name of the OpenID provider; empty for none

	Fresh      []string // recovery codes just made, shown now and never again
	ForAccount bool     // they stand for the password
}

func (p SecurityPage) errorOf(field string) string {
	if p.Field == field {
		return p.Problem
	}
	return ""
}

func (p SecurityPage) summary() string {
	switch p.Field {
	case "Current", "Password":
		return ""
	}
	return p.Problem
}

func (p SecurityPage) secondFactor() bool { return p.App || len(p.Passkeys) > 0 }

func (p SecurityPage) head() HeadProps {
	bold := "Your password alone lets you in."
	switch {
	case p.secondFactor() && p.Password:
		bold = "You sign in with two factors."
	case p.secondFactor():
		bold = "You sign in with a passkey."
	case !p.Password:
		bold = "You sign in without a password."
	}
	if n := len(p.Sessions); n > 1 {
		return HeadProps{Title: p.Page.User, Bold: bold, Rest: "You are signed in with " + ui.Plural(n, "browser") + "."}
	}
	return HeadProps{Title: p.Page.User, Bold: bold, Rest: "You are signed in here and nowhere else."}
}

func (p SecurityPage) freshNote() string {
	if p.ForAccount {
		return "It works once in place of your password, and is never shown again."
	}
	return "Each works once in place of your second factor. They are never shown again."
}

func (p SecurityPage) allFresh() string { return strings.Join(p.Fresh, "\n") }

// AuthenticatorPage is the enrolment of an authenticator app.
type AuthenticatorPage struct {
	Page    Page
	Secret  string
	Address string // what the QR code holds
	Problem string
	Field   string
}

func (p AuthenticatorPage) errorOf(field string) string {
	if p.Field == field {
		return p.Problem
	}
	return ""
}

// spaced is a secret in groups of four, for people to type.
func (p AuthenticatorPage) spaced() string {
	var groups []string
	for s := p.Secret; s != ""; {
		n := min(4, len(s))
		groups, s = append(groups, s[:n]), s[n:]
	}
	return strings.Join(groups, " ")
}

// qrCode is a QR code as the path of an SVG with one unit per module; size is
// its width with the quiet border that readers need. A text too long for a code
// has no path.
func qrCode(text string) (path string, size int) {
	const border = 4
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", 0
	}
	var b strings.Builder
	width := code.Bounds().Dx()
	for y := range width {
		for x := range width {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+border, y+border)
			}
		}
	}
	return b.String(), width + 2*border
}

var methodWords = map[string]string{"password": "password", "passkey": "passkey", "oidc": "provider", "recovery": "recovery code"}
