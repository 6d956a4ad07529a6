package handlers

import (
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/models"
	"opsyard/views"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func quietConsole(t *testing.T) *realConsole {
	t.Helper()
	return setupReal(t, slog.New(slog.DiscardHandler))
}

// opened is the address of a list with the form of one resource.
func opened(stack models.StackID, tab, key string) string {
	return views.ResourcesHref(stack, tab) + "&edit=" + url.QueryEscape(key)
}

// deskPages are the addresses of the pages about hosts, schedules, resources
// and permissions.
func (f *fleet) deskPages() []string {
	pages := []string{f.at("/register"), f.at("/permissions"), views.ScheduleHref(f.host("php-12").ID)}
	for _, tab := range []string{views.TabElasticIPs, views.TabVolumes, views.TabRaidArrays, views.TabRds, views.TabLoadBalancers, views.TabEcsClusters} {
		pages = append(pages, views.ResourcesHref(f.stack.ID, tab))
	}
	return pages
}

func TestElasticIPsByForms(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("manage")
	list, do := views.ResourcesHref(f.stack.ID, views.TabElasticIPs), f.at("/resources/elastic-ips/")
	const ip = "198.51.100.7"
	one := opened(f.stack.ID, views.TabElasticIPs, ip)
	b.get(list).want(t, 200, "No resource is registered.", "No elastic IP")
	b.post(do+"register", "ElasticIp", "front door").want(t, 422, `value="front door"`, `id="ElasticIp-error"`)
	b.post(do+"register", "ElasticIp", " "+ip+" ").wantLocation(t, one)
	b.get(one).want(t, 200, "attached to none", "Attach to instance", "1 resource is registered")
	b.post(do+"associate", "edit", ip, "Instance", "nowhere").want(t, 422, "this stack has none that is named", `value="nowhere"`)
	b.post(do+"associate", "edit", ip, "Instance", f.instances[0].Hostname).wantLocation(t, one)
	b.get(one).want(t, 200, "Move to instance", f.instances[0].Hostname, "Detach "+ip+" from")
	b.post(do+"associate", "edit", ip, "Instance", f.instances[1].Hostname).wantLocation(t, one)
	if i, err := c.store.Instances.Get(t.Context(), f.instances[1].ID); err != nil || i.ElasticIP != ip {
		t.Errorf("got %+v, %v; want the address moved", i, err)
	}
	b.post(do+"save", "edit", ip, "Name", "front door").wantLocation(t, one)
	b.get(views.InstanceHref(f.instances[1].ID)).want(t, 200, ip)
	b.post(do+"deregister", "edit", ip).want(t, 422, "front door")
	b.post(do+"disassociate", "edit", ip).wantLocation(t, one)
	b.post(do+"deregister", "edit", ip).wantLocation(t, list)
	// What belongs to another stack is not found, whatever the path says.
	if err := c.h.Engine.RegisterElasticIP(models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup}), c.other.stack.ID, ip); err != nil {
		t.Fatal(err)
	}
	b.get(one).want(t, 404)
	b.post(do+"save", "edit", ip, "Name", "mine").want(t, 404)
	b.post(do+"register", "ElasticIp", ip).want(t, 422, "already registered")
	c.as("show").get(one).want(t, 200, "No elastic IP")
}

func TestVolumesByForms(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("manage")
	do := f.at("/resources/volumes/")
	one := b.post(do+"register", "Ec2VolumeId", "vol-0123456789abcdef0").location
	list, err := c.store.Volumes.InStack(t.Context(), f.stack.ID)
	if err != nil || len(list) != 1 || one != opened(f.stack.ID, views.TabVolumes, string(list[0].ID)) {
		t.Fatalf("got %q, %v, %v", one, list, err)
	}
	id := string(list[0].ID)
	b.post(do+"save", "edit", id, "Name", "orders", "MountPoint", "/etc").want(t, 422, `value="/etc"`, `id="MountPoint-error"`)
	b.post(do+"save", "edit", id, "Name", "orders", "MountPoint", "/mnt/data").wantLocation(t, one)
	b.post(do+"assign", "edit", id, "Instance", f.instances[0].Hostname).want(t, 422, f.instances[0].Hostname)
	stopped := f.instances[0]
	if _, err := c.store.SQL().ExecContext(t.Context(), "UPDATE instances SET status = 'stopped' WHERE id = ?", stopped.ID); err != nil {
		t.Fatal(err)
	}
	b.post(do+"assign", "edit", id, "Instance", stopped.Hostname).wantLocation(t, one)
	b.get(views.InstanceHref(stopped.ID)).want(t, 200, "vol-0123456789abcdef0", "/mnt/data", "Also delete 1 volume")
	b.get(one).want(t, 200, "Unassign", "/mnt/data", "orders")
	b.post(do+"unassign", "edit", id).wantLocation(t, one)
	b.post(do+"deregister", "edit", id).wantLocation(t, views.ResourcesHref(f.stack.ID, views.TabVolumes))
	b.get(views.ResourcesHref(f.stack.ID, views.TabRaidArrays)).want(t, 200, "No RAID array")
}

