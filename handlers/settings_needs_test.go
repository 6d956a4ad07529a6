package handlers

import "maps"

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
