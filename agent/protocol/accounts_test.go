package protocol

import (
	"strings"
	"testing"
)

const fitKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFit ana@laptop"

func TestUnfitAccounts(t *testing.T) {
	t.Parallel()
	fit := func(change func(*Account)) Account {
		a := Account{Name: "ana", UID: FirstUID, Keys: []string{fitKey}}
		change(&a)
		return a
	}
	for name, a := range map[string]Account{
		"plain":  fit(func(*Account) {}),
		"no key": fit(func(a *Account) { a.Keys = nil }),
		"last":   fit(func(a *Account) { a.Name, a.UID = "_a-9", LastUID }),
		"long":   fit(func(a *Account) { a.Name = strings.Repeat("a", 32) }),
		"token":  fit(func(a *Account) { a.Keys = []string{"sk-ssh-ed25519@openssh.com AAAA"} }),
		"curve":  fit(func(a *Account) { a.Keys = []string{"ecdsa-sha2-nistp256 AAAA=="} }),
	} {
		if why := a.Unfit(); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	for name, a := range map[string]Account{
		"ErrNoName":    fit(func(a *Account) { a.Name = "" }),
		"ErrPath":      fit(func(a *Account) { a.Name = "../etc" }),
		"ErrOption":    fit(func(a *Account) { a.Name = "-rf" }),
		"ErrCapital":   fit(func(a *Account) { a.Name = "Ana" }),
		"ErrTwoLines":  fit(func(a *Account) { a.Name = "ana\nroot" }),
		"ErrEndOfLine": fit(func(a *Account) { a.Name = "ana\n" }),
		"ErrDot":       fit(func(a *Account) { a.Name = "a.b" }),
		"ErrLong":      fit(func(a *Account) { a.Name = strings.Repeat("a", 33) }),
		"ErrRoot":      fit(func(a *Account) { a.Name = "root" }),
		"ErrPackage":   fit(func(a *Account) { a.Name = "www-data" }),
		"ErrSystemd":   fit(func(a *Account) { a.Name = "systemd-x" }),
		"ErrUIDRoot":   fit(func(a *Account) { a.UID = 0 }),
		"ErrUIDBelow":  fit(func(a *Account) { a.UID = FirstUID - 1 }),
		"ErrUIDAbove":  fit(func(a *Account) { a.UID = LastUID + 1 }),
		"ErrKeyLines":  fit(func(a *Account) { a.Keys = []string{fitKey + "\n" + fitKey} }),
		"ErrKeyOption": fit(func(a *Account) { a.Keys = []string{`command="id" ` + fitKey} }),
		"ErrKeyCR":     fit(func(a *Account) { a.Keys = []string{fitKey + "\rx"} }),
		"ErrKeyEmpty":  fit(func(a *Account) { a.Keys = []string{""} }),
		"ErrKeyLong":   fit(func(a *Account) { a.Keys = []string{fitKey + strings.Repeat("a", maxKey)} }),
		"ErrKeys":      fit(func(a *Account) { a.Keys = make([]string, maxKeys+1) }),
	} {
		if a.Unfit() == "" {
			t.Errorf("%s: %+v was taken", name, a)
		}
		if got, left := (Accounts{Users: []Account{a}}).Plausible(); len(got.Users) != 0 || len(left) != 1 {
			t.Errorf("%s: it became %+v, without %+v", name, got, left)
		}
	}
}

func TestPlausibleAnswer(t *testing.T) {
	t.Parallel()
	a := AccountsApplied{Revision: "r\n", Problem: strings.Repeat("x", 1000), Skipped: make([]SkippedAccount, maxAccounts+5)}
	a.Skipped[0] = SkippedAccount{"ana\x1b[2J", "because\x00"}
	got := a.Plausible()
	if got.Revision != "r" || len(got.Problem) != maxReason || len(got.Skipped) != maxAccounts || got.Skipped[0] != (SkippedAccount{"ana[2J", "because"}) {
		t.Errorf("got %q, %d, %d, %+v", got.Revision, len(got.Problem), len(got.Skipped), got.Skipped[0])
	}
}
