package protocol_test

import (
	"strings"
	"testing"

	"opsyard/agent/protocol"
)

func TestPlausibleShellOpen(t *testing.T) {
	t.Parallel()
	good := protocol.ShellOpen{ID: "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee", User: "ada", UID: 2001, Columns: 80, Rows: 24, Term: "xterm-256color"}
	if !good.Plausible() {
		t.Fatal("an honest request is refused")
	}
	for name, change := range map[string]func(o *protocol.ShellOpen){
		"NoID": func(o *protocol.ShellOpen) { o.ID = "" }, "PathAsID": func(o *protocol.ShellOpen) { o.ID = "../../etc/passwd" },
		"LongID": func(o *protocol.ShellOpen) { o.ID = strings.Repeat("a", 65) }, "NoUser": func(o *protocol.ShellOpen) { o.User = "" },
		"Option": func(o *protocol.ShellOpen) { o.User = "-c" }, "Line": func(o *protocol.ShellOpen) { o.User = "ada\nroot" },
		"Colon": func(o *protocol.ShellOpen) { o.User = "ada:x" }, "Root": func(o *protocol.ShellOpen) { o.UID = 0 },
		"Negative": func(o *protocol.ShellOpen) { o.UID = -1 }, "NoColumns": func(o *protocol.ShellOpen) { o.Columns = 0 },
		"ManyRows": func(o *protocol.ShellOpen) { o.Rows = 1 << 20 }, "NoTerm": func(o *protocol.ShellOpen) { o.Term = "" },
		"TermWithEquals": func(o *protocol.ShellOpen) { o.Term = "xterm=1\nLD_PRELOAD=/x" },
	} {
		o := good
		change(&o)
		if o.Plausible() {
			t.Errorf("%s: %+v is believed", name, o)
		}
	}
	own := good
	own.User, own.UID, own.Own = "", 0, true
	if !own.Plausible() {
		t.Error("a shell of the agent's own user needs no account")
	}
	if got := (protocol.ShellEnded{Message: "a\x1b[31m\nb" + strings.Repeat("c", 1000)}).Plausible().Message; strings.ContainsAny(got, "\x1b\n") || len(got) > 300 {
		t.Errorf("the agent's sentence became %q", got)
	}
}
