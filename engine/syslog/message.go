// Package syslog sends messages to a syslog receiver in the form of RFC 5424:
// by UDP, TCP, TLS or the socket of this host.
package syslog

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Severity of a message.
type Severity int

// Severities that are used (RFC 5424 §6.2.1).
const (
	Warning Severity = 4
	Notice  Severity = 5
)

// facility is "log audit".
const facility = 13

// Message is one message. Text must hold no line break: receivers that are not
// told a length end it there.
type Message struct {
	At       time.Time
	Severity Severity
	ID       string // MSGID, what kind of message it is
	Sequence int64  // of the source's own count
	Text     []byte
}

// maxSequence is the largest sequenceId (RFC 5424 §7.3.1); it begins again at 1.
const maxSequence = 1<<31 - 1

// stamp is RFC 3339 with as many digits as RFC 5424 allows.
const stamp = "2006-01-02T15:04:05.000000Z07:00"

// Format writes a message for one host and process.
func (m Message) Format(host string, process int) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<%d>1 %s %s opsyard %d %s [meta sequenceId="%d"] `,
		facility*8+int(m.Severity), m.At.UTC().Format(stamp), printable(host, 255), process, printable(m.ID, 32), sequence(m.Sequence))
	out.Write(m.Text)
	return out.Bytes()
}

func sequence(n int64) int64 {
	if n <= 0 {
		return 1
	}
	return (n-1)%maxSequence + 1
}

// printable is a part of the header: visible ASCII without a space, or "-".
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}

// hostname is this host's name in the header.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "-"
	}
	return name
}

// framed is a message as a stream carries it: behind its length (RFC 6587
// §3.4.1, RFC 5425 §4.3), so that nothing in it can end it early.
func framed(message []byte) []byte {
	return append(append([]byte(strconv.Itoa(len(message))), ' '), message...)
}
