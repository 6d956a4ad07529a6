package awsapi

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/agent/protocol"
	"opsyard/engine/logstream"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// workshop is a Shell stack with an app and online web servers.
type workshop struct {
	*world
	stack     *models.Stack
	web       *models.Layer
	sid, app  *string
	instances []*models.Instance
}

func newWorkshop(t *testing.T, instances int) *workshop {
	t.Helper()
	w := &workshop{world: newWorld(t)}
	w.stack = w.world.stack(t)
	w.sid = aws.String(string(w.stack.ID))
	w.web = w.layer(t, w.stack, models.LayerWeb)
	w.instances = w.online(t, w.web, instances)
	w.idle(t)
	w.app = must(w.admin.CreateApp(&opsworks.CreateAppInput{
		StackId: w.sid, Name: aws.String("Shop"), Type: aws.String("static"),
		AppSource: &opsworks.Source{Type: aws.String("git"), Url: aws.String("https://example.org/shop.git")},
	}))(t).AppId
	return w
}

// idle waits until no command is left in the stack.
func (w *workshop) idle(t testing.TB) {
	t.Helper()
	eventually(t, "the stack is idle", func() bool {
		return len(must(w.store.Deployments.Running(w.ctx, w.stack.ID))(t)) == 0 && len(must(w.store.Membership.Waiting(w.ctx))(t)) == 0
	})
}

func command(name string, args ...string) *opsworks.DeploymentCommand {
	c := &opsworks.DeploymentCommand{Name: &name}
	for n := 0; n < len(args); n += 2 {
		if c.Args == nil {
			c.Args = map[string][]*string{}
		}
		c.Args[args[n]] = append(c.Args[args[n]], &args[n+1])
	}
	return c
}

func (w *workshop) described(t testing.TB, id *string) *opsworks.Deployment {
	t.Helper()
	return must(w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{DeploymentIds: []*string{id}}))(t).Deployments[0]
}

func TestDeployments(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 2)
	w.keepGolden(t, "CreateDeployment")
	minimal := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, Command: command("update_custom_cookbooks")}))(t)
	full := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{
		StackId: w.sid, AppId: w.app, Command: command("deploy", "migrate", "true"), Comment: aws.String("release 7"), CustomJson: aws.String(`{ "a" : 1 }`),
		InstanceIds: []*string{aws.String(string(w.instances[0].ID))}, LayerIds: []*string{aws.String(string(w.web.ID))},
	}))(t)
	check(t, w.admin.WaitUntilDeploymentSuccessful(&opsworks.DescribeDeploymentsInput{DeploymentIds: []*string{minimal.DeploymentId, full.DeploymentId}}))

	d := w.described(t, full.DeploymentId)
	ana := must(w.store.Users.ByName(w.ctx, "ana"))(t)
	if *d.AppId != *w.app || *d.Comment != "release 7" || *d.CustomJson != `{ "a" : 1 }` || *d.IamUserArn != ana.IamUserArn ||
		*d.Status != "successful" || d.CompletedAt == nil || d.Duration == nil || *d.Command.Args["migrate"][0] != "true" || *d.StackId != *w.sid {
		t.Errorf("the deployment is %v", d)
	}
	if got := aws.StringValueSlice(d.InstanceIds); len(got) != 2 { // targets named twice run once
		t.Errorf("it ran on %v", got)
	}
	if d := w.described(t, minimal.DeploymentId); d.AppId != nil || d.Comment != nil || d.CustomJson != nil || len(d.InstanceIds) != 2 {
		t.Errorf("the minimal deployment is %v", d)
	}

	// AppId is ignored for stack commands.
	ignored := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, AppId: aws.String("none"), Command: command("configure")}))(t)
	if d := w.described(t, ignored.DeploymentId); d.AppId != nil {
		t.Errorf("configure has the app %s", *d.AppId)
	}
	w.idle(t)
}

