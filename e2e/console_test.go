package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

const (
	userName = "ana"
	password = "a sentence is fine here"
)

// console is a person without a browser: pages read, forms sent.
type console struct {
	t    *testing.T
	url  string
	http *http.Client
}

// visit opens the console as nobody.
func visit(t *testing.T, address string) *console {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Jar: jar, Timeout: 2 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true}, // the server may be another next time
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &console{t, address, client}
}

// in lets a part of a test fail by itself.
func (c *console) in(t *testing.T) *console { return &console{t, c.url, c.http} }

// setUp makes the first administrator by the address that the server printed.
func setUp(s *server) *console {
	s.t.Helper()
	address := s.said(`setup +(\S+)`, 10*time.Second)
	c := visit(s.t, s.url)
	c.post(strings.TrimPrefix(address, s.url), url.Values{"name": {userName}, "password": {password}, "again": {password}})
	return c
}

// get reads a page that must be there.
func (c *console) get(path string) string {
	c.t.Helper()
	status, body := c.read(path)
	if status != http.StatusOK {
		c.t.Fatalf("GET %s: status %d\n%s", path, status, body)
	}
	return body
}

// read reads a page, whatever its status.
func (c *console) read(path string) (status int, body string) {
	c.t.Helper()
	response, err := c.http.Get(c.url + path)
	return c.answer(path, response, err)
}

func (c *console) answer(path string, response *http.Response, err error) (status int, body string) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("read %s: %v", path, err)
	}
	return response.StatusCode, string(b)
}

// post sends a form that must be accepted, and returns where it leads.
func (c *console) post(path string, form url.Values) string {
	c.t.Helper()
	response, err := c.http.PostForm(c.url+path, form)
	status, body := c.answer(path, response, err)
	if status != http.StatusSeeOther {
		c.t.Fatalf("POST %s: status %d\n%s", path, status, text(body))
	}
	return response.Header.Get("Location")
}

// send sends a form, whatever comes of it.
func (c *console) send(path string, form url.Values) (status int, body string) {
	c.t.Helper()
	response, err := c.http.PostForm(c.url+path, form)
	return c.answer(path, response, err)
}

// made sends a form that makes something, and returns its id.
func (c *console) made(to string, form url.Values) string {
	c.t.Helper()
	location, err := url.Parse(c.post(to, form))
	if err != nil {
		c.t.Fatal(err)
	}
	return path.Base(location.Path)
}

func (c *console) newStack(name, provider string) models.StackID {
	c.t.Helper()
	return models.StackID(c.made("/stacks", url.Values{"Name": {name}, "Provider": {provider}}))
}

// newLayer adds a layer whose instances run the recipes at the events.
func (c *console) newLayer(stack models.StackID, name string, recipes map[models.Event]string) models.LayerID {
	c.t.Helper()
	id := c.made("/stacks/"+string(stack)+"/layers", url.Values{"Type": {string(models.LayerCustom)}, "Name": {name}, "Shortname": {strings.ToLower(name)}})
	lists := url.Values{"do": {"save"}}
	for event, recipe := range recipes {
		lists.Add(string(event), recipe)
	}
	c.post("/stacks/"+string(stack)+"/layers/"+id+"/recipes", lists)
	return models.LayerID(id)
}

// newInstances adds instances and starts them.
func (c *console) newInstances(stack models.StackID, layer models.LayerID, n int) (ids []models.InstanceID) {
	c.t.Helper()
	for range n {
		ids = append(ids, models.InstanceID(c.made("/stacks/"+string(stack)+"/instances", url.Values{"LayerIds": {string(layer)}, "Start": {"on"}})))
	}
	return ids
}

// useCookbooks makes the stack's recipes come from a Git repository.
func (c *console) useCookbooks(stack models.StackID, name, repository string) {
	c.t.Helper()
	c.post("/stacks/"+string(stack)+"/settings", url.Values{
		"Name": {name}, "HostnameTheme": {string(models.HostnameThemes[0])}, "ConfigurationManager": {"Shell"},
		"DefaultRootDeviceType": {models.RootDeviceEBS}, "UseCustomCookbooks": {"on"},
		"SourceType": {string(models.SourceGit)}, "SourceUrl": {repository}, "SourceRevision": {"main"},
	})
}

// execute runs recipes on instances; without any, on all that are online.
func (c *console) execute(stack models.StackID, recipes string, on ...models.InstanceID) models.DeploymentID {
	c.t.Helper()
	return models.DeploymentID(c.made("/stacks/"+string(stack)+"/run", executeForm(recipes, on...)))
}

func executeForm(recipes string, on ...models.InstanceID) url.Values {
	form := url.Values{"Command": {string(models.CommandExecuteRecipes)}, "Recipes": {recipes}, "Targets": {"all"}}
	for _, id := range on {
		form.Set("Targets", "some")
		form.Add("InstanceIds", string(id))
	}
	return form
}

// logOf downloads a command's log.
func (c *console) logOf(id models.CommandID) string {
	c.t.Helper()
	return c.get("/commands/" + string(id) + "/log?download")
}
