package chef_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"opsyard/agent/recipe/recipetest"
)

// client is the stand-in for a Chef client: it takes the arguments and files
// that a real one would, is as strict about them, and prints what the "doc"
// formatter prints. Of recipes it understands the suite's.
type client struct {
	whyRun  bool
	config  map[string]string
	node    map[string]any
	runList []string
	updated int
	total   int
}

func standIn(name string, args []string) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("Chef Infra Client: 18.2.7")
		return 0
	}
	c := &client{}
	if err := c.load(name, args); err != nil {
		fmt.Fprintln(os.Stderr, "FATAL: "+err.Error())
		return 1
	}
	return c.converge()
}

func (c *client) load(name string, args []string) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	config, attributes := flags.String("config", "", ""), flags.String("json-attributes", "", "")
	format, level := flags.String("format", "", ""), flags.String("log_level", "", "")
	force, noColor := flags.Bool("force-formatter", false, ""), flags.Bool("no-color", false, "")
	flags.BoolVar(&c.whyRun, "why-run", false, "")
	local := new(bool)
	if name == "chef-client" { // chef-solo knows no other mode
		local = flags.Bool("local-mode", false, "")
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *local != (name == "chef-client") || *format != "doc" || !*force || !*noColor || *level != "warn" || flags.NArg() > 0 {
		return fmt.Errorf("not called as expected: %q", args)
	}
	if err := c.readConfig(*config); err != nil {
		return err
	}
	doc, err := os.ReadFile(*attributes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(doc, &c.node); err != nil {
		return err
	}
	if c.node["recipes"] != nil {
		return errors.New("AmbiguousRunlistSpecification: please set the node's run list using the 'run_list' attribute only")
	}
	if kept := os.Getenv("KEEP"); kept != "" { // for the test to look at
		if err := os.CopyFS(kept, os.DirFS(c.config["chef_repo_path"])); err != nil {
			return err
		}
	}
	return c.expand()
}

var setting = regexp.MustCompile(`^([a-z_.]+) (.+)$`)

func (c *client) readConfig(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c.config = map[string]string{}
	for line := range strings.Lines(string(text)) {
		m := setting.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			return fmt.Errorf("%s: syntax error in %q", path, line)
		}
		c.config[m[1]] = strings.Trim(m[2], `"[]`)
	}
	for _, dir := range []string{"chef_repo_path", "cookbook_path", "file_cache_path", "file_backup_path", "node_path", "role_path", "data_bag_path"} {
		if !filepath.IsAbs(c.config[dir]) {
			return fmt.Errorf("%s is %q", dir, c.config[dir])
		}
	}
	return nil
}

var entry = regexp.MustCompile(`^(recipe|role)\[(.+)\]$`)

// expand reads the run list, with all cookbooks as local mode does.
func (c *client) expand() error {
	list, _ := c.node["run_list"].([]any)
	for _, e := range list {
		m := entry.FindStringSubmatch(fmt.Sprint(e))
		if m == nil {
			return fmt.Errorf("%v is no item of a run list", e)
		}
		if m[1] == "recipe" {
			c.runList = append(c.runList, m[2])
		} else if _, err := os.Stat(filepath.Join(c.config["role_path"], m[2]+".json")); err != nil {
			return fmt.Errorf("role %s: %w", m[2], err)
		}
	}
	dirs, err := os.ReadDir(c.config["cookbook_path"])
	if err != nil {
		return err
	}
	for _, d := range dirs {
		metadata, err := os.ReadFile(filepath.Join(c.config["cookbook_path"], d.Name(), "metadata.rb"))
		if d.IsDir() && (err != nil || !strings.HasPrefix(string(metadata), "name ")) {
			return fmt.Errorf("cookbook %s has invalid metadata: the `name' attribute is required", d.Name())
		}
	}
	return nil
}

func (c *client) converge() int {
	fmt.Printf("Starting Chef Client, version 18.2.7\nresolving cookbooks for run list: %q\nSynchronizing Cookbooks:\n", c.runList)
	for _, name := range c.runList {
		cookbook, _, _ := strings.Cut(name, "::")
		fmt.Printf("  - %s (0.0.0)\n", cookbook)
	}
	fmt.Printf("Compiling Cookbooks...\nConverging %d resources\n", len(c.runList))
	if bags, _ := filepath.Glob(filepath.Join(c.config["data_bag_path"], "*", "*.json")); len(bags) > 0 {
		fmt.Print("data bags:")
		for _, b := range bags {
			fmt.Print(" ", filepath.Base(filepath.Dir(b)), "/", strings.TrimSuffix(filepath.Base(b), ".json"))
		}
		fmt.Println()
	}
	done := map[string]bool{}
	for _, name := range c.runList {
		if done[name] { // a recipe is in the run once
			continue
		}
		done[name] = true
		fmt.Printf("Recipe: %s\n", name)
		if err := c.recipe(name); err != nil {
			fmt.Printf("\nRunning handlers:\nRunning handlers complete\nChef Client failed. %d resources updated in 01 seconds\n", c.updated)
			return 1
		}
	}
	fmt.Printf("\nRunning handlers:\nRunning handlers complete\nChef Client finished, %d/%d resources updated in 01 seconds\n", c.updated, c.total)
	return 0
}

func (c *client) recipe(name string) error {
	cookbook, file, _ := strings.Cut(name, "::")
	f, err := os.Open(filepath.Join(c.config["cookbook_path"], cookbook, "recipes", file+".rb"))
	if err != nil {
		return err
	}
	defer f.Close()
	first, _ := bufio.NewReader(f).ReadString('\n')
	switch does := recipetest.Behaviour(strings.TrimSpace(strings.TrimPrefix(first, "#"))); does {
	case recipetest.Change:
		return c.file(os.Getenv("TARGET"), "changed\n")
	case recipetest.Stubborn:
		return c.stubborn()
	case "search":
		return c.search()
	case "node":
		return c.readNode()
	default:
		return c.block(name, does)
	}
}