func TestDescribeDeploymentsAndCommands(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	w.keepGolden(t, "DescribeDeployments", "DescribeCommands")
	first := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, AppId: w.app, Command: command("deploy")}))(t)
	check(t, w.admin.WaitUntilDeploymentSuccessful(&opsworks.DescribeDeploymentsInput{DeploymentIds: []*string{first.DeploymentId}}))
	second := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, AppId: w.app, Command: command("restart")}))(t)
	w.idle(t)
	w.golden.mu.Lock()
	w.golden.pairs = map[string][]pair{} // how often the waiter asked depends on the time
	w.golden.mu.Unlock()

	ofApp := must(w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{AppId: w.app}))(t).Deployments
	if len(ofApp) != 2 || *ofApp[0].DeploymentId != *second.DeploymentId || *ofApp[1].DeploymentId != *first.DeploymentId {
		t.Errorf("the app's deployments, newest first, are %v", ofApp)
	}
	i := aws.String(string(w.instances[0].ID))
	all := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{InstanceId: i}))(t).Commands
	var types []string
	for _, c := range all {
		types = append(types, *c.Type)
		if *c.Status != "successful" || *c.ExitCode != 0 || c.AcknowledgedAt == nil || c.CompletedAt == nil || *c.InstanceId != *i {
			t.Errorf("the command is %v", c)
		}
	}
	if fmt.Sprint(types) != "[restart deploy configure setup]" {
		t.Errorf("the commands, newest first, are %v", types)
	}
	one := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{DeploymentId: first.DeploymentId}))(t).Commands
	if len(one) != 1 || *one[0].Type != "deploy" || *one[0].DeploymentId != *first.DeploymentId {
		t.Errorf("the deployment's commands are %v", one)
	}
	same := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{CommandIds: []*string{one[0].CommandId}}))(t).Commands
	if len(same) != 1 || *same[0].CommandId != *one[0].CommandId {
		t.Errorf("by its id the command is %v", same)
	}
	for _, in := range []*opsworks.DescribeCommandsInput{
		{}, {DeploymentId: first.DeploymentId, InstanceId: i}, {CommandIds: []*string{one[0].CommandId}, InstanceId: i},
	} {
		_, err := w.admin.DescribeCommands(in)
		wantError(t, err, "ValidationException", "Please provide one or more command IDs or a deployment ID or an instance ID")
	}
	for _, in := range []*opsworks.DescribeDeploymentsInput{
		{}, {StackId: w.sid, AppId: w.app}, {DeploymentIds: []*string{first.DeploymentId}, AppId: w.app},
	} {
		_, err := w.admin.DescribeDeployments(in)
		wantError(t, err, "ValidationException", "Please provide one or more deployment IDs or an app ID or a stack ID")
	}
	_, err := w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{CommandIds: aws.StringSlice([]string{"x", "y"})})
	wantError(t, err, "ResourceNotFoundException", "Unable to find command with ID x, y")
	_, err = w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{DeploymentIds: aws.StringSlice([]string{"x"})})
	wantError(t, err, "ResourceNotFoundException", "Unable to find deployment with ID x")
}

// The engine's own deployments have nobody's ARN, and what hides its stack
// hides its commands.
func TestDeploymentsOfTheEngineAndOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	for _, d := range must(w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{StackId: w.sid}))(t).Deployments {
		if d.IamUserArn != nil || d.Comment != nil {
			t.Errorf("%s has the ARN %s", *d.Command.Name, aws.StringValue(d.IamUserArn))
		}
	}
	all := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{InstanceId: aws.String(string(w.instances[0].ID))}))(t).Commands
	stranger := w.user(t, "stan", models.LevelDeny, w.stack)
	for _, in := range []*opsworks.DescribeCommandsInput{
		{CommandIds: []*string{all[0].CommandId}}, {DeploymentId: all[0].DeploymentId}, {InstanceId: all[0].InstanceId},
	} {
		_, err := stranger.DescribeCommands(in)
		wantError(t, err, "ResourceNotFoundException", "Unable to find ")
	}
	for _, in := range []*opsworks.DescribeDeploymentsInput{
		{StackId: w.sid}, {AppId: w.app}, {DeploymentIds: []*string{all[0].DeploymentId}},
	} {
		_, err := stranger.DescribeDeployments(in)
		wantError(t, err, "ResourceNotFoundException", "Unable to find ")
	}

	// Shutdown is a command, but the model has no name for such a deployment.
	check(t, w.engine.StopInstance(w.ctx, w.instances[0].ID, false))
	w.becomes(t, w.instances[0].ID, models.InstanceStopped)
	newest := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{InstanceId: aws.String(string(w.instances[0].ID))}))(t).Commands[0]
	if *newest.Type != "shutdown" {
		t.Errorf("the newest command is %s", *newest.Type)
	}
	if d := w.described(t, newest.DeploymentId); d.Command != nil || *d.Status != "successful" {
		t.Errorf("the deployment of the shutdown is %v", d)
	}
	for _, d := range must(w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{StackId: w.sid}))(t).Deployments {
		if *d.DeploymentId == *newest.DeploymentId {
			t.Error("the stack's deployments have one that nobody can ask for")
		}
	}
}

