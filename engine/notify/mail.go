package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"sync"

	smtp "github.com/wneessen/go-mail"

	"opsyard/models"
)

// MailServer is where mail is handed in.
type MailServer struct {
	Host     string
	Port     int
	TLS      string // "tls" from the start, "starttls" or "none"
	User     string
	Password string
	From     string
}

// Kinds of MailServer.TLS, and how an address says them.
const (
	tlsFromStart = "tls"      // smtps://
	startTLS     = "starttls" // smtp://, which fails where it is not offered
	plainText    = "none"     // smtp+plain://
)

// ParseMailServer reads smtp://USER:PASSWORD@HOST:PORT, with smtps for TLS from
// the start and smtp+plain for none, and the sender's address; nil for an empty
// address.
func ParseMailServer(address, from string) (*MailServer, error) {
	if address == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil { // which would repeat the password
		return nil, errors.New("--smtp is not an address like smtp://USER:PASSWORD@HOST:PORT")
	}
	m := &MailServer{Host: u.Hostname(), User: u.User.Username()}
	m.Password, _ = u.User.Password()
	switch u.Scheme {
	case "smtps":
		m.TLS, m.Port = tlsFromStart, 465
	case "smtp":
		m.TLS, m.Port = startTLS, 587
	case "smtp+plain":
		m.TLS, m.Port = plainText, 25
	}
	if m.Host == "" || m.TLS == "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("--smtp must be smtp://, smtps:// or smtp+plain://, and HOST:PORT, with USER:PASSWORD@ before it where the mail server asks for them")
	}
	if text := u.Port(); text != "" {
		if m.Port, err = strconv.Atoi(text); err != nil || m.Port < 1 || m.Port > 65535 {
			return nil, fmt.Errorf("--smtp has no port %q", text)
		}
	}
	if m.User != "" && m.TLS == plainText {
		return nil, errors.New("--smtp would send the password readable: use smtp:// or smtps://")
	}
	sender, err := mail.ParseAddress(cmp.Or(from, "opsyard@"+m.Host))
	if err != nil {
		return nil, fmt.Errorf("--smtp-from %q is not an address of mail", from)
	}
	m.From = sender.String()
	return m, nil
}

// String is the server without its password.
func (m *MailServer) String() string {
	return net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
}

// mail sends one message to all addresses of a channel.
func (s *Sender) mail(ctx context.Context, c *models.NotificationChannel, messages []Message) Outcome {
	if s.Mail == nil {
		return Outcome{Answer: "This server has no mail server: it must be started with --smtp."}
	}
	letter, err := s.letter(c, messages)
	if err != nil {
		return Outcome{Answer: "The mail could not be written: " + clean(err.Error()) + "."}
	}
	line := &line{tls: s.tlsOf(s.Mail)}
	client, err := s.Mail.client(s.Config, line)
	if err != nil {
		return Outcome{Answer: "The mail server's settings cannot be used: " + clean(err.Error()) + "."}
	}
	defer context.AfterFunc(ctx, line.close)()
	defer line.close()
	if err := client.DialAndSendWithContext(ctx, letter); err != nil && !letter.IsDelivered() {
		return Outcome{Code: smtpCode(err), Answer: s.whyMail(ctx, err)}
	}
	return Outcome{Delivered: true, Answer: fmt.Sprintf("%s took it.", s.Mail)}
}

// line is the connection of one mail. The library leaves it open when
// something goes wrong before the mail, and renews its own time limit with each
// answer; this one is closed when the delivery's time is over.
type line struct {
	tls  *tls.Config // nil: not from the start
	mu   sync.Mutex
	conn net.Conn
}

func (l *line) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if l.tls != nil {
		conn, err = (&tls.Dialer{Config: l.tls}).DialContext(ctx, network, address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	return conn, nil
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close() // a second time does no harm
	}
}