func TestDatabasesByForms(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("manage")
	do := f.at("/resources/rds/")
	const arn, password = "arn:aws:rds:us-east-1:123456789012:db:orders", "the-db-password"
	one := opened(f.stack.ID, views.TabRds, arn)
	refused := b.post(do+"register", "RdsDbInstanceArn", arn, "DbUser", "shop", "DbPassword", password, "Port", "x")
	refused.want(t, 422, `value="`+arn+`"`, `id="Port-error"`)
	b.post(do+"register", "RdsDbInstanceArn", arn, "DbUser", "shop", "DbPassword", password).wantLocation(t, one)
	b.get(one).want(t, 200, "1 database of this list is without an address", "MissingOnRds", "not known yet")
	b.post(do+"save", "edit", arn, "DbUser", "shop", "DbPassword", "", "Address", "orders.db.example", "Engine", "mysql").wantLocation(t, one)
	page := b.get(one)
	page.want(t, 200, "orders.db.example:3306")
	if strings.Contains(page.body+refused.body, password) {
		t.Error("a page shows the password")
	}
	if d, err := c.store.RdsDbInstances.Get(t.Context(), arn); err != nil || d.DbPassword != password {
		t.Errorf("an empty password did not keep the stored one: %v", err)
	}
	app := views.AppHref(f.stack.ID, f.app.ID)
	b.get(app+"/edit").want(t, 200, `<option value="`+arn+`">orders</option>`)
	b.post(app+"/edit", "Name", "storefront", "Type", "rails", "RailsEnv", "production", "AutoBundleOnDeploy", "false",
		"DataSourceType", "RdsDbInstance", "RdsArn", arn, "MysqlArn", "ignored", "DatabaseName", "shop").wantLocation(t, app)
	b.get(app).want(t, 200, "RDS instance orders", "production")
	b.get(app+"/edit").want(t, 200, `<option value="`+arn+`" selected>orders</option>`, `<option value="false" selected>`)
	b.get(one).want(t, 200, "storefront uses it: the next deploy gets no database.")
	b.post(do+"deregister", "edit", arn).wantLocation(t, views.ResourcesHref(f.stack.ID, views.TabRds))
}

func TestBalancersAndClustersByForms(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("manage")
	do, layer := f.at("/resources/load-balancers/"), string(f.layers[1].ID)
	one := opened(f.stack.ID, views.TabLoadBalancers, layer)
	b.post(do+"attach", "ElasticLoadBalancerName", "front", "LayerId", string(c.other.layers[1].ID)).want(t, 422, "choose one of this stack", `value="front"`)
	b.post(do+"attach", "ElasticLoadBalancerName", "front", "LayerId", layer).wantLocation(t, one)
	b.post(do+"save", "edit", layer, "DnsName", "front.elb.example", "AvailabilityZones", "a, b").wantLocation(t, one)
	b.get(one).want(t, 200, "front.elb.example", `value="a, b"`)
	b.post(do+"detach", "edit", layer).wantLocation(t, views.ResourcesHref(f.stack.ID, views.TabLoadBalancers))
	const arn = "arn:aws:ecs:us-east-1:123456789012:cluster/jobs"
	clusters := views.ResourcesHref(f.stack.ID, views.TabEcsClusters)
	b.post(f.at("/resources/ecs-clusters/register"), "EcsClusterArn", "jobs").want(t, 422, `value="jobs"`)
	b.post(f.at("/resources/ecs-clusters/register"), "EcsClusterArn", arn).wantLocation(t, clusters)
	b.get(opened(f.stack.ID, views.TabEcsClusters, arn)).want(t, 200, "Deregister jobs?")
	b.post(f.at("/resources/ecs-clusters/deregister"), "edit", arn).wantLocation(t, clusters)
	b.get(clusters).want(t, 200, "No ECS cluster")
}