func TestDeploymentsRefused(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	stopped := w.instance(t, w.web)
	other := w.world.stack(t, func(s *models.Stack) { s.Name = "Other" })
	elsewhere := w.layer(t, other, models.LayerCustom)
	for name, c := range map[string]struct {
		in   opsworks.CreateDeploymentInput
		code string
		text string
	}{
		"stack":            {opsworks.CreateDeploymentInput{StackId: aws.String("none"), Command: command("setup")}, "ResourceNotFoundException", "Unable to find stack with ID none"},
		"command":          {opsworks.CreateDeploymentInput{Command: command("upgrade_operating_system")}, "ValidationException", "upgrade_operating_system"},
		"engine's command": {opsworks.CreateDeploymentInput{Command: command("shutdown")}, "ValidationException", "shutdown"},
		"no app":           {opsworks.CreateDeploymentInput{Command: command("deploy")}, "ValidationException", "App id: the command deploy needs an app"},
		"unknown app":      {opsworks.CreateDeploymentInput{AppId: aws.String("none"), Command: command("deploy")}, "ResourceNotFoundException", "Unable to find app with ID none"},
		"no recipes":       {opsworks.CreateDeploymentInput{Command: command("execute_recipes")}, "ValidationException", "Recipes: name at least one"},
		"bad recipe":       {opsworks.CreateDeploymentInput{Command: command("execute_recipes", "recipes", "a b")}, "ValidationException", "Recipes"},
		"migrate":          {opsworks.CreateDeploymentInput{AppId: w.app, Command: command("deploy", "migrate", "yes")}, "ValidationException", "migrate"},
		"argument":         {opsworks.CreateDeploymentInput{AppId: w.app, Command: command("undeploy", "app", "../etc")}, "ValidationException", `takes no argument "app"`},
		"upgrade":          {opsworks.CreateDeploymentInput{Command: command("update_dependencies", "upgrade_os_to", "Amazon Linux 2")}, "ValidationException", "allow_reboot"},
		"custom JSON":      {opsworks.CreateDeploymentInput{Command: command("setup"), CustomJson: aws.String("[]")}, "ValidationException", "Custom json"},
		"stopped":          {opsworks.CreateDeploymentInput{Command: command("setup"), InstanceIds: []*string{aws.String(string(stopped.ID))}}, "ValidationException", "Please provide at least an instance ID of one running instance"},
		"unknown instance": {opsworks.CreateDeploymentInput{Command: command("setup"), InstanceIds: []*string{aws.String("none")}}, "ResourceNotFoundException", "Unable to find instance with ID none"},
		"unknown layer":    {opsworks.CreateDeploymentInput{Command: command("setup"), LayerIds: []*string{aws.String("none")}}, "ResourceNotFoundException", "Unable to find layer with ID none"},
		"layer elsewhere":  {opsworks.CreateDeploymentInput{Command: command("setup"), LayerIds: []*string{aws.String(string(elsewhere.ID))}}, "ResourceNotFoundException", "Unable to find layer with ID"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.StackId == nil {
				c.in.StackId = w.sid
			}
			_, err := w.admin.CreateDeployment(&c.in)
			wantError(t, err, c.code, c.text)
		})
	}
	shower := w.user(t, "sue", models.LevelShow, w.stack)
	_, err := shower.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, Command: command("setup")})
	wantError(t, err, "AccessDeniedException", "deploy")
	deployer := w.user(t, "dora", models.LevelDeploy, w.stack)
	must(deployer.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, Command: command("execute_recipes", "recipes", "a::b")}))(t)
	w.idle(t)
}

// Bursts of Configure collapse; the API says superseded, and expired, though its
// own list lacks both.
func TestPitfall08SupersededAndExpired(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status models.CommandStatus
		want   string
	}{
		{models.CommandPending, "pending"}, {models.CommandSent, "pending"}, {models.CommandRunning, "pending"}, {models.CommandSkipped, "skipped"},
		{models.CommandSuperseded, "superseded"}, {models.CommandExpired, "expired"},
	} {
		if got := wireCommand(&models.Command{Status: c.status}); *got.Status != c.want || got.ExitCode != nil || got.CompletedAt != nil {
			t.Errorf("%s is shown as %v", c.status, got)
		}
	}
}

