package awsapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

func TestGrantAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "GrantAccess")
	windows := w.stack(t, func(s *models.Stack) {
		s.ConfigurationManager = models.ConfigurationManager{Name: models.ManagerChef, Version: models.Chef122}
		s.DefaultOs = models.DefaultOS(s.ConfigurationManager)
	})
	i := w.online(t, w.layer(t, windows, models.LayerCustom), 1)[0]
	grant := func(client *opsworks.OpsWorks, id models.InstanceID, minutes *int64) (*opsworks.TemporaryCredential, error) {
		out, err := client.GrantAccess(&opsworks.GrantAccessInput{InstanceId: str(id), ValidForInMinutes: minutes})
		if err != nil {
			return nil, err
		}
		return out.TemporaryCredential, nil
	}
	least := must(grant(w.admin, i.ID, nil))(t)
	if *least.ValidForInMinutes != 60 || *least.Username != "ana" || len(*least.Password) < 20 || *least.InstanceId != string(i.ID) {
		t.Errorf("got %v", least)
	}
	most := must(grant(w.admin, i.ID, aws.Int64(1440)))(t)
	if *most.ValidForInMinutes != 1440 || *most.Password == *least.Password {
		t.Errorf("got %v", most)
	}
	if status, answer := w.raw(t, w.key, "GrantAccess", `{"InstanceId":"`+string(i.ID)+`","ValidForInMinutes":59}`); status != 400 || !strings.Contains(answer, invalid) {
		t.Errorf("59 minutes: %d %s", status, answer)
	}
	_, err := grant(w.admin, i.ID, aws.Int64(1441))
	wantError(t, err, invalid, "alidForInMinutes")
	_, err = grant(w.admin, "none", nil)
	wantError(t, err, notFound, "Unable to find instance with ID none")
	linux := w.online(t, w.layer(t, w.stack(t), models.LayerWeb), 1)[0]
	_, err = grant(w.admin, linux.ID, nil)
	wantError(t, err, invalid, "Windows instances only")
	stopped := w.instance(t, w.layer(t, windows, models.LayerCustom, func(l *models.Layer) { l.Name, l.Shortname = "Idle", "idle" }))
	_, err = grant(w.admin, stopped.ID, nil)
	wantError(t, err, invalid, "while it is online")
	_, err = grant(w.user(t, "eve", models.LevelShow, windows), i.ID, nil)
	wantError(t, err, denied, "manage")

	// The command is there for all to see, the password nowhere.
	commands := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{InstanceId: str(i.ID)}))(t).Commands
	granted := 0
	for _, c := range commands {
		if *c.Type == "grant_remote_access" {
			granted++
		}
	}
	if granted != 2 {
		t.Errorf("%d commands of %d grant access", granted, len(commands))
	}
	deployments := must(w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{StackId: str(windows.ID)}))(t)
	for what, thing := range map[string]any{"commands": commands, "deployments": deployments} {
		text := string(must(json.Marshal(thing))(t))
		if strings.Contains(text, *least.Password) || strings.Contains(text, *most.Password) {
			t.Errorf("the %s show the password", what)
		}
	}
}
