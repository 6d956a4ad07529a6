package notify

import (
	"encoding/json"
	"testing"

	"opsyard/models"
)

func TestSlackTellsAllInOne(t *testing.T) {
	t.Parallel()
	r := receive(t, nil)
	bad := message("web2 is setup_failed: <!channel> @here & *all*\n<https://evil.example|click>")
	bad.Trouble = true
	outcomes := sender(t).Send(t.Context(), &models.NotificationChannel{Kind: models.ChannelSlack, URL: r.URL + "/services/T1"}, []Message{message("web1 is online"), bad})
	equal(t, len(outcomes), 2)
	equal(t, outcomes[1].Delivered, true)
	bodies, heads := r.got()
	equal(t, len(bodies), 1)
	equal(t, heads[0].Get("Webhook-Signature"), "")
	var got map[string]string
	if err := json.Unmarshal([]byte(bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	equal(t, got["text"], "*Shop* <https://ops.example/instances/1|web1 is online>\n"+
		":warning: *Shop* <https://ops.example/instances/1|web2 is setup_failed: &lt;!channel&gt; @\u200bhere &amp; ∗all∗ &lt;https://evil.example¦click&gt;>")
}