// tlsOf is how the mail server proves to be itself, nil where TLS does not
// begin with the connection.
func (s *Sender) tlsOf(m *MailServer) *tls.Config {
	if m.TLS != tlsFromStart {
		return nil
	}
	return certified(s.TLS, m.Host)
}

func certified(c *tls.Config, host string) *tls.Config {
	own := &tls.Config{MinVersion: tls.VersionTLS12}
	if c != nil {
		own = c.Clone()
	}
	own.ServerName = host
	return own
}

// ways are how a password is shown to a mail server, best first. None of them
// sends it readable.
var ways = []smtp.SMTPAuthType{smtp.SMTPAuthSCRAMSHA256, smtp.SMTPAuthSCRAMSHA1, smtp.SMTPAuthPlain, smtp.SMTPAuthLogin}

func (m *MailServer) client(c Config, l *line) (*smtp.Client, error) {
	options := []smtp.Option{
		smtp.WithPort(m.Port), smtp.WithTimeout(c.Timeout), smtp.WithDialContextFunc(l.dial), smtp.WithTLSConfig(certified(c.TLS, m.Host)),
	}
	switch m.TLS {
	case tlsFromStart:
		options = append(options, smtp.WithSSL())
	case startTLS:
		options = append(options, smtp.WithTLSPolicy(smtp.TLSMandatory))
	default:
		options = append(options, smtp.WithTLSPolicy(smtp.NoTLS))
	}
	if m.User != "" {
		options = append(options, smtp.WithOpportunisticSMTPAuth(ways...), smtp.WithUsername(m.User), smtp.WithPassword(m.Password))
	}
	return smtp.NewClient(m.Host, options...)
}

// letter writes the mail. Its id is made of what it tells of, so that a mail
// that is sent again after a lost answer can be known as the same.
func (s *Sender) letter(c *models.NotificationChannel, messages []Message) (*smtp.Msg, error) {
	l := smtp.NewMsg()
	if err := errors.Join(l.From(s.Mail.From), l.To(c.Recipients...)); err != nil {
		return nil, err
	}
	l.Subject(subject(messages))
	l.SetMessageIDWithValue(fmt.Sprintf("%s.%d@opsyard", messages[0].ID, len(messages)))
	l.SetDateWithValue(s.Now())
	l.SetGenHeader("Auto-Submitted", "auto-generated")
	l.SetGenHeader("User-Agent", "Opsyard/"+s.Version)
	l.SetBodyString(smtp.TypeTextPlain, letterText(messages))
	return l, nil
}

func subject(messages []Message) string {
	if len(messages) == 1 {
		return fmt.Sprintf("[%s] %s", clean(messages[0].Stack), clean(messages[0].Text))
	}
	trouble, stacks := 0, map[string]bool{}
	for _, m := range messages {
		stacks[m.Stack] = true
		if m.Trouble {
			trouble++
		}
	}
	from := clean(messages[0].Stack)
	if len(stacks) > 1 {
		from = fmt.Sprintf("%d stacks", len(stacks))
	}
	if trouble == 0 {
		return fmt.Sprintf("[%s] %d events", from, len(messages))
	}
	return fmt.Sprintf("[%s] %d events, %d of trouble", from, len(messages), trouble)
}

func letterText(messages []Message) string {
	var b strings.Builder
	for _, m := range messages {
		mark := ""
		if m.Trouble {
			mark = "! "
		}
		fmt.Fprintf(&b, "%s%s  %s: %s\n  %s\n\n", mark, m.At.UTC().Format("2006-01-02 15:04:05 UTC"), clean(m.Stack), clean(m.Text), m.Link)
	}
	b.WriteString("-- \nOpsyard sends this because a notification channel names your address.\n")
	return b.String()
}

func smtpCode(err error) int {
	var refused *smtp.SendError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return 0
}

func (s *Sender) whyMail(ctx context.Context, err error) string {
	var refused *smtp.SendError
	if errors.As(err, &refused) {
		return "The mail server refused it: " + clean(refused.Error()) + "."
	}
	return s.why(ctx, err)
}
