package handlers

import "maps"

// The pages of healing, in the table of who may use what.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /stacks/{stack}/healing": show, "POST /stacks/{stack}/healing/lift": manage, "POST /healings/{healing}/wrong": manage,
	})
}
