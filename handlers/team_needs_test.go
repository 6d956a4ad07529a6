package handlers

import (
	"maps"
	"strings"

	"opsyard/models"
)

// Groups, policies, tokens and the explainer, in the table of who may use what.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /team/invite": admin, "POST /team/invitations": admin, "POST /team/invitations/revoke": admin,
		"GET /team/groups": admin, "GET /team/groups/new": admin, "POST /team/groups": admin,
		"GET /team/groups/{group}": admin, "POST /team/groups/{group}": admin,
		"GET /team/policies": admin, "GET /team/policies/new": admin, "POST /team/policies": admin,
		"GET /team/policies/{policy}": admin, "POST /team/policies/{policy}": admin,
		"POST /team/users/{user}/groups": admin, "POST /team/users/{user}/policies": admin, "POST /team/users/{user}/tokens/delete": admin,
		"GET /team/users/{user}/access": admin, "GET /stacks/{stack}/access/{user}": manage, "POST /stacks/{stack}/permissions/groups": manage,
		"GET /me/tokens/new": signedIn, "POST /me/tokens": signedIn, "POST /me/tokens/delete": signedIn,
	})
	for _, deed := range []string{"/members", "/permissions", "/policies", "/delete"} {
		needs["POST /team/groups/{group}"+deed] = admin
	}
	for _, deed := range []string{"/attach", "/detach", "/delete"} {
		needs["POST /team/policies/{policy}"+deed] = admin
	}
	namesNothing = append(namesNothing, "POST /team/invitations/revoke", "POST /me/tokens/delete", "POST /team/users/{user}/tokens/delete",
		"POST /team/users/{user}/policies", "POST /team/groups/{group}/policies")
}

// group makes the group that a pattern is about, if it is not there.
func (c *realConsole) group(pattern string) string {
	c.t.Helper()
	if !strings.Contains(pattern, "{group}") {
		return ""
	}
	there, err := c.store.Groups.List(c.t.Context())
	c.fleet.must(err)
	for _, one := range there {
		if one.Name == "walked" {
			return string(one.ID)
		}
	}
	g := &models.Group{ID: models.NewID[models.GroupID](), Name: "walked", CreatedAt: c.fleet.now, UpdatedAt: c.fleet.now}
	c.fleet.must(c.store.Groups.Create(c.t.Context(), g))
	return string(g.ID)
}

// policy makes the policy that a pattern is about, if it is not there.
func (c *realConsole) policy(pattern string) string {
	c.t.Helper()
	if !strings.Contains(pattern, "{policy}") {
		return ""
	}
	there, err := c.store.Policies.List(c.t.Context())
	c.fleet.must(err)
	for _, one := range there {
		if one.Name == "walked" {
			return string(one.ID)
		}
	}
	p := &models.Policy{ID: models.NewID[models.PolicyID](), Name: "walked", Document: noDeletes, CreatedAt: c.fleet.now, UpdatedAt: c.fleet.now}
	c.fleet.must(c.store.Policies.Create(c.t.Context(), p))
	return string(p.ID)
}

const noDeletes = `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "opsworks:Delete*", "Resource": "*"}]}`
