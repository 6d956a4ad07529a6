package handlers

import (
	"maps"
	"strings"

	"opsyard/models"
)

// The settings of stacks and layers, in the table of who may use what.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /stacks/{stack}/clone": admin, "POST /stacks/{stack}/clone": admin,
		"GET /stacks/{stack}/tags": show, "POST /stacks/{stack}/tags": manage,
		"GET /stacks/{stack}/errors": show, "GET /stacks/{stack}/platform": manage,
		"POST /stacks/{stack}/layers/{layer}/json": manage, "POST /stacks/{stack}/layers/{layer}/network": manage,
		"POST /stacks/{stack}/layers/{layer}/volumes": manage, "POST /stacks/{stack}/layers/{layer}/security": manage,
		"POST /stacks/{stack}/layers/{layer}/logs": manage, "POST /stacks/{stack}/layers/{layer}/scaling": manage,
		"POST /stacks/{stack}/layers/{layer}/tags": manage, "GET /stacks/{stack}/layers/{layer}/scaling/test": show,
		"GET /stacks/{stack}/alarms": show, "POST /stacks/{stack}/alarms": manage,
		"POST /stacks/{stack}/alarms/{alarm}": manage, "POST /stacks/{stack}/alarms/{alarm}/delete": manage,
	})
}

// alarm makes the alarm that a pattern is about, if it is not there.
func (c *realConsole) alarm(f *fleet, pattern string) string {
	c.t.Helper()
	if !strings.Contains(pattern, "{alarm}") {
		return ""
	}
	there, err := c.store.Alarms.InStack(c.t.Context(), f.stack.ID)
	f.must(err)
	if len(there) > 0 {
		return string(there[0].ID)
	}
	made := &models.Alarm{ID: models.NewID[models.AlarmID](), StackID: f.stack.ID, Name: "walked", Metric: models.MetricCPU, Threshold: 80, CreatedAt: f.now, UpdatedAt: f.now}
	made.State, made.StateSince = models.AlarmInsufficient, f.now
	made.Normalize()
	f.must(c.store.Alarms.Create(c.t.Context(), made))
	return string(made.ID)
}
