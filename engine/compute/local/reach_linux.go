package local

import (
	"context"
	"fmt"

	"opsyard/engine/compute/internal/enroll"
)

// Reach gives the address under which the machines reach a server of this
// host, and makes it reachable. It implements compute.Reacher.
func (p *Provider) Reach(_ context.Context, url string) (string, error) {
	if err := p.open(); err != nil {
		return "", err
	}
	rerouted, port, err := enroll.Reroute(url, p.net.gateway())
	if err != nil || port == "" {
		return rerouted, err
	}
	if err := p.net.openForward(port); err != nil {
		return "", fmt.Errorf("make %s reachable: %w", url, err)
	}
	return rerouted, nil
}
