package handlers

import "maps"

// The pages of charts, in the table of who may use what.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /stacks/{stack}/monitoring": show, "GET /stacks/{stack}/monitoring/data": show,
		"GET /stacks/{stack}/layers/{layer}/monitoring": show, "GET /stacks/{stack}/layers/{layer}/monitoring/data": show,
		"GET /instances/{instance}/monitoring": show, "GET /instances/{instance}/monitoring/data": show,
	})
}
