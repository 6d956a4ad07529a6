package handlers

import (
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"
)

// deed is a form of the console as somebody sends it, and what the audit has to
// tell of it.
type deed struct {
	route string // the pattern; its names are filled as the walk of permissions does
	path  string // instead of that, where the form is about something else
	form  []string
	// entries are the actions that the audit tells: one of the deed's own, and
	// those of what it brings about; a star stands for several of a kind.
	entries string
	by      *browser // nil: the administrator's
	// refused is who may not do it, and is told of instead; empty: whoever is
	// signed in may.
	refused string
}

// untold are the routes that change nothing, or cannot be driven here, with why
// that is so.
var untold = map[string]string{
	"POST /me/security/passkeys":        "needs a browser with passkeys: TestBrowserPasskey",
	"POST /me/security/passkeys/delete": "needs a passkey: TestBrowserPasskey",
	"POST /me/security/passkeys/ask":    "a question to the browser; what is made of its answer is told",
	"POST /sign-in/passkey/ask":         "a question to the browser; what is made of its answer is told",
}

// auditStory tells a story that uses every form of the console.
type auditStory struct {
	*realConsole
	root *browser
	as   map[string]*browser
	told map[string]bool // routes
	log  *heard
}

// Every form of the console that changes something leaves one entry of what was
// done, and those that it brings about; sent by somebody who may not, it leaves
// one refusal. The routes are those of the router: a new one fails here until
// somebody says what it leaves.
func TestEveryFormIsAudited(t *testing.T) {
	t.Parallel()
	log := &heard{}
	c := setupReal(t, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})))
	s := &auditStory{realConsole: c, log: log, root: c.as("root"), as: map[string]*browser{}, told: map[string]bool{}}
	for _, name := range []string{"show", "deploy", "manage"} {
		s.as[name] = c.as(name)
	}
	s.stacks()
	s.layers()
	s.instances()
	s.hosts()
	s.apps()
	s.deployments()
	s.resources()
	s.notifications()
	s.permissions()
	s.team()
	s.own()
	s.signingIn()
	for _, route := range routesInSource(t) {
		if method, _, _ := strings.Cut(route, " "); method != "POST" {
			continue
		}
		if _, excepted := untold[route]; !excepted && !s.told[route] {
			t.Errorf("%s is neither sent here nor excepted", route)
		}
	}
	for route := range untold {
		if _, there := needs[route]; !there {
			t.Errorf("%s is excepted and is no route", route)
		}
	}
}

// do sends a form, first by who may not.
func (s *auditStory) do(d deed) answer {
	s.t.Helper()
	method, pattern, _ := strings.Cut(d.route, " ")
	if _, there := needs[d.route]; !there || method != "POST" {
		s.t.Fatalf("%s is no route of the console", d.route)
	}
	s.told[d.route] = true
	if d.path == "" {
		d.path = s.path(s.fleet, pattern)
	}
	if d.refused != "" {
		s.wantRefusal(d, s.as[d.refused])
	}
	by := d.by
	if by == nil {
		by = s.root
	}
	a := by.post(d.path, d.form...)
	var got []string
	for _, e := range s.entries(a) {
		if !slices.Contains(got, e.Action) || !strings.Contains(d.entries, e.Action+"*") {
			got = append(got, e.Action)
		}
		if e.Refused || e.SourceAddr != "127.0.0.1" || e.Surface != "console" || e.ActorName == "" || e.TargetKind == "" {
			s.t.Errorf("%s is told as %+v", d.route, e)
		}
	}
	want := strings.Fields(strings.ReplaceAll(d.entries, "*", ""))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("%s answers %d to %q and leaves %q, want %q: %s", d.route, a.status, a.location, got, want, s.problem(by, a))
	}
	return a
}

// problem is what a page says was wrong.
func (s *auditStory) problem(b *browser, a answer) string {
	body := a.body
	if a.status == 303 {
		body = b.get(a.location).body
	}
	return regexp.MustCompile(`(?s)(role="alert"|class="flash).{0,300}`).FindString(body) + s.log.String()
}

