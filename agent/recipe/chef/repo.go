package chef

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"opsyard/agent/recipe/workspace"
)

// What the client is given, below the job's directory.
const (
	repository = "chef"
	configFile = repository + "/client.rb"
	nodeFile   = repository + "/node.json"
	dataBags   = repository + "/data_bags"
	nodes      = repository + "/nodes"
)

// state is what the runner itself reads of the attributes.
type state struct {
	Opsworks struct {
		Instance struct {
			Hostname string
			Layers   []string
		}
		Layers map[string]struct {
			Instances map[string]map[string]any
		}
		DataBags bags `json:"data_bags"`
	}
}

// bags are data bags by name, their items by theirs.
type bags map[string]map[string]map[string]any

// write makes the client's configuration, the node and what it may search for:
// the data bags, and the online instances of all layers.
func write(w *workspace.Workspace, solo bool) error {
	var st state
	if err := w.ReadAttributes(&st); err != nil {
		return err
	}
	if err := writeNode(w, st); err != nil {
		return err
	}
	if err := writePeers(w, st); err != nil {
		return err
	}
	if err := writeDataBags(w, st.Opsworks.DataBags); err != nil {
		return err
	}
	_, err := w.Write(configFile, config(w, st.Opsworks.Instance.Hostname, solo))
	return err
}

// config is client.rb. Nothing of the run is outside of its directory, and
// nothing of /etc/chef is read.
func config(w *workspace.Workspace, hostname string, solo bool) (text []byte) {
	repo := filepath.Join(w.Dir, repository)
	set := func(name string, value any) { text = fmt.Appendf(text, "%s %s\n", name, ruby(value)) }
	set("chef_repo_path", repo)
	set("cookbook_path", []string{w.Tree})
	for _, dir := range []string{"data_bag", "environment", "node", "role"} {
		set(dir+"_path", filepath.Join(repo, dir+"s"))
	}
	set("file_cache_path", filepath.Join(repo, "cache"))
	set("file_backup_path", filepath.Join(repo, "backup"))
	if hostname != "" {
		set("node_name", hostname)
	}
	if !solo {
		set("local_mode", true)
		text = append(text, "chef_zero.enabled true\n"...)
	}
	return text
}

// ruby writes a value as Ruby reads it. JSON is Ruby but for interpolation.
func ruby(v any) []byte {
	doc, _ := json.Marshal(v) // strings and booleans cannot fail
	out := make([]byte, 0, len(doc))
	for _, c := range doc {
		if c == '#' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return out
}

// writeNode writes the attributes with the run list: the instance's layers as
// roles, as on OpsWorks, and then the recipes.
func writeNode(w *workspace.Workspace, st state) error {
	var node map[string]any
	if err := w.ReadAttributes(&node); err != nil {
		return err
	}
	var runList []string
	for _, layer := range st.Opsworks.Instance.Layers {
		runList = append(runList, "role["+layer+"]")
	}
	for _, item := range w.Items {
		runList = append(runList, "recipe["+item.Recipe.String()+"]")
	}
	private, err := readPrivate(w)
	if err != nil {
		return err
	}
	if private.Attributes != nil { // custom JSON is above what the server adds
		lay(private.Attributes, node)
		node = private.Attributes
	}
	delete(node, "recipes") // to the client another way of writing the run list; it sets the attribute itself
	node["run_list"] = runList
	if opsworks, ok := node["opsworks"].(map[string]any); ok && node["role"] == nil {
		node["role"] = opsworks["layers"]
	}
	_, err = w.WriteJSON(nodeFile, node)
	return err
}

// writePeers makes search(:node, "role:web") find the layer's online instances.
func writePeers(w *workspace.Workspace, st state) error {
	layers := map[string][]string{}
	known := map[string]map[string]any{}
	for _, layer := range slices.Sorted(maps.Keys(st.Opsworks.Layers)) {
		for host, instance := range st.Opsworks.Layers[layer].Instances {
			layers[host], known[host] = append(layers[host], layer), instance
		}
	}
	roles := slices.Concat(slices.Collect(maps.Keys(st.Opsworks.Layers)), st.Opsworks.Instance.Layers)
	for _, layer := range roles {
		role := map[string]any{"name": layer, "chef_type": "role", "json_class": "Chef::Role", "run_list": []string{}}
		if err := writeObject(w, "roles", layer, role); err != nil {
			return err
		}
	}
	for host, instance := range known {
		if host == st.Opsworks.Instance.Hostname {
			continue // the client makes its own
		}
		runList := make([]string, len(layers[host])) // where the search for a role looks
		for n, layer := range layers[host] {
			runList[n] = "role[" + layer + "]"
		}
		node := map[string]any{
			"run_list": runList, "name": host, "chef_type": "node", "json_class": "Chef::Node", "chef_environment": "_default",
			"automatic": map[string]any{"hostname": host, "ipaddress": instance["private_ip"], "roles": layers[host]},
			"normal":    map[string]any{"opsworks": map[string]any{"instance": instance}},
		}
		if err := writeObject(w, "nodes", host, node); err != nil {
			return err
		}
	}
	return nil
}

// writeDataBags writes the bags of the custom JSON (opsworks.data_bags), and
// over them those of the private document (data_bags).
func writeDataBags(w *workspace.Workspace, custom bags) error {
	private, err := readPrivate(w)
	if err != nil {
		return err
	}
	for _, bags := range []bags{custom, private.DataBags} {
		for bag, items := range bags {
			for name, item := range items {
				object := map[string]any{"id": plain(name)}
				maps.Copy(object, item)
				if err := writeObject(w, filepath.Join("data_bags", plain(bag)), name, object); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// private is what the runner itself reads of the private document.
type private struct {
	Attributes map[string]any
	DataBags   bags `json:"data_bags"`
}

func readPrivate(w *workspace.Workspace) (doc private, err error) {
	f, err := os.Open(w.Private)
	if errors.Is(err, fs.ErrNotExist) {
		return doc, nil
	}
	if err != nil {
		return doc, fmt.Errorf("read the private document: %w", err)
	}
	defer func() { _ = f.Close() }()
	dec := json.NewDecoder(f)
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return doc, fmt.Errorf("read the private document: %w", err)
	}
	return doc, nil
}

// lay deep-merges attributes onto others.
func lay(onto, from map[string]any) {
	for key, value := range from {
		inner, isObject := value.(map[string]any)
		have, wasObject := onto[key].(map[string]any)
		if isObject && wasObject {
			lay(have, inner)
			continue
		}
		onto[key] = value
	}
}

func writeObject(w *workspace.Workspace, dir, name string, object any) error {
	_, err := w.WriteJSON(filepath.Join(repository, dir, plain(name)+".json"), object)
	return err
}

// plain is a name that stays in its directory.
func plain(name string) string {
	name = strings.ReplaceAll(name, "/", "_")
	if strings.HasPrefix(name, ".") {
		name = "_" + name
	}
	return name
}
