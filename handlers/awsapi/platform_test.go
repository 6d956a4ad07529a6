package awsapi

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// TestPlatformOverTheAPI keeps the golden pairs of what the platform offers.
func TestPlatformOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "DescribeOperatingSystems", "DescribeAgentVersions", "DescribeServiceErrors")
	systems := map[string]*opsworks.OperatingSystem{}
	for _, o := range must(w.admin.DescribeOperatingSystems(&opsworks.DescribeOperatingSystemsInput{}))(t).OperatingSystems {
		systems[*o.Id] = o
	}
	if o := systems["Amazon Linux 2"]; o.Supported != nil || *o.Type != "Linux" || *o.ConfigurationManagers[0].Version != "12" {
		t.Errorf("Amazon Linux 2: %v", o)
	}
	if o := systems["Ubuntu 12.04 LTS"]; o.Supported == nil || *o.Supported {
		t.Errorf("Ubuntu 12.04 LTS: %v", o)
	}
	if o := systems["CustomWindows"]; *o.Type != "Windows" || *o.ConfigurationManagers[0].Version != "12.2" {
		t.Errorf("CustomWindows: %v", o)
	}

	s := w.stack(t, func(s *models.Stack) {
		s.ConfigurationManager = models.ConfigurationManager{Name: "Chef", Version: "12"}
	})
	stack := aws.String(string(s.ID))
	byStack := must(w.admin.DescribeAgentVersions(&opsworks.DescribeAgentVersionsInput{StackId: stack}))(t).AgentVersions
	byManager := must(w.admin.DescribeAgentVersions(&opsworks.DescribeAgentVersionsInput{
		ConfigurationManager: &opsworks.StackConfigurationManager{Name: aws.String("Chef"), Version: aws.String("12")},
	}))(t).AgentVersions
	if len(byStack) != 1 || len(byManager) != 1 || *byStack[0].Version != *byManager[0].Version || *byManager[0].ConfigurationManager.Version != "12" {
		t.Errorf("agents: %v and %v", byStack, byManager)
	}
	must(w.admin.UpdateStack(&opsworks.UpdateStackInput{StackId: stack, AgentVersion: byStack[0].Version}))(t)
	for _, in := range []*opsworks.DescribeAgentVersionsInput{{}, {StackId: stack, ConfigurationManager: &opsworks.StackConfigurationManager{Name: aws.String("Chef")}}} {
		_, err := w.admin.DescribeAgentVersions(in)
		wantError(t, err, "ValidationException", "Please provide either a stack ID or a configuration manager")
	}

	i := w.instance(t, w.layer(t, s, models.LayerCustom))
	trouble := models.ServiceError{
		ID: models.NewID[models.ServiceErrorID](), StackID: s.ID, InstanceID: i.ID, Type: "InstanceStop",
		Message: "The shutdown of the instance timed out. Please try stopping it again.", CreatedAt: time.Now(),
	}
	check(t, w.store.ServiceErrors.Create(w.ctx, &trouble))
	instance, id := aws.String(string(i.ID)), []*string{aws.String(string(trouble.ID))}
	for _, in := range []*opsworks.DescribeServiceErrorsInput{{StackId: stack}, {InstanceId: instance}, {ServiceErrorIds: id}} {
		found := must(w.admin.DescribeServiceErrors(in))(t).ServiceErrors
		if len(found) != 1 || *found[0].ServiceErrorId != *id[0] || *found[0].InstanceId != *instance || *found[0].Type != "InstanceStop" {
			t.Errorf("%v finds %v", in, found)
		}
	}
	for _, in := range []*opsworks.DescribeServiceErrorsInput{{}, {StackId: stack, InstanceId: instance}} {
		_, err := w.admin.DescribeServiceErrors(in)
		wantError(t, err, "ValidationException", "Please provide either one or more service error IDs or one stack ID or one instance ID")
	}
	ben := w.user(t, "ben", models.LevelIAMOnly, s)
	for _, in := range []*opsworks.DescribeServiceErrorsInput{{StackId: stack}, {InstanceId: instance}, {ServiceErrorIds: id}} {
		_, err := ben.DescribeServiceErrors(in)
		wantError(t, err, "ResourceNotFoundException", "Unable to find ")
	}
}