// wantRefusal sends a form as somebody who may not.
func (s *auditStory) wantRefusal(d deed, by *browser) {
	s.t.Helper()
	a := by.post(d.path, d.form...)
	list := s.entries(a)
	if len(list) != 1 || !list[0].Refused || list[0].Action == "" || list[0].TargetKind == "" || list[0].SourceAddr != "127.0.0.1" || list[0].Surface != "console" {
		s.t.Errorf("%s refused answers %d and leaves %+v", d.route, a.status, list)
	}
}

// entries are those of the request that an answer is to, oldest first.
func (s *auditStory) entries(a answer) []models.AuditEntry {
	s.t.Helper()
	id := a.header.Get("X-Request-Id")
	if id == "" {
		s.t.Fatal("an answer has no request id")
	}
	list, err := s.store.Audit.Page(s.t.Context(), models.AuditFilter{RequestID: id}, store.AuditCursor{})
	s.fleet.must(err)
	slices.Reverse(list)
	return list
}

func (s *auditStory) exec(statement string, args ...any) {
	s.t.Helper()
	_, err := s.store.SQL().ExecContext(s.t.Context(), statement, args...)
	s.fleet.must(err)
}

func (s *auditStory) eng() *engine.Engine { return s.h.Engine.(*engine.Engine) }

func (s *auditStory) stacks() {
	f := s.fleet
	s.exec("UPDATE stacks SET arn = 'arn:aws:opsworks:local:000000000000:stack/' || id || '/'")
	s.exec("UPDATE layers SET arn = 'arn:aws:opsworks:local:000000000000:layer/' || id")
	made := s.do(deed{route: "POST /stacks", form: []string{"Name", "short", "Provider", "sim"}, entries: "CreateStack", refused: "manage"}).location
	s.do(deed{route: "POST /stacks/{stack}/settings", form: []string{"Name", "shop-prod", "HostnameTheme", "Layer_Dependent",
		"ConfigurationManager", f.stack.ConfigurationManager.Name, "ConfigurationManagerVersion", f.stack.ConfigurationManager.Version,
		"DefaultOs", "Debian 12", "DefaultRootDeviceType", "ebs"}, entries: "UpdateStack", refused: "deploy"})
	s.do(deed{route: "POST /stacks/{stack}/clone", form: []string{"Name", "shop-two"}, entries: "CloneStack", refused: "manage"})
	s.do(deed{route: "POST /stacks/{stack}/tags", form: []string{"TagKey", "team", "TagValue", "shop"}, entries: "TagResource", refused: "show"})
	s.do(deed{route: "POST /stacks/{stack}/start", entries: "StartStack", refused: "show", path: made + "/start"})
	s.do(deed{route: "POST /stacks/{stack}/stop", entries: "StopStack", refused: "show", path: made + "/stop"})
	s.do(deed{route: "POST /stacks/{stack}/delete", form: []string{"confirm", "short"}, entries: "DeleteStack", refused: "show", path: made + "/delete"})
	s.do(deed{route: "POST /stacks/{stack}/healing/lift", entries: "LiftHealingFreeze", refused: "deploy"})
	s.do(deed{route: "POST /healings/{healing}/wrong", entries: "MarkHealingWrong", refused: "deploy"})
	alarm := []string{"Name", "hot", "Metric", "cpu", "Statistic", "Average", "Comparison", ">=", "Threshold", "90", "Minutes", "3", "Of", "5"}
	s.do(deed{route: "POST /stacks/{stack}/alarms", form: alarm, entries: "CreateAlarm", refused: "deploy"})
	alarm[9] = "80"
	s.do(deed{route: "POST /stacks/{stack}/alarms/{alarm}", form: alarm, entries: "UpdateAlarm", refused: "deploy"})
	s.do(deed{route: "POST /stacks/{stack}/alarms/{alarm}/delete", entries: "DeleteAlarm", refused: "deploy"})
}