// timer is a time-based instance of the fleet.
func (c *realConsole) timer() models.Instance {
	i := c.fleet.instances[1]
	_, err := c.store.SQL().ExecContext(c.t.Context(), "UPDATE instances SET auto_scaling_type = 'timer', status = 'stopped' WHERE id = ?", i.ID)
	c.fleet.must(err)
	return i
}

// Without script a changed box of every day counts for all days; a pattern is
// shown and not stored.
func TestScheduleByForm(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	b, i := c.as("manage"), c.timer()
	page := views.ScheduleHref(i.ID)
	hours := func() models.WeeklySchedule {
		got, err := c.store.Instances.Get(t.Context(), i.ID)
		if err != nil {
			t.Fatal(err)
		}
		return got.Schedule
	}
	b.get(views.InstanceHref(i.ID)).want(t, 200, "Time-based: no hour is on yet")
	b.post(page, "preset", "office").want(t, 200, "Not saved yet: on 50 of 168 hours a week.")
	if got := hours(); !got.IsZero() {
		t.Errorf("a pattern was stored: %v", got)
	}
	b.post(page, "Monday", "9", "Monday", "10", "Every", "12", "do", "save").wantLocation(t, page)
	if got := hours(); got[0] != 1<<9|1<<10|1<<12 || got[6] != 1<<12 {
		t.Errorf("got %b", got)
	}
	b.get(page).want(t, 200, "On 9 of 168 hours a week.", `name="EveryWas" value="12"`)
	// Every day was on at 12 and is still ticked; Monday is not: Monday counts.
	form := []string{"EveryWas", "12", "Every", "12", "do", "save"}
	for _, day := range models.Weekdays[1:] {
		form = append(form, day.String(), "12")
	}
	b.post(page, form...).wantLocation(t, page)
	if got := hours(); got[0] != 0 || got[1] != 1<<12 {
		t.Errorf("got %b", got)
	}
	b.post(page, "EveryWas", "12", "do", "save").wantLocation(t, page)
	b.post(page, "Monday", "24").want(t, 422, "24 is not an hour")
	b.post(page, "ScheduleZone", "Europe/Nowhere", "Monday", "9").want(t, 422, `id="ScheduleZone-error"`, `value="Europe/Nowhere"`, "not a zone of the IANA database")
	preview := b.post(page, "ScheduleZone", "Asia/Kolkata", "Monday", "9", "Monday", "10", "do", "preview")
	preview.want(t, 200, "Not saved yet: on 2 of 168 hours a week.", "Next 14 days, once it is saved", "09:00 to 11:00", "whole hours, Asia/Kolkata")
	b.post(page, "ScheduleZone", "Asia/Kolkata", "Tuesday", "22", "do", "save").wantLocation(t, page)
	b.get(page).want(t, 200, `value="Asia/Kolkata"`, "The OpsWorks API knows no zones", "turns on Tue", "22:00 to 23:00")
	b.get(views.InstanceHref(i.ID)).want(t, 200, "on 1 of 168 hours a week, Asia/Kolkata")
	b.get(views.ScheduleHref(c.fleet.instances[0].ID)).wantLocation(t, views.InstanceHref(c.fleet.instances[0].ID))
	if body := c.as("show").get(page).body; strings.Contains(mainOf(body), "Save schedule") || !strings.Contains(body, "disabled") {
		t.Error("a viewer is offered to change the schedule")
	}
}

