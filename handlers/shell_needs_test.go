package handlers

import (
	"maps"
	"strings"

	"opsyard/models"
)

// The pages of shells, in the table of who may use what. The websocket says
// after it is open that somebody may not log in: see e2e.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /instances/{instance}/shell": show, "POST /instances/{instance}/shell": login, "GET /ws/shell": show,
		"GET /shells/{shell}": manage, "GET /shells/{shell}/recording": manage,
	})
}

// shell makes a shell that somebody else had, where a path needs one.
func (c *realConsole) shell(f *fleet, pattern string) string {
	if !strings.Contains(pattern, "{shell}") {
		return ""
	}
	i := f.instances[0]
	row := models.ShellSession{
		ID: models.NewID[models.ShellID](), StackID: f.stack.ID, InstanceID: i.ID, Hostname: i.Hostname,
		UserID: c.subject, UserName: "subject", Account: "subject", StartedAt: c.h.Now(), SeenAt: c.h.Now(),
	}
	f.must(c.store.Shells.Create(f.ctx, &row))
	return string(row.ID)
}
