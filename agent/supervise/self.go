package supervise

import (
	"encoding/json"
	"net"
	"os"

	"opsyard/agent/identity"
)

// self is the part of the attributes about the instance itself, which the
// document that all instances share cannot hold: the documents are laid over it
// (OpsWorks: opsworks.instance).
func self(data string) json.RawMessage {
	instance := map[string]any{}
	if id, err := identity.Load(data); err == nil && id != nil {
		instance["id"], instance["hostname"] = id.InstanceID, id.Hostname
	}
	if instance["hostname"] == nil || instance["hostname"] == "" {
		instance["hostname"], _ = os.Hostname() // at the worst empty, as for a host without a name
	}
	address := ownAddress()
	instance["private_ip"], instance["ip"] = address, address
	doc, _ := json.Marshal(map[string]any{"opsworks": map[string]any{"instance": instance}}) // strings cannot fail
	return doc
}

// ownAddress is the address that this host's packets to the outside carry;
// empty where there is no way out. Nothing is sent to find out.
func ownAddress() string {
	conn, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		return ""
	}
	defer conn.Close()
	addr, _ := conn.LocalAddr().(*net.UDPAddr)
	return addr.IP.String()
}
