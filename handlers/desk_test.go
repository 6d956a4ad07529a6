package handlers

import "maps"

func init() {
	maps.Copy(needs, map[string]need{
		"GET /stacks/{stack}/register": manage, "POST /stacks/{stack}/register": manage,
	})
	namesNothing = append(namesNothing, "POST /stacks/{stack}/register")
}
