package engine

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/engine/lifecycle"
	"opsyard/models"
)

// TestDataBagsOfAChef12Stack: they are one document for all instances, an
// instance that is not online is told about itself beside it, and nobody else
// pays for them.
func TestDataBagsOfAChef12Stack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if run := w.runOf(w.online(w.web), models.CommandConfigure); run.DataBags != nil || run.PrivateDataBags != nil || run.PrivateAttributes != nil {
			t.Errorf("an instance of a shell stack is sent data bags: %+v", run)
		}
		layer := w.chef12()
		app := must(w.engine.CreateApp(w.ctx, models.App{
			StackID: w.stack.ID, Name: "Shop", Type: models.AppOther, AppSource: models.Source{Type: models.SourceGit, URL: "https://git.example/shop", Password: "hush-hush"},
		}))(t)
		first, second := w.instance(layer), w.instance(layer)
		w.start(first)
		run := w.finish(first, models.CommandSetup, protocol.Successful)
		var item map[string]any
		if run.Instance == nil || json.Unmarshal(run.Instance.DataBagItem, &item) != nil || item["hostname"] != first.Hostname {
			t.Errorf("at Setup the instance is told %+v of itself", run.Instance)
		}
		w.becomes(first, models.InstanceOnline)
		w.start(second)
		w.finish(second, models.CommandSetup, protocol.Successful)
		w.becomes(second, models.InstanceOnline)
		w.drain()
		one, other := w.runOf(first, models.CommandConfigure), w.runOf(second, models.CommandConfigure)
		if len(one.DataBags) != 1 || !slices.Equal(one.DataBags, other.DataBags) || one.Instance != nil || other.Instance != nil {
			t.Errorf("online instances do not share their data bags: %v %v, %v %v", one.DataBags, other.DataBags, one.Instance, other.Instance)
		}
		doc := w.content(one.DataBags[0])
		if strings.Contains(doc, "hush-hush") || !strings.Contains(string(one.PrivateDataBags), "hush-hush") {
			t.Errorf("the password is in the wrong place: %s, %s", doc, one.PrivateDataBags)
		}
		if !slices.ContainsFunc(one.Secrets, func(s protocol.Secret) bool { return s.Value == "hush-hush" }) {
			t.Errorf("the password is not hidden: %v", one.Secrets)
		}
		var bags lifecycle.DataBags
		if err := json.Unmarshal([]byte(doc), &bags); err != nil || len(bags[lifecycle.BagInstance]) != 2 || bags[lifecycle.BagApp][app.Shortname] == nil {
			t.Errorf("the data bags are %s (%v)", doc, err)
		}
		must(w.engine.UpdateApp(w.ctx, app.ID, func(a *models.App) error { a.Domains = []string{"shop.example"}; return nil }))(t)
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, AppID: app.ID, Command: models.DeploymentCommand{Name: models.CommandDeploy}}))(t)
		run = w.finish(first, models.CommandDeploy, protocol.Successful)
		if slices.Equal(run.DataBags, one.DataBags) || !strings.Contains(w.content(run.DataBags[0]), "shop.example") {
			t.Error("a change of the app does not reach the data bags")
		}
	})
}

// chef12 makes the world's stack one of Chef 12, with a layer.
func (w *world) chef12() *models.Layer {
	w.t.Helper()
	w.stack = must(w.engine.CreateStack(w.ctx, models.Stack{
		Name: "Kitchen", DefaultRootDeviceType: models.RootDeviceEBS,
		ConfigurationManager: models.ConfigurationManager{Name: models.ManagerChef, Version: models.Chef12}, DefaultOs: "Debian 12",
		UseOpsworksSecurityGroups: true,
	}))(w.t)
	l := models.NewLayer(w.stack.ID, models.LayerCustom)
	l.Name, l.Shortname = "App", "app"
	return must(w.engine.CreateLayer(w.ctx, l))(w.t)
}

// runOf is the last run of a kind that the instance's agent was sent.
func (w *world) runOf(i *models.Instance, kind models.CommandName) (last protocol.Run) {
	w.t.Helper()
	for _, run := range w.links[i.ID].runs() {
		if run.Type == string(kind) {
			last = run
		}
	}
	if last.CommandID == "" {
		w.t.Fatalf("%s was sent no %s", i.Hostname, kind)
	}
	return last
}

// content is a document that agents fetch.
func (w *world) content(digest string) string {
	w.t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(must(w.engine.Content(w.ctx, digest))(w.t)))
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}
