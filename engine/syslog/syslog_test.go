package syslog

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// header is RFC 5424's grammar: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID
// MSGID, one element of structured data, MSG.
var header = regexp.MustCompile(`\A<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (\[meta sequenceId="[1-9][0-9]*"\]) (.*)\z`)

var example = Message{
	At: time.Date(2026, 11, 21, 13, 31, 2, 5000, time.UTC), Severity: Warning, ID: "UpdateLayer", Sequence: 48191, Text: []byte(`{"id":48191}`),
}

func TestFormat(t *testing.T) {
	t.Parallel()
	got := string(example.Format("ops.example.com", 7))
	if want := `<108>1 2026-11-21T13:31:02.000005Z ops.example.com opsyard 7 UpdateLayer [meta sequenceId="48191"] {"id":48191}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, m := range []Message{
		example, {At: example.At}, {ID: "with space\nand more than thirty-two characters", Sequence: 1 << 40, At: time.Unix(0, 0)},
		{ID: "ünïcode", Sequence: maxSequence, At: example.At.In(time.FixedZone("", 3600))},
	} {
		for _, host := range []string{"", "a b", strings.Repeat("x", 300), "höst"} {
			text := string(m.Format(host, 1))
			found := header.FindStringSubmatch(text)
			if found == nil {
				t.Errorf("not of RFC 5424: %q", text)
				continue
			}
			if pri, _ := strconv.Atoi(found[1]); pri > 191 || pri/8 != 13 {
				t.Errorf("the priority is %s", found[1])
			}
			if _, err := time.Parse(time.RFC3339Nano, found[2]); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"udp://logs": "udp://logs:514", "tcp://10.0.0.1:1601/": "tcp://10.0.0.1:1601", "tls://logs.example.com": "tls://logs.example.com:6514",
		"unix:///dev/log": "unix:///dev/log", "udp://[::1]": "udp://[::1]:514",
		"": "", "logs:514": "", "http://logs": "", "udp://": "", "udp://me@logs": "", "tcp://logs/path": "", "unix://host/dev/log": "", "unix:": "", "udp://logs?x=1": "",
	} {
		r, err := Parse(address, "")
		switch {
		case (err == nil) != (want != ""):
			t.Errorf("%q: %v", address, err)
		case err == nil && r.String() != want:
			t.Errorf("%q became %s, want %s", address, r, want)
		}
	}
	if _, err := Parse("udp://logs", "ca.pem"); err == nil {
		t.Error("authorities for UDP were taken")
	}
	if _, err := Parse("tls://logs", filepath.Join(t.TempDir(), "none.pem")); err == nil {
		t.Error("authorities that are not there were taken")
	}
}

// send sends one message twice.
func send(t *testing.T, address, authorities string) *Conn {
	t.Helper()
	r, err := Parse(address, authorities)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := r.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Alive(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := conn.Send(example); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

func isExample(t *testing.T, text string) {
	t.Helper()
	found := header.FindStringSubmatch(text)
	if found == nil || found[6] != "UpdateLayer" || found[8] != `{"id":48191}` {
		t.Errorf("what arrived is %q", text)
	}
}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "log")
	for network, address := range map[string]string{"udp": "127.0.0.1:0", "unixgram": socket} {
		listener, err := new(net.ListenConfig).ListenPacket(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		if network == "unixgram" {
			send(t, "unix://"+socket, "")
		} else {
			send(t, "udp://"+listener.LocalAddr().String(), "")
		}
		for range 2 {
			b := make([]byte, 64<<10)
			_ = listener.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, _, err := listener.ReadFrom(b)
			if err != nil {
				t.Fatal(err)
			}
			isExample(t, string(b[:n]))
		}
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	config, authorities := certificate(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []struct {
		net.Listener
		address, authorities string
	}{
		{plain, "tcp://" + plain.Addr().String(), ""}, {secure, "tls://" + secure.Addr().String(), authorities}, {local, "unix://" + local.Addr().String(), ""},
	} {
		came := make(chan []string, 1)
		go func() { came <- takeTwo(l.Listener) }()
		conn := send(t, l.address, l.authorities)
		for _, text := range <-came {
			isExample(t, text)
		}
		l.Close()
		if !strings.HasPrefix(l.address, "unix") {
			gone(t, conn)
		}
	}
}

// takeTwo reads two messages by their length, and leaves.
func takeTwo(l net.Listener) []string {
	conn, err := l.Accept()
	if err != nil {
		return []string{err.Error()}
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var list []string
	for range 2 {
		length, err := in.ReadString(' ')
		if err != nil {
			return []string{err.Error()}
		}
		n, _ := strconv.Atoi(strings.TrimSpace(length))
		text := make([]byte, n)
		_, _ = io.ReadFull(in, text)
		list = append(list, string(text))
	}
	return list
}

// gone waits until the connection knows that the receiver has left.
func gone(t *testing.T, conn *Conn) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for conn.Alive() == nil {
		if time.Now().After(end) {
			t.Fatal("the receiver's leaving was not seen")
		}
	}
}

// A receiver with a certificate of nobody we trust gets nothing.
func TestAStrangerGetsNothing(t *testing.T) {
	t.Parallel()
	config, _ := certificate(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := listener.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	r, err := Parse("tls://"+listener.Addr().String(), "")
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := r.Dial(t.Context()); err == nil {
		conn.Close()
		t.Error("a stranger was believed")
	}
	listener.Close()
	<-done
}

// certificate is a receiver's own, and the file of those who vouch for it.
func certificate(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}
