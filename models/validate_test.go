package models

import "testing"

func TestPasswordsLeaveTheAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ given, want Source }{
		{Source{URL: "https://ana:pw@git.example/x.git?a=b"}, Source{URL: "https://git.example/x.git?a=b", Username: "ana", Password: "pw"}},
		{Source{URL: "https://ana:p%40w@git.example/x", Password: "stored"}, Source{URL: "https://git.example/x", Username: "ana", Password: "p@w"}},
		{Source{URL: " https://git.example/x "}, Source{URL: "https://git.example/x"}},
		{Source{URL: "git@git.example:x.git", SSHKey: "k"}, Source{URL: "git@git.example:x.git", SSHKey: "k"}},
		{Source{URL: "ssh://git@git.example/x.git"}, Source{URL: "ssh://git@git.example/x.git"}},
	} {
		if got := test.given.Normalize(); got != test.want {
			t.Errorf("%+v became %+v, want %+v", test.given, got, test.want)
		}
	}
	var a App
	a.AppSource.URL = "https://u:pw@git.example/x"
	a.Normalize()
	var s Stack
	s.CustomCookbooksSource.URL = "https://u:pw@git.example/x"
	s.Normalize()
	if a.AppSource.Password != "pw" || s.CustomCookbooksSource.Password != "pw" {
		t.Errorf("app %+v, stack %+v", a.AppSource, s.CustomCookbooksSource)
	}
}

func TestNamesThatPassForOthers(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"shop": true, "Läden & Co": true, "مرحبا": true, "🦄": true, "": false,
		"a\nb": false, "a\u0085b": false, "\u202Egro.live": false, "a\u2066b": false, "a\u2028b": false, "\xff": false,
	} {
		if err := checkName("Name", name, 64); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestLayersCannotWriteConfiguration: what a layer names ends in
// configuration files and on command lines of its instances.
func TestLayersCannotWriteConfiguration(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*Layer){
		"second line":    func(l *Layer) { l.Attributes = map[string]string{"HaproxyStatsUser": "ops\nprogram x"} },
		"health check":   func(l *Layer) { l.Attributes = map[string]string{"HaproxyHealthCheckMethod": "GET uri /"} },
		"package option": func(l *Layer) { l.Packages = []string{"--upgrade-all"} },
		"package glob":   func(l *Layer) { l.Packages = []string{"$(id)"} },
	} {
		l := NewLayer("s", LayerLB)
		l.Name, l.Attributes, l.Packages = "lb", map[string]string{"HaproxyStatsUser": "ops", "HaproxyHealthCheckMethod": "OPTIONS", "HaproxyStatsUrl": "/haproxy?stats"}, []string{"g++", "nginx=1.22*", "libc6:amd64", "@base"}
		l.Normalize()
		if err := l.Validate(); err != nil {
			t.Fatalf("a good layer: %v", err)
		}
		change(&l)
		if CodeOf(l.Validate()) != CodeInvalid {
			t.Errorf("%s: not refused", what)
		}
	}
}
