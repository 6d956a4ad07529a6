package awsapi

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// Setup runs the Deploy recipes as well. The instance is online before the
// Configure, which runs on all that are online with the newcomer, and never on
// one that leaves.
func TestPitfall06WhatFollowsFromAStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	layer := w.layer(t, stack, models.LayerCustom, func(l *models.Layer) {
		l.CustomRecipes = models.Recipes{Setup: []string{"own::setup"}, Deploy: []string{"own::deploy"}}
	})
	first, second := w.online(t, layer, 1)[0], w.instance(t, layer)
	w.configured(t, first, 1)
	must(w.admin.StartInstance(&opsworks.StartInstanceInput{InstanceId: str(second.ID)}))(t)
	w.configured(t, second, 1)
	w.configured(t, first, 2)

	commands := must(w.store.Commands.OfInstance(w.ctx, second.ID, everything))(t)
	setup, configure := commands[len(commands)-1], commands[len(commands)-2]
	if setup.Type != models.CommandSetup || configure.Type != models.CommandConfigure {
		t.Fatalf("it ran first %s, then %s", setup.Type, configure.Type)
	}
	var own []string
	for _, item := range setup.RunList {
		if !item.BuiltIn {
			own = append(own, item.Recipe)
		}
	}
	if want := []string{"own::setup", "own::deploy"}; !slices.Equal(own, want) {
		t.Errorf("setup ran %v, want %v", own, want)
	}
	if path := w.path(t, second); path[len(path)-1] != "online" {
		t.Errorf("it went %v", path)
	}
	online := slices.IndexFunc(must(w.store.Events.OfInstance(w.ctx, second.ID, 0, 100))(t), func(e models.StackEvent) bool {
		return e.Text == second.Hostname+" is online" && !e.At.After(configure.CreatedAt)
	})
	if online < 0 {
		t.Error("the configure was made before the instance was online")
	}

	must(w.admin.StopInstance(&opsworks.StopInstanceInput{InstanceId: str(second.ID)}))(t)
	w.configured(t, first, 3)
	w.becomes(t, second.ID, models.InstanceStopped)
	left := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{InstanceId: str(second.ID)}))(t).Commands
	if newest := aws.StringValue(left[0].Type); newest != "shutdown" {
		t.Errorf("the last command of the instance that left is %s", newest)
	}
}

// configured waits until an instance has run a number of Configures.
func (w *world) configured(t testing.TB, i *models.Instance, n int) {
	t.Helper()
	eventually(t, i.Hostname+" has been configured", func() bool {
		ended := 0
		for _, c := range must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{InstanceId: str(i.ID)}))(t).Commands {
			if *c.Type == "configure" && *c.Status == "successful" {
				ended++
			}
		}
		return ended >= n
	})
}
