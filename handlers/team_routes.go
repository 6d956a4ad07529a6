package handlers

import (
	"context"
	"net/http"

	"opsyard/models"
)

// groupEngine changes groups and what they give.
type groupEngine interface {
	CreateGroup(ctx context.Context, name string) (*models.Group, error)
	RenameGroup(ctx context.Context, id models.GroupID, name string) error
	// SetGroupClaim ties a group to what the sign-in provider calls it.
	SetGroupClaim(ctx context.Context, id models.GroupID, claim string) error
	DeleteGroup(ctx context.Context, id models.GroupID) error
	ChangeGroupMembers(ctx context.Context, id models.GroupID, in, out []models.UserID) error
	SetGroupPermission(ctx context.Context, stack models.StackID, id models.GroupID, change func(*models.GroupPermission) error) error
}

// policyEngine changes policies and whom they are attached to.
type policyEngine interface {
	CreatePolicy(ctx context.Context, p models.Policy) (*models.Policy, error)
	UpdatePolicy(ctx context.Context, id models.PolicyID, change func(*models.Policy) error) error
	DeletePolicy(ctx context.Context, id models.PolicyID) error
	AttachPolicy(ctx context.Context, id models.PolicyID, to models.Principal) error
	DetachPolicy(ctx context.Context, id models.PolicyID, from models.Principal) error
}

// tokenEngine makes and ends tokens.
type tokenEngine interface {
	// CreateToken is the only answer that holds a token's text.
	CreateToken(ctx context.Context, t models.Token) (*models.Token, string, error)
	DeleteToken(ctx context.Context, id models.TokenID) error
}

// accessEngine says what somebody may do in a stack, and why.
type accessEngine interface {
	Explain(ctx context.Context, user models.UserID, stack models.StackID) ([]models.Explained, error)
}

// teamEngine is what the pages of groups, policies, tokens and the explainer
// ask of the engine.
type teamEngine interface {
	// AuthorizeTeam is for administrators. about is the id of whom or what a page
	// is about.
	AuthorizeTeam(ctx context.Context, action models.Action, about string) error
	groupEngine
	policyEngine
	tokenEngine
	accessEngine
}

// teamRoutes are the pages of groups, policies, tokens and the explainer.
func (h *Handlers) teamRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /team/invite", h.teamOnly("DescribeInvitations", h.showInvite))
	mux.HandleFunc("POST /team/invitations", h.teamOnly("InviteUser", h.invite))
	mux.HandleFunc("POST /team/invitations/revoke", h.teamOnly("RevokeInvitation", h.revokeInvitation))

	mux.HandleFunc("GET /team/groups", h.teamOnly("DescribeGroups", h.showGroups))
	mux.HandleFunc("GET /team/groups/new", h.teamOnly("DescribeGroups", h.showNewGroup))
	mux.HandleFunc("POST /team/groups", h.teamOnly("CreateGroup", h.createGroup))
	mux.HandleFunc("GET /team/groups/{group}", h.withGroup("DescribeGroups", h.showGroup))
	mux.HandleFunc("POST /team/groups/{group}", h.withGroup("RenameGroup", h.renameGroup))
	mux.HandleFunc("POST /team/groups/{group}/members", h.withGroup("SetGroupMembers", h.setGroupMembers))
	mux.HandleFunc("POST /team/groups/{group}/permissions", h.withGroup("SetPermission", h.setGroupPermissions))
	mux.HandleFunc("POST /team/groups/{group}/policies", h.withGroup("AttachPolicy", h.setGroupPolicies))
	mux.HandleFunc("POST /team/groups/{group}/delete", h.withGroup("DeleteGroup", h.deleteGroup))

	mux.HandleFunc("GET /team/policies", h.teamOnly("DescribePolicies", h.showPolicies))
	mux.HandleFunc("GET /team/policies/new", h.teamOnly("DescribePolicies", h.showNewPolicy))
	mux.HandleFunc("POST /team/policies", h.teamOnly("CreatePolicy", h.createPolicy))
	mux.HandleFunc("GET /team/policies/{policy}", h.withPolicy("DescribePolicies", h.showPolicy))
	mux.HandleFunc("POST /team/policies/{policy}", h.withPolicy("UpdatePolicy", h.updatePolicy))
	mux.HandleFunc("POST /team/policies/{policy}/attach", h.withPolicy("AttachPolicy", h.attachPolicy))
	mux.HandleFunc("POST /team/policies/{policy}/detach", h.withPolicy("DetachPolicy", h.detachPolicy))
	mux.HandleFunc("POST /team/policies/{policy}/delete", h.withPolicy("DeletePolicy", h.deletePolicy))

	mux.HandleFunc("POST /team/users/{user}/groups", h.withUser("SetGroupMembers", h.setUserGroups))
	mux.HandleFunc("POST /team/users/{user}/policies", h.withUser("AttachPolicy", h.setUserPolicies))
	mux.HandleFunc("POST /team/users/{user}/tokens/delete", h.withUser("DeleteToken", h.deleteUserToken))
	mux.HandleFunc("GET /team/users/{user}/access", h.withUser("DescribePermissions", h.showUserAccess))
	mux.HandleFunc("GET /stacks/{stack}/access/{user}", h.withStack(models.ActionManage, h.showStackAccess))
	mux.HandleFunc("POST /stacks/{stack}/permissions/groups", h.withStack(models.ActionManage, h.setStackGroups))

	mux.HandleFunc("GET /me/tokens/new", h.showNewToken)
	mux.HandleFunc("POST /me/tokens", h.createMyToken)
	mux.HandleFunc("POST /me/tokens/delete", h.deleteMyToken)
}
