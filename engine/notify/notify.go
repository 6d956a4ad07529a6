// Package notify takes events to people and programs: webhooks signed as
// Standard Webhooks says, chats that understand Slack's webhooks, and mail. It
// keeps nothing; what to send, and when to try again, is the caller's.
package notify

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"opsyard/models"
)

// Limits of one delivery.
const (
	// Timeout bounds one delivery, from looking up the name to the end of the
	// answer.
	Timeout = 15 * time.Second
	// Together is how many events one message of a chat or mail tells of.
	Together = 50
	// AtOnce is how many webhooks of a channel are under way at a time.
	AtOnce = 8

	answerBytes = 4 << 10 // of an answer that are read
	answerRunes = 300     // of an answer that are kept
	headerBytes = 32 << 10
)

// Config joins the senders to the rest of the program.
type Config struct {
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Version of the server, for the User-Agent.
	Version string
	// AllowInternal lets webhooks go to loopback and private addresses.
	AllowInternal bool
	// Mail is where mail is handed in; nil: there is none.
	Mail *MailServer
	// Timeout of one delivery; zero means Timeout.
	Timeout time.Duration
	// Resolver finds the addresses of hosts; nil means the host's own.
	Resolver *net.Resolver
	// TLS is for receivers with a certificate of an own authority; nil: those
	// that the host trusts.
	TLS *tls.Config
}

// Sender sends. It is made with New and ended with Close.
type Sender struct {
	Config
	client *http.Client
}

// New makes a sender.
func New(c Config) *Sender {
	if c.Timeout == 0 {
		c.Timeout = Timeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Sender{Config: c, client: newClient(c)}
}

// Close lets go of idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// AllowsInternal tells whether webhooks may go to loopback and private
// addresses.
func (s *Sender) AllowsInternal() bool { return s.AllowInternal }

// SendsMail tells whether there is a mail server.
func (s *Sender) SendsMail() bool { return s.Mail != nil }

// Message is one event, in words for people and as the document for programs.
type Message struct {
	ID      string // of the event, the same in each attempt and channel
	At      time.Time
	Stack   string // its name
	Text    string
	Link    string // the console's page about it
	Trouble bool
	Body    []byte // the event, a JSON object
}

// Outcome is what became of one message.
type Outcome struct {
	Delivered bool
	Code      int    // HTTP status of the answer, 0 when there was none
	Answer    string // what was said, or a sentence about why nothing was
	// RetryAfter is how long the receiver asks not to be called again.
	RetryAfter time.Duration
	// Gone says that the receiver wants to hear nothing more (status 410).
	Gone bool
}

// Send delivers messages to a channel and gives an outcome for each. Webhooks
// get each one for itself, a few at a time; chats and mail all in one.
func (s *Sender) Send(ctx context.Context, c *models.NotificationChannel, messages []Message) []Outcome {
	switch c.Kind {
	case models.ChannelWebhook:
		return s.each(ctx, messages, func(ctx context.Context, m Message) Outcome { return s.webhook(ctx, c, m) })
	case models.ChannelSlack:
		return s.together(ctx, messages, func(ctx context.Context) Outcome { return s.slack(ctx, c, messages) })
	case models.ChannelEmail:
		return s.together(ctx, messages, func(ctx context.Context) Outcome { return s.mail(ctx, c, messages) })
	}
	return s.together(ctx, messages, func(context.Context) Outcome { return Outcome{Answer: "There is no such kind of channel."} })
}

func (s *Sender) together(ctx context.Context, messages []Message, send func(context.Context) Outcome) []Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	one, all := send(ctx), make([]Outcome, len(messages))
	for n := range all {
		all[n] = one
	}
	return all
}

func (s *Sender) each(ctx context.Context, messages []Message, send func(context.Context, Message) Outcome) []Outcome {
	all := make([]Outcome, len(messages))
	turn := make(chan struct{}, AtOnce)
	var under sync.WaitGroup
	for n, m := range messages {
		turn <- struct{}{}
		under.Go(func() {
			defer func() { <-turn }()
			ctx, cancel := context.WithTimeout(ctx, s.Timeout)
			defer cancel()
			all[n] = send(ctx, m)
		})
	}
	under.Wait()
	return all
}
