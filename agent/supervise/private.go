package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opsyard/agent/content"
	"opsyard/agent/facts"
	"opsyard/agent/protocol"
)

// private is the document with what must not be among the attributes. Chef's
// data bags and secret attributes are in it for its runner.
func (r *run) private() ([]byte, error) {
	doc := map[string]any{
		"apps": r.Run.Apps, "args": r.Run.Args, "rds_db_instances": r.Run.RdsDbInstances,
		"app_databases": r.Run.AppDatabases, "redis_password": r.Run.RedisPassword,
		"migrator": r.Run.Migrator,
	}
	if r.Run.PrivateAttributes != nil {
		doc["attributes"] = r.Run.PrivateAttributes
	}
	bags, err := r.dataBags()
	if err != nil {
		return nil, fmt.Errorf("make the data bags: %w", err)
	}
	if bags != nil {
		doc["data_bags"] = bags
	}
	return json.Marshal(doc)
}

// dataBags are those of the server with what only this instance and its command
// can add; nil where the stack has none (OpsWorks: "Data Bag Reference").
func (r *run) dataBags() (bags json.RawMessage, err error) {
	if len(r.Run.DataBags) == 0 {
		return nil, nil
	}
	store, err := content.Open(filepath.Join(r.data, "content"))
	if err != nil {
		return nil, err
	}
	for _, digest := range r.Run.DataBags {
		doc, err := os.ReadFile(store.Path(digest))
		if err != nil {
			return nil, err
		}
		if bags, err = mergeJSON(bags, doc); err != nil {
			return nil, err
		}
	}
	own, err := r.ownDataBags(bags)
	if err != nil {
		return nil, err
	}
	for _, doc := range []json.RawMessage{r.Run.PrivateDataBags, own} {
		if doc == nil {
			continue
		}
		if bags, err = mergeJSON(bags, doc); err != nil {
			return nil, err
		}
	}
	return bags, nil
}

type bags map[string]map[string]any

func (r *run) ownDataBags(shared json.RawMessage) (json.RawMessage, error) {
	hostname, host := r.host()
	var self struct{ ID string }
	if err := json.Unmarshal(host, &self); err != nil {
		return nil, err
	}
	item, err := json.Marshal(ownItem())
	if err != nil {
		return nil, err
	}
	if r.Run.Instance != nil && r.Run.Instance.DataBagItem != nil {
		if item, err = mergeJSON(r.Run.Instance.DataBagItem, item); err != nil {
			return nil, err
		}
	}
	own := bags{
		"aws_opsworks_instance": {hostname: json.RawMessage(item)},
		"aws_opsworks_command":  {r.Run.CommandID: r.commandItem(self.ID)},
	}
	deployed, err := r.deployed(shared)
	if err != nil {
		return nil, err
	}
	if len(deployed) > 0 {
		own["aws_opsworks_app"] = deployed
	}
	return json.Marshal(own)
}

// ownItem is what an instance alone says of itself: that it is the one, and its
// host keys.
func ownItem() map[string]any {
	item := map[string]any{"self": true}
	for _, kind := range []string{"rsa", "dsa"} {
		for member, value := range hostKey(kind) {
			if value != "" {
				item["ssh_host_"+kind+"_key_"+member] = value
			}
		}
	}
	return item
}

// hostKey reads a key of the host's SSH server; what cannot be read is missing.
func hostKey(kind string) map[string]string {
	path := filepath.Join(os.Getenv("OPSYARD_ROOT"), "/etc/ssh/ssh_host_"+kind+"_key")
	private, _ := os.ReadFile(path)
	public, _ := os.ReadFile(path + ".pub")
	key := map[string]string{"private": string(private), "public": strings.TrimSpace(string(public))}
	key["fingerprint"] = facts.Fingerprint(path + ".pub")
	return key
}

// commandItem is the command as recipes read about it. The password of a grant
// is no argument of theirs.
func (r *run) commandItem(instanceID string) map[string]any {
	args := map[string]any{}
	for name, values := range r.Run.Args {
		if name != "password" {
			args[name] = values
		}
	}
	if r.Run.Type != "setup" && r.Run.Type != "execute_recipes" && len(r.Run.Apps) > 0 {
		ids := []string{}
		for _, a := range r.Run.Apps {
			ids = append(ids, a.ID)
		}
		args["app_ids"] = ids
	}
	var by any
	if r.Run.IamUserArn != "" {
		by = r.Run.IamUserArn
	}
	return map[string]any{
		"args": args, "command_id": r.Run.CommandID, "iam_user_arn": by, "instance_id": instanceID, "type": r.Run.Type,
		"sent_at": time.Unix(r.Run.SentAt, 0).UTC().Format("2006-01-02T15:04:05+00:00"),
	}
}

// deployed marks the apps of a Deploy, and at Setup all of the stack.
func (r *run) deployed(shared json.RawMessage) (map[string]any, error) {
	var known struct {
		Apps map[string]json.RawMessage `json:"aws_opsworks_app"`
	}
	if err := json.Unmarshal(shared, &known); err != nil {
		return nil, err
	}
	marked := map[string]any{}
	for name := range known.Apps {
		named := slices.ContainsFunc(r.Run.Apps, func(a protocol.App) bool { return a.Shortname == name })
		if r.Run.Type == "setup" || r.Run.Type == "deploy" && named {
			marked[name] = map[string]bool{"deploy": true}
		}
	}
	return marked, nil
}

// hostSecrets are the private keys that dataBags shows to recipes.
func hostSecrets(run protocol.Run) (keys []string) {
	if len(run.DataBags) == 0 {
		return nil
	}
	for _, kind := range []string{"rsa", "dsa"} {
		if key := hostKey(kind)["private"]; key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}
