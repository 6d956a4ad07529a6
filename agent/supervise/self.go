package supervise

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"opsyard/agent/facts"
	"opsyard/agent/identity"
)

// self is the part of the attributes about the instance itself and its run,
// which the document that all instances share cannot hold: the documents are
// laid over it (OpsWorks: opsworks.instance). state is the first of them, with
// what the server knows of this instance when it is online.
func (r *run) self(state []byte) (json.RawMessage, error) {
	hostname, instance := r.host()
	for _, known := range []json.RawMessage{entryOf(state, hostname), r.ownAttributes()} {
		if known == nil {
			continue
		}
		var err error
		if instance, err = mergeJSON(instance, known); err != nil {
			return nil, fmt.Errorf("describe this instance: %w", err)
		}
	}
	builtIn, custom := []string{}, []string{}
	for _, item := range r.Run.RunList {
		if item.BuiltIn {
			builtIn = append(builtIn, item.Recipe)
		} else {
			custom = append(custom, item.Recipe)
		}
	}
	return json.Marshal(map[string]any{
		"opsworks": map[string]any{
			"instance": instance, "agent_version": r.Version, "sent_at": r.Run.SentAt, "deployment": r.Run.DeploymentID,
		},
		"opsworks_custom_cookbooks": map[string]any{"enabled": r.Run.CustomCookbooks != nil, "recipes": custom},
		"recipes":                   builtIn,
	})
}

// host is what this host knows of itself.
func (r *run) host() (hostname string, doc json.RawMessage) {
	instance := map[string]any{"architecture": facts.Arch()}
	if id, err := identity.Load(r.data); err == nil && id != nil {
		instance["id"], hostname = id.InstanceID, id.Hostname
	}
	if hostname == "" {
		hostname, _ = os.Hostname() // at the worst empty, as for a host without a name
	}
	instance["hostname"] = hostname
	address := ownAddress()
	instance["private_ip"], instance["ip"] = address, address
	doc, _ = json.Marshal(instance) // strings cannot fail
	return hostname, doc
}

// migrateOnce takes the wish to migrate from all instances but the one that the
// server has chosen: the documents are the same for all of them.
func (r *run) migrateOnce(attributes json.RawMessage) (json.RawMessage, error) {
	if r.Run.Type != "deploy" || len(r.Run.Args["migrate"]) == 0 || !isObject(attributes) {
		return attributes, nil
	}
	_, host := r.host()
	var own struct{ ID string }
	if err := json.Unmarshal(host, &own); err != nil || own.ID == r.Run.Migrator {
		return attributes, err
	}
	deploy := map[string]any{}
	for _, a := range r.Run.Apps {
		deploy[a.Shortname] = map[string]bool{"migrate": false}
	}
	over, err := json.Marshal(map[string]any{"deploy": deploy})
	if err != nil {
		return nil, err
	}
	return mergeJSON(attributes, over)
}

func (r *run) ownAttributes() json.RawMessage {
	if r.Run.Instance == nil {
		return nil
	}
	return r.Run.Instance.Attributes
}

// entryOf is what the state says of an online instance, nil for another.
func entryOf(state []byte, hostname string) json.RawMessage {
	var doc struct {
		Opsworks struct {
			Layers map[string]struct {
				Instances map[string]json.RawMessage
			}
		}
	}
	_ = json.Unmarshal(state, &doc) // a bad one is told of when it is merged
	for _, l := range doc.Opsworks.Layers {
		if entry := l.Instances[hostname]; entry != nil {
			return entry
		}
	}
	return nil
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
