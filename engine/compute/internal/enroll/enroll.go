// Package enroll writes the file that tells a new machine's agent where to go.
package enroll

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"

	"opsyard/engine/compute"
)

// Config is the agent's configuration file. It holds a token, so the file is 0600.
type Config struct {
	Server string `json:"server"`
	Token  string `json:"token,omitempty"`
	Data   string `json:"data"`
}

// JSON is the content of the file.
func (c Config) JSON() []byte {
	b, _ := json.MarshalIndent(c, "", "  ") // three strings cannot fail
	return append(b, '\n')
}

// Validate refuses an enrolment that no agent could follow.
func Validate(e compute.Enrollment) error {
	u, err := url.Parse(e.ServerURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%w: the server address %q is no http or https URL", compute.ErrBadSpec, e.ServerURL)
	}
	return nil
}

// Reroute returns the address as a machine behind gateway reaches it. Where the
// server's own host is meant (loopback or "every address"), port is the one to
// make reachable at the gateway; otherwise it is "" and the address stays.
func Reroute(address, gateway string) (rerouted, port string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", fmt.Errorf("parse address %q: %w", address, err)
	}
	if u.Host == "" {
		return "", "", errors.New("the address names no host")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() != "localhost" && (ip == nil || (!ip.IsLoopback() && !ip.IsUnspecified())) {
		return address, "", nil
	}
	if port = u.Port(); port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	u.Host = net.JoinHostPort(gateway, port)
	return u.String(), port, nil
}
