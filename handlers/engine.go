package handlers

import (
	"context"

	"opsyard/models"
)

// Engine is what the console asks of the engine. Each group of pages declares
// its part beside them.
type Engine interface {
	accountEngine
	stackEngine
	insideEngine
	deskEngine
	settingsEngine
	notificationEngine
	metricsEngine
	healingEngine
}

// stackEngine is what finding and making stacks needs.
type stackEngine interface {
	Authorize(ctx context.Context, id models.StackID, action models.Action) (*models.Stack, error)
	Level(ctx context.Context, id models.StackID) (models.Level, error)
	May(ctx context.Context, action models.Action, id models.StackID) (bool, error)
	VisibleStacks(ctx context.Context) ([]models.Stack, error)
	CreateStack(ctx context.Context, s models.Stack) (*models.Stack, error)
	Providers() []string
}

// accountEngine is about people: sign-in, first run, own account, team.
type accountEngine interface {
	SessionUser(ctx context.Context, cookie string) (*models.User, error)
	SignIn(ctx context.Context, name, password, addr, userAgent string) (cookie string, user *models.User, err error)
	SignOut(ctx context.Context, cookie string) error
	SetupNeeded(ctx context.Context) (bool, error)
	FirstRun(ctx context.Context, setupToken, name, password string) (*models.User, error)
	CreateUser(ctx context.Context, u models.User, password string) (*models.User, error)
	// ChangePassword is a person's own change: it asks for the current one and
	// ends the person's other sessions.
	ChangePassword(ctx context.Context, current, password, cookie string) error
	// SetPassword is an administrator's reset.
	SetPassword(ctx context.Context, id models.UserID, password string) error
	// EndSession ends one session of the asker, by its hash.
	EndSession(ctx context.Context, hash string) error
	SetTheme(ctx context.Context, theme string) error
	Permit(ctx context.Context, p models.Permission) error
}
