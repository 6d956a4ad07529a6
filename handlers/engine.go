package handlers

import (
	"context"

	"opsyard/models"
)

// Engine is what the console asks of the engine. Each group of pages declares
// its part beside them.
type Engine interface {
	accountEngine
	signInEngine
	securityEngine
	providerEngine
	invitationEngine
	stackEngine
	insideEngine
	deskEngine
	settingsEngine
	notificationEngine
	metricsEngine
	healingEngine
	auditEngine
	shellEngine
	teamEngine
}

// stackEngine is what finding and making stacks needs.
type stackEngine interface {
	Authorize(ctx context.Context, id models.StackID, action models.Action) (*models.Stack, error)
	Level(ctx context.Context, id models.StackID) (models.Level, error)
	May(ctx context.Context, action models.Action, id models.StackID) (bool, error)
	// RefusedPage has the audit know who was not shown a page.
	RefusedPage(ctx context.Context, action models.Action, id models.StackID)
	VisibleStacks(ctx context.Context) ([]models.Stack, error)
	CreateStack(ctx context.Context, s models.Stack) (*models.Stack, error)
	Providers() []string
}

// accountEngine is about people: first run, own account, team.
type accountEngine interface {
	SetupNeeded(ctx context.Context) (bool, error)
	FirstRun(ctx context.Context, setupToken, name, password string) (*models.User, error)
	CreateUser(ctx context.Context, u models.User, password string) (*models.User, error)
	// ChangePassword is a person's own change: it asks for the current one and
	// ends the person's other sessions.
	ChangePassword(ctx context.Context, current, password, cookie string) error
	// SetPassword is an administrator's reset.
	SetPassword(ctx context.Context, id models.UserID, password string) error
	SetTheme(ctx context.Context, theme string) error
	Permit(ctx context.Context, p models.Permission) error
}
