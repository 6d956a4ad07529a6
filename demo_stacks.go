package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"opsyard/engine/compute"
	"opsyard/models"
)

// The sample apps; their sources are in demo/.
var (
	hello = models.App{
		Name: "Hello", Shortname: "hello", Type: models.AppStatic, Description: "A page to change, commit and deploy.",
	}
	guestbook = models.App{
		Name: "Guestbook", Shortname: "guestbook", Type: models.AppPHP, Description: "What visitors write, kept in the stack's database.",
		DataSources: []models.DataSource{{Type: models.DataSourceAutoSelect, DatabaseName: "guestbook"}},
	}
)

// machines builds the sample stack proper: a load balancer before two web
// servers, all of them machines of their own.
func (d *demo) machines(ctx context.Context) error {
	if err := d.newStack(ctx, "Hello"); err != nil {
		return err
	}
	lb, err := d.layer(ctx, models.LayerLB, "Load balancer", "lb")
	if err != nil {
		return err
	}
	web, err := d.layer(ctx, models.LayerWeb, "Web", "web")
	if err != nil {
		return err
	}
	if err := d.instances(ctx, lb, 1, "local.small"); err != nil {
		return err
	}
	if err := d.instances(ctx, web, 2, "local.small"); err != nil {
		return err
	}
	return d.createApp(ctx)
}

// threeTiers builds a load balancer before two app servers, and the database
// that they share.
func (d *demo) threeTiers(ctx context.Context) error {
	d.app = guestbook
	if err := d.newStack(ctx, "Guestbook"); err != nil {
		return err
	}
	for _, tier := range []struct {
		kind            models.LayerType
		name, shortname string
		n               int
	}{
		{models.LayerDBMaster, "Database", "db-master", 1},
		{models.LayerLB, "Load balancer", "lb", 1},
		{models.LayerPHPApp, "App server", "php-app", 2},
	} {
		layer, err := d.layer(ctx, tier.kind, tier.name, tier.shortname)
		if err != nil {
			return err
		}
		if err := d.instances(ctx, layer, tier.n, "local.small"); err != nil {
			return err
		}
	}
	return d.createApp(ctx)
}

// processes builds what is left where instances are bare processes: two
// instances of a layer whose recipes need no packages.
func (d *demo) processes(ctx context.Context) error {
	fmt.Println("note     instances are bare processes on this host (no root, or no namespaces): the load balancer and the")
	fmt.Println("note     web servers are left out, because they need machines of their own; opsyard doctor tells more")
	if err := d.newStack(ctx, "Hello (processes)"); err != nil {
		return err
	}
	web := models.NewLayer(d.stack.ID, models.LayerCustom)
	web.Name, web.Shortname = "Web", "web"
	web.CustomRecipes = models.Recipes{
		Setup: []string{"opsyard_demo::setup"}, Configure: []string{"opsyard_demo::configure"}, Deploy: []string{"opsyard_demo::deploy"},
		Undeploy: []string{"opsyard_demo::undeploy"}, Shutdown: []string{"opsyard_demo::shutdown"},
	}
	layer, err := d.engine.CreateLayer(ctx, web)
	if err != nil {
		return err
	}
	if err := d.instances(ctx, layer, 2, ""); err != nil {
		return err
	}
	return d.createApp(ctx)
}

// simulated builds a three-tier stack of 24 instances whose agents are
// simulated over the real protocol.
func (d *demo) simulated(ctx context.Context) error {
	if err := d.newStack(ctx, "Shop (simulated)"); err != nil {
		return err
	}
	lb, err := d.layer(ctx, models.LayerLB, "Load balancer", "lb")
	if err != nil {
		return err
	}
	web, err := d.layer(ctx, models.LayerWeb, "Web", "web")
	if err != nil {
		return err
	}
	workers, err := d.layer(ctx, models.LayerCustom, "Workers", "worker")
	if err != nil {
		return err
	}
	for _, part := range []struct {
		layer *models.Layer
		n     int
	}{{lb, 2}, {web, 14}, {workers, 8}} {
		if err := d.instances(ctx, part.layer, part.n, "sim.small"); err != nil {
			return err
		}
	}
	return d.createApp(ctx)
}

