package handlers

import "maps"

func init() {
	maps.Copy(needs, map[string]need{
		"GET /stacks/{stack}/register": manage, "POST /stacks/{stack}/register": manage,
		"POST /instances/{instance}/assign": manage, "POST /instances/{instance}/unassign": manage,
		"POST /instances/{instance}/deregister": manage, "POST /instances/{instance}/access": manage, // or show with SSH
		"GET /instances/{instance}/schedule": show, "POST /instances/{instance}/schedule": manage, "POST /instances/{instance}/resume": manage,
		"GET /stacks/{stack}/permissions": manage, "POST /stacks/{stack}/permissions": manage,
		"POST /stacks/{stack}/permissions/grant-ssh": manage, "POST /stacks/{stack}/permissions/end-ssh": manage,
		"GET /team": admin, "GET /team/new": admin, "POST /team/users": admin,
		"GET /team/users/{user}": admin, "POST /team/users/{user}": admin, "POST /team/users/{user}/permissions": admin,
		"POST /team/users/{user}/password": admin, "POST /team/users/{user}/keys/delete": admin, "POST /team/users/{user}/delete": admin,
		"POST /me/ssh-key": signedIn, "GET /me/keys/new": signedIn, "POST /me/keys": signedIn, "POST /me/keys/delete": signedIn,
		"GET /stacks/{stack}/resources":                           show,
		"POST /stacks/{stack}/resources/elastic-ips/register":     manage,
		"POST /stacks/{stack}/resources/elastic-ips/save":         manage,
		"POST /stacks/{stack}/resources/elastic-ips/associate":    manage,
		"POST /stacks/{stack}/resources/elastic-ips/disassociate": manage,
		"POST /stacks/{stack}/resources/elastic-ips/deregister":   manage,
		"POST /stacks/{stack}/resources/volumes/register":         manage,
		"POST /stacks/{stack}/resources/volumes/save":             manage,
		"POST /stacks/{stack}/resources/volumes/assign":           manage,
		"POST /stacks/{stack}/resources/volumes/unassign":         manage,
		"POST /stacks/{stack}/resources/volumes/deregister":       manage,
		"POST /stacks/{stack}/resources/rds/register":             manage,
		"POST /stacks/{stack}/resources/rds/save":                 manage,
		"POST /stacks/{stack}/resources/rds/deregister":           manage,
		"POST /stacks/{stack}/resources/load-balancers/attach":    manage,
		"POST /stacks/{stack}/resources/load-balancers/save":      manage,
		"POST /stacks/{stack}/resources/load-balancers/detach":    manage,
		"POST /stacks/{stack}/resources/ecs-clusters/register":    manage,
		"POST /stacks/{stack}/resources/ecs-clusters/deregister":  manage,
	})
	namesNothing = append(namesNothing, "POST /me/keys/delete", "POST /team/users/{user}/keys/delete", "POST /stacks/{stack}/permissions/end-ssh",
		"POST /stacks/{stack}/resources/elastic-ips/save",
		"POST /stacks/{stack}/resources/elastic-ips/associate",
		"POST /stacks/{stack}/resources/elastic-ips/disassociate",
		"POST /stacks/{stack}/resources/elastic-ips/deregister",
		"POST /stacks/{stack}/resources/volumes/save",
		"POST /stacks/{stack}/resources/volumes/assign",
		"POST /stacks/{stack}/resources/volumes/unassign",
		"POST /stacks/{stack}/resources/volumes/deregister",
		"POST /stacks/{stack}/resources/rds/save",
		"POST /stacks/{stack}/resources/rds/deregister",
		"POST /stacks/{stack}/resources/load-balancers/save",
		"POST /stacks/{stack}/resources/load-balancers/detach",
		"POST /stacks/{stack}/resources/ecs-clusters/deregister")
}
