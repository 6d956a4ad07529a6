package awsapi

import (
	"context"
	"strconv"
	"time"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

func (a *API) scalingOperations() operations {
	return operations{
		"SetTimeBasedAutoScaling":      do(a.setTimeBasedAutoScaling),
		"DescribeTimeBasedAutoScaling": on(a.describeTimeBasedAutoScaling),
		"SetLoadBasedAutoScaling":      do(a.setLoadBasedAutoScaling),
		"DescribeLoadBasedAutoScaling": on(a.describeLoadBasedAutoScaling),
	}
}

func (a *API) setTimeBasedAutoScaling(ctx context.Context, in *wire.SetTimeBasedAutoScalingRequest) error {
	schedule, err := weeklySchedule(in.AutoScalingSchedule)
	if err != nil {
		return err
	}
	return a.Engine.SetTimeBasedAutoScaling(ctx, id[models.InstanceID](in.InstanceId), schedule)
}

// days are the members of a schedule in the order of models.Weekdays.
func days(s *wire.WeeklyAutoScalingSchedule) [7]*map[string]string {
	return [7]*map[string]string{&s.Monday, &s.Tuesday, &s.Wednesday, &s.Thursday, &s.Friday, &s.Saturday, &s.Sunday}
}

// weeklySchedule reads a schedule: hours that it leaves out are off.
func weeklySchedule(in *wire.WeeklyAutoScalingSchedule) (models.WeeklySchedule, error) {
	var schedule models.WeeklySchedule
	if in == nil {
		return schedule, nil
	}
	for n, day := range days(in) {
		for key, value := range *day {
			if err := setHour(&schedule, models.Weekdays[n], key, value); err != nil {
				return schedule, err
			}
		}
	}
	return schedule, nil
}

func setHour(schedule *models.WeeklySchedule, day time.Weekday, key, value string) error {
	hour, err := strconv.Atoi(key)
	if err != nil || strconv.Itoa(hour) != key {
		return models.InvalidField("AutoScalingSchedule", "Auto scaling schedule: %q of %s is not an hour, use \"0\" to \"23\".", clip(key), day)
	}
	if value != "on" && value != "off" {
		return models.InvalidField("AutoScalingSchedule", "Auto scaling schedule: hour %s of %s must be \"on\" or \"off\", not %q.", key, day, clip(value))
	}
	return schedule.Set(day, hour, value == "on")
}

func (a *API) describeTimeBasedAutoScaling(ctx context.Context, in *wire.DescribeTimeBasedAutoScalingRequest) (*wire.DescribeTimeBasedAutoScalingResult, error) {
	instances, err := see(ctx, a, nounInstance, ids[models.InstanceID](in.InstanceIds), a.Store.Instances.ByIDs)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeTimeBasedAutoScalingResult{TimeBasedAutoScalingConfigurations: []wire.TimeBasedAutoScalingConfiguration{}}
	for _, i := range instances {
		if i.AutoScalingType == models.ScalingTimer {
			out.TimeBasedAutoScalingConfigurations = append(out.TimeBasedAutoScalingConfigurations,
				wire.TimeBasedAutoScalingConfiguration{InstanceId: str(i.ID), AutoScalingSchedule: wireSchedule(i.Schedule)})
		}
	}
	return out, nil
}

// wireSchedule names the on-hours only, and the days that have any.
func wireSchedule(schedule models.WeeklySchedule) *wire.WeeklyAutoScalingSchedule {
	out := &wire.WeeklyAutoScalingSchedule{}
	for n, day := range days(out) {
		for _, hour := range schedule.Hours(models.Weekdays[n]) {
			if *day == nil {
				*day = map[string]string{}
			}
			(*day)[strconv.Itoa(hour)] = "on"
		}
	}
	return out
}

func (a *API) setLoadBasedAutoScaling(ctx context.Context, in *wire.SetLoadBasedAutoScalingRequest) error {
	return a.Engine.SetLoadBasedAutoScaling(ctx, id[models.LayerID](in.LayerId), func(c *models.LoadBasedAutoScaling) error {
		put(&c.Enable, in.Enable)
		putThresholds(&c.UpScaling, in.UpScaling)
		putThresholds(&c.DownScaling, in.DownScaling)
		return nil
	})
}

// putThresholds stores the members that were given; the others keep their value.
func putThresholds(t *models.AutoScalingThresholds, in *wire.AutoScalingThresholds) {
	if in == nil {
		return
	}
	for into, given := range map[*int]*int64{
		&t.InstanceCount: in.InstanceCount, &t.ThresholdsWaitTime: in.ThresholdsWaitTime, &t.IgnoreMetricsTime: in.IgnoreMetricsTime,
	} {
		putInt(into, given)
	}
	for into, given := range map[**float64]*float64{
		&t.CPUThreshold: in.CpuThreshold, &t.MemoryThreshold: in.MemoryThreshold, &t.LoadThreshold: in.LoadThreshold,
	} {
		if given != nil {
			*into = given
		}
	}
	putList(&t.Alarms, in.Alarms)
}

func (a *API) describeLoadBasedAutoScaling(ctx context.Context, in *wire.DescribeLoadBasedAutoScalingRequest) (*wire.DescribeLoadBasedAutoScalingResult, error) {
	layers := ids[models.LayerID](in.LayerIds)
	if _, err := see(ctx, a, nounLayer, layers, a.Store.Layers.ByIDs); err != nil {
		return nil, err
	}
	list, err := a.Store.LoadBasedAutoScaling.OfLayers(ctx, layers)
	if err != nil {
		return nil, err
	}
	out := &wire.DescribeLoadBasedAutoScalingResult{LoadBasedAutoScalingConfigurations: make([]wire.LoadBasedAutoScalingConfiguration, len(list))}
	for n := range list {
		c := &list[n]
		out.LoadBasedAutoScalingConfigurations[n] = wire.LoadBasedAutoScalingConfiguration{
			LayerId: str(c.LayerID), Enable: yes(c.Enable), UpScaling: wireThresholds(&c.UpScaling), DownScaling: wireThresholds(&c.DownScaling),
		}
	}
	return out, nil
}

func wireThresholds(t *models.AutoScalingThresholds) *wire.AutoScalingThresholds {
	return &wire.AutoScalingThresholds{
		InstanceCount: num(t.InstanceCount), ThresholdsWaitTime: num(t.ThresholdsWaitTime), IgnoreMetricsTime: num(t.IgnoreMetricsTime),
		CpuThreshold: t.CPUThreshold, MemoryThreshold: t.MemoryThreshold, LoadThreshold: t.LoadThreshold, Alarms: strs(t.Alarms),
	}
}
