package handlers

import (
	"context"
	"net/http"

	"opsyard/models"
)

// deskEngine is what the pages of hosts, schedules, resources and people ask
// of the engine.
type deskEngine interface {
	registerEngine
	hostEngine
	InstanceTypes(s *models.Stack) []string
	resourceEngine
	scheduleEngine
	intentEngine
	permissionEngine
	peopleEngine
}

// deskRoutes are the pages of hosts, schedules, resources and people.
func (h *Handlers) deskRoutes(mux *http.ServeMux) {
	const manage = models.ActionManage
	h.resourceRoutes(mux)

	mux.HandleFunc("GET /stacks/{stack}/register", h.withStack(manage, h.showRegister))
	mux.HandleFunc("POST /stacks/{stack}/register", h.withStack("CreateEnrollToken", h.registerHost))
	mux.HandleFunc("POST /instances/{instance}/assign", h.withInstance("AssignInstance", h.assignInstance))
	mux.HandleFunc("POST /instances/{instance}/unassign", h.withInstance("UnassignInstance", h.unassignInstance))
	mux.HandleFunc("POST /instances/{instance}/deregister", h.withInstance("DeregisterInstance", h.deregisterInstance))
	mux.HandleFunc("POST /instances/{instance}/access", h.withInstance(models.ActionShow, h.grantAccess))

	mux.HandleFunc("GET /instances/{instance}/schedule", h.withInstance(models.ActionShow, h.showSchedule))
	mux.HandleFunc("POST /instances/{instance}/schedule", h.withInstance("SetTimeBasedAutoScaling", h.setSchedule))
	mux.HandleFunc("POST /instances/{instance}/resume", h.withInstance("ResumeIntents", h.resumeIntents))

	mux.HandleFunc("GET /stacks/{stack}/permissions", h.withStack(manage, h.showPermissions))
	mux.HandleFunc("POST /stacks/{stack}/permissions", h.withStack("SetPermission", h.setPermissions))
	mux.HandleFunc("POST /stacks/{stack}/permissions/grant-ssh", h.withStack("GrantSSH", h.grantSSH))
	mux.HandleFunc("POST /stacks/{stack}/permissions/end-ssh", h.withStack("EndSSH", h.endSSH))

	mux.HandleFunc("GET /team", h.teamOnly("DescribeUserProfiles", h.showTeam))
	mux.HandleFunc("GET /team/new", h.teamOnly("DescribeUserProfiles", h.showNewUser))
	mux.HandleFunc("POST /team/users", h.teamOnly("CreateUser", h.createUser))
	mux.HandleFunc("GET /team/users/{user}", h.withUser("DescribeUserProfiles", h.showUser))
	mux.HandleFunc("POST /team/users/{user}", h.withUser("UpdateUserProfile", h.updateUser))
	mux.HandleFunc("POST /team/users/{user}/permissions", h.withUser("SetPermission", h.setUserPermissions))
	mux.HandleFunc("POST /team/users/{user}/password", h.withUser("SetPassword", h.resetPassword))
	mux.HandleFunc("POST /team/users/{user}/keys/delete", h.withUser("DeleteAccessKey", h.deleteUserKey))
	mux.HandleFunc("POST /team/users/{user}/delete", h.withUser("DeleteUserProfile", h.deleteUser))

	mux.HandleFunc("POST /me/ssh-key", h.setMySSHKey)
	mux.HandleFunc("GET /me/keys/new", h.showNewKey)
	mux.HandleFunc("POST /me/keys", h.createMyKey)
	mux.HandleFunc("POST /me/keys/delete", h.deleteMyKey)
}

// peopleEngine is about users, their keys and their accounts on instances.
type peopleEngine interface {
	CreateUserProfile(ctx context.Context, u models.User) (*models.User, error)
	UpdateUserProfile(ctx context.Context, arn string, change func(*models.User) error) error
	DeleteUserProfile(ctx context.Context, arn string) error
	// UpdateMyUserProfile is a person's own change of their SSH key.
	UpdateMyUserProfile(ctx context.Context, sshPublicKey string) error
	// CreateAccessKey is the only answer that holds a key's secret.
	CreateAccessKey(ctx context.Context, given models.AccessKey) (*models.AccessKey, error)
	DeleteAccessKey(ctx context.Context, id string) error
}
