package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"opsyard/models"
)

func TestInstanceInheritsFromItsStackAndLayers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		s := must(w.engine.UpdateStack(w.ctx, w.stack.ID, func(s *models.Stack) error {
			s.DefaultSSHKeyName, s.DefaultAvailabilityZone = "team", s.Region+"-a"
			s.DefaultInstanceProfileArn = "arn:aws:iam::123456789012:instance-profile/stack"
			return nil
		}))(t)
		l := must(w.engine.UpdateLayer(w.ctx, w.web.ID, func(l *models.Layer) error {
			l.CustomInstanceProfileArn, l.CustomSecurityGroupIDs = "arn:aws:iam::123456789012:instance-profile/layer", []string{"sg-1"}
			return nil
		}))(t)
		i := must(w.engine.CreateInstance(w.ctx, models.Instance{StackID: s.ID, LayerIDs: []models.LayerID{l.ID, l.ID, w.lb.ID}}))(t)
		if i.SSHKeyName != "team" || i.AvailabilityZone != s.DefaultAvailabilityZone || i.InstanceProfileArn != l.CustomInstanceProfileArn ||
			!slices.Equal(i.SecurityGroupIDs, []string{"sg-1"}) || len(i.LayerIDs) != 2 || i.Platform != "linux" {
			t.Errorf("inherited: %+v", i)
		}
	})
}

func TestWindowsOnlyWhereMachinesAreSimulated(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.windows()
		if i.Platform != "windows" || !i.KeepsDisk() {
			t.Errorf("a Windows instance is %+v", i)
		}
		create := func(change func(*models.Instance)) error {
			next := models.Instance{StackID: w.stack.ID, LayerIDs: i.LayerIDs}
			change(&next)
			_, err := w.engine.CreateInstance(w.ctx, next)
			return err
		}
		for name, change := range map[string]func(*models.Instance){
			"long hostname": func(i *models.Instance) { i.Hostname = strings.Repeat("a", 16) },
			"load-based":    func(i *models.Instance) { i.AutoScalingType = models.ScalingLoad },
			"Linux":         func(i *models.Instance) { i.Os = "Amazon Linux 2" },
			"no EBS":        func(i *models.Instance) { i.RootDeviceType = models.RootDeviceInstanceStore },
			"agent version": func(i *models.Instance) { i.AgentVersion = "1.0" },
		} {
			w.refused(name, create(change))
		}
		w.act("time-based", create(func(i *models.Instance) { i.AutoScalingType, i.Hostname = models.ScalingTimer, strings.Repeat("a", 15) }))
		w.provider.simulated.Store(false)
		w.refused("real machines", create(func(*models.Instance) {}))
		_, err := w.engine.RegisterInstance(w.ctx, Registration{StackID: w.stack.ID, Hostname: "rack-7"})
		w.refused("a Linux host among Windows", err)
	})
}

func TestTimeBasedInstancesBelongToTheirSchedule(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := must(w.engine.CreateInstance(w.ctx, models.Instance{StackID: w.stack.ID, LayerIDs: []models.LayerID{w.web.ID}, AutoScalingType: models.ScalingTimer}))(t)
		w.refused("start", w.engine.StartInstance(w.ctx, i.ID))
		w.act("start by schedule", w.engine.tx(w.ctx, func(t *tx) error { return t.start(w.ctx, w.stack, i, models.Cause{Kind: models.CauseSchedule}) }))
		w.becomes(i, models.InstanceBooting)
		w.refused("stop", w.engine.StopInstance(w.ctx, i.ID, false))
		w.act("stop by force", w.engine.StopInstance(w.ctx, i.ID, true))
		w.becomes(i, models.InstanceStopped)
	})
}

func TestFailedStartIsAServiceError(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.instance(w.web)
		w.provider.refuse(fmt.Errorf("no room"))
		w.act("start", w.engine.StartInstance(w.ctx, i.ID))
		w.becomes(i, models.InstanceStartFailed)
		failed := must(w.store.Instances.Get(w.ctx, i.ID))(t)
		if failed.LastServiceErrorID == "" {
			t.Error("the instance names no service error")
		}
		w.provider.refuse(nil)
	})
}
