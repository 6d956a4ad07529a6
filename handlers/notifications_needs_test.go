package handlers

import (
	"maps"
	"strings"
	"time"

	"opsyard/models"
)

// Notifications, in the table of who may use what.
func init() {
	maps.Copy(needs, map[string]need{
		"GET /stacks/{stack}/notifications": show, "POST /stacks/{stack}/notifications": manage, "GET /stacks/{stack}/notifications/new": manage,
		"GET /settings/notifications": admin, "POST /settings/notifications": admin, "GET /settings/notifications/new": admin,
		"GET /stacks/{stack}/notifications/{channel}": show, "GET /settings/notifications/{channel}": admin,
	})
	for _, deed := range []string{"", "/secret", "/test", "/pause", "/resume", "/again", "/delete"} {
		needs["POST /stacks/{stack}/notifications/{channel}"+deed] = manage
		needs["POST /settings/notifications/{channel}"+deed] = admin
	}
	namesNothing = append(namesNothing, "POST /stacks/{stack}/notifications/{channel}/again", "POST /settings/notifications/{channel}/again")
}

// channel makes the channel that a pattern is about, if it is not there: one
// of the fleet's stack, or of all stacks.
func (c *realConsole) channel(f *fleet, pattern string) string {
	c.t.Helper()
	if !strings.Contains(pattern, "{channel}") {
		return ""
	}
	stack := f.stack.ID
	if strings.Contains(pattern, "/settings/notifications/") {
		stack = ""
	}
	there, err := c.store.Notifications.Channels(c.t.Context(), stack)
	f.must(err)
	for _, one := range there {
		if one.Name == "walked" {
			return string(one.ID)
		}
	}
	made := &models.NotificationChannel{
		ID: models.NewID[models.NotificationChannelID](), StackID: stack, Name: "walked", Kind: models.ChannelWebhook, URL: "http://127.0.0.1:1",
		Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Types: models.NotificationTypes, CreatedAt: time.Now(),
	}
	f.must(c.store.Notifications.CreateChannel(c.t.Context(), made))
	return string(made.ID)
}
