package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"

	smtp "github.com/wneessen/go-mail"
	wire "github.com/wneessen/go-mail/smtp"

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

// mail sends one message to all addresses of a channel. It has failed when
// nobody could be given it: who has got it would get it again with the next
// attempt.
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
	refused, err := handIn(ctx, client, letter)
	switch {
	case err != nil:
		return Outcome{Code: smtpCode(err), Answer: s.whyMail(ctx, err)}
	case len(refused) > 0:
		return Outcome{Delivered: true, Answer: fmt.Sprintf("%s took it, but not for %s.", s.Mail, refused)}
	}
	return Outcome{Delivered: true, Answer: fmt.Sprintf("%s took it.", s.Mail)}
}

// handIn gives a letter to the mail server, for all whose addresses it takes,
// and tells whose it does not. The library's own way of sending gives up the
// letter for everybody when one address is refused.
func handIn(ctx context.Context, client *smtp.Client, letter *smtp.Msg) (refusals, error) {
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach the mail server: %w", err)
	}
	refused, err := address(session, letter)
	if err == nil {
		if err := write(session, letter); err != nil {
			return nil, err // without a goodbye, which would end half a letter as if it were a whole one
		}
	}
	_ = session.Quit() // what was taken stays taken, whatever is said to it
	return refused, err
}

// address tells the mail server from whom and for whom a letter is. That it
// takes none of the addresses is an error.
func address(session *wire.Client, letter *smtp.Msg) (refused refusals, err error) {
	from, err := letter.GetSender(false)
	if err != nil {
		return nil, fmt.Errorf("read the sender: %w", err)
	}
	recipients, err := letter.GetRecipients()
	if err != nil {
		return nil, fmt.Errorf("read the recipients: %w", err)
	}
	if err := session.Mail(from); err != nil {
		return nil, fmt.Errorf("name the sender: %w", err)
	}
	for _, to := range recipients {
		err := session.Rcpt(to)
		var said *textproto.Error
		switch {
		case err == nil:
		case errors.As(err, &said) && said.Code != goesAway:
			refused = append(refused, refusal{strings.Trim(to, "<>"), said})
		default:
			return nil, fmt.Errorf("name a recipient: %w", err)
		}
	}
	if len(refused) == len(recipients) {
		return nil, refused
	}
	return refused, nil
}

// goesAway is what a mail server says before it closes the line (RFC 5321,
// 3.8): it is not about the address.
const goesAway = 421

func write(session *wire.Client, letter *smtp.Msg) error {
	body, err := session.Data()
	if err != nil {
		return fmt.Errorf("begin the letter: %w", err)
	}
	if _, err := letter.WriteTo(body); err != nil {
		return fmt.Errorf("write the letter: %w", err)
	}
	if err := body.Close(); err != nil {
		return fmt.Errorf("end the letter: %w", err)
	}
	return nil
}

// refusals are the addresses that a mail server did not take, and what it said.
type refusals []refusal

type refusal struct {
	address string
	said    *textproto.Error
}

// Error names the addresses, as part of a sentence.
func (r refusals) Error() string {
	parts := make([]string, len(r))
	for n, one := range r {
		parts[n] = fmt.Sprintf("%s (%s)", one.address, words(one.said))
	}
	return strings.Join(parts, ", ")
}

// Unwrap is what was said first.
func (r refusals) Unwrap() error { return r[0].said }

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

// words are an answer of the mail server as it was said.
func words(said *textproto.Error) string { return clean(strconv.Itoa(said.Code) + " " + said.Msg) }

func smtpCode(err error) int {
	var said *textproto.Error
	if errors.As(err, &said) {
		return said.Code
	}
	return 0
}

func (s *Sender) whyMail(ctx context.Context, err error) string {
	var refused refusals
	var said *textproto.Error
	switch {
	case errors.As(err, &refused):
		return "The mail server refused " + refused.Error() + "."
	case errors.As(err, &said):
		return "The mail server refused it: " + words(said) + "."
	}
	return s.why(ctx, err)
}