func (s *auditStory) layers() {
	f := s.fleet
	layer := "/stacks/{stack}/layers/{layer}/"
	part := func(name, entries string, form ...string) {
		s.t.Helper()
		s.do(deed{route: "POST " + layer + name, form: form, entries: entries, refused: "show"})
	}
	s.do(deed{route: "POST /stacks/{stack}/layers", form: []string{"form", "whole", "Type", "rails-app"}, entries: "CreateLayer", refused: "deploy"})
	part("recipes", "UpdateLayer", "setup", "shop::base")
	part("settings", "UpdateLayer", "Name", "Load balancer", "ExecutionTimeout", "120", "attr-HaproxyHealthCheckMethod", "OPTIONS", "attr-HaproxyHealthCheckUrl", "/", "attr-HaproxyStatsUrl", "/s", "attr-HaproxyStatsUser", "ops")
	part("json", "UpdateLayer", "CustomJson", `{"a": 1}`)
	part("network", "UpdateLayer", "AutoAssignElasticIps", "on")
	part("volumes", "UpdateLayer", "MountPoint", "/vol/a", "Size", "10", "NumberOfDisks", "1", "VolumeType", "gp2")
	part("security", "UpdateLayer", "CustomSecurityGroupIds", "sg-1")
	part("logs", "UpdateLayer", "Enabled", "on", "File", "/var/log/x.log", "LogGroupName", "shop/x", "BufferDuration", "6000", "TimeZone", "UTC")
	part("tags", "TagResource", "TagKey", "own", "TagValue", "1")
	scaling := []string{"Enable", "on"}
	for _, d := range []string{"UpScaling", "DownScaling"} {
		scaling = append(scaling, d+".InstanceCount", "2", d+".ThresholdsWaitTime", "7", d+".IgnoreMetricsTime", "8", d+".Alarms", "")
	}
	part("scaling", "SetLoadBasedAutoScaling", scaling...)
	s.do(deed{route: "POST /stacks/{stack}/layers/{layer}/delete", path: views.LayerHref(f.stack.ID, f.empty.ID) + "/delete", form: []string{"confirm", f.empty.Shortname},
		entries: "DeleteLayer", refused: "deploy"})
}

func (s *auditStory) instances() {
	f := s.fleet
	made := s.do(deed{route: "POST /stacks/{stack}/instances", form: []string{"LayerIds", string(f.layers[3].ID), "Hostname", "worker-99", "InstanceType", "local.small", "Os", "Debian 12", "Architecture", "x86_64"},
		entries: "CreateInstance", refused: "deploy"}).location
	at := func(deed string) string { return made + "/" + deed }
	s.do(deed{route: "POST /instances/{instance}/edit", path: at("edit"), form: []string{"LayerIds", string(f.layers[3].ID), "Hostname", "worker-98", "InstanceType", "local.small", "Os", "Debian 12", "Architecture", "x86_64"},
		entries: "UpdateInstance", refused: "deploy"})
	s.do(deed{route: "POST /instances/{instance}/start", path: at("start"), entries: "StartInstance", refused: "deploy"})
	s.exec("UPDATE instances SET status = 'online' WHERE id = ?", path(made))
	s.do(deed{route: "POST /instances/{instance}/reboot", path: at("reboot"), entries: "RebootInstance", refused: "deploy"})
	s.exec("UPDATE instances SET status = 'online' WHERE id = ?", path(made))
	s.do(deed{route: "POST /instances/{instance}/stop", path: at("stop"), entries: "StopInstance", refused: "deploy"})
	s.exec("UPDATE instances SET status = 'stopped' WHERE id = ?", path(made))
	s.do(deed{route: "POST /instances/{instance}/delete", path: at("delete"), form: []string{"confirm", "worker-98"}, entries: "DeleteInstance", refused: "deploy"})

	i := s.timer()
	s.do(deed{route: "POST /instances/{instance}/schedule", path: views.ScheduleHref(i.ID), form: []string{"Monday", "9", "do", "save"}, entries: "SetTimeBasedAutoScaling", refused: "deploy"})
	f.must(s.store.Intents.Pause(f.ctx, &models.IntentPause{InstanceID: i.ID, StackID: i.StackID, Author: models.ByHealing, At: s.h.Now(), Reason: "Three times."}))
	s.do(deed{route: "POST /instances/{instance}/resume", path: views.InstanceHref(i.ID) + "/resume", form: []string{"author", "healing"}, entries: "ResumeIntents", refused: "deploy"})

	windows := f.instances[3].ID
	s.exec("UPDATE instances SET os = 'Microsoft Windows Server 2012 R2 Base', status = 'online' WHERE id = ?", windows)
	s.do(deed{route: "POST /instances/{instance}/access", path: views.InstanceHref(windows) + "/access", form: []string{"ValidForInMinutes", "60"}, entries: "GrantAccess", refused: "show"})
	// The page only shows the terminal: OpenShell is told when its websocket
	// asks for it.
	s.told["POST /instances/{instance}/shell"] = true
	s.wantRefusal(deed{route: "POST /instances/{instance}/shell", path: views.ShellHref(f.instances[0].ID)}, s.as["show"])
}

