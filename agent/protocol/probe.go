package protocol

import "net/netip"

// Probe asks an agent whether it reaches another machine: one whose own agent
// is silent.
type Probe struct {
	ID      string `json:"id"` // of the question, for the answer
	Address string `json:"address"`
	Ports   []int  `json:"ports"`
}

// maxProbePorts bounds what one question may ask for.
const maxProbePorts = 16

// Plausible tells whether the question is one that an agent answers: a few
// ports of one address.
func (p Probe) Plausible() bool {
	address, err := netip.ParseAddr(p.Address)
	if err != nil || !address.IsValid() || address.IsUnspecified() || address.IsMulticast() || len(p.Ports) == 0 || len(p.Ports) > maxProbePorts {
		return false
	}
	for _, port := range p.Ports {
		if port < 1 || port > 65535 {
			return false
		}
	}
	return true
}

// ProbeResult answers a Probe.
type ProbeResult struct {
	ID string `json:"id"`
	// Alive: something at the address answered, be it with a refusal.
	Alive  bool   `json:"alive"`
	Detail string `json:"detail"` // which port, or why not
}

// maxDetail bounds what an agent says of a probe.
const maxDetail = 200

// Plausible is the answer as far as an agent can be believed.
func (r ProbeResult) Plausible() ProbeResult {
	r.Detail = plainTo(r.Detail, maxDetail)
	return r
}
