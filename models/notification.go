package models

import (
	"encoding/base64"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

type (
	// NotificationChannelID names a channel.
	NotificationChannelID string
	// NotificationID names an event.
	NotificationID string
)

// NotificationType is what an event tells of: the detail-type of OpsWorks'
// events (source aws.opsworks).
type NotificationType string

// Types of events, in OpsWorks' words.
const (
	NotifyInstance   NotificationType = "OpsWorks Instance State Change"
	NotifyCommand    NotificationType = "OpsWorks Command State Change"
	NotifyDeployment NotificationType = "OpsWorks Deployment State Change"
	NotifyAlert      NotificationType = "OpsWorks Alert"
)

// NotificationTypes is every type, in the order of pages.
var NotificationTypes = []NotificationType{NotifyInstance, NotifyCommand, NotifyDeployment, NotifyAlert}

// Notification is one event: what it says to programs and what to people. It
// is stored only when somebody is to hear of it.
type Notification struct {
	ID      NotificationID   `gorm:"primaryKey;size:36"`
	StackID StackID          `gorm:"size:36;not null"`
	Type    NotificationType `gorm:"size:64;not null"`
	At      time.Time        `gorm:"not null;index:notification_at"`
	Trouble bool             `gorm:"not null"`         // something went wrong
	Stack   string           `gorm:"size:64;not null"` // its name
	Text    string           `gorm:"not null"`         // "web2 is online", for people
	Path    string           `gorm:"not null"`         // of the console's page about it
	Body    string           `gorm:"not null"`         // the event, a JSON object
}

// NotificationChannelKind is how a channel delivers.
type NotificationChannelKind string

// Kinds of channels.
const (
	// ChannelWebhook posts each event as it is, signed (Standard Webhooks).
	ChannelWebhook NotificationChannelKind = "webhook"
	// ChannelSlack posts sentences in the form that Slack invented and
	// Mattermost, Rocket.Chat, Discord and others understand.
	ChannelSlack NotificationChannelKind = "slack"
	// ChannelEmail sends the same sentences by mail.
	ChannelEmail NotificationChannelKind = "email"
)

// NotificationChannelKinds is every kind, in the order of pages.
var NotificationChannelKinds = []NotificationChannelKind{ChannelWebhook, ChannelSlack, ChannelEmail}

// Label names a kind for people.
func (k NotificationChannelKind) Label() string {
	switch k {
	case ChannelWebhook:
		return "Webhook"
	case ChannelSlack:
		return "Slack"
	case ChannelEmail:
		return "E-mail"
	}
	return string(k)
}

// NotificationChannel is somebody who hears of a stack's events, or of those
// of all stacks.
type NotificationChannel struct {
	ID      NotificationChannelID   `gorm:"primaryKey;size:36"`
	StackID StackID                 `gorm:"size:36;not null;index"` // empty: all stacks
	Name    string                  `gorm:"size:64;not null"`
	Kind    NotificationChannelKind `gorm:"size:16;not null"`
	// URL is where webhooks go. The addresses of chats are as good as
	// passwords, so it is a secret too.
	URL string `gorm:"serializer:secret" json:"-"`
	// Secret signs webhooks: whsec_ and base64.
	Secret     string   `gorm:"serializer:secret" json:"-"`
	Recipients []string `gorm:"serializer:json"` // addresses of mail
	// Types are the events that it hears of.
	Types []NotificationType `gorm:"serializer:json"`
	// TroubleOnly keeps what went well from it.
	TroubleOnly bool `gorm:"not null"`
	// PausedReason says why nothing is delivered, and by whom it was ended.
	PausedAt     *time.Time
	PausedReason string `gorm:"not null"`
	// Failures counts the deliveries that have failed since one has not.
	Failures int `gorm:"not null"`
	// NotBefore is when the next delivery may begin. While one is under way it
	// lies ahead, so that two servers do not deliver the same.
	NotBefore *time.Time
	CreatedBy string    `gorm:"size:64"`
	CreatedAt time.Time `gorm:"not null"`
	UpdatedAt time.Time `gorm:"not null"`
}

// Paused tells whether nothing is delivered.
func (c *NotificationChannel) Paused() bool { return c.PausedAt != nil }

// Wants tells whether the channel hears of such an event of a stack.
func (c *NotificationChannel) Wants(stack StackID, kind NotificationType, trouble bool) bool {
	return (c.StackID == "" || c.StackID == stack) && (trouble || !c.TroubleOnly) && slices.Contains(c.Types, kind)
}

// Address is where the channel delivers to, without what must not be seen.
func (c *NotificationChannel) Address() string {
	if c.Kind == ChannelEmail {
		return strings.Join(c.Recipients, ", ")
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	shown := u.Scheme + "://" + u.Host
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		shown += "/…"
	}
	return shown
}

// Limits of channels.
const (
	MaxChannelsOfStack = 20 // and as many for all stacks
	maxMailAddresses   = 20
	// SecretPrefix begins the secrets of Standard Webhooks.
	SecretPrefix = "whsec_"
)

// Validate refuses a channel that cannot deliver. It puts the members of other
// kinds away.
func (c *NotificationChannel) Validate() error {
	c.Name = strings.TrimSpace(c.Name)
	switch {
	case c.Name == "" || utf8.RuneCountInString(c.Name) > 64:
		return InvalidField("Name", "Name: give it 1 to 64 characters.")
	case !contains(NotificationChannelKinds, c.Kind):
		return InvalidField("Kind", "Kind: must be webhook, slack or email.")
	case len(c.Types) == 0:
		return InvalidField("Types", "Events: choose at least one.")
	}
	for _, t := range c.Types {
		if !contains(NotificationTypes, t) {
			return InvalidField("Types", "Events: there are no events %q.", t)
		}
	}
	if c.Kind == ChannelEmail {
		c.URL, c.Secret = "", ""
		return c.validateMail()
	}
	c.Recipients = nil
	c.URL = strings.TrimSpace(c.URL)
	if err := checkWebhookURL(c.URL); err != nil {
		return err
	}
	if c.Kind == ChannelSlack {
		c.Secret = ""
		return nil
	}
	if _, err := c.Key(); err != nil {
		return err
	}
	return nil
}

// Key is the bytes of the secret.
func (c *NotificationChannel) Key() ([]byte, error) {
	text, marked := strings.CutPrefix(c.Secret, SecretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !marked || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, InvalidField("Secret", "Secret: must be %s and 24 to 64 bytes in base64.", SecretPrefix)
	}
	return key, nil
}

func (c *NotificationChannel) validateMail() error {
	if len(c.Recipients) == 0 || len(c.Recipients) > maxMailAddresses {
		return InvalidField("Recipients", "To: give 1 to %d addresses.", maxMailAddresses)
	}
	for _, to := range c.Recipients {
		a, err := mail.ParseAddress(to)
		if err != nil || a.Address != to || len(to) > 254 {
			return InvalidField("Recipients", "To: %q is not an address of mail.", to)
		}
	}
	return nil
}

func checkWebhookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return InvalidField("URL", "URL: must be an http or https address.")
	case len(text) > 2048:
		return InvalidField("URL", "URL: must have at most 2,048 characters.")
	case u.Fragment != "":
		return InvalidField("URL", "URL: what follows # is never sent; leave it out.")
	}
	return nil
}