func TestBrowserPaintsASchedule(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	i := c.timer()
	b := openTab(t)
	b.do(chromedp.Navigate(c.url+"/sign-in"), chromedp.SendKeys("#name", "root"), chromedp.SendKeys("#password", goodPassword),
		chromedp.Click("main button[type=submit]"), chromedp.WaitVisible("#stacks-head"))
	b.do(chromedp.Navigate(c.url+views.ScheduleHref(i.ID)), chromedp.WaitVisible(`[name="Monday"][value="9"]`))
	at := func(box string) (x, y float64) {
		got := b.eval(`(() => { const r = document.querySelector('` + box + `').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`).([]any)
		return got[0].(float64), got[1].(float64)
	}
	x1, y1 := at(`[name="Monday"][value="9"]`)
	x2, y2 := at(`[name="Monday"][value="11"]`)
	b.do(chromedp.MouseEvent("mousePressed", x1, y1, chromedp.ButtonLeft), chromedp.MouseEvent("mouseMoved", (x1+x2)/2, y1, chromedp.ButtonLeft),
		chromedp.MouseEvent("mouseMoved", x2, y2, chromedp.ButtonLeft), chromedp.MouseEvent("mouseReleased", x2, y2, chromedp.ButtonLeft))
	// The focus stands where the mouse began: on by Space below it, painted to the right.
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowRight, chromedp.KeyModifiers(8)))
	b.eval(`document.querySelector('.every input[value="20"]').focus()`)
	b.do(chromedp.KeyEvent(" "))
	b.do(chromedp.Click(`.schedule .btn-p`), chromedp.WaitVisible(".flashes"))
	got, err := c.store.Instances.Get(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want := (models.WeeklySchedule{0: 0xe00 | 1<<20, 1: 0x600 | 1<<20, 2: 1 << 20, 3: 1 << 20, 4: 1 << 20, 5: 1 << 20, 6: 1 << 20}); got.Schedule != want {
		t.Errorf("got %x, want %x", got.Schedule, want)
	}
}

// The grid, the zone and the saving by the keyboard alone, from the sign-in on.
func TestBrowserSchedulesByKeyboard(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	i := c.timer()
	b := openTab(t)
	press := func(times int, keys string, modifiers ...chromedp.KeyOption) {
		t.Helper()
		for range times {
			b.do(chromedp.KeyEvent(keys, modifiers...))
		}
	}
	// tab goes on until the focus is where the selector says.
	tab := func(selector string) {
		t.Helper()
		for range 80 {
			if b.eval(`document.activeElement.matches('`+selector+`')`) == true {
				return
			}
			press(1, kb.Tab)
		}
		t.Fatalf("Tab does not reach %s", selector)
	}
	b.do(chromedp.Navigate(c.url+"/sign-in"), chromedp.WaitVisible("#password"))
	tab("#name")
	b.do(chromedp.KeyEvent("root" + kb.Tab + goodPassword + kb.Enter))
	b.do(chromedp.WaitVisible("#stacks-head"), chromedp.Navigate(c.url+views.ScheduleHref(i.ID)), chromedp.WaitVisible(`[name="Monday"][value="9"]`))
	const shift = chromedp.ModifierShift
	tab("input.hour")
	press(1, kb.ArrowDown)
	press(8, kb.ArrowRight)
	press(1, " ")
	press(9, kb.ArrowRight, chromedp.KeyModifiers(shift)) // Monday, 8 to 18
	press(1, kb.Home)
	press(1, kb.ArrowDown)
	press(1, kb.End)
	press(1, " ")                                        // Tuesday, 23
	press(2, kb.ArrowDown, chromedp.KeyModifiers(shift)) // and two days below it
	press(1, kb.ArrowLeft)
	press(1, " ")
	press(1, " ") // on and off again
	tab("#ScheduleZone")
	b.do(chromedp.KeyEvent("Europe/Berlin" + kb.Escape)) // Tab has selected what was there
	tab(`button[value="save"].btn-p`)
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(".flashes"))
	got, err := c.store.Instances.Get(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	if want := (models.WeeklySchedule{0: 0x3ff00, 1: 1 << 23, 2: 1 << 23, 3: 1 << 23}); got.Schedule != want || got.ScheduleZone != "Europe/Berlin" {
		t.Errorf("got %x in %q, want %x", got.Schedule, got.ScheduleZone, want)
	}
	if text := b.eval(`document.querySelector('.ahead').innerText`).(string); !strings.Contains(text, "08:00 to 18:00") || !strings.Contains(text, "from 23:00 on") && !strings.Contains(text, "23:00 to 00:00") {
		t.Errorf("the days ahead are\n%s", text)
	}
}

