package handlers

import (
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

func (c *console) instance(s *models.Stack, host string, status models.InstanceStatus) *models.Instance {
	c.t.Helper()
	i := models.Instance{
		ID: models.NewID[models.InstanceID](), StackID: s.ID, Hostname: host, Status: status,
		StatusSince: time.Now(), CreatedAt: time.Now(), UpdatedAt: time.Now(),
	}
	i.Normalize()
	if err := c.store.Instances.Create(c.t.Context(), &i); err != nil {
		c.t.Fatal(err)
	}
	return &i
}

func TestStacks(t *testing.T) {
	t.Parallel()
	c := setup(t)
	fine, broken, empty := c.stack("fine"), c.stack("broken"), c.stack("new-one")
	c.instance(fine, "web1", models.InstanceOnline)
	c.instance(broken, "web1", models.InstanceOnline)
	c.instance(broken, "web2", models.InstanceSetupFailed)
	b := c.as("ana")
	page := b.get("/stacks")
	page.want(t, 200, "1 of 3 stacks needs somebody.", "broken has failed or lost instances.", "1 setup_failed", "no instances", `data-live="stacks/filter=&amp;show="`)
	if strings.Index(page.body, ">broken<") > strings.Index(page.body, ">fine<") {
		t.Error("the worst stack is not first")
	}
	filtered := b.get("/stacks?show=attention")
	filtered.want(t, 200, ">broken<", "1 of 3 stacks shown.")
	if strings.Contains(filtered.body, ">fine<") {
		t.Error("the filter shows too much")
	}
	b.get("/stacks?filter=zzz").want(t, 200, "3 stacks hidden by this filter.", "Clear filter")

	leo := c.user("leo", false)
	c.permit(leo, empty, models.LevelShow)
	page = c.as("leo").get("/stacks")
	page.want(t, 200, ">new-one<")
	if strings.Contains(page.body, "broken") || strings.Contains(page.body, "/stacks/new\"") {
		t.Error("leo sees what he may not")
	}
}

func TestStacksEmpty(t *testing.T) {
	t.Parallel()
	c := setup(t)
	c.as("ana").get("/stacks").want(t, 200, "There is no stack yet.", `href="/stacks/new"`)
	c.user("leo", false)
	c.as("leo").get("/stacks").want(t, 200, "You may not see any stack.")
}

func TestCreateStack(t *testing.T) {
	t.Parallel()
	c := setup(t)
	b := c.as("ana")
	b.get("/stacks/new").want(t, 200, "Layer_Dependent", `value="local"`)
	b.post("/stacks", "Name", "", "Provider", "sim", "CustomJson", "{}").want(t, 422, "Name: is missing.", `<option value="sim" selected>`)
	b.post("/stacks", "Name", "shop", "Provider", "sim", "CustomJson", "{oops").want(t, 422, "is not a JSON object", `value="shop"`, "{oops")
	made := b.post("/stacks", "Name", "shop", "Provider", "sim", "HostnameTheme", "Fruits", "CustomJson", `{"a":1}`)
	stacks, err := c.store.Stacks.List(t.Context())
	if err != nil || len(stacks) != 1 || stacks[0].HostnameTheme != "Fruits" || stacks[0].CustomJSON != `{"a":1}` {
		t.Fatalf("got %+v, %v", stacks, err)
	}
	made.wantLocation(t, "/stacks/"+string(stacks[0].ID))
	c.user("leo", false)
	c.as("leo").get("/stacks/new").want(t, 403, "Only an administrator may make a stack.")
}
