package handlers

import "maps"

// The routes of the audit, with whom they answer.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /audit": admin, "GET /audit/export": admin, "GET /stacks/{stack}/audit": manage, "GET /stacks/{stack}/audit/export": manage,
	})
}
