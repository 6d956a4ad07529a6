package awsapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// Hours are UTC, "0" to "23", "on" or "off"; a missing one is off, and only
// on-hours come back.
func TestPitfall13Schedules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "SetTimeBasedAutoScaling", "DescribeTimeBasedAutoScaling")
	layer := w.layer(t, w.stack(t), models.LayerCustom)
	timer := w.instance(t, layer, func(i *models.Instance) { i.AutoScalingType = models.ScalingTimer })
	id := aws.String(string(timer.ID))
	hours := func(pairs ...string) map[string]*string {
		m := map[string]*string{}
		for n := 0; n < len(pairs); n += 2 {
			m[pairs[n]] = &pairs[n+1]
		}
		return m
	}
	set := func(s *opsworks.WeeklyAutoScalingSchedule) error {
		_, err := w.admin.SetTimeBasedAutoScaling(&opsworks.SetTimeBasedAutoScalingInput{InstanceId: id, AutoScalingSchedule: s})
		return err
	}
	described := func() *opsworks.TimeBasedAutoScalingConfiguration {
		t.Helper()
		return must(w.admin.DescribeTimeBasedAutoScaling(&opsworks.DescribeTimeBasedAutoScalingInput{InstanceIds: []*string{id}}))(t).TimeBasedAutoScalingConfigurations[0]
	}
	check(t, set(&opsworks.WeeklyAutoScalingSchedule{
		Monday: hours("0", "on", "1", "off", "23", "on"), Tuesday: hours("12", "off"), Sunday: hours("9", "on"), Friday: map[string]*string{},
	}))
	got := described()
	if s := got.AutoScalingSchedule; *got.InstanceId != *id || len(s.Monday) != 2 || *s.Monday["0"] != "on" || *s.Monday["23"] != "on" ||
		len(s.Sunday) != 1 || s.Tuesday != nil || s.Friday != nil || s.Wednesday != nil {
		t.Errorf("the schedule is %v", got)
	}
	// The stored bits are what scaling will look at.
	stored := must(w.store.Instances.Get(w.ctx, timer.ID))(t).Schedule
	if stored != (models.WeeklySchedule{0: 1 | 1<<23, 6: 1 << 9}) {
		t.Errorf("stored %v", stored)
	}
	wrong := map[string]*opsworks.WeeklyAutoScalingSchedule{
		"24":  {Monday: hours("24", "on")},
		"-1":  {Monday: hours("-1", "on")},
		"07":  {Monday: hours("07", "on")},
		"1.5": {Monday: hours("1.5", "on")},
		"ON":  {Monday: hours("7", "ON")},
	}
	for _, text := range slices.Sorted(maps.Keys(wrong)) { // golden pairs have an order
		wantError(t, set(wrong[text]), "ValidationException", "Auto scaling schedule", text)
	}
	check(t, set(nil)) // nothing given: off always
	if s := described().AutoScalingSchedule; s.Monday != nil || s.Sunday != nil {
		t.Errorf("the emptied schedule is %v", s)
	}
	all := w.instance(t, layer)
	_, err := w.admin.SetTimeBasedAutoScaling(&opsworks.SetTimeBasedAutoScalingInput{InstanceId: aws.String(string(all.ID))})
	wantError(t, err, "ValidationException", "not a time-based instance")
	_, err = w.admin.SetTimeBasedAutoScaling(&opsworks.SetTimeBasedAutoScalingInput{InstanceId: aws.String("none")})
	wantError(t, err, "ResourceNotFoundException", "Unable to find instance with ID none")
	_, err = w.admin.DescribeTimeBasedAutoScaling(&opsworks.DescribeTimeBasedAutoScalingInput{InstanceIds: aws.StringSlice([]string{"none"})})
	wantError(t, err, "ResourceNotFoundException", "Unable to find instance with ID none")
	if out := must(w.admin.DescribeTimeBasedAutoScaling(&opsworks.DescribeTimeBasedAutoScalingInput{InstanceIds: []*string{aws.String(string(all.ID))}}))(t); len(out.TimeBasedAutoScalingConfigurations) != 0 {
		t.Errorf("an instance that runs always has the schedule %v", out)
	}

	// A later change of the instance does not bring an old schedule back.
	away := models.WeeklySchedule{1 << awayHour}
	check(t, w.engine.SetTimeBasedAutoScaling(w.ctx, timer.ID, away))
	w.becomes(t, timer.ID, models.InstanceStopped) // the first schedule may have begun at this hour
	must(w.engine.UpdateInstance(w.ctx, timer.ID, func(i *models.Instance) error {
		i.Hostname, i.Schedule = "renamed", models.WeeklySchedule{}
		return nil
	}))(t)
	if must(w.store.Instances.Get(w.ctx, timer.ID))(t).Schedule != away {
		t.Error("renaming the instance has changed its schedule")
	}
}

