package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/models"
)

// rough are recipes that behave badly; they write what they print to a file.
var rough = map[string]string{
	// one line of 10 MB, then a short one
	"rough/recipes/long.sh": `
{ head -c 10000000 /dev/zero | tr '\0' 'x'; printf '\nshort\n'; } | tee "$OPSYARD_INSTANCE_DIR/long"
`,
	// bytes that are no UTF-8, a NUL, half a character at the end
	"rough/recipes/bytes.sh": `
printf 'a\377\376b\nnul\000here\n\303\050\nesc \033[31mred\033[0m\rover\nhalf \342\202' | tee "$OPSYARD_INSTANCE_DIR/bytes"
`,
	// does not end when it is asked to, nor do its children
	"rough/recipes/stubborn.sh": `
trap '' TERM HUP INT
echo $$ >"$OPSYARD_INSTANCE_DIR/stubborn"
echo "nobody moves me"
while :; do sleep 1 || true; done
`,
}

// Whatever people and recipes get wrong ends in a sentence, loses nothing and
// hangs nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s, c := serve(t, "--provider", "process")
	stack := c.newStack("Rough", "process")
	c.useCookbooks(stack, "Rough", repository(t, filepath.Join(s.dir, "cookbooks"), rough))
	layer := c.newLayer(stack, "Work", map[models.Event]string{models.EventDeploy: "opsyard_demo::deploy"})
	id := c.newInstances(stack, layer, 1)[0]

	t.Run("addresses", func(t *testing.T) { unknownAddresses(t, c.in(t), stack) })
	t.Run("forms", func(t *testing.T) { wrongForms(t, c.in(t), stack) })
	s.becomes(models.InstanceOnline, 2*time.Minute, id)
	t.Run("a line of 10 MB", func(t *testing.T) { sameBytes(t, s.in(t), c.in(t), c.execute(stack, "rough::long"), "long") })
	t.Run("no UTF-8", func(t *testing.T) { sameBytes(t, s.in(t), c.in(t), c.execute(stack, "rough::bytes"), "bytes") })
	t.Run("a recipe that is not there", func(t *testing.T) {
		failsWith(t, s.in(t), c.in(t), c.execute(stack, "rough::nothing"), "rough::nothing")
	})
	t.Run("a recipe that ignores TERM", func(t *testing.T) { cancelStubborn(t, s.in(t), c.in(t), stack, id) })
	t.Run("a repository that is not there", func(t *testing.T) {
		app := c.made("/stacks/"+string(stack)+"/apps", url.Values{
			"Name": {"Gone"}, "Type": {string(models.AppOther)}, "SourceType": {string(models.SourceGit)}, "SourceUrl": {fmt.Sprintf("http://127.0.0.1:%d/none.git", agenttest.FreePort(t))}, "do": {"save"}})
		d := c.made("/stacks/"+string(stack)+"/run", url.Values{"Command": {string(models.CommandDeploy)}, "AppId": {app}, "Targets": {"all"}})
		failsWith(t, s.in(t), c.in(t), models.DeploymentID(d), "could not be read")
	})
	t.Run("afterwards all is well", func(t *testing.T) {
		s.successful(c.execute(stack, "opsyard_demo::setup"), time.Minute)
	})
}

// unknownAddresses have a page that says so.
func unknownAddresses(t *testing.T, c *console, stack models.StackID) {
	for _, path := range []string{
		"/nothing", "/stacks/nope", "/stacks/nope/instances", "/stacks/" + string(stack) + "/layers/nope", "/stacks/" + string(stack) + "/apps/nope",
		"/instances/nope", "/instances/nope/edit", "/deployments/nope", "/commands/nope", "/commands/nope/log", "/commands/nope/log/lines",
		"/instances/%00", "/stacks/" + strings.Repeat("x", 4000), "/stacks/'%20OR%201=1",
	} {
		status, body := c.read(path)
		said := text(body)
		if status != http.StatusNotFound || !strings.Contains(said, ".") || strings.Contains(said, "SQL") || strings.Contains(said, "goroutine") {
			t.Errorf("GET %.80s: status %d: %.200s", path, status, said)
		}
	}
	for _, path := range []string{"/instances/nope/start", "/deployments/nope/cancel", "/commands/nope/cancel", "/stacks/nope/run", "/stacks/nope/delete"} {
		if status, body := c.send(path, nil); status != http.StatusNotFound {
			t.Errorf("POST %s: status %d: %.200s", path, status, text(body))
		}
	}
	if status, _ := c.send("/stacks/"+string(stack), nil); status != http.StatusMethodNotAllowed && status != http.StatusNotFound {
		t.Errorf("POST to a page: status %d", status)
	}
}

