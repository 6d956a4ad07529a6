package syslog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"
)

// Receiver is where messages go.
type Receiver struct {
	scheme, address string
	tls             *tls.Config
	host            string
}

// defaultPorts are those of RFC 5426, RFC 6587's custom, and RFC 5425.
var defaultPorts = map[string]string{"udp": "514", "tcp": "601", "tls": "6514"}

// Longest is the longest message that receivers take without being told to.
const Longest = 8 << 10

// Parse reads an address: udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or
// unix:///dev/log. authorities is a PEM file of those who may vouch for a TLS
// receiver; empty for the system's.
func Parse(address, authorities string) (*Receiver, error) {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errAddress()
	}
	r := &Receiver{scheme: u.Scheme, host: hostname()}
	port, network := defaultPorts[u.Scheme]
	switch {
	case u.Scheme == "unix" && u.Host == "" && u.Path != "":
		r.address = u.Path
	case network && u.Hostname() != "" && (u.Path == "" || u.Path == "/"):
		if u.Port() != "" {
			port = u.Port()
		}
		r.address = net.JoinHostPort(u.Hostname(), port)
	default:
		return nil, errAddress()
	}
	if u.Scheme == "tls" {
		r.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	}
	if authorities == "" {
		return r, nil
	}
	if r.tls == nil {
		return nil, errors.New("authorities are for a tls:// receiver only")
	}
	return r, r.trust(authorities)
}

// errAddress does not repeat the address: somebody may have written a password
// into it.
func errAddress() error {
	return errors.New("this is no address of a syslog receiver: write udp://HOST:514, tcp://HOST:601, tls://HOST:6514 or unix:///dev/log")
}

func (r *Receiver) trust(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the authorities of the syslog receiver: %w", err)
	}
	r.tls.RootCAs = x509.NewCertPool()
	if !r.tls.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate", file)
	}
	return nil
}

// String is the address.
func (r *Receiver) String() string { return r.scheme + "://" + r.address }

// Stream tells whether what was sent may still be lost when the connection
// ends: syslog has no acknowledgements.
func (r *Receiver) Stream() bool { return r.scheme == "tcp" || r.scheme == "tls" }

// patience bounds a connect and a write.
const patience = 10 * time.Second

// Dial connects.
func (r *Receiver) Dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := r.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", r, err)
	}
	return &Conn{Conn: conn, receiver: r, process: os.Getpid(), framed: r.Stream() || isStreamSocket(conn)}, nil
}

func (r *Receiver) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	switch r.scheme {
	case "tls":
		return (&tls.Dialer{NetDialer: &d, Config: r.tls}).DialContext(ctx, "tcp", r.address)
	case "unix": // /dev/log takes datagrams on most hosts
		conn, err := d.DialContext(ctx, "unixgram", r.address)
		if err == nil {
			return conn, nil
		}
		return d.DialContext(ctx, "unix", r.address)
	}
	return d.DialContext(ctx, r.scheme, r.address)
}

func isStreamSocket(conn net.Conn) bool { return conn.LocalAddr().Network() == "unix" }

// Conn is a connection to a receiver.
type Conn struct {
	net.Conn
	receiver *Receiver
	process  int
	framed   bool
}

// Send writes one message.
func (c *Conn) Send(m Message) error {
	text := m.Format(c.receiver.host, c.process)
	if c.framed {
		text = framed(text)
	}
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("send to %s: %w", c.receiver, err)
	}
	if _, err := c.Write(text); err != nil {
		return fmt.Errorf("send to %s: %w", c.receiver, err)
	}
	return nil
}

// Alive tells whether the receiver has left. Receivers say nothing, so the only
// thing that can be read is the end.
func (c *Conn) Alive() error {
	if !c.receiver.Stream() {
		return nil
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return fmt.Errorf("look at %s: %w", c.receiver, err)
	}
	var b [64]byte
	_, err := c.Read(b[:])
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return fmt.Errorf("%s has closed the connection: %w", c.receiver, err)
}