// hosts registers a machine and lets it go.
func (s *auditStory) hosts() {
	f := s.fleet
	s.do(deed{route: "POST /stacks/{stack}/register", entries: "CreateEnrollToken", refused: "deploy"})
	ctx := models.WithActor(f.ctx, models.Actor{Kind: models.ActorSetup, Name: "test"})
	host, err := s.eng().RegisterInstance(ctx, engine.Registration{StackID: f.stack.ID, Hostname: "rack-4", PrivateIP: "10.9.0.4"})
	f.must(err)
	s.exec("UPDATE instances SET status = 'registered' WHERE id = ?", host.ID)
	at := func(deed string) string { return views.InstanceHref(host.ID) + "/" + deed }
	s.do(deed{route: "POST /instances/{instance}/assign", path: at("assign"), form: []string{"LayerIds", string(f.layers[3].ID)}, entries: "AssignInstance", refused: "deploy"})
	s.exec("UPDATE instances SET status = 'online' WHERE id = ?", host.ID)
	s.do(deed{route: "POST /instances/{instance}/unassign", path: at("unassign"), entries: "UnassignInstance", refused: "deploy"})
	s.exec("UPDATE instances SET status = 'registered' WHERE id = ?", host.ID)
	s.do(deed{route: "POST /instances/{instance}/deregister", path: at("deregister"), form: []string{"confirm", "rack-4"}, entries: "DeregisterInstance", refused: "deploy"})
}

func (s *auditStory) apps() {
	form := []string{"Name", "news", "Type", "other"}
	made := s.do(deed{route: "POST /stacks/{stack}/apps", form: form, entries: "CreateApp", refused: "deploy"}).location
	s.do(deed{route: "POST /stacks/{stack}/apps/{app}/edit", path: made + "/edit", form: append(form, "Description", "of the day"), entries: "UpdateApp", refused: "show"})
	s.do(deed{route: "POST /stacks/{stack}/apps/{app}/delete", path: made + "/delete", form: []string{"confirm", "news"}, entries: "DeleteApp", refused: "deploy"})
}

func (s *auditStory) deployments() {
	f := s.fleet
	configure := []string{"Command", "configure", "Targets", "all"}
	s.do(deed{route: "POST /stacks/{stack}/run", form: configure, entries: "CreateDeployment", refused: "show"})
	plan := s.as["deploy"].post(f.at("/run"), append(configure, "do", "review")...).location
	s.do(deed{route: "POST /plans/{plan}/run", path: plan + "/run", entries: "CreateDeployment", refused: "show"})
	running := s.root.post(f.at("/run"), configure...).location
	commands, err := s.store.Commands.OfDeployment(f.ctx, models.DeploymentID(path(running)))
	f.must(err)
	s.do(deed{route: "POST /commands/{command}/cancel", path: "/commands/" + string(commands[0].ID) + "/cancel", entries: "CancelCommand", refused: "show"})
	s.do(deed{route: "POST /deployments/{deployment}/cancel", path: running + "/cancel", entries: "CancelDeployment CancelCommand*", refused: "show"})
	s.exec("UPDATE commands SET status = 'failed' WHERE deployment_id = ?", f.failed.ID)
	s.exec("UPDATE deployments SET status = 'failed' WHERE id = ?", f.failed.ID)
	s.do(deed{route: "POST /deployments/{deployment}/retry", path: views.DeploymentHref(f.failed.ID) + "/retry", entries: "CreateDeployment", refused: "show"})
	rolling := s.root.post(f.at("/run"), append(configure, "Batch", "1")...).location
	for _, d := range []struct{ name, entries string }{{"pause", "PauseDeployment"}, {"continue", "ContinueDeployment"}, {"stop", "StopDeployment"}} {
		s.do(deed{route: "POST /deployments/{deployment}/" + d.name, path: rolling + "/" + d.name, entries: d.entries, refused: "show"})
	}
}

