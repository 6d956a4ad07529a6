package views

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// NotificationScope is whose events a page of notifications is about: a
// stack's, or without a frame those of all stacks.
type NotificationScope struct {
	Page  Page
	Frame *StackFrame
	// Mail and Internal are what the server can send to.
	Mail, Internal bool
}

// NotificationsHref is the page of a stack's channels, or with an empty id of
// those of all stacks.
func NotificationsHref(stack models.StackID) string {
	if stack == "" {
		return "/settings/notifications"
	}
	return StackHref(stack) + "/notifications"
}

func (s NotificationScope) href(path string) string {
	if s.Frame == nil {
		return NotificationsHref("") + path
	}
	return NotificationsHref(s.Frame.ID) + path
}

func (s NotificationScope) canManage() bool { return s.Frame == nil || s.Frame.CanManage }

// of is "of Shop" or "of all stacks".
func (s NotificationScope) of() string {
	if s.Frame == nil {
		return "of all stacks"
	}
	return "of " + s.Frame.Name
}

// ChannelRow is a channel with what became of its deliveries.
type ChannelRow struct {
	models.NotificationChannel
	Pending, Delivered, Failed int
}

// tone and state say how the channel does.
func (r ChannelRow) tone() ui.Tone {
	switch {
	case r.Paused():
		return ui.Off
	case r.Failures > 0:
		return ui.Bad
	}
	return ui.OK
}

func (r ChannelRow) state() string {
	switch {
	case r.Paused():
		return "paused"
	case r.Failures > 0:
		return "failing"
	}
	return "delivering"
}

func (r ChannelRow) counts() string {
	parts := []string{Thousands(r.Delivered) + " delivered"}
	if r.Pending > 0 {
		parts = append(parts, Thousands(r.Pending)+" waiting")
	}
	if r.Failed > 0 {
		parts = append(parts, Thousands(r.Failed)+" failed")
	}
	return strings.Join(parts, ", ")
}

// hears is what the channel is told, in a few words.
func (r ChannelRow) hears() string {
	var words []string
	for _, t := range models.NotificationTypes {
		if contains(r.Types, t) {
			words = append(words, strings.ToLower(eventWords[t].label))
		}
	}
	text := strings.Join(words, ", ")
	if len(words) == len(models.NotificationTypes) {
		text = "everything"
	}
	if r.TroubleOnly {
		text += "; trouble only"
	}
	return text
}

func contains(all []models.NotificationType, t models.NotificationType) bool {
	for _, one := range all {
		if one == t {
			return true
		}
	}
	return false
}

// eventWords are the four types of events for people.
var eventWords = map[models.NotificationType]struct{ label, hint string }{
	models.NotifyInstance:   {"Instances", "Each state that an instance enters: requested, online, connection_lost and so on."},
	models.NotifyCommand:    {"Commands", "The end of each command on each instance. In large stacks these are many."},
	models.NotifyDeployment: {"Deployments", "Each deployment, lifecycle events included, when it begins and when it ends."},
	models.NotifyAlert:      {"Alerts", "What a person should look at: an instance that cannot be stopped or healed, an alarm that begins or ends, a loop that is held, another channel that is paused."},
}

// NotificationsPage lists channels.
type NotificationsPage struct {
	NotificationScope
	Rows []ChannelRow
	// Elsewhere is how many channels of all stacks hear of this one too.
	Elsewhere int
}

func (p NotificationsPage) lead() string {
	if len(p.Rows) == 0 {
		return "Nobody is told of the events " + p.of() + "."
	}
	text := ui.Plural(len(p.Rows), "channel")
	paused, failing := 0, 0
	for _, r := range p.Rows {
		switch r.state() {
		case "paused":
			paused++
		case "failing":
			failing++
		}
	}
	switch {
	case paused+failing == 0:
		return text + ", all delivering."
	case failing == 0:
		return text + ", " + strconv.Itoa(paused) + " paused."
	case paused == 0:
		return text + ", " + strconv.Itoa(failing) + " failing."
	}
	return text + ", " + strconv.Itoa(failing) + " failing, " + strconv.Itoa(paused) + " paused."
}

