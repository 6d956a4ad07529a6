// Package compute says what the engine asks of whatever makes machines.
//
// A provider turns a Spec into a running machine and keeps its disk until the
// machine is terminated. It knows nothing of layers or recipes: the agent that
// it starts inside the machine enrols over the network like any other.
package compute

import (
	"context"
	"errors"
	"io"
	"time"
)

// Spec is everything a provider needs to start a machine.
type Spec struct {
	// ID is the instance's id; a provider has at most one machine with it.
	ID       string
	Hostname string
	StackID  string
	// Size is an instance type such as "local.small" or one of EC2's; providers
	// map it to memory and CPU and refuse what they do not know with ErrBadSpec.
	Size string
	// OS and Image choose the root file system; empty means the provider's default.
	OS    string
	Image string
	// Volumes are disks apart from the machine's own, which outlive it.
	Volumes []Volume
	// Enroll starts the agent in the machine. On a restart of a kept disk the
	// agent already has its identity and ignores the token.
	Enroll Enrollment
}

// Enrollment tells the agent in a new machine where to go. The token is a
// secret: it travels by file, never in argv.
type Enrollment struct {
	// Port is that of the server's listener; the provider adds the address
	// under which its machines reach the server.
	ServerURL string // as the server's own host sees it, e.g. http://127.0.0.1:8080
	Token     string
}

// State is where a machine stands.
type State string

// States of a machine.
const (
	Pending    State = "pending" // asked for, not running yet
	Running    State = "running"
	Stopped    State = "stopped"    // not running; its disk is kept
	Terminated State = "terminated" // gone, or never existed
)

// Machine is a provider's view of one instance.
type Machine struct {
	ID        string
	State     State
	Reason    string      // why it is Stopped or Terminated: "powered off", "killed", …
	PrivateIP string      // as peers reach it; empty where the provider has no own addresses
	PublicIP  string      // as the server's host reaches it
	Ports     map[int]int // machine port → host port, where there is no own address
	BootID    string
	Started   time.Time
	// Note is what the asker should know of the machine: that it is smaller
	// than its size says, for instance.
	Note string
}

// Caps are the abilities of a provider.
type Caps struct {
	OwnIP     bool // machines have addresses of their own
	OwnDisk   bool // what a recipe installs stays inside the machine
	Services  bool // an init system runs inside
	Reboot    bool
	Console   bool
	Simulated bool
}

// Finding is one line of a provider's self-test ("opsyard doctor").
type Finding struct {
	Name   string
	OK     bool
	Detail string // what was found, and what to do if it is not OK
	Needed bool   // the provider does not work without it
}

// Event says that a machine has changed without being asked to.
type Event struct {
	ID     string
	State  State
	Reason string
	At     time.Time
}

// Errors of a provider, to be matched with errors.Is.
var (
	// ErrBadSpec: the provider can never start this; the text says why.
	ErrBadSpec = errors.New("the provider cannot make this machine")
	// ErrNotFound: there is no such machine.
	ErrNotFound = errors.New("no such machine")
	// ErrUnsupported: the provider does not have this ability.
	ErrUnsupported = errors.New("not supported by this provider")
)

// Provider makes machines. All methods are safe for concurrent use and honour
// the context; every change is idempotent, so a caller that crashed asks again.
type Provider interface {
	Name() string
	Caps() Caps
	// Check tests what the provider needs on this host, without changing it.
	Check(ctx context.Context) []Finding
	// Start returns when the machine has been started (its agent may need
	// longer). A running machine with the same ID is returned as it is; a
	// stopped one is started with the disk it had.
	Start(ctx context.Context, spec Spec) (Machine, error)
	// Stop shuts the machine down, with force after grace; its disk is kept.
	// Stopping a stopped or absent machine succeeds.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Reboot restarts a machine with its disk; hard pulls the plug first.
	Reboot(ctx context.Context, id string, hard bool) error
	// Terminate removes the machine and its disk; an absent one is fine.
	Terminate(ctx context.Context, id string) error
	// Describe tells the state of the given machines, in order; an unknown id
	// is Terminated. Without ids it tells of all.
	Describe(ctx context.Context, ids ...string) ([]Machine, error)
	// Watch reports machines that end by themselves until the context ends;
	// then the channel is closed. Events may repeat; a slow reader loses none
	// that Describe would not show.
	Watch(ctx context.Context) (<-chan Event, error)
	// Console is the machine's boot output so far, or ErrUnsupported.
	Console(ctx context.Context, id string) (io.ReadCloser, error)
	// Reconcile runs once before the engine starts: it adopts the machines of
	// an earlier server process that still run, and removes what belongs to
	// no known instance.
	Reconcile(ctx context.Context, known []string) error
	// Close releases the provider. Machines go on running unless it was made
	// ephemeral.
	Close() error
}

// Reacher is a provider whose machines see this host under another address.
type Reacher interface {
	// Reach gives the address under which the machines reach a server that
	// this host has under url, and makes it reachable.
	Reach(ctx context.Context, url string) (string, error)
}

// Killer is a provider whose machines can lose their power, for tests and drills.
type Killer interface {
	Kill(ctx context.Context, id string) error
}