func (s *auditStory) resources() {
	f := s.fleet
	at := func(what, entries string, form ...string) string {
		s.t.Helper()
		return s.do(deed{route: "POST /stacks/{stack}/resources/" + what, form: form, entries: entries, refused: "deploy"}).location
	}
	s.exec("UPDATE instances SET status = 'stopped' WHERE id = ?", f.instances[0].ID)
	const ip = "198.51.100.7"
	at("elastic-ips/register", "RegisterElasticIp", "ElasticIp", ip)
	at("elastic-ips/save", "UpdateElasticIp", "edit", ip, "Name", "front door")
	at("elastic-ips/associate", "AssociateElasticIp", "edit", ip, "Instance", f.instances[0].Hostname)
	at("elastic-ips/disassociate", "DisassociateElasticIp", "edit", ip)
	at("elastic-ips/deregister", "DeregisterElasticIp", "edit", ip)
	at("volumes/register", "RegisterVolume", "Ec2VolumeId", "vol-0123456789abcdef0")
	volumes, err := s.store.Volumes.InStack(f.ctx, f.stack.ID)
	f.must(err)
	id := string(volumes[0].ID)
	at("volumes/save", "UpdateVolume", "edit", id, "Name", "orders", "MountPoint", "/mnt/data")
	at("volumes/assign", "AssignVolume", "edit", id, "Instance", f.instances[0].Hostname)
	at("volumes/unassign", "UnassignVolume", "edit", id)
	at("volumes/deregister", "DeregisterVolume", "edit", id)
	const arn = "arn:aws:rds:us-east-1:123456789012:db:orders"
	at("rds/register", "RegisterRdsDbInstance", "RdsDbInstanceArn", arn, "DbUser", "shop", "DbPassword", "the-db-password")
	at("rds/save", "UpdateRdsDbInstance", "edit", arn, "DbUser", "shop2", "Address", "orders.example", "Engine", "mysql")
	at("rds/deregister", "DeregisterRdsDbInstance", "edit", arn)
	layer := string(f.layers[1].ID)
	at("load-balancers/attach", "AttachElasticLoadBalancer", "ElasticLoadBalancerName", "front", "LayerId", layer)
	at("load-balancers/save", "UpdateElasticLoadBalancer", "edit", layer, "DnsName", "front.example")
	at("load-balancers/detach", "DetachElasticLoadBalancer", "edit", layer)
	const cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/jobs"
	at("ecs-clusters/register", "RegisterEcsCluster", "EcsClusterArn", cluster)
	at("ecs-clusters/deregister", "DeregisterEcsCluster", "edit", cluster)
}

