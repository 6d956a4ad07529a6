package models

import "testing"

func TestFailureOf(t *testing.T) {
	t.Parallel()
	one, two := 1, 2
	for _, c := range []struct {
		name         string
		a, b         string
		codeA, codeB *int
		hostA, hostB string
		alike        bool
	}{
		{"Same", "recipe shop::migrate: cannot connect", "recipe shop::migrate: cannot connect", &one, &one, "web1", "web2", true},
		{"OtherRecipe", "recipe shop::migrate: cannot connect", "recipe shop::warm: cannot connect", &one, &one, "web1", "web2", false},
		{"OtherCode", "recipe shop::migrate: cannot connect", "recipe shop::migrate: cannot connect", &one, &two, "web1", "web2", false},
		{"Hostname", "web1 has no disk", "web12 has no disk", &one, &one, "web1", "web12", true},
		{"Address", "dial tcp 10.0.0.7:33412: refused", "dial tcp 10.0.0.93:40112: refused", &one, &one, "", "", true},
		{"Process", "process 41233 was killed", "process 991 was killed", &one, &one, "", "", true},
		{"Commit", "no file in 7c1e9b4a0f", "no file in 9be41d2c77", &one, &one, "", "", true},
		{"Temporary", "open /tmp/run-a8: no such file", "open /tmp/run-b9: no such file", &one, &one, "", "", true},
		{"When", "not up at 2026-11-21T14:00:01Z after 1.5s", "not up at 2026-11-21T14:09:21.33Z after 31s", &one, &one, "", "", true},
		{"Status", "the app answers 500 on port 80", "the app answers 500 on port 81", &one, &one, "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := FailureOf(c.a, c.hostA, c.codeA), FailureOf(c.b, c.hostB, c.codeB)
			if (a == b) != c.alike {
				t.Errorf("%q and %q: alike should be %t", a, b, c.alike)
			}
		})
	}
	if got := FailureOf("", "web1", &two); got != "(exit code 2)" {
		t.Errorf("got %q", got)
	}
}