// The page of an instance says who wants what, why it waits and what is held;
// only who manages the stack lets it go on.
func TestWhoWantsWhat(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	ctx, i := t.Context(), c.timer()
	now := c.h.Now()
	for _, n := range []models.Intent{
		{ID: "1", Author: models.ByUser, Actor: "ann", Want: models.WantStopped, State: models.IntentDone, Outcome: "It is stopped.", EndedAt: &now},
		{ID: "2", Author: models.ByHealing, Want: models.WantRestarted, State: models.IntentOpen, Cause: models.Cause{Kind: models.CauseHealing, Text: "its agent is silent"}},
	} {
		n.StackID, n.InstanceID, n.CreatedAt = i.StackID, i.ID, now
		c.fleet.must(c.store.Intents.Create(ctx, &n))
	}
	c.fleet.must(c.store.Intents.Pause(ctx, &models.IntentPause{InstanceID: i.ID, StackID: i.StackID, Author: models.ByHealing, At: now, Reason: "It was restarted 3 times within 10 minutes."}))
	page := views.InstanceHref(i.ID)
	b := c.as("manage")
	b.get(page).want(t, 200, "<b>Auto healing</b> wants it restarted, because its agent is silent.", "Paused: It was restarted 3 times within 10 minutes.",
		"ann wanted it stopped.", "It is stopped.", "Let auto healing go on with "+i.Hostname)
	if body := c.as("show").get(page).body; !strings.Contains(body, "Auto healing is paused for") || strings.Contains(mainOf(body), page+"/resume") {
		t.Error("a viewer is offered to let it go on, or is not told")
	}
	b.post(page+"/resume", "author", "healing").wantLocation(t, page)
	b.get(page).want(t, 200, "Auto healing goes on with")
	if held, err := c.store.Intents.PausesOf(ctx, i.ID); err != nil || len(held) > 0 {
		t.Errorf("still held: %v %v", held, err)
	}
}

func TestAccessKeysOfOnesOwn(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	b := c.as("show")
	b.get("/me/keys").want(t, 200, "No access key")
	b.get("/me/keys/new").want(t, 200, `value="90"`, c.fleet.stack.Name)
	b.post("/me/keys", "Days", "400", "Level", "show").want(t, 422, `id="Days-error"`, `value="400"`, `<option value="show" selected>`)
	b.post("/me/keys", "Level", "deny").want(t, 422, `id="Level-error"`)
	b.post("/me/keys", "Stacks", string(c.other.stack.ID)).want(t, 404)
	made := b.post("/me/keys", "Days", "30", "Level", "show", "Stacks", string(c.fleet.stack.ID))
	made.want(t, 200, "Copy the secret now.", "aws configure set aws_secret_access_key", "--endpoint-url "+c.url)
	id := regexp.MustCompile(`AKIA[A-Z0-9]{16}`).FindString(made.body)
	key, err := c.store.AccessKeys.Get(t.Context(), id)
	if err != nil || !strings.Contains(made.body, key.Secret) {
		t.Fatalf("the answer does not hold the key: %v", err)
	}
	page := b.get("/me/keys")
	page.want(t, 200, id, "never", "At most show, on "+c.fleet.stack.Name, "in 30 days")
	if key.Scope.Level != models.LevelShow || len(key.Scope.Stacks) != 1 || key.ExpiresAt == nil || key.ExpiresAt.Sub(key.CreatedAt) < 29*24*time.Hour {
		t.Errorf("the limits of the key are %+v, %v", key.Scope, key.ExpiresAt)
	}
	if strings.Contains(page.body, key.Secret) {
		t.Error("the secret is shown again")
	}
	c.as("deploy").post("/me/keys/delete", "key", id).want(t, 404)
	b.post("/me/keys/delete", "key", id).wantLocation(t, "/me/keys")
	b.get("/me/keys").want(t, 200, "No access key", "is deleted")
	b.post("/me/keys", "Days", "", "Level", "").want(t, 200, "All that you may, on every stack", "when deleted")
	b.post("/me/ssh-key", "SshPublicKey", "no key").want(t, 422, `id="SshPublicKey-error"`, "no key")
}