// notifications uses the channels of a stack, and those of all stacks.
func (s *auditStory) notifications() {
	for _, of := range []struct{ at, refused string }{{"/stacks/{stack}/notifications", "deploy"}, {"/settings/notifications", "manage"}} {
		made := s.do(deed{route: "POST " + of.at, form: []string{"Kind", "webhook", "Name", "hook", "Types", string(models.NotifyInstance), "URL", "https://hooks.example/x",
			"Secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, entries: "CreateNotificationChannel", refused: of.refused}).location
		on := func(what, entries string, form ...string) {
			s.t.Helper()
			s.do(deed{route: "POST " + of.at + "/{channel}" + what, path: made + what, form: form, entries: entries, refused: of.refused})
		}
		on("", "UpdateNotificationChannel", "Name", "hook", "Types", string(models.NotifyInstance), "TroubleOnly", "on")
		on("/secret", "UpdateNotificationChannel")
		channel, err := s.store.Notifications.Channel(s.t.Context(), models.NotificationChannelID(path(made)))
		s.fleet.must(err)
		channel.URL = "http://127.0.0.1:1" // which is refused at once
		s.fleet.must(s.store.Notifications.SaveChannel(s.t.Context(), channel))
		on("/test", "TestNotificationChannel")
		on("/again", "SendNotificationAgain", "delivery", s.delivery(made))
		on("/pause", "PauseNotificationChannel")
		on("/resume", "ResumeNotificationChannel")
		on("/delete", "DeleteNotificationChannel", "confirm", "hook")
	}
}

// delivery is the number of what a channel was sent last.
func (s *auditStory) delivery(channel string) string {
	s.t.Helper()
	found := regexp.MustCompile(`name="delivery" value="(\d+)"`).FindStringSubmatch(s.root.get(channel).body)
	if found == nil {
		s.t.Fatal("no delivery is shown")
	}
	return found[1]
}

func (s *auditStory) permissions() {
	row := func(id string) []string {
		return []string{"row", id, "was-" + id, "iam_only false false", "level-" + id, "show"}
	}
	subject, stack := string(s.subject), string(s.fleet.stack.ID)
	group := s.group("{group}")
	s.do(deed{route: "POST /stacks/{stack}/permissions", form: row(subject), entries: "SetPermission", refused: "deploy"})
	s.do(deed{route: "POST /stacks/{stack}/permissions/groups", form: row(group), entries: "SetPermission", refused: "deploy"})
	s.do(deed{route: "POST /stacks/{stack}/permissions/grant-ssh", form: []string{"user", subject, "for", "1h"}, entries: "GrantSSH", refused: "deploy"})
	s.do(deed{route: "POST /stacks/{stack}/permissions/end-ssh", form: []string{"user", subject}, entries: "EndSSH", refused: "deploy"})
	s.do(deed{route: "POST /team/users/{user}/permissions", form: append(row(stack)[:5], "deploy"), entries: "SetPermission", refused: "manage"})
	s.do(deed{route: "POST /team/groups/{group}/permissions", form: append(row(stack)[:5], "deploy"), entries: "SetPermission", refused: "manage"})
}

func (s *auditStory) team() {
	admins := func(route, entries string, form ...string) answer {
		s.t.Helper()
		return s.do(deed{route: "POST /team/" + route, form: form, entries: entries, refused: "manage"})
	}
	admins("users", "CreateUserProfile", "Name", "zoe", "Password", goodPassword)
	admins("users/{user}", "UpdateUserProfile", "SshUsername", "subject2")
	admins("users/{user}/password", "SetPassword", "password", goodPassword)
	admins("users/{user}/sessions/end", "EndSession")
	admins("users/{user}/factors/reset", "ResetFactors")
	admins("users/{user}/identities/delete", "DisconnectIdentity", s.identity(s.subject)...)
	group, policy := s.group("{group}"), s.policy("{policy}")
	admins("users/{user}/groups", "SetGroupMembers", "group", group, "in", group)
	admins("users/{user}/policies", "AttachPolicy", "attach", policy)
	admins("policies/{policy}/detach", "DetachPolicy", "user", string(s.subject))
	admins("groups/{group}/policies", "AttachPolicy", "attach", policy)
	admins("groups/{group}/members", "SetGroupMembers", "Add", "nobody")
	admins("groups", "CreateGroup", "Name", "dev")
	admins("policies", "CreatePolicy", "policy", "1", "Name", "other", "Document", noDeletes, "do", "save")
	admins("policies/{policy}", "UpdatePolicy", "policy", "1", "Name", "walked", "Document", strings.Replace(noDeletes, "Delete*", "Stop*", 1), "do", "save")
	admins("policies/{policy}/attach", "AttachPolicy", "Person", "subject")
	admins("policies/{policy}/delete", "DeletePolicy", "confirm", "walked")
	admins("groups/{group}", "RenameGroup", "profile", "1", "Name", "walkers")
	s.exec("UPDATE groups SET name = 'walked' WHERE name = 'walkers'")
	admins("groups/{group}/delete", "DeleteGroup", "confirm", "walked")

	ctx := models.WithActor(s.t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	key, err := s.eng().CreateAccessKey(ctx, models.AccessKey{UserID: s.subject})
	s.fleet.must(err)
	token, _, err := s.eng().CreateToken(ctx, models.Token{UserID: s.subject, Name: "script", ExpiresAt: s.h.Now().Add(time.Hour)})
	s.fleet.must(err)
	admins("users/{user}/keys/delete", "DeleteAccessKey", "key", key.ID)
	admins("users/{user}/tokens/delete", "DeleteToken", "token", string(token.ID))
	admins("invitations", "InviteUser", "Name", "leo")
	open, err := s.store.Invitations.List(s.t.Context())
	s.fleet.must(err)
	admins("invitations/revoke", "RevokeInvitation", "invitation", string(open[0].ID))
	s.do(deed{route: "POST /team/users/{user}/delete", path: views.UserHref(s.userID("zoe")) + "/delete", form: []string{"confirm", "zoe"}, entries: "DeleteUserProfile", refused: "manage"})
	s.do(deed{route: "POST /welcome/code", entries: "CreateRecoveryCodes", refused: "manage"})
	s.do(deed{route: "POST /welcome/invite", form: []string{"Name", "second"}, entries: "InviteUser", refused: "manage"})
}

// identity gives somebody an account at a provider, as a form names it.
func (s *auditStory) identity(of models.UserID) []string {
	s.t.Helper()
	i := models.Identity{Issuer: "https://id.example", Subject: string(of), UserID: of, CreatedAt: s.h.Now(), LastUsed: s.h.Now()}
	s.fleet.must(s.store.SignIns.NewIdentity(s.t.Context(), &i))
	return []string{"issuer", i.Issuer, "subject", i.Subject}
}

// own is what everybody may do to themselves.
func (s *auditStory) own() {
	b := s.realConsole.as("show")
	mine := func(route, entries string, form ...string) answer {
		s.t.Helper()
		return s.do(deed{route: "POST " + route, form: form, entries: entries, by: b})
	}
	mine("/theme", "SetTheme", "theme", "dark")
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8xZ0qvFu2N9Yb4L8mYF3pB6Jq3t0n7xk0v5w1XbR2d leo@laptop"
	mine("/me/ssh-key", "UpdateMyUserProfile", "SshPublicKey", key)
	made := mine("/me/keys", "CreateAccessKey")
	mine("/me/keys/delete", "DeleteAccessKey", "key", regexp.MustCompile(`AKIA[A-Z0-9]{16}`).FindString(made.body))
	mine("/me/tokens", "CreateToken", "Name", "nightly", "Days", "30")
	tokens, err := s.store.Tokens.OfUser(s.t.Context(), s.userID("show"))
	s.fleet.must(err)
	mine("/me/tokens/delete", "DeleteToken", "token", string(tokens[0].ID))
	mine("/me/security/app", "StartTotp")
	u, err := s.store.Users.Get(s.t.Context(), s.userID("show"))
	s.fleet.must(err)
	code, err := totp.GenerateCode(u.TOTPSecret, s.h.Now())
	s.fleet.must(err)
	if list := s.entries(b.post("/me/security/app/enable", "Code", "000000")); len(list) != 1 || !list[0].Refused || list[0].Action != "EnableTotp" {
		s.t.Errorf("a wrong first code leaves %+v", list)
	}
	mine("/me/security/app/enable", "EnableTotp", "Code", code)
	mine("/me/security/codes", "CreateRecoveryCodes")
	mine("/me/security/identities/delete", "DisconnectIdentity", s.identity(s.userID("show"))...)
	mine("/me/security/app/delete", "DisableTotp")
	s.realConsole.as("show")
	sessions, err := s.store.Sessions.OfUser(s.t.Context(), s.userID("show"))
	s.fleet.must(err)
	newest := slices.MaxFunc(sessions, func(a, b models.Session) int { return a.CreatedAt.Compare(b.CreatedAt) })
	mine("/me/sessions/end", "EndSession", "session", newest.Hash)
	if list := s.entries(b.post("/confirm", "Confirm-Password", "wrong")); len(list) != 1 || !list[0].Refused || list[0].Action != "ConfirmSession" {
		s.t.Errorf("a wrong proof leaves %+v", list)
	}
	mine("/confirm", "ConfirmSession", "Confirm-Password", goodPassword)
	mine("/me/sessions/end-others", "EndOtherSessions")
	if list := s.entries(b.post("/me/password", "Current", "wrong", "Password", goodPassword)); len(list) != 1 || !list[0].Refused || list[0].Action != "SetPassword" {
		s.t.Errorf("a wrong present password leaves %+v", list)
	}
	mine("/me/password", "SetPassword", "Current", goodPassword, "Password", goodPassword)
	mine("/sign-out", "SignOut")
}

// signingIn are the forms of people who are not signed in yet: right, and wrong.
func (s *auditStory) signingIn() {
	wrong := func(route, path, action string, form ...string) {
		s.t.Helper()
		s.told["POST "+route] = true
		a := s.browser().post(path, form...)
		if list := s.entries(a); len(list) != 1 || !list[0].Refused || list[0].Action != action || list[0].SourceAddr != "127.0.0.1" || list[0].Surface != "console" {
			s.t.Errorf("%s wrong answers %d and leaves %+v", route, a.status, list)
		}
	}
	wrong("/sign-in", "/sign-in", "SignIn", "name", "nobody", "password", "wrong")
	s.do(deed{route: "POST /sign-in", form: []string{"name", "nobody", "password", goodPassword}, entries: "SignIn", by: s.browser()})
	wrong("/sign-in/code", "/sign-in/code", "SignIn", "Code", "123456") // right: TestSignInWithSecondFactor
	wrong("/sign-in/passkey", "/sign-in/passkey", "SignIn", "challenge", "x", "answer", "{}")
	wrong("/invitation/{token}", "/invitation/WRONG", "AcceptInvitation", "name", "eve", "password", goodPassword, "again", goodPassword)
	ctx := models.WithActor(s.t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	link, err := s.eng().InviteUser(ctx, models.Invitation{Name: "mira"})
	s.fleet.must(err)
	s.do(deed{route: "POST /invitation/{token}", path: "/invitation/" + link, form: []string{"password", goodPassword, "again", goodPassword},
		entries: "AcceptInvitation CreateUserProfile SignIn", by: s.browser()})
	wrong("/setup/{token}", "/setup/WRONG", "CreateUserProfile", "name", "eve", "password", goodPassword, "again", goodPassword)

	foreign := s.root.do("POST", "/theme", url.Values{"theme": {"dark"}}, "Sec-Fetch-Site", "cross-site")
	if list := s.entries(foreign); len(list) != 1 || !list[0].Refused || list[0].Action != "ForeignRequest" {
		s.t.Errorf("a form of another site leaves %+v", list)
	}
	for who, b := range map[string]*browser{"with the cookie": s.root, "without it": s.browser()} {
		conn, resp, err := b.dial("/ws/live?view=stacks/", "https://evil.example")
		if err == nil {
			conn.Close()
			s.t.Fatalf("a websocket of another site is opened %s", who)
		}
		if list := s.entries(answer{header: resp.Header}); len(list) != 1 || !list[0].Refused || list[0].Action != "ForeignRequest" {
			s.t.Errorf("a websocket of another site %s leaves %+v", who, list)
		}
	}

	// The code for a forgotten password is told of where it is spent.
	codes := s.root.post("/me/security/codes", "for", "account")
	code := regexp.MustCompile(`[a-z2-7]{4}(-[a-z2-7]{4}){3}`).FindString(codes.body)
	s.do(deed{route: "POST /sign-in", form: []string{"name", "root", "password", code}, entries: "SignIn UseRecoveryCode", by: s.browser()})

}