// wrongForms come back with a sentence and what was typed.
func wrongForms(t *testing.T, c *console, stack models.StackID) {
	in := "/stacks/" + string(stack)
	for name, form := range map[string]struct {
		path   string
		values url.Values
		says   string
	}{
		"a stack without a name":       {"/stacks", url.Values{"Name": {" "}, "Provider": {"process"}}, "Name"},
		"an unknown provider":          {"/stacks", url.Values{"Name": {"x"}, "Provider": {"moon"}}, "moon"},
		"JSON that is none":            {"/stacks", url.Values{"Name": {"x"}, "Provider": {"process"}, "CustomJson": {"{no"}}, "JSON"},
		"a layer of no type":           {in + "/layers", url.Values{"Name": {"x"}, "Shortname": {"x"}, "Type": {"teapot"}}, "teapot"},
		"a bad short name":             {in + "/layers", url.Values{"Name": {"x"}, "Shortname": {"../x"}, "Type": {"custom"}}, "hort name"},
		"an instance of no layer":      {in + "/instances", url.Values{"Hostname": {"x"}}, "layer"},
		"an instance of a wrong layer": {in + "/instances", url.Values{"LayerIds": {"nope"}}, "layer"},
		"a bad host name":              {in + "/instances", url.Values{"LayerIds": {"nope"}, "Hostname": {"a b;c"}}, "."},
		"an app without a name":        {in + "/apps", url.Values{"Name": {""}, "Type": {"other"}, "do": {"save"}}, "ame"},
		"an address that is none":      {in + "/apps", url.Values{"Name": {"x"}, "Type": {"other"}, "SourceType": {"git"}, "SourceUrl": {"--upload-pack=x"}, "do": {"save"}}, "not an address"},
		"no recipes":                   {in + "/run", executeForm(""), "ecipe"},
		"a recipe name that is none":   {in + "/run", executeForm("../../etc/passwd"), "passwd"},
		"a command that is none":       {in + "/run", url.Values{"Command": {"format_disk"}, "Targets": {"all"}}, "format_disk"},
		"an app that is none":          {in + "/run", url.Values{"Command": {"deploy"}, "AppId": {"nope"}, "Targets": {"all"}}, "."},
		"an instance that is none":     {in + "/run", executeForm("opsyard_demo::setup", "nope"), "."},
		"nobody chosen":                {in + "/run", url.Values{"Command": {"execute_recipes"}, "Recipes": {"a::b"}, "Targets": {"some"}}, "choose"},
	} {
		status, body := c.send(form.path, form.values)
		if status < 400 || status >= 500 || !strings.Contains(text(body), form.says) {
			t.Errorf("%s: status %d, want a refusal that has %q: %.300s", name, status, form.says, text(body))
		}
	}
	// The server may hang up before it has heard all of such a form.
	response, err := c.http.PostForm(c.url+"/stacks", url.Values{"Name": {strings.Repeat("x", 20<<20)}})
	if err == nil && (response.StatusCode < 400 || response.StatusCode >= 500) {
		t.Errorf("a form of 20 MB: %s", response.Status)
	}
	response, err = c.http.Post(c.url+"/stacks", "application/x-www-form-urlencoded", strings.NewReader("Name=%zz&&&=\xff"))
	if status, body := c.answer("/stacks", response, err); status < 400 || status >= 500 {
		t.Errorf("a form that is none: status %d: %.200s", status, text(body))
	}
}

// sameBytes runs a recipe that must succeed, and compares its log with what it
// wrote; the lines for the viewer must be what JSON can hold.
func sameBytes(t *testing.T, s *server, c *console, d models.DeploymentID, file string) {
	command := s.successful(d, 2*time.Minute)[0]
	wait(t, "the log is complete", time.Minute, func() bool { return c.complete(command.ID) })
	wrote, err := os.ReadFile(filepath.Join(s.data, "process", string(command.InstanceID), file))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.logOf(command.ID); got != string(wrote) {
		t.Errorf("the log has %d bytes, the recipe wrote %d", len(got), len(wrote))
	}
	began := time.Now()
	page := c.get("/commands/" + string(command.ID) + "/log/lines?from=0&count=500&steps")
	var lines struct {
		Lines []string `json:"lines"`
		Total int      `json:"total"`
	}
	if err := json.Unmarshal([]byte(page), &lines); err != nil || len(lines.Lines) == 0 || lines.Total < len(lines.Lines) {
		t.Errorf("the viewer's lines: %v, %d of %d", err, len(lines.Lines), lines.Total)
	}
	if len(page) > 1<<20 {
		t.Errorf("the viewer gets %d bytes at once", len(page))
	}
	t.Logf("%d bytes in %d lines; the viewer gets %d bytes after %s", len(wrote), lines.Total, len(page), time.Since(began).Round(time.Millisecond))
}

// failsWith waits for a failure that the deployment's page explains.
func failsWith(t *testing.T, s *server, c *console, d models.DeploymentID, words string) {
	t.Helper()
	for _, command := range s.ended(d, time.Minute) {
		if command.Status != models.CommandFailed {
			t.Errorf("the command on %s is %s, want failed", command.Hostname, command.Status)
		}
		t.Logf("%s: %s", command.Hostname, command.Message)
	}
	if page := text(c.get("/deployments/" + string(d))); !strings.Contains(page, words) {
		t.Errorf("the page does not say %q: %.1200s", words, page)
	}
}

// cancelStubborn cancels a recipe that ignores TERM.
func cancelStubborn(t *testing.T, s *server, c *console, stack models.StackID, id models.InstanceID) {
	d := c.execute(stack, "rough::stubborn")
	note := filepath.Join(s.data, "process", string(id), "stubborn")
	var pid string
	wait(t, "the recipe runs", time.Minute, func() bool {
		b, _ := os.ReadFile(note)
		pid = strings.TrimSpace(string(b))
		return pid != ""
	})
	began := time.Now()
	c.post("/deployments/"+string(d)+"/cancel", nil)
	command := s.ended(d, time.Minute)[0]
	t.Logf("ended %s after it was cancelled: %s, %q", time.Since(began).Round(100*time.Millisecond), command.Status, command.Message)
	if command.Status == models.CommandSuccessful || command.Message == "" {
		t.Errorf("the cancelled command is %s: %q", command.Status, command.Message)
	}
	if _, err := os.Stat("/proc/" + pid); err == nil {
		t.Errorf("the cancelled recipe still runs")
	}
	d2, err := s.store().Deployments.Get(context.Background(), d)
	if err != nil || d2.Status != models.DeploymentFailed {
		t.Errorf("the deployment is %+v, %v", d2, err)
	}
}