// Defaults, and limits that the server has to check: SDKs know the minimum only.
func TestPitfall12LoadThresholds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keepGolden(t, "SetLoadBasedAutoScaling", "DescribeLoadBasedAutoScaling")
	layer := w.layer(t, w.stack(t), models.LayerCustom)
	id := aws.String(string(layer.ID))
	described := func() []*opsworks.LoadBasedAutoScalingConfiguration {
		t.Helper()
		return must(w.admin.DescribeLoadBasedAutoScaling(&opsworks.DescribeLoadBasedAutoScalingInput{LayerIds: []*string{id}}))(t).LoadBasedAutoScalingConfigurations
	}
	if got := described(); len(got) != 0 {
		t.Errorf("a layer for which nothing was set has %v", got)
	}
	must(w.admin.SetLoadBasedAutoScaling(&opsworks.SetLoadBasedAutoScalingInput{LayerId: id, Enable: aws.Bool(true)}))(t)
	c := described()[0]
	if !*c.Enable || *c.UpScaling.InstanceCount != 1 || *c.UpScaling.ThresholdsWaitTime != 5 || *c.UpScaling.IgnoreMetricsTime != 5 || *c.UpScaling.CpuThreshold != 80 ||
		*c.DownScaling.InstanceCount != 1 || *c.DownScaling.ThresholdsWaitTime != 10 || *c.DownScaling.IgnoreMetricsTime != 10 || *c.DownScaling.CpuThreshold != 30 ||
		c.UpScaling.MemoryThreshold != nil || c.UpScaling.LoadThreshold != nil || len(c.UpScaling.Alarms) != 0 {
		t.Errorf("the defaults are %v", c)
	}
	must(w.admin.SetLoadBasedAutoScaling(&opsworks.SetLoadBasedAutoScalingInput{
		LayerId: id, UpScaling: &opsworks.AutoScalingThresholds{
			InstanceCount: aws.Int64(3), ThresholdsWaitTime: aws.Int64(100), IgnoreMetricsTime: aws.Int64(1), CpuThreshold: aws.Float64(-1),
			MemoryThreshold: aws.Float64(75.5), LoadThreshold: aws.Float64(8.25), Alarms: aws.StringSlice([]string{"a", "b", "c", "d", "E"}),
		},
	}))(t)
	must(w.admin.SetLoadBasedAutoScaling(&opsworks.SetLoadBasedAutoScalingInput{LayerId: id, DownScaling: &opsworks.AutoScalingThresholds{CpuThreshold: aws.Float64(20)}}))(t)
	c = described()[0]
	if u := c.UpScaling; !*c.Enable || *u.InstanceCount != 3 || *u.ThresholdsWaitTime != 100 || *u.IgnoreMetricsTime != 1 || *u.CpuThreshold != -1 ||
		*u.MemoryThreshold != 75.5 || *u.LoadThreshold != 8.25 || fmt.Sprint(aws.StringValueSlice(u.Alarms)) != "[a b c d E]" ||
		*c.DownScaling.CpuThreshold != 20 || *c.DownScaling.ThresholdsWaitTime != 10 {
		t.Errorf("got %v", c)
	}
	must(w.admin.SetLoadBasedAutoScaling(&opsworks.SetLoadBasedAutoScalingInput{LayerId: id, Enable: aws.Bool(false), UpScaling: &opsworks.AutoScalingThresholds{Alarms: []*string{}}}))(t)
	if c = described()[0]; *c.Enable || len(c.UpScaling.Alarms) != 0 || *c.UpScaling.InstanceCount != 3 {
		t.Errorf("after emptying the alarms got %v", c)
	}
	wrong := map[string]opsworks.AutoScalingThresholds{
		"wait":     {ThresholdsWaitTime: aws.Int64(101)},
		"ignore":   {IgnoreMetricsTime: aws.Int64(101)},
		"cpu":      {CpuThreshold: aws.Float64(100.5)},
		"memory":   {MemoryThreshold: aws.Float64(-2)},
		"load":     {LoadThreshold: aws.Float64(-0.5)},
		"instance": {InstanceCount: aws.Int64(0)},
		"alarms":   {Alarms: aws.StringSlice([]string{"a", "b", "c", "d", "e", "f"})},
	}
	for _, text := range slices.Sorted(maps.Keys(wrong)) {
		in := wrong[text]
		_, err := w.admin.SetLoadBasedAutoScaling(&opsworks.SetLoadBasedAutoScalingInput{LayerId: id, UpScaling: &in})
		wantError(t, err, "ValidationException")
		if err != nil && !strings.Contains(strings.ToLower(err.Error()), text) {
			t.Errorf("%s: the refusal is %v", text, err)
		}
	}
	// 0 minutes no SDK sends.
	if status, answer := w.raw(t, w.key, "SetLoadBasedAutoScaling", `{"LayerId":"`+*id+`","UpScaling":{"ThresholdsWaitTime":0}}`); status != http.StatusBadRequest || !strings.Contains(answer, "ValidationException") {
		t.Errorf("0 minutes were answered with %d %s", status, answer)
	}
	_, err := w.admin.SetLoadBasedAutoScaling(&opsworks.SetLoadBasedAutoScalingInput{LayerId: aws.String("none")})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer with ID none")
	_, err = w.admin.DescribeLoadBasedAutoScaling(&opsworks.DescribeLoadBasedAutoScalingInput{LayerIds: aws.StringSlice([]string{"none"})})
	wantError(t, err, "ResourceNotFoundException", "Unable to find layer with ID none")
	check(t, w.engine.DeleteLayer(w.ctx, layer.ID))
	_, err = w.store.LoadBasedAutoScaling.Get(w.ctx, layer.ID)
	if models.CodeOf(err) != models.CodeNotFound {
		t.Errorf("the deleted layer has left its thresholds: %v", err)
	}
}

