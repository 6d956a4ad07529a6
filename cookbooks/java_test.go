package cookbooks_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// TestJavaOnMachines deploys a web application whose page is compiled by the
// Tomcat that serves it.
func TestJavaOnMachines(t *testing.T) {
	t.Parallel()
	app := newSample("java")
	app.Environment = map[string]string{"GREETING": `"it's" <good> & $HOME ${java.nothing}`}
	s := newAppStory(t, "java-app", app, "nginx", "opsyard-java-hello")
	s.layer(models.Layer{Shortname: "java-app", Type: models.LayerJavaApp, Attributes: map[string]string{"JvmOptions": "-XX:+UseSerialGC -Dfrom.layer=yes"}})
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	s.begin(t, ctx)
	want := "first " + strings.Repeat(" "+app.Environment["GREETING"], 2)[1:]
	if _, body := get(s.client, s.url); strings.TrimSpace(body) != want {
		t.Errorf("the app says %q, want %q", body, want)
	}
	s.app.extra = map[string][]byte{"target/hello.war": war(t, "second from a WAR")}
	s.deploy(t, ctx, "second")
	s.app.extra = nil
	s.says(t, "second from a WAR")
	s.deployBroken(t, ctx)
	s.rollback(t, ctx, "first")
	s.controls(t, ctx, "first")
	if out := s.bash(t, ctx, "app1", "ps -C java -o user="); out != "deploy" {
		t.Errorf("Tomcat runs as %q", out)
	}
	if out := s.bash(t, ctx, "app1", "cat /var/lib/opsyard-tomcat/hello/java.args"); !strings.Contains(out, "-Xmx") || !strings.Contains(out, "\n-XX:+UseSerialGC -Dfrom.layer=yes") {
		t.Errorf("the options are %s", out)
	}
	if out := s.bash(t, ctx, "app1", "cd /var/lib/opsyard-tomcat/hello && su deploy -s /bin/sh -c 'cat environment context.xml contexts/*'"); !strings.Contains(out, "good") { // Tomcat takes older versions away when nobody uses them
		t.Errorf("the app's user reads %s", out)
	}
	if out := s.bash(t, ctx, "app1", "cd /var/lib/opsyard-tomcat/hello && su nobody -s /bin/sh -c 'cat environment context.xml contexts/*'"); strings.Contains(out, "good") {
		t.Errorf("others read %s", out)
	}
	s.end(t, ctx)
}

// war is what a build would leave, with one page.
func war(t *testing.T, page string) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	w, err := archive.Create("index.jsp")
	if err == nil {
		_, err = w.Write([]byte(`<%@ page session="false" %>` + page))
	}
	if err := errors.Join(err, archive.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// deployBroken deploys a version that cannot start.
func (s *appStory) deployBroken(t *testing.T, ctx context.Context) {
	t.Helper()
	s.app.release("broken")
	s.app.extra = map[string][]byte{"WEB-INF/web.xml": []byte("<web-app><broken")}
	defer func() { s.app.extra = nil }()
	s.through(t, "second", func() {
		if out, ok := s.try(t, ctx, "app1", s.recipes("app1", models.CommandDeploy)...); ok || !strings.Contains(out, "hello does not start:") {
			t.Errorf("a broken version was deployed:\n%s", out)
		}
	})
}