// Deployment custom JSON is kept as it was sent, and is 120 KB at most.
func TestPitfall14DeploymentCustomJSON(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	most := `{"a":"` + strings.Repeat("x", models.MaxCustomJSON-8) + `"}`
	d := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, Command: command("configure"), CustomJson: &most}))(t)
	if got := *w.described(t, d.DeploymentId).CustomJson; got != most {
		t.Errorf("%d bytes of custom JSON became %d", len(most), len(got))
	}
	more := most + " "
	_, err := w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, Command: command("configure"), CustomJson: &more})
	wantError(t, err, "ValidationException", "Custom json: is too large (maximum is 120 KB)")
	w.idle(t)
}

// On Chef 12 the type of an app is other, and the commands that Chef 12 left out
// are refused; on stacks of our own managers they are not.
func TestPitfall16Chef12(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	chef := must(w.engine.CreateStack(w.ctx, models.NewStack("Chef")))(t)
	sid := aws.String(string(chef.ID))
	_, err := w.admin.CreateApp(&opsworks.CreateAppInput{StackId: sid, Name: aws.String("Shop"), Type: aws.String("php")})
	wantError(t, err, "ValidationException", "Type: must be other on Chef 12 stacks")
	_, err = w.admin.CreateApp(&opsworks.CreateAppInput{StackId: sid, Name: aws.String("Shop"), Type: aws.String("other"), AppSource: &opsworks.Source{Type: aws.String("svn"), Url: aws.String("svn://example.org/x")}})
	wantError(t, err, "ValidationException", "Subversion is not supported on Chef 12 stacks")
	app := must(w.admin.CreateApp(&opsworks.CreateAppInput{StackId: sid, Name: aws.String("Shop"), Type: aws.String("other")}))(t)
	for _, name := range []string{"install_dependencies", "update_dependencies", "rollback", "start", "stop", "restart"} {
		_, err := w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: sid, AppId: app.AppId, Command: command(name)})
		wantError(t, err, "ValidationException", name+" is not available on Chef 12 stacks")
		must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, AppId: w.app, Command: command(name)}))(t)
	}
	w.idle(t)
}

// Arguments are lists of strings, and an upgrade of the operating system is
// update_dependencies.
func TestPitfall17Args(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	d := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{
		StackId: w.sid, Command: command("update_dependencies", "upgrade_os_to", "Debian 12", "allow_reboot", "true"),
	}))(t)
	if args := w.described(t, d.DeploymentId).Command.Args; *args["upgrade_os_to"][0] != "Debian 12" || *args["allow_reboot"][0] != "true" {
		t.Errorf("the arguments are %v", args)
	}
	d = must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, Command: command("execute_recipes", "recipes", "b::two", "recipes", "a::one")}))(t)
	if args := w.described(t, d.DeploymentId).Command.Args; fmt.Sprint(aws.StringValueSlice(args["recipes"])) != "[b::two a::one]" {
		t.Errorf("the arguments are %v", args)
	}
	status, answer := w.raw(t, w.key, "CreateDeployment", `{"StackId":"`+*w.sid+`","AppId":"`+*w.app+`","Command":{"Name":"deploy","Args":{"migrate":true}}}`)
	if status != http.StatusBadRequest || !strings.Contains(answer, "SerializationException") {
		t.Errorf("an argument that is no list was answered with %d %s", status, answer)
	}
	w.idle(t)
}

