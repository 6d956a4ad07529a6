// Package local makes machines out of Linux namespaces, without any engine.
//
// A machine is systemd as PID 1 in its own mount, process, network, host name,
// IPC, cgroup and (where the kernel can) time namespace. It has an address on a
// bridge that the host and its peers reach, a way out by NAT, limits by cgroup,
// and a copy-on-write disk: an overlay whose upper directory is kept over stop,
// start and reboot and deleted by terminate. The agent runs inside as a systemd
// unit and enrols over the network at the bridge's gateway address, as it would
// on a cloud.
//
// # What it is not
//
// It isolates machines that run trusted recipes from each other's mistakes. It
// is no security boundary: root inside a machine is root of the host's user
// namespace, less a few capabilities. With the image "host" the lower layer is
// the host's own root file system; its known secrets are hidden, but do not run
// recipes there that you would not run on the host.
//
// # How a machine starts
//
// The server clones its own executable into new namespaces, inside the machine's
// cgroup, and notes the process on disk before anything else, so that a server
// killed at any moment finds it again. The child (stage1_linux.go) waits for its
// configuration on a pipe; the parent meanwhile puts one end of a veth pair into
// the child's network namespace. The child then mounts the root file system,
// pivots into it, and executes systemd. Every mount lives in the child's mount
// namespace, so none outlives it. Because main runs first in that child, main
// must call MaybeChild before anything else.
//
// # On disk
//
//	Dir/lock                     one server per directory
//	Dir/network.json             the subnet in use
//	Dir/instances/ID/state.json  what is known of the machine
//	Dir/instances/ID/upper       its disk
//	Dir/instances/ID/console.log its boot output
//	Dir/volumes/ID               a disk that outlives its machine
//	ImageDir/NAME                a root file system, shared and never changed
package local
