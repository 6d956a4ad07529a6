package protocol

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlausibleFacts(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"10.0.0.5": "10.0.0.5", "fd00::5": "fd00::5", "": "", "0.0.0.0": "", "224.0.0.1": "",
		"10.0.0.5:80": "", "10.0.0.5 evil": "", "10.0.0.5\nserver x": "", "fe80::1%eth0\nx": "", "web1": "",
	} {
		if got := (Facts{PrivateIP: given, PublicIP: given}).Plausible(); got.PrivateIP != want || got.PublicIP != want {
			t.Errorf("address %q became %q and %q, want %q", given, got.PrivateIP, got.PublicIP, want)
		}
	}
	f := Facts{OSName: "Debian GNU/Linux", OSVersion: "12\x00\n13", Hostname: strings.Repeat("ä", 1000)}.Plausible()
	if f.OSName != "Debian GNU/Linux" || f.OSVersion != "1213" || len(f.Hostname) > maxFact || !utf8.ValidString(f.Hostname) {
		t.Errorf("the facts became %+v", f)
	}
}
