package local

import (
	"context"
	"fmt"

	"opsyard/engine/compute"
	"opsyard/engine/compute/internal/enroll"
)

var _ compute.Reacher = (*Provider)(nil)

// Reach gives the address under which the machines reach a server of this
// host, and makes it reachable. It implements compute.Reacher.
func (p *Provider) Reach(ctx context.Context, url string) (string, error) {
	_, end, err := p.begin(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	if err := p.net.up(); err != nil { // only then there is an address to be reached at
		return "", err
	}
	if err := p.forwardServer(url); err != nil {
		return "", fmt.Errorf("make %s reachable: %w", url, err)
	}
	reached, _, err := enroll.Reroute(url, p.net.gateway())
	return reached, err
}