func (d *demo) newStack(ctx context.Context, name string) error {
	s, err := d.engine.CreateStack(ctx, models.Stack{
		Name: name, DefaultRootDeviceType: models.RootDeviceEBS, Attributes: map[string]string{"Color": "rgb(45, 114, 184)"},
	})
	d.stack = s
	return err
}

func (d *demo) layer(ctx context.Context, kind models.LayerType, name, shortname string) (*models.Layer, error) {
	l := models.NewLayer(d.stack.ID, kind)
	l.Name, l.Shortname = name, shortname
	return d.engine.CreateLayer(ctx, l)
}

func (d *demo) instances(ctx context.Context, layer *models.Layer, n int, size string) error {
	for range n {
		_, err := d.engine.CreateInstance(ctx, models.Instance{StackID: d.stack.ID, LayerIDs: []models.LayerID{layer.ID}, InstanceType: size})
		if err != nil {
			return err
		}
	}
	return nil
}

// createApp adds the app, from a repository that the demo makes and serves.
func (d *demo) createApp(ctx context.Context) error {
	if err := d.makeRepository(ctx); err != nil {
		return err
	}
	url := d.localURL()
	if p, ok := d.providers[d.stack.Provider].(compute.Reacher); ok {
		reached, err := p.Reach(ctx, url)
		if err != nil {
			return fmt.Errorf("make the server reachable for its machines: %w", err)
		}
		url = reached
	}
	a := d.app
	a.StackID, a.AppSource = d.stack.ID, models.Source{Type: models.SourceGit, URL: url + d.repositoryPath(), Revision: "main"}
	_, err := d.engine.CreateApp(ctx, a)
	fmt.Println("source  ", d.repository())
	return err
}

// watch prints each change of an instance's state until all are online or have
// failed.
func (d *demo) watch(ctx context.Context) error {
	began := time.Now()
	seen := map[models.InstanceID]models.InstanceStatus{}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		instances, err := d.store.Instances.InStack(ctx, d.stack.ID)
		if err != nil {
			return err
		}
		moving := false
		for _, i := range instances {
			if seen[i.ID] != i.Status && len(instances) < 10 {
				fmt.Printf("%-8s %s (%s)%s\n", i.Hostname, i.Status, time.Since(began).Round(100*time.Millisecond), because(&i))
			}
			seen[i.ID] = i.Status
			moving = moving || i.Status.InMotion()
		}
		if !moving {
			return d.verdict(instances, time.Since(began))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func because(i *models.Instance) string {
	if i.StatusReason == "" {
		return ""
	}
	return ": " + i.StatusReason
}

func (d *demo) verdict(instances []models.Instance, took time.Duration) error {
	online := 0
	for _, i := range instances {
		if i.Status == models.InstanceOnline {
			online++
		}
	}
	fmt.Printf("online   %d of %d instances after %s\n", online, len(instances), took.Round(100*time.Millisecond))
	return nil
}

// waitForApp prints the load balancer's address once it answers with the app
// and knows all web servers: the last Configure has ended.
func (d *demo) waitForApp(ctx context.Context) error {
	instances, err := d.store.Instances.InStack(ctx, d.stack.ID)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	client := http.Client{Timeout: 5 * time.Second}
	for {
		running, err := d.store.Deployments.Running(ctx, d.stack.ID)
		if err != nil {
			return err
		}
		for _, i := range instances {
			if url := "http://" + i.PrivateIP + "/"; len(running) == 0 && strings.HasPrefix(i.Hostname, "lb") && answers(ctx, &client, url) {
				fmt.Println("app     ", url)
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return err == nil && response.StatusCode == http.StatusOK && strings.Contains(string(body), "Opsyard")
}

// cleanEnv is the environment for git, without what a user's settings add.
func cleanEnv(extra ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"}, extra...)
}