func TestPeople(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	b := c.as("root")
	const arn = "arn:aws:iam::123456789012:user/leo"
	b.post("/team/users", "Name", arn, "Password", goodPassword).want(t, 422, `value="`+arn+`"`, "without a password")
	page := b.post("/team/users", "Name", arn, "AllowSelfManagement", "on").location
	b.get(page).want(t, 200, arn, "Has no level on any stack", "Has no password")
	b.post(page, "SshUsername", "leo.k", "SshPublicKey", "wrong").want(t, 422, `value="leo.k"`, `id="SshPublicKey-error"`)
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8xZ0qvFu2N9Yb4L8mYF3pB6Jq3t0n7xk0v5w1XbR2d leo@laptop"
	b.post(page, "SshUsername", "leok", "SshPublicKey", key, "Email", "leo@shop.example").wantLocation(t, page)
	b.get(page).want(t, 200, key, `value="leok"`)
	b.get("/team").want(t, 200, "leok", "has a key")
	b.post(page+"/delete", "confirm", "no").wantLocation(t, page)
	b.post(page+"/delete", "confirm", "leo").wantLocation(t, "/team")
	b.get(page).want(t, 404)
}

// Rows that nobody touched stay as somebody else has made them meanwhile.
func TestPermissionsOfAStack(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	b, page := c.as("manage"), c.fleet.at("/permissions")
	show, err := c.store.Users.ByName(t.Context(), "show")
	if err != nil {
		t.Fatal(err)
	}
	b.get(page).want(t, 200, "3 people with a level on this stack", "your own, set by others", "show")
	b.get(page+"?q=nope").want(t, 200, "Nobody matches")
	id, other := string(show.ID), string(c.subject)
	b.post(page, "row", id, "was-"+id, "iam_only false false", "level-"+id, "iam_only", "row", other, "was-"+other, "iam_only false false",
		"level-"+other, "deploy", "ssh-"+other, "on", "sudo-"+other, "on").wantLocation(t, page)
	b.get(page).want(t, 200, "1 permission was changed.")
	if p, err := c.store.Permissions.Get(t.Context(), c.fleet.stack.ID, show.ID); err != nil || p.Level != models.LevelShow {
		t.Errorf("an untouched row was written: %+v, %v", p, err)
	}
	if p, err := c.store.Permissions.Get(t.Context(), c.fleet.stack.ID, c.subject); err != nil || p.Level != models.LevelDeploy || !p.AllowSudo {
		t.Errorf("got %+v, %v", p, err)
	}
	me, err := c.store.Users.ByName(t.Context(), "manage")
	if err != nil {
		t.Fatal(err)
	}
	own := string(me.ID)
	b.post(page, "row", own, "was-"+own, "manage false false", "level-"+own, "manage", "ssh-"+own, "on").wantLocation(t, page)
	b.get(page).want(t, 200, "You cannot set your own permission")
}

func TestRegisteredHost(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	f, b := c.fleet, c.as("manage")
	made := b.post(f.at("/register"), "LayerId", "")
	made.want(t, 200, "/agent/install.sh | sudo OPSYARD_SERVER="+c.url+" OPSYARD_TOKEN=oye_", "It works once, until")
	if strings.Contains(b.get(f.at("/register")).body, "oye_") {
		t.Error("the token is shown again")
	}
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "ana"})
	host, err := c.h.Engine.(*engine.Engine).RegisterInstance(ctx, engine.Registration{StackID: f.stack.ID, Hostname: "rack-4", PrivateIP: "10.9.0.4"})
	if err != nil {
		t.Fatal(err)
	}
	page := views.InstanceHref(host.ID)
	b.get(f.at("/instances")).want(t, 200, "Unassigned hosts", "rack-4", "Its agent is expected")
	if _, err := c.store.SQL().ExecContext(ctx, "UPDATE instances SET status = 'registered' WHERE id = ?", host.ID); err != nil {
		t.Fatal(err)
	}
	b.get(f.at("/instances")).want(t, 200, "in no layer", "Assign rack-4")
	b.get(page).want(t, 200, "assign it, and it serves", "Assign and run Setup", "Deregister rack-4?", "The host itself keeps running")
	b.post(page+"/assign").wantLocation(t, page)
	b.get(page).want(t, 200, "choose at least one layer")
	b.post(page+"/assign", "LayerIds", string(f.layers[1].ID)).wantLocation(t, page)
	b.get(page).want(t, 200, "assigning", "Take rack-4 out of 1 layer?", "php-app:")
	b.post(page+"/unassign").wantLocation(t, page)
	b.get(page).want(t, 200, "unassigning")
	b.post(page+"/access", "ValidForInMinutes", "60").wantLocation(t, page)
	b.get(page).want(t, 200, "Windows instances only")
	b.post(page+"/deregister", "confirm", "rack").wantLocation(t, page)
	b.get(page).want(t, 200, "type rack-4 to confirm")
}