// block is a ruby_block that prints, and for Fail an execute after it.
func (c *client) block(name string, does recipetest.Behaviour) error {
	c.total++
	fmt.Printf("  * ruby_block[%s] action run", does)
	if c.whyRun {
		fmt.Print("\n    - Would execute the ruby block\n  \n")
		return nil
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out)
	switch does {
	case recipetest.Say:
		fmt.Fprintf(out, "%s says hello\n", name)
	case recipetest.Fail:
		fmt.Fprintln(out, "about to fail")
	case recipetest.Tell:
		suite, _ := c.node["suite"].(map[string]any)
		fmt.Fprintf(out, "attribute %v\n", suite["greeting"])
	case recipetest.Big:
		for i := range recipetest.Lines {
			fmt.Fprintf(out, "line %d\n", i+1)
		}
	case recipetest.Interleave:
		for i := range 200 {
			fmt.Fprintf(out, "out %d\n", i+1)
			out.Flush()
			fmt.Fprintf(os.Stderr, "err %d\n", i+1)
		}
	default:
		return fmt.Errorf("the stand-in knows no %q", does)
	}
	out.Flush()
	c.updated++
	fmt.Print("\n    - execute the ruby block\n  \n")
	if does == recipetest.Fail {
		return c.execute(`sh -c "exit 7"`)
	}
	return nil
}

// readNode prints what the recipe "reading" does.
func (c *client) readNode() error {
	c.total, c.updated = c.total+1, c.updated+1
	fmt.Print("  * ruby_block[node] action run\n")
	deploys, _ := at(c.node, "deploy")
	for app := range deploys.(map[string]any) {
		mode, _ := at(deploys, app+".environment_variables.MODE")
		fmt.Printf("deploys %s to %v\n", app, mode)
	}
	client, _ := at(c.node, "mysql.clients.0")
	self, _ := at(c.node, "opsworks.instance.hostname")
	fmt.Printf("clients %v\nis %v\n", client, self)
	peers, _ := filepath.Glob(filepath.Join(c.config["node_path"], "*.json"))
	for _, file := range peers {
		var peer map[string]any
		text, _ := os.ReadFile(file)
		if err := json.Unmarshal(text, &peer); err != nil {
			return err
		}
		if role, _ := at(peer, "run_list.0"); role == "role[db-master]" {
			address, _ := at(peer, "automatic.ipaddress")
			fmt.Printf("found %v at %v\n", peer["name"], address)
		}
	}
	fmt.Print("\n    - execute the ruby block\n  \n")
	return nil
}

// search answers the searches and reads the items of the recipe "searching".
func (c *client) search() error {
	c.total, c.updated = c.total+1, c.updated+1
	fmt.Print("  * ruby_block[search] action run\n")
	each := func(bag, key string, say func(item map[string]any)) {
		files, _ := filepath.Glob(filepath.Join(c.config["data_bag_path"], bag, "*.json"))
		for _, file := range files {
			var item map[string]any
			text, _ := os.ReadFile(file)
			if json.Unmarshal(text, &item) == nil && (item[key] == true || item["id"] == key) {
				say(item)
			}
		}
	}
	in := func(item any, key string) any { object, _ := item.(map[string]any); return object[key] }
	each("aws_opsworks_app", "deploy", func(item map[string]any) {
		fmt.Printf("deploys %v to %v\n", item["shortname"], in(item["environment"], "MODE"))
	})
	each("aws_opsworks_instance", "self", func(item map[string]any) {
		fmt.Printf("is %v\nkey %v\n", item["hostname"], item["ssh_host_rsa_key_private"])
	})
	each("aws_opsworks_layer", "rails-app", func(item map[string]any) { fmt.Printf("item %v\n", item["name"]) })
	each("aws_opsworks_app", "shop", func(item map[string]any) { fmt.Printf("secret %v\n", in(item["app_source"], "password")) })
	fmt.Print("\n    - execute the ruby block\n  \n")
	return nil
}

func (c *client) execute(command string) error {
	fmt.Printf("  * execute[%s] action run\n    \n    %s\n    Error executing action `run` on resource 'execute[%s]'\n    %s\n    \n", command, strings.Repeat("=", 80), command, strings.Repeat("=", 80))
	fmt.Print("    Mixlib::ShellOut::ShellCommandFailed\n    ------------------------------------\n    Expected process to exit with [0], but received '7'\n")
	return errors.New("failed")
}

func (c *client) file(path, content string) error {
	c.total++
	fmt.Printf("  * file[%s] action create", path)
	if got, err := os.ReadFile(path); err == nil && string(got) == content {
		fmt.Println(" (up to date)")
		return nil
	}
	if c.whyRun {
		fmt.Printf("\n    - Would create new file %s\n  \n", path)
		return nil
	}
	c.updated++
	fmt.Printf("\n    - create new file %s\n    - update content in file %s from none to b3c4\n    --- %s\n    +++ /x\n    +changed\n  \n", path, path, path)
	return os.WriteFile(path, []byte(content), 0o600)
}

// stubborn runs in a session of its own, as all that Chef executes.
func (c *client) stubborn() error {
	fmt.Print("  * execute[mule] action run")
	cmd := exec.Command("bash", "-c", "trap '' TERM\nsleep 600 &\necho\necho stubborn $!\nwhile :; do wait; done")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stdout, io.Discard, &syscall.SysProcAttr{Setsid: true}
	return cmd.Run()
}
