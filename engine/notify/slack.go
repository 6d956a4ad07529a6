package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"opsyard/models"
)

// slack posts sentences, one a line.
func (s *Sender) slack(ctx context.Context, c *models.NotificationChannel, messages []Message) Outcome {
	body, err := json.Marshal(map[string]string{"text": slackText(messages)})
	if err != nil {
		return Outcome{Answer: "The text could not be encoded."}
	}
	return s.post(ctx, c.URL, body, nil)
}

// chatRunes is what a line may take; chats cut long messages themselves.
const chatRunes = 500

func slackText(messages []Message) string {
	var b strings.Builder
	for n, m := range messages {
		if n > 0 {
			b.WriteByte('\n')
		}
		if m.Trouble {
			b.WriteString(":warning: ")
		}
		text := []rune(clean(m.Text))
		if len(text) > chatRunes {
			text = append(text[:chatRunes], '…')
		}
		fmt.Fprintf(&b, "*%s* <%s|%s>", escape(m.Stack), m.Link, escape(string(text)))
	}
	return b.String()
}

// escape keeps what an event says from becoming markup, a link or a call to
// everybody in the channel.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "¦", "@", "@\u200b", "*", "∗", "`", "'").Replace(text)
}