// Only who manages the stack sets how it scales; who may not see it learns nothing.
func TestScalingLevels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	layer := w.layer(t, stack, models.LayerCustom)
	timer := w.instance(t, layer, func(i *models.Instance) { i.AutoScalingType = models.ScalingTimer })
	lid, iid := aws.String(string(layer.ID)), aws.String(string(timer.ID))
	for who, want := range map[*opsworks.OpsWorks]string{
		w.user(t, "dora", models.LevelDeploy, stack): "AccessDeniedException", w.user(t, "stan", "", nil): "ResourceNotFoundException",
	} {
		_, err := who.SetLoadBasedAutoScaling(&opsworks.SetLoadBasedAutoScalingInput{LayerId: lid, Enable: aws.Bool(true)})
		wantError(t, err, want)
		_, err = who.SetTimeBasedAutoScaling(&opsworks.SetTimeBasedAutoScalingInput{InstanceId: iid})
		wantError(t, err, want)
		if want == "ResourceNotFoundException" {
			_, err = who.DescribeLoadBasedAutoScaling(&opsworks.DescribeLoadBasedAutoScalingInput{LayerIds: []*string{lid}})
			wantError(t, err, want, "Unable to find layer with ID "+*lid)
			_, err = who.DescribeTimeBasedAutoScaling(&opsworks.DescribeTimeBasedAutoScalingInput{InstanceIds: []*string{iid}})
			wantError(t, err, want, "Unable to find instance with ID "+*iid)
		}
	}
}
