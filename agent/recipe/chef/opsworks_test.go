package chef_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"opsyard/agent/content"
	"opsyard/agent/identity"
	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/recipe/chef"
	"opsyard/agent/spool"
	"opsyard/agent/supervise"
)

var update = flag.Bool("update", false, "write the golden files anew")

// documents are what the server sends for a Deploy of the app "shop" on
// rails-app1 of a three-layer stack: the engine's own golden files.
type documents struct {
	Attributes        []json.RawMessage
	PrivateAttributes json.RawMessage `json:"private_attributes"`
	DataBags          json.RawMessage `json:"data_bags"`
	PrivateDataBags   json.RawMessage `json:"private_data_bags"`
}

func read(t *testing.T, file string) (docs documents) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../engine/lifecycle/testdata", file))
	if err == nil {
		err = json.Unmarshal(text, &docs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// instance is an agent's data directory, for rails-app1, and the host's keys.
type instance struct {
	t     *testing.T
	data  string
	store *content.Store
	env   []string // PATH, and where the stand-in keeps what it is given
}

// environment has the recipes' environment changed on the way to the runner.
type environment struct {
	*chef.Runner
	more []string
}

func (e environment) Run(ctx context.Context, job recipe.Job, out recipe.Reporter) error {
	job.Env = append(job.Env, e.more...)
	return e.Runner.Run(ctx, job, out)
}

func newInstance(t *testing.T, env ...string) *instance {
	t.Helper()
	root := t.TempDir()
	t.Setenv("OPSYARD_ROOT", root)
	for name, text := range map[string]string{"": "canary-7f3a-private-host-key", ".pub": "ssh-rsa AAAAB3NzaC1yc2E= root@rails-app1"} {
		write(t, filepath.Join(root, "etc/ssh/ssh_host_rsa_key"+name), text)
	}
	data := t.TempDir()
	id, err := identity.New("token")
	if err != nil {
		t.Fatal(err)
	}
	id.InstanceID, id.Hostname = "instance-app1", "rails-app1"
	if err := id.Save(data); err != nil {
		t.Fatal(err)
	}
	store, err := content.Open(filepath.Join(data, "content"))
	if err != nil {
		t.Fatal(err)
	}
	return &instance{t, data, store, env}
}

// keep puts a document where the agent has fetched it to.
func (i *instance) keep(doc []byte) string {
	i.t.Helper()
	sum := sha256.Sum256(doc)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if err := i.store.Add(digest, bytes.NewReader(doc)); err != nil {
		i.t.Fatal(err)
	}
	return digest
}

// run has the supervisor run a recipe of the stack's own cookbooks with the
// documents, as the agent would, and gives back what it printed.
func (i *instance) run(docs documents, kind, body string) string {
	i.t.Helper()
	repository := filepath.Join(i.t.TempDir(), "cookbooks.git")
	write(i.t, filepath.Join(repository, "web/recipes/default.rb"), body)
	write(i.t, filepath.Join(repository, "web/metadata.rb"), "name 'web'")
	git(i.t, repository, "init", "--quiet", "--initial-branch=main")
	git(i.t, repository, "add", ".")
	git(i.t, repository, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "cookbook")
	run := protocol.Run{
		CommandID: "command-" + kind, DeploymentID: "deployment-1", Type: kind, TimeoutSeconds: 120, Manager: "chef",
		RunList: []protocol.RunItem{{Recipe: "web::default", Layer: "rails-app"}}, Args: map[string][]string{"migrate": {"true"}}, Migrator: "instance-app1",
		CustomCookbooks: &protocol.Source{Type: "git", URL: "file://" + repository, Revision: "main"}, RefreshCookbooks: true,
		SentAt: 1767323045, IamUserArn: "arn:aws:iam::123456789012:user/ana", PrivateAttributes: docs.PrivateAttributes, PrivateDataBags: docs.PrivateDataBags,
		Secrets: []protocol.Secret{{Name: "shop source password", Value: "canary-7f3a-source"}},
		Apps:    []protocol.App{{ID: "app-1", Name: "Shop", Shortname: "shop", Type: "rails"}},
	}
	for _, doc := range docs.Attributes {
		run.Attributes = append(run.Attributes, i.keep(doc))
	}
	if docs.DataBags != nil {
		run.DataBags = []string{i.keep(docs.DataBags)}
	}
	commands, err := spool.Open(i.data)
	if err != nil {
		i.t.Fatal(err)
	}
	defer commands.Close()
	c, err := commands.Accept(run, time.Now())
	if err != nil {
		i.t.Fatal(err)
	}
	runners := map[string]recipe.Runner{"chef": environment{runner(), i.env}}
	if err := supervise.Run(c.Dir, supervise.Config{Runners: runners, AgentPath: "/bin/true", Version: "1.0", Now: time.Now}); err != nil {
		i.t.Fatal(err)
	}
	printed, err := os.ReadFile(filepath.Join(c.Dir, "output.log"))
	result, _ := c.Result()
	if err != nil || result.Outcome != protocol.Successful {
		i.t.Fatalf("the run is %+v (%v)\n%s", result, err, printed)
	}
	if err := commands.Confirm(c, protocol.Done{CommandID: run.CommandID, Outcome: result.Outcome}); err != nil {
		i.t.Fatal(err)
	}
	return string(printed)
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// received is what the client was given, from the stand-in's copy.
func received(t *testing.T, kept string) map[string]any {
	t.Helper()
	node := load(t, filepath.Join(kept, "node.json"))
	bags := map[string]any{}
	files, _ := filepath.Glob(filepath.Join(kept, "data_bags", "*", "*.json"))
	for _, file := range files {
		bag := filepath.Base(filepath.Dir(file))
		if bags[bag] == nil {
			bags[bag] = map[string]any{}
		}
		bags[bag].(map[string]any)[strings.TrimSuffix(filepath.Base(file), ".json")] = load(t, file)
	}
	return map[string]any{"node": node, "data_bags": bags}
}

func load(t *testing.T, file string) (object map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// at is the value at a path of keys and numbers with dots between them.
func at(v any, path string) (any, bool) {
	for _, key := range strings.Split(path, ".") {
		switch inner := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = inner[key]; !ok {
				return nil, false
			}
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(inner) {
				return nil, false
			}
			v = inner[n]
		default:
			return nil, false
		}
	}
	return v, true
}

// fields are those that OpsWorks documented, by the path at which they are.
var fields = map[string]map[string]string{
	"chef11.json": {
		"node": "dependencies ganglia mysql passenger rails opsworks_bundler opsworks_rubygems languages ssh_users role run_list memcached",
		"node.opsworks": "activity agent_version ruby_version ruby_stack run_cookbook_tests deploy_chef_provider sent_at deployment " +
			"valid_client_activities applications stack instance layers rails_stack data_bags",
		"node.opsworks.applications.0":             "name slug_name application_type",
		"node.opsworks.stack":                      "id name vpc_id elb-load-balancers rds_instances",
		"node.opsworks.stack.elb-load-balancers.0": "name dns_name layer_id",
		"node.opsworks.stack.rds_instances.0": "address allocated_storage arn auto_minor_version_upgrade availability_zone " +
			"backup_retention_period db_instance_class db_instance_identifier db_instance_status db_name db_parameter_groups " +
			"db_security_groups db_user engine instance_create_time license_model multi_az option_group_memberships port " +
			"preferred_backup_window preferred_maintenance_window publicly_accessible read_replica_db_instance_identifiers region " +
			"status_infos vpc_security_groups",
		"node.opsworks.instance": "architecture availability_zone aws_instance_id backends hostname id instance_type ip layers " +
			"private_dns_name private_ip public_dns_name region",
		"node.opsworks.layers.rails-app": "id name instances",
		"node.opsworks.layers.rails-app.instances.rails-app1": "availability_zone aws_instance_id backends booted_at created_at elastic_ip " +
			"instance_type ip private_dns_name private_ip public_dns_name region status",
		"node.role.rails-app.instances.rails-app1": "private_ip",
		"node.opsworks.rails_stack":                "name recipe restart_command service",
		"node.deploy.shop": "application application_type auto_bundle_on_deploy database deploy_to deploying_user domains document_root " +
			"environment_variables group keep_releases memcached migrate mounted_at purge_before_symlink rails_env restart_command scm " +
			"sleep_before_restart ssl_support ssl_certificate ssl_certificate_key ssl_certificate_ca stack symlink_before_migrate symlinks user",
		"node.deploy.shop.database":      "adapter database data_source_provider host password port reconnect username",
		"node.deploy.shop.memcached":     "host port",
		"node.deploy.shop.scm":           "scm_type repository revision ssh_key user password",
		"node.deploy.shop.stack":         "needs_reload",
		"node.opsworks_custom_cookbooks": "enabled recipes",
		"node.dependencies":              "gem_binary upgrade_debs update_debs",
		"node.ganglia.web":               "url user",
		"node.mysql":                     "clients server_root_password",
		"node.passenger":                 "gem_bin max_pool_size ruby_bin version",
		"node.rails":                     "max_pool_size",
		"node.opsworks_bundler":          "manage_package version",
		"node.opsworks_rubygems":         "version",
		"node.languages.ruby":            "ruby_bin",
		"node.ssh_users.2001":            "email public_key sudoer name",
	},
	"chef12.json": {
		"data_bags.aws_opsworks_app.shop": "app_id app_source attributes data_sources deploy domains enable_ssl environment name shortname " +
			"ssl_configuration type",
		"data_bags.aws_opsworks_app.shop.app_source":         "type url user password ssh_key revision",
		"data_bags.aws_opsworks_app.shop.attributes":         "document_root",
		"data_bags.aws_opsworks_app.shop.data_sources.0":     "type arn database_name",
		"data_bags.aws_opsworks_app.shop.ssl_configuration":  "certificate chain private_key",
		"data_bags.aws_opsworks_command.command-deploy":      "args command_id iam_user_arn instance_id sent_at type",
		"data_bags.aws_opsworks_ecs_cluster.jobs":            "ecs_cluster_arn ecs_cluster_name",
		"data_bags.aws_opsworks_elastic_load_balancer.front": "elastic_load_balancer_name dns_name layer_id",
		"data_bags.aws_opsworks_instance.rails-app1": "ami_id architecture auto_scaling_type availability_zone created_at ebs_optimized " +
			"ec2_instance_id elastic_ip hostname instance_id instance_type layer_ids os private_dns private_ip public_dns public_ip " +
			"root_device_type root_device_volume_id self ssh_host_dsa_key_fingerprint ssh_host_dsa_key_private ssh_host_dsa_key_public " +
			"ssh_host_rsa_key_fingerprint ssh_host_rsa_key_private ssh_host_rsa_key_public status subnet_id virtualization_type infrastructure_class",
		"data_bags.aws_opsworks_layer.rails-app":                         "ecs_cluster_arn layer_id name packages shortname type volume_configurations",
		"data_bags.aws_opsworks_layer.rails-app.volume_configurations.0": "encrypted iops mount_point number_of_disks raid_level size volume_type",
		"data_bags.aws_opsworks_rds_db_instance.orders":                  "address port db_instance_identifier db_password db_user engine rds_db_instance_arn region",
		"data_bags.aws_opsworks_stack.Shop":                              "arn custom_cookbooks_source name region stack_id use_custom_cookbooks vpc_id",
		"data_bags.aws_opsworks_stack.Shop.custom_cookbooks_source":      "type url username password ssh_key revision",
		"data_bags.aws_opsworks_user.ana":                                "administrator_privileges iam_user_arn remote_access ssh_public_key unix_user_id username",
		"data_bags.staff.ann":                                            "shell",
	},
}

// values are those that tell whether a field's source is the right one.
var values = map[string]map[string]any{
	"chef11.json": {
		"node.shop.theme": "dark", "node.shop.depth.stack": 1., "node.shop.depth.layer": 2., "node.shop.depth.deployment": 3.,
		"node.deploy.shop.keep_releases": 2., "node.deploy.shop.environment_variables.MODE": "from custom JSON",
		"node.deploy.shop.environment_variables.TOKEN": "canary-7f3a-token", "node.deploy.shop.database.password": "canary-7f3a-orders",
		"node.deploy.shop.scm.ssh_key": "canary-7f3a-deploy-key", "node.deploy.shop.ssl_certificate_key": "canary-7f3a-tls",
		"node.deploy.shop.migrate": true, "node.deploy.shop.group": "apache", "node.mysql.server_root_password": "canary-7f3a-root",
		"node.mysql.clients.0": "10.0.0.2", "node.opsworks.instance.aws_instance_id": "i-0123456789abcdef0", "node.opsworks.sent_at": 1767323045.,
		"node.opsworks.instance.layers.0": "rails-app", "node.opsworks.instance.ip": "198.51.100.2", "node.opsworks.activity": "deploy",
		"node.opsworks.deployment": "deployment-1", "node.opsworks_custom_cookbooks.recipes.0": "web::default", "node.opsworks_custom_cookbooks.enabled": true,
		"node.opsworks.ruby_version": "2.6", "node.opsworks.rails_stack.name": "apache_passenger",
	},
	"chef12.json": {
		"node.shop.depth.deployment": 3., "data_bags.aws_opsworks_app.shop.deploy": true, "data_bags.aws_opsworks_app.tools.deploy": false,
		"data_bags.aws_opsworks_app.shop.environment.TOKEN": "canary-7f3a-token", "data_bags.aws_opsworks_app.tools.environment.TOOLS": "canary-7f3a-tools",
		"data_bags.aws_opsworks_instance.rails-app1.self": true, "data_bags.aws_opsworks_instance.lb1.self": false,
		"data_bags.aws_opsworks_instance.rails-app1.ssh_host_rsa_key_private": "canary-7f3a-private-host-key\n",
		"data_bags.aws_opsworks_instance.lb1.ssh_host_rsa_key_private":        nil, "data_bags.aws_opsworks_instance.rails-app2.status": "stopped",
		"data_bags.aws_opsworks_rds_db_instance.orders.db_password":           "canary-7f3a-orders",
		"data_bags.aws_opsworks_stack.Shop.custom_cookbooks_source.password":  "canary-7f3a-cookbooks",
		"data_bags.aws_opsworks_command.command-deploy.args.app_ids.0":        "app-1",
		"data_bags.aws_opsworks_command.command-deploy.sent_at":               "2026-01-02T03:04:05+00:00",
		"data_bags.aws_opsworks_command.command-deploy.instance_id":           "instance-app1",
		"data_bags.aws_opsworks_app.shop.type":                                "other",
		"data_bags.aws_opsworks_instance.rails-app1.ssh_host_dsa_key_private": nil,
		"data_bags.aws_opsworks_instance.rails-app2.auto_scaling_type":        "load",
	},
}

// TestOpsWorks: what the engine tells of a stack arrives, by way of the agent, at
// recipes of Chef 11 and 12 as on OpsWorks, and nothing of it is left behind.
func TestOpsWorks(t *testing.T) {
	for file := range fields {
		t.Run(strings.TrimSuffix(file, ".json"), func(t *testing.T) {
			kept := t.TempDir()
			i := newInstance(t, "PATH="+program(t, "chef-client")+":/usr/bin:/bin", "KEEP="+kept)
			i.run(read(t, file), "deploy", "# say")
			got := received(t, kept)
			for object, names := range fields[file] {
				for name := range strings.FieldsSeq(names) {
					if _, ok := at(got, object+"."+name); !ok {
						t.Errorf("%s lacks %s", object, name)
					}
				}
			}
			for path, want := range values[file] {
				if v, ok := at(got, path); !ok || v != want {
					t.Errorf("%s is %v, want %v", path, v, want)
				}
			}
			if instance, ok := at(got, "node.opsworks.instance"); ok {
				instance.(map[string]any)["architecture"] = "x86_64" // whichever this host's is
			}
			compare(t, file, got)
			i.nothingLeft()
		})
	}
}

// nothingLeft looks for secrets of the run in what stays on the instance.
func (i *instance) nothingLeft() {
	i.t.Helper()
	err := filepath.WalkDir(i.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("canary-7f3a")) {
			i.t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		i.t.Fatal(err)
	}
}

// compare holds what the client was given against a golden file.
func compare(t *testing.T, file string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file = filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was; if that is right, run the test with -update:\n%s", file, got)
	}
}

// searching is a recipe as people had them on Chef 12.
const searching = `# search
ruby_block('search') { block {
  puts
  search('aws_opsworks_app', 'deploy:true').each { |app| puts "deploys #{app['shortname']} to #{app['environment']['MODE']}" }
  search('aws_opsworks_instance', 'self:true').each { |me| puts "is #{me['hostname']}" }
  puts "item #{data_bag_item('aws_opsworks_layer', 'rails-app')['name']}"
  puts "secret #{data_bag_item('aws_opsworks_app', 'shop')['app_source']['password']}"
  puts "key #{search('aws_opsworks_instance', 'self:true').first['ssh_host_rsa_key_private']}"
} }`

// reading is a recipe as people had them on Chef 11.
const reading = `# node
ruby_block('node') { block {
  puts
  node['deploy'].each { |app, deploy| puts "deploys #{app} to #{deploy['environment_variables']['MODE']}" }
  puts "clients #{node['mysql']['clients'].join(' ')}"
  puts "is #{node['opsworks']['instance']['hostname']}"
  search(:node, 'role:db-master').each { |peer| puts "found #{peer['hostname']} at #{peer['ipaddress']}" }
} }`

// clients are the PATHs of the stand-in, and of a real client where there is one.
func clients(t *testing.T) map[string]string {
	t.Helper()
	paths := map[string]string{"stand-in": program(t, "chef-client") + ":/usr/bin:/bin"}
	for _, name := range []string{"cinc-client", "chef-client"} {
		if path, err := exec.LookPath(name); err == nil {
			paths[name] = filepath.Dir(path) + ":/usr/bin:/bin"
		}
	}
	return paths
}

// TestNode: recipes read the node's attributes and find their peers.
func TestNode(t *testing.T) {
	for name, path := range clients(t) {
		t.Run(name, func(t *testing.T) {
			i := newInstance(t, "PATH="+path)
			printed := i.run(read(t, "chef11.json"), "deploy", reading)
			for _, want := range []string{"deploys shop to from custom JSON\n", "clients 10.0.0.2\n", "is rails-app1\n", "found db-master1 at 10.0.0.3\n"} {
				if strings.Count(printed, want) != 1 {
					t.Errorf("prints %q %d times\n%s", want, strings.Count(printed, want), printed)
				}
			}
			i.nothingLeft()
		})
	}
}

// TestSearch: recipes find the apps of their command, with the stand-in and with
// a real client where there is one.
func TestSearch(t *testing.T) {
	for name, path := range clients(t) {
		t.Run(name, func(t *testing.T) {
			for kind, apps := range map[string][]string{"deploy": {"shop"}, "setup": {"shop", "tools"}, "configure": nil} {
				i := newInstance(t, "PATH="+path)
				printed := i.run(read(t, "chef12.json"), kind, searching)
				for _, app := range []string{"shop", "tools"} {
					if found := strings.Contains(printed, "deploys "+app); found != slices.Contains(apps, app) {
						t.Errorf("%s finds %s: %v\n%s", kind, app, found, printed)
					}
				}
				for _, want := range []string{"is rails-app1\n", "item Rails App Server\n", "secret ••••", "key ••••"} {
					if strings.Count(printed, want) != 1 {
						t.Errorf("%s prints %q %d times\n%s", kind, want, strings.Count(printed, want), printed)
					}
				}
				i.nothingLeft()
			}
		})
	}
}