// start, stop, restart and rollback fire no lifecycle event, and have nothing to
// do on custom layers.
func TestPitfall18AppServerCommands(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, 1)
	workers := w.online(t, w.layer(t, w.stack, models.LayerCustom, func(l *models.Layer) {
		for _, e := range models.Events {
			l.CustomRecipes.Set(e, []string{"mine::" + string(e)})
		}
	}), 1)
	w.idle(t)
	for _, name := range []string{"start", "stop", "restart", "rollback"} {
		d := must(w.admin.CreateDeployment(&opsworks.CreateDeploymentInput{StackId: w.sid, AppId: w.app, Command: command(name)}))(t)
		for _, c := range must(w.store.Commands.OfDeployment(w.ctx, models.DeploymentID(*d.DeploymentId)))(t) {
			custom := c.InstanceID == workers[0].ID
			if custom != (len(c.RunList) == 0) || slices.ContainsFunc(c.RunList, func(i models.RunItem) bool { return !i.BuiltIn }) {
				t.Errorf("%s on %s runs %v", name, c.Hostname, c.RunList)
			}
		}
		w.idle(t)
		newest := must(w.admin.DescribeDeployments(&opsworks.DescribeDeploymentsInput{StackId: w.sid}))(t).Deployments[0]
		if *newest.DeploymentId != *d.DeploymentId {
			t.Errorf("%s was followed by %s", name, *newest.Command.Name)
		}
	}
}

// LogUrl is an address that needs nothing but itself, for two hours.
func TestLogURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.instance(t, w.layer(t, w.stack(t), models.LayerCustom))
	d := storetest.Deployment(t, w.store, func(d *models.Deployment) { d.StackID = i.StackID })
	id := storetest.Commands(t, w.store, d, i.ID)[0].ID
	described := func() *opsworks.Command {
		return must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{CommandIds: []*string{aws.String(string(id))}}))(t).Commands[0]
	}
	if c := described(); c.LogUrl != nil {
		t.Errorf("a command without a log has the address %s", *c.LogUrl)
	}
	const written = "one line\nand another\n"
	must(w.api.Logs.(*logstream.Logs).Append(w.ctx, id, protocol.LogChunk{CommandID: string(id), Seq: 1, At: time.Now(), Data: []byte(written)}))(t)
	c := described()
	fetch := func(url, coding string) (*http.Response, string) {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))(t)
		r.Header.Set("Accept-Encoding", coding)
		transport := &http.Transport{DisableCompression: true}
		defer transport.CloseIdleConnections()
		resp := must(transport.RoundTrip(r))(t)
		defer resp.Body.Close()
		body := io.Reader(resp.Body)
		if resp.Header.Get("Content-Encoding") == "gzip" {
			body = must(gzip.NewReader(body))(t)
		}
		return resp, string(must(io.ReadAll(body))(t))
	}
	plain, text := fetch(*c.LogUrl, "identity")
	packed, same := fetch(*c.LogUrl, "deflate, gzip;q=0.8")
	if plain.StatusCode != http.StatusOK || text != written || text != same || plain.Header.Get("Content-Encoding") != "" || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %v %q and %v %q", plain, text, packed, same)
	}
	if kind := plain.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		t.Errorf("the log is %s", kind)
	}
	for name, url := range map[string]string{
		"other signature": strings.Replace(*c.LogUrl, "Signature=", "Signature=A", 1), "no signature": strings.Split(*c.LogUrl, "?")[0],
		"longer":          strings.Replace(*c.LogUrl, "Expires=", "Expires=9", 1),
		"another command": strings.Replace(*c.LogUrl, *c.CommandId, "00000000-0000-0000-0000-000000000000", 1),
	} {
		if resp, body := fetch(url, ""); resp.StatusCode != http.StatusForbidden || strings.Contains(body, "Signature") {
			t.Errorf("%s: got %d %s", name, resp.StatusCode, body)
		}
	}
	silent := storetest.Commands(t, w.store, storetest.Deployment(t, w.store, func(d *models.Deployment) { d.StackID = i.StackID }), i.ID)[0].ID
	const reason = "This agent cannot run \"chef\" recipes."
	check(t, w.store.Commands.Move(w.ctx, silent, []models.CommandStatus{models.CommandPending}, models.CommandSkipped, store.CommandChange{At: time.Now(), Message: reason}))
	failed := must(w.admin.DescribeCommands(&opsworks.DescribeCommandsInput{CommandIds: []*string{aws.String(string(silent))}}))(t).Commands[0]
	if resp, body := fetch(*failed.LogUrl, ""); resp.StatusCode != http.StatusOK || body != reason+"\n" {
		t.Errorf("of a command that failed without a word: got %d %q", resp.StatusCode, body)
	}
	w.api.Now = func() time.Time { return time.Now().Add(logLife + time.Second) }
	if resp, _ := fetch(*c.LogUrl, ""); resp.StatusCode != http.StatusForbidden {
		t.Errorf("after two hours: got %d", resp.StatusCode)
	}
}
