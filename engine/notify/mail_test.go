package notify

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/models"
)

// post is a mail server over a real socket that keeps what it is handed.
type post struct {
	net.Listener
	refuse string // what it answers to RCPT
	dead   string // the address that it refuses; empty: all
	plain  bool   // it has no TLS
	own    *tls.Config
	client *tls.Config // that trusts it
	mu     sync.Mutex
	mails  []string
	heard  []string
	under  sync.WaitGroup
}

func openPost(t *testing.T, refuse string, change ...func(*post)) *post {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	p := &post{Listener: listener, refuse: refuse, own: web.TLS, client: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}
	p.client.RootCAs.AddCert(web.Certificate())
	for _, f := range change {
		f(p)
	}
	p.under.Go(func() {
		for {
			conn, err := p.Accept()
			if err != nil {
				return
			}
			p.under.Go(func() { p.talk(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); p.under.Wait() })
	return p
}

func (p *post) talk(conn net.Conn) {
	defer func() { conn.Close() }()
	in := bufio.NewReader(conn)
	say := func(line string) { fmt.Fprint(conn, line+"\r\n") }
	offers := "250-post.example\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS"
	if p.plain {
		offers = "250-post.example\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME"
	}
	say("220 post.example ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		p.mu.Lock()
		p.heard = append(p.heard, line)
		p.mu.Unlock()
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); {
		case verb == "EHLO":
			say(offers)
		case verb == "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, p.own)
			in = bufio.NewReader(conn)
		case verb == "AUTH":
			say("235 welcome")
		case verb == "RCPT" && p.refuse != "" && strings.Contains(line, p.dead):
			say(p.refuse)
			if strings.HasPrefix(p.refuse, "421") {
				return
			}
		case verb == "DATA":
			say("354 go on")
			p.keep(in)
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (p *post) keep(in *bufio.Reader) {
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, b.String())
}

func (p *post) got() (heard string, mails []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.heard, "\n"), slices.Clone(p.mails)
}

func (p *post) server(t *testing.T) *MailServer {
	t.Helper()
	m, err := ParseMailServer("smtp://ops:secret@"+p.Addr().String(), "Opsyard <ops@example.org>")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var team = &models.NotificationChannel{Kind: models.ChannelEmail, Recipients: []string{"a@example.org", "b@example.org"}}

func TestMail(t *testing.T) {
	t.Parallel()
	p := openPost(t, "")
	s := sender(t, func(c *Config) {
		c.Mail, c.TLS = p.server(t), p.client
		c.Now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC) }
	})
	bad := message("web2 is setup_failed: café\r\nBcc: evil@example.org")
	bad.Trouble = true
	o := s.Send(t.Context(), team, []Message{bad})
	equal(t, o[0].Answer, s.Mail.String()+" took it.")
	o = s.Send(t.Context(), team, []Message{message("web1 is online"), bad})
	equal(t, o[1].Delivered, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	equal(t, len(p.mails), 2)
	subject, body := read(t, p.mails[0])
	equal(t, subject, "[Shop] web2 is setup_failed: café Bcc: evil@example.org")
	holds(t, body, "! 2026-03-01 12:00:00 UTC  Shop: web2 is setup_failed: café Bcc: evil@example.org\n  https://ops.example/instances/1")
	subject, body = read(t, p.mails[1])
	equal(t, subject, "[Shop] 2 events, 1 of trouble")
	holds(t, body, "Shop: web1 is online")
	all := strings.Join(p.heard, "\n")
	holds(t, all, "MAIL FROM:<ops@example.org>")
	holds(t, all, "RCPT TO:<a@example.org>")
	holds(t, all, "RCPT TO:<b@example.org>")
	holds(t, all, "AUTH PLAIN")
	lacks(t, strings.ToLower(all), "evil")
}

func read(t *testing.T, text string) (subject, body string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, m.Header.Get("Auto-Submitted"), "auto-generated")
	equal(t, m.Header.Get("Bcc"), "")
	equal(t, m.Header.Get("Date"), "Sun, 01 Mar 2026 12:00:01 +0000")
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return subject, strings.ReplaceAll(string(all), "\r\n", "\n")
}

func TestMailRefused(t *testing.T) {
	t.Parallel()
	p := openPost(t, "550 5.1.1 no such mailbox")
	s := sender(t, func(c *Config) { c.Mail, c.TLS = p.server(t), p.client })
	o := s.Send(t.Context(), team, []Message{message("x")})[0]
	equal(t, o, Outcome{Code: 550, Answer: "The mail server refused a@example.org (550 5.1.1 no such mailbox), b@example.org (550 5.1.1 no such mailbox)."})
	_, mails := p.got()
	equal(t, len(mails), 0)

	none := sender(t).Send(t.Context(), team, []Message{message("x")})[0]
	equal(t, none.Answer, "This server has no mail server: it must be started with --smtp.")
}

// Whose mailbox is gone, or full for now, does not keep the letter from the
// others, and they get it once.
func TestMailForThoseWhoCanHaveIt(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{"550 5.1.1 no such mailbox", "452 4.2.2 mailbox full"} {
		p := openPost(t, refusal, func(p *post) { p.dead = "a@example.org" })
		s := sender(t, func(c *Config) { c.Mail, c.TLS = p.server(t), p.client })
		o := s.Send(t.Context(), team, []Message{message("x")})[0]
		equal(t, o, Outcome{Delivered: true, Answer: s.Mail.String() + " took it, but not for a@example.org (" + refusal + ")."})
		heard, mails := p.got()
		equal(t, len(mails), 1)
		equal(t, strings.Count(heard, "RCPT TO:"), 2)
		equal(t, strings.Count(heard, "DATA"), 1)
		holds(t, heard, "QUIT")
	}
}

// A mail server that closes in between has refused no address: nobody got it,
// so it is tried again for all.
func TestMailServerThatGoesAway(t *testing.T) {
	t.Parallel()
	p := openPost(t, "421 4.3.2 shutting down", func(p *post) { p.dead = "b@example.org" })
	s := sender(t, func(c *Config) { c.Mail, c.TLS = p.server(t), p.client })
	o := s.Send(t.Context(), team, []Message{message("x")})[0]
	equal(t, o, Outcome{Code: 421, Answer: "The mail server refused it: 421 4.3.2 shutting down."})
	_, mails := p.got()
	equal(t, len(mails), 0)
}

// A mail server that says nothing costs a bounded time.
func TestMailServerThatHolds(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m, err := ParseMailServer("smtp+plain://"+listener.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	s := sender(t, func(c *Config) { c.Mail, c.Timeout = m, 300*time.Millisecond })
	o := s.Send(t.Context(), team, []Message{message("x")})[0]
	equal(t, o.Answer, "There was no answer within 300ms.")
}

// TLS from the start, a relay without any, and one that nobody vouches for.
func TestMailServersOfOtherKinds(t *testing.T) {
	t.Parallel()
	p := openPost(t, "", func(p *post) { p.Listener, p.plain = tls.NewListener(p.Listener, p.own), true })
	relay := openPost(t, "", func(p *post) { p.plain = true })
	for _, test := range []struct {
		address string
		trusts  *tls.Config
		want    string
	}{
		{"smtps://ops:secret@" + p.Addr().String(), p.client, p.Addr().String() + " took it."},
		{"smtp+plain://" + relay.Addr().String(), nil, relay.Addr().String() + " took it."},
		{"smtps://ops:secret@" + p.Addr().String(), nil, "The receiver could not be reached: x509: certificate signed by unknown authority."},
	} {
		m, err := ParseMailServer(test.address, "")
		if err != nil {
			t.Fatal(err)
		}
		o := sender(t, func(c *Config) { c.Mail, c.TLS = m, test.trusts }).Send(t.Context(), team, []Message{message("x")})[0]
		equal(t, o.Answer, test.want)
	}
}

// Where TLS is asked for and not offered, nothing is sent.
func TestMailNeedsTLS(t *testing.T) {
	t.Parallel()
	p := openPost(t, "", func(p *post) { p.plain = true })
	m, err := ParseMailServer("smtp://"+p.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	o := sender(t, func(c *Config) { c.Mail = m }).Send(t.Context(), team, []Message{message("x")})[0]
	equal(t, o.Delivered, false)
	holds(t, o.Answer, "does not support STARTTLS")
	p.mu.Lock()
	defer p.mu.Unlock()
	lacks(t, strings.Join(p.heard, "\n"), "MAIL FROM")
}

func TestParseMailServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ address, from, want string }{
		{"smtp://mail.example", "", "mail.example:587 starttls  <opsyard@mail.example>"},
		{"smtps://u:p%40@mail.example", "a@b.example", "mail.example:465 tls u p@ <a@b.example>"},
		{"smtp+plain://relay:2525/", "Ops <o@b.example>", `relay:2525 none  "Ops" <o@b.example>`},
		{"smtp+plain://u:canary@relay", "", "--smtp would send the password readable: use smtp:// or smtps://"},
		{"http://canary@x", "", "--smtp must be smtp://, smtps:// or smtp+plain://, and HOST:PORT, with USER:PASSWORD@ before it where the mail server asks for them"},
		{"smtp://u:canary@h:99999999", "", `--smtp has no port "99999999"`},
		{"smtp://u:%zz", "", "--smtp is not an address like smtp://USER:PASSWORD@HOST:PORT"},
		{"smtp://h", "nobody", `--smtp-from "nobody" is not an address of mail`},
	} {
		m, err := ParseMailServer(test.address, test.from)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got = strings.TrimSpace(fmt.Sprintf("%s %s %s %s", m, m.TLS, strings.TrimSpace(m.User+" "+m.Password), m.From))
		}
		equal(t, got, test.want)
	}
	if m, err := ParseMailServer("", ""); m != nil || err != nil {
		t.Errorf("got %v, %v", m, err)
	}
}