// kinds are the buttons of new channels.
func (p NotificationsPage) kinds() (kinds []models.NotificationChannelKind) {
	for _, k := range models.NotificationChannelKinds {
		if k != models.ChannelEmail || p.Mail {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// ChannelForm is the form of a channel, new or not.
type ChannelForm struct {
	NotificationScope
	Kind models.NotificationChannelKind
	Form Form
	ID   models.NotificationChannelID // empty: a new one
	// Address is the present one, without what must not be seen.
	Address string
}

func (f ChannelForm) action() templ.SafeURL {
	if f.ID == "" {
		return templ.SafeURL(f.href(""))
	}
	return templ.SafeURL(f.href("/" + string(f.ID)))
}

func (f ChannelForm) urlField() ui.FieldProps {
	hint := "Each event is posted there as it is, signed."
	if f.Kind == models.ChannelSlack {
		hint = "The address of an incoming webhook of Slack, Mattermost, Rocket.Chat, or of Discord with /slack at its end."
	}
	if !f.Internal {
		hint += " It must be on the internet: this server may not call its own network."
	}
	p := f.Form.input("URL", "URL", hint)
	p.Type, p.Required, p.Autocomplete, p.Full = "url", f.ID == "", "off", true
	p.Placeholder = "https://"
	if f.ID != "" {
		p.Label, p.Hint = "New URL", "Left empty, "+f.Address+" stays. "+hint
	}
	return p
}

func (f ChannelForm) recipients() ui.FieldProps {
	p := f.Form.input("Recipients", "To", "Addresses, one a line, 20 at most. All are in the same mail.")
	p.Rows, p.Required, p.Full = 3, true, true
	return p
}

// NotificationForm is a channel as a form; addresses that are secret are left
// out.
func NotificationForm(c models.NotificationChannel) url.Values {
	v := url.Values{"Name": {c.Name}, "Recipients": {strings.Join(c.Recipients, "\n")}}
	for _, t := range c.Types {
		v.Add("Types", string(t))
	}
	if c.TroubleOnly {
		v.Set("TroubleOnly", "on")
	}
	return v
}

// ChannelPage is one channel with its deliveries.
type ChannelPage struct {
	NotificationScope
	Channel    ChannelRow
	Editor     ChannelForm
	Fresh      string // a secret that was just made
	Deliveries []DeliveryRow
	Older      string // address of the next page
	Newer      bool   // this is not the first page
}

// DeliveryRow is one line of the delivery log.
type DeliveryRow struct {
	ID       int64
	Status   models.DeliveryStatus
	Attempts int
	Code     int
	Answer   string
	At       time.Time
	NextAt   time.Time
	TriedAt  *time.Time
	Type     models.NotificationType
	Text     string
	EventID  models.NotificationID
	Body     string
}

func (d DeliveryRow) tone() ui.Tone {
	switch d.Status {
	case models.DeliveryDelivered:
		return ui.OK
	case models.DeliveryFailed:
		return ui.Bad
	}
	if d.Attempts > 0 {
		return ui.Warn
	}
	return ui.Wait
}

// answer is what the receiver said, with its status.
func (d DeliveryRow) answer() string {
	switch {
	case d.Code == 0:
		return d.Answer
	case d.Answer == "":
		return strconv.Itoa(d.Code)
	}
	return strconv.Itoa(d.Code) + ": " + d.Answer
}

// pretty is the event with line breaks.
func (d DeliveryRow) pretty() string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(d.Body), "", "  ") != nil {
		return d.Body
	}
	text := b.String()
	if len(text) > shownBody {
		return text[:shownBody] + "\n…"
	}
	return text
}

// shownBody bounds what a page shows of the event of a large deployment.
const shownBody = 8 << 10

func (p ChannelPage) lead() string {
	switch p.Channel.state() {
	case "paused":
		return "Paused. " + p.Channel.PausedReason
	case "failing":
		return "The last " + ui.Plural(p.Channel.Failures, "attempt") + " failed."
	}
	return "Delivering."
}

func (p ChannelPage) rest() string {
	if p.Channel.Paused() {
		return "It hears of nothing that happens meanwhile."
	}
	return p.Channel.Kind.Label() + " to " + p.Channel.Address() + "; " + p.Channel.counts() + " in the last 7 days."
}

// Capital begins a sentence.
func Capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func (p ChannelPage) channelHref(path string) templ.SafeURL {
	return templ.SafeURL(p.href("/" + string(p.Channel.ID) + path))
}