// DeliveryStatus is where a delivery stands.
type DeliveryStatus string

// States of deliveries.
const (
	DeliveryPending   DeliveryStatus = "pending"   // will be tried, or tried again
	DeliveryDelivered DeliveryStatus = "delivered" // the receiver took it
	DeliveryFailed    DeliveryStatus = "failed"    // it was tried to the end
)

// NotificationDelivery is one event on its way to one channel.
type NotificationDelivery struct {
	ID             int64                 `gorm:"primaryKey;autoIncrement;index:delivery_channel,priority:2"`
	ChannelID      NotificationChannelID `gorm:"size:36;not null;index:delivery_channel,priority:1;index:delivery_due,priority:1,where:status = 'pending'"`
	NotificationID NotificationID        `gorm:"size:36;not null;index:delivery_notification"`
	Status         DeliveryStatus        `gorm:"size:16;not null"`
	Attempts       int                   `gorm:"not null"`
	// NextAt is when a pending one is tried next.
	NextAt time.Time `gorm:"not null;index:delivery_due,priority:2,where:status = 'pending'"`
	// Code is the receiver's last HTTP status, 0 when there was none; Answer
	// what was said, or why nothing was.
	Code      int       `gorm:"not null"`
	Answer    string    `gorm:"not null"`
	CreatedAt time.Time `gorm:"not null"`
	TriedAt   *time.Time
}
