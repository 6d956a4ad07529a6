package views

import (
	"fmt"
	"strconv"
	"strings"

	"opsyard/models"
)

// ScalingShow is the load-based scaling of a layer.
type ScalingShow struct {
	Config    models.LoadBasedAutoScaling
	LoadBased int // its load-based instances
}

// scalingDirection is one of the two halves of the form.
type scalingDirection struct {
	Key, Title, Note, Count string
}

var scalingDirections = []scalingDirection{
	{"UpScaling", "Scale up", "Starts instances when any threshold is exceeded.", "Start, instances"},
	{"DownScaling", "Scale down", "Stops instances when every threshold is undercut.", "Stop, instances"},
}

// ScalingValue is a threshold as the form shows it: -1 and unset are off, an
// empty field.
func ScalingValue(v *float64) string {
	if v == nil || *v == models.Disabled {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}

// facts are the rules for those who may only look.
func (p ScalingShow) facts() []Fact {
	return []Fact{
		{Name: "Rules", Value: onOff(p.Config.Enable)},
		{Name: "Load-based instances", Value: Thousands(p.LoadBased)},
		{Name: "Scale up", Value: thresholdsText(p.Config.UpScaling, "above", "start")},
		{Name: "Scale down", Value: thresholdsText(p.Config.DownScaling, "below", "stop")},
	}
}

func thresholdsText(t models.AutoScalingThresholds, side, deed string) string {
	var parts []string
	for _, m := range []struct {
		name, unit string
		value      *float64
	}{{"CPU", "%", t.CPUThreshold}, {"memory", "%", t.MemoryThreshold}, {"load", "", t.LoadThreshold}} {
		if v := ScalingValue(m.value); v != "" {
			parts = append(parts, fmt.Sprintf("%s %s %s%s", m.name, side, v, m.unit))
		}
	}
	if len(t.Alarms) > 0 {
		parts = append(parts, "alarm "+strings.Join(t.Alarms, ", "))
	}
	if len(parts) == 0 {
		return "off: no threshold"
	}
	return fmt.Sprintf("%s for %d min: %s %d, then ignore metrics for %d min", strings.Join(parts, " or "), t.ThresholdsWaitTime, deed, t.InstanceCount, t.IgnoreMetricsTime)
}
