package awsapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
	"opsyard/models/leveltest"
)

// grade is what an operation asks of a user. TestGradesAreTheUserGuides holds
// it against the user guide's table.
type grade string

const (
	anyKey     grade = "any key"
	needShow   grade = "show"
	needDeploy grade = "deploy"
	needManage grade = "manage"
	needPolicy grade = "administrator" // no level allows it, only an IAM policy
	needSource grade = "administrator, of a stack"
	needSelf   grade = "self-management" // of users who may edit their own profile
)

// grades is the oracle: who may do what, and a request that does it.
var grades = map[string]struct {
	grade grade
	body  func(*scene) string
}{
	"DescribeAgentVersions":    {anyKey, with(`{"ConfigurationManager":{"Name":"Chef","Version":"12"}}`)},
	"DescribeOperatingSystems": {anyKey, with("{}")},
	"DescribeMyUserProfile":    {needSelf, with("{}")},
	"UpdateMyUserProfile":      {needSelf, with(`{"SshPublicKey":""}`)},

	"DescribeApps":                 {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeCommands":             {needShow, with(`{"InstanceId":"INSTANCE"}`)},
	"DescribeDeployments":          {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeEcsClusters":          {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeElasticIps":           {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeElasticLoadBalancers": {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeInstances":            {needShow, with(`{"LayerId":"LAYER"}`)},
	"DescribeLayers":               {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeLoadBasedAutoScaling": {needShow, with(`{"LayerIds":["LAYER"]}`)},
	"DescribeRaidArrays":           {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeRdsDbInstances":       {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeServiceErrors":        {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeStackSummary":         {needShow, with(`{"StackId":"STACK"}`)},
	"DescribeStacks":               {needShow, with(`{"StackIds":["STACK"]}`)},
	"DescribeTimeBasedAutoScaling": {needShow, with(`{"InstanceIds":["INSTANCE"]}`)},
	"DescribeVolumes":              {needShow, with(`{"StackId":"STACK"}`)},
	"ListTags":                     {needShow, with(`{"ResourceArn":"STACKARN"}`)},

	"CreateDeployment": {needDeploy, with(`{"StackId":"STACK","Command":{"Name":"update_custom_cookbooks"}}`)},
	"UpdateApp":        {needDeploy, with(`{"AppId":"APP","Name":"Other"}`)},

	"AssignInstance":                      {needManage, with(`{"InstanceId":"HOST","LayerIds":["LAYER"]}`)},
	"AssignVolume":                        {needManage, with(`{"VolumeId":"VOLUME","InstanceId":"INSTANCE"}`)},
	"AssociateElasticIp":                  {needManage, with(`{"ElasticIp":"ADDRESS","InstanceId":"INSTANCE"}`)},
	"AttachElasticLoadBalancer":           {needManage, with(`{"ElasticLoadBalancerName":"lb-NEW","LayerId":"LAYER"}`)},
	"CreateApp":                           {needManage, with(`{"StackId":"STACK","Name":"New","Type":"other"}`)},
	"CreateInstance":                      {needManage, with(`{"StackId":"STACK","LayerIds":["LAYER"],"InstanceType":"t2.micro"}`)},
	"CreateLayer":                         {needManage, with(`{"StackId":"STACK","Type":"custom","Name":"New","Shortname":"new"}`)},
	"DeleteApp":                           {needManage, with(`{"AppId":"APP"}`)},
	"DeleteInstance":                      {needManage, with(`{"InstanceId":"INSTANCE"}`)},
	"DeleteLayer":                         {needManage, with(`{"LayerId":"LAYER"}`)},
	"DeleteStack":                         {needManage, with(`{"StackId":"STACK"}`)},
	"DeregisterEcsCluster":                {needManage, with(`{"EcsClusterArn":"CLUSTER"}`)},
	"DeregisterElasticIp":                 {needManage, with(`{"ElasticIp":"ADDRESS"}`)},
	"DeregisterInstance":                  {needManage, with(`{"InstanceId":"HOST"}`)},
	"DeregisterRdsDbInstance":             {needManage, with(`{"RdsDbInstanceArn":"DATABASE"}`)},
	"DeregisterVolume":                    {needManage, with(`{"VolumeId":"VOLUME"}`)},
	"DescribePermissions":                 {needManage, with(`{"StackId":"STACK"}`)},
	"DescribeStackProvisioningParameters": {needManage, with(`{"StackId":"STACK"}`)},
	"DetachElasticLoadBalancer":           {needManage, with(`{"ElasticLoadBalancerName":"BALANCER","LayerId":"LAYER"}`)},
	"DisassociateElasticIp":               {needManage, with(`{"ElasticIp":"ADDRESS"}`)},
	"GetHostnameSuggestion":               {needManage, with(`{"LayerId":"LAYER"}`)},
	"GrantAccess":                         {needManage, with(`{"InstanceId":"INSTANCE"}`)},
	"RebootInstance":                      {needManage, with(`{"InstanceId":"INSTANCE"}`)},
	"RegisterEcsCluster":                  {needManage, with(`{"StackId":"STACK","EcsClusterArn":"arn:aws:ecs:us-east-1:123456789012:cluster/cNEW"}`)},
	"RegisterElasticIp":                   {needManage, with(`{"StackId":"STACK","ElasticIp":"198.18.NEW"}`)},
	"RegisterInstance":                    {needManage, with(`{"StackId":"STACK","Hostname":"hostNEWx","PrivateIp":"10.1.2.3"}`)},
	"RegisterRdsDbInstance":               {needManage, with(`{"StackId":"STACK","RdsDbInstanceArn":"arn:aws:rds:us-east-1:123456789012:db:dbNEW","DbUser":"u","DbPassword":"p"}`)},
	"RegisterVolume":                      {needManage, with(`{"StackId":"STACK","Ec2VolumeId":"vol-HEX"}`)},
	"SetLoadBasedAutoScaling":             {needManage, with(`{"LayerId":"LAYER","Enable":false}`)},
	"SetPermission":                       {needManage, with(`{"StackId":"STACK","IamUserArn":"USER","Level":"show"}`)},
	"SetTimeBasedAutoScaling":             {needManage, with(`{"InstanceId":"INSTANCE","AutoScalingSchedule":{"Monday":{"` + strconv.Itoa(awayHour) + `":"on"}}}`)},
	"StartInstance":                       {needManage, with(`{"InstanceId":"INSTANCE"}`)},
	"StartStack":                          {needManage, with(`{"StackId":"STACK"}`)},
	"StopInstance":                        {needManage, with(`{"InstanceId":"INSTANCE"}`)},
	"StopStack":                           {needManage, with(`{"StackId":"STACK"}`)},
	"TagResource":                         {needManage, with(`{"ResourceArn":"STACKARN","Tags":{"a":"b"}}`)},
	"UnassignInstance":                    {needManage, with(`{"InstanceId":"HOST"}`)},
	"UnassignVolume":                      {needManage, with(`{"VolumeId":"VOLUME"}`)},
	"UntagResource":                       {needManage, with(`{"ResourceArn":"STACKARN","TagKeys":["a"]}`)},
	"UpdateElasticIp":                     {needManage, with(`{"ElasticIp":"ADDRESS","Name":"n"}`)},
	"UpdateInstance":                      {needManage, with(`{"InstanceId":"INSTANCE","InstallUpdatesOnBoot":false}`)},
	"UpdateLayer":                         {needManage, with(`{"LayerId":"LAYER","Name":"Other"}`)},
	"UpdateRdsDbInstance":                 {needManage, with(`{"RdsDbInstanceArn":"DATABASE","DbUser":"v"}`)},
	"UpdateStack":                         {needManage, with(`{"StackId":"STACK","Name":"Other"}`)},
	"UpdateVolume":                        {needManage, with(`{"VolumeId":"VOLUME","Name":"n"}`)},

	"CloneStack":           {needSource, with(`{"SourceStackId":"STACK","ServiceRoleArn":"arn:aws:iam::123456789012:role/r"}`)},
	"CreateStack":          {needPolicy, with(`{"Name":"New","Region":"local","ServiceRoleArn":"arn:aws:iam::123456789012:role/r","DefaultInstanceProfileArn":"arn:aws:iam::123456789012:instance-profile/p"}`)},
	"CreateUserProfile":    {needPolicy, with(`{"IamUserArn":"arn:aws:iam::123456789012:user/uNEW"}`)},
	"DeleteUserProfile":    {needPolicy, with(`{"IamUserArn":"USER"}`)},
	"DescribeUserProfiles": {needPolicy, with(`{"IamUserArns":["USER"]}`)},
	"UpdateUserProfile":    {needPolicy, with(`{"IamUserArn":"USER","AllowSelfManagement":true}`)},
}

// otherwiseRefused are allowed operations that the scene is not ready for; a
// ValidationException then tells that the permission was there.
var otherwiseRefused = []string{
	"AssignInstance", "AssignVolume", "AssociateElasticIp", "CreateDeployment", "DeregisterInstance", "DescribeTimeBasedAutoScaling",
	"DisassociateElasticIp", "GrantAccess", "RebootInstance", "SetTimeBasedAutoScaling", "StopInstance", "UnassignInstance", "UnassignVolume",
}

// TestGradesAreTheUserGuides: what this package's tests expect is what OpsWorks'
// user guide says, of every operation that there is and of no other.
func TestGradesAreTheUserGuides(t *testing.T) {
	t.Parallel()
	of := map[string][]grade{
		leveltest.Anybody: {anyKey}, leveltest.Self: {needSelf}, leveltest.Policy: {needPolicy, needSource},
		"show": {needShow}, "deploy": {needDeploy}, "manage": {needManage},
	}
	for _, o := range wire.Operations() {
		if need := leveltest.Needs[o.Name]; !slices.Contains(of[need], grades[o.Name].grade) {
			t.Errorf("%s needs %q, and is tested as %q", o.Name, need, grades[o.Name].grade)
		}
	}
	if len(grades) != len(wire.Operations()) || len(grades) != len(leveltest.Needs) {
		t.Errorf("%d operations, %d tested, %d in the guide", len(wire.Operations()), len(grades), len(leveltest.Needs))
	}
}

// scene is a stack with what a request needs, made when it is asked for.
type scene struct {
	t      *testing.T
	w      *world
	stack  *models.Stack
	values map[string]string
}

var serial atomic.Int64

// with fills a request: words in capitals are things of the scene.
func with(template string) func(*scene) string {
	return func(s *scene) string {
		body := template
		// Longer words first: STACKARN is not STACK.
		for _, word := range []string{"STACKARN", "STACK", "LAYER", "INSTANCE", "APP", "HOST", "VOLUME", "ADDRESS", "DATABASE", "BALANCER", "CLUSTER", "USER", "HEX", "198.18.NEW", "NEW"} {
			if strings.Contains(body, word) {
				body = strings.ReplaceAll(body, word, s.value(word))
			}
		}
		return body
	}
}

func (s *scene) value(word string) string {
	if _, made := s.values[word]; !made {
		s.values[word] = s.make(word)
	}
	return s.values[word]
}

func (s *scene) make(word string) string {
	s.t.Helper()
	w, n := s.w, serial.Add(1)
	address := fmt.Sprintf("198.18.%d.%d", n/250, n%250+1)
	layer := func() models.LayerID { return models.LayerID(s.value("LAYER")) }
	switch word {
	case "STACKARN":
		return s.stack.Arn
	case "STACK":
		return string(s.stack.ID)
	case "LAYER":
		return string(w.layer(s.t, s.stack, models.LayerCustom).ID)
	case "INSTANCE":
		i := models.Instance{StackID: s.stack.ID, LayerIDs: []models.LayerID{layer()}}
		return string(must(w.engine.CreateInstance(w.ctx, i))(s.t).ID)
	case "APP":
		return string(must(w.engine.CreateApp(w.ctx, models.App{StackID: s.stack.ID, Name: "App", Type: models.AppOther}))(s.t).ID)
	case "HOST":
		r := engine.Registration{StackID: s.stack.ID, Hostname: fmt.Sprintf("host%d", n), PrivateIP: "10.1.2.3"}
		return string(must(w.engine.RegisterInstance(w.ctx, r))(s.t).ID)
	case "VOLUME":
		return string(must(w.engine.RegisterVolume(w.ctx, s.stack.ID, fmt.Sprintf("vol-%08x", n)))(s.t).ID)
	case "ADDRESS":
		check(s.t, w.engine.RegisterElasticIP(w.ctx, s.stack.ID, address))
		return address
	case "DATABASE":
		r := models.RdsDbInstance{StackID: s.stack.ID, Arn: fmt.Sprintf("arn:aws:rds:us-east-1:123456789012:db:base-%d", n), DbUser: "u", DbPassword: "p"}
		check(s.t, w.engine.RegisterRdsDbInstance(w.ctx, r))
		return r.Arn
	case "BALANCER":
		name := fmt.Sprintf("balancer-%d", n)
		check(s.t, w.engine.AttachElasticLoadBalancer(w.ctx, name, layer()))
		return name
	case "CLUSTER":
		arn := fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:cluster/cluster-%d", n)
		check(s.t, w.engine.RegisterEcsCluster(w.ctx, s.stack.ID, arn))
		return arn
	case "USER":
		return must(w.engine.CreateUser(w.ctx, models.User{Name: fmt.Sprintf("user%d", n)}, ""))(s.t).IamUserArn
	case "HEX":
		return fmt.Sprintf("%08x", n)
	case "198.18.NEW":
		return address
	}
	return fmt.Sprint(n)
}

// person is somebody with one level in every scene.
type person struct {
	name  string
	level models.Level
	key   *models.AccessKey
	// token, of an administrator, is limited to the level everywhere.
	token string
}

// TestPermissions drives each operation as each kind of user, in a stack where
// they have their level and in one where they have none.
func TestPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	people := []person{{name: "admin", level: models.LevelIAMOnly, key: w.key}}
	for _, level := range models.Levels {
		people = append(people, person{name: string(level), level: level, key: w.newKey(t, models.User{Name: string(level)})})
	}
	for _, level := range []models.Level{models.LevelShow, models.LevelDeploy, models.LevelManage} {
		people = append(people, w.tokenPerson(t, level))
	}
	// Administrators come last: they may change what the others must not.
	slices.Reverse(people)
	t.Run("operations", func(t *testing.T) {
		for _, o := range wire.Operations() {
			t.Run(o.Name, func(t *testing.T) {
				t.Parallel()
				if _, known := grades[o.Name]; !known {
					t.Fatal("grades does not say who may do this")
				}
				own, other, nowhere := w.scene(t, people), w.scene(t, nil), w.nowhere(t)
				w.refusesUnsigned(t, o.Name)
				for _, p := range people {
					w.drive(t, o.Name, p, nowhere, anyRefusal)
					w.drive(t, o.Name, p, own, wanted(o.Name, p))
					if p.name != "admin" && p.token == "" {
						w.drive(t, o.Name, p, other, wanted(o.Name, person{name: p.name, level: models.LevelIAMOnly}))
					}
					if wanted(o.Name, p) == "" { // it may be gone
						own, other = w.scene(t, people), w.scene(t, nil)
					}
				}
			})
		}
	})
}

func (w *world) scene(t *testing.T, people []person) *scene {
	t.Helper()
	s := &scene{t: t, w: w, stack: w.stack(t), values: map[string]string{}}
	for _, p := range people {
		if p.name != "admin" && p.token == "" {
			check(t, w.engine.Permit(w.ctx, models.Permission{StackID: s.stack.ID, UserID: p.key.UserID, Level: p.level}))
		}
	}
	return s
}

// nowhere is a scene of things that do not exist.
func (w *world) nowhere(t *testing.T) *scene {
	t.Helper()
	none := string(models.NewID[models.StackID]())
	return &scene{t: t, w: w, stack: &models.Stack{ID: models.StackID(none)}, values: map[string]string{
		"STACKARN": "arn:aws:opsworks:us-east-1:000000000000:stack/" + none + "/", "STACK": none, "LAYER": none, "INSTANCE": none, "APP": none,
		"HOST": none, "VOLUME": none, "ADDRESS": "198.19.0.1", "DATABASE": "arn:aws:rds:us-east-1:123456789012:db:none",
		"BALANCER": "none", "CLUSTER": "arn:aws:ecs:us-east-1:123456789012:cluster/none", "USER": "arn:aws:iam::123456789012:user/none",
	}}
}

// namesNoStack are operations that are about nothing that must exist.
func namesNoStack(operation string) bool {
	return !strings.Contains(grades[operation].body(&scene{values: allHere}), "here")
}

var allHere = map[string]string{
	"STACKARN": "here", "STACK": "here", "LAYER": "here", "INSTANCE": "here", "APP": "here", "HOST": "here", "VOLUME": "here",
	"ADDRESS": "here", "DATABASE": "here", "BALANCER": "here", "CLUSTER": "here", "USER": "here", "HEX": "", "198.18.NEW": "", "NEW": "",
}

// tokenPerson is somebody with a token of the administrator's.
func (w *world) tokenPerson(t *testing.T, level models.Level) person {
	t.Helper()
	as := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: w.key.UserID, Admin: true})
	wish := models.Token{UserID: w.key.UserID, Name: string(level), ExpiresAt: time.Now().Add(time.Hour), Scope: models.Scope{Level: level}}
	_, text, err := w.engine.CreateToken(as, wish)
	check(t, err)
	return person{name: "token for " + string(level), level: level, key: w.key, token: text}
}

func (w *world) refusesUnsigned(t *testing.T, operation string) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/", strings.NewReader("{}")))(t)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", stacksTarget+"."+operation)
	if _, answer := w.send(t, r); !strings.Contains(answer, "MissingAuthenticationTokenException") {
		t.Errorf("without a key: got %s", answer)
	}
}

// wanted is the error type that a person gets; "" for none.
func wanted(operation string, p person) string {
	const hidden, forbidden = "ResourceNotFoundException", "AccessDeniedException"
	at := slices.Index(models.Levels, p.level)
	sees := at >= slices.Index(models.Levels, models.LevelShow)
	atLeast := func(l models.Level) string {
		switch {
		case p.name == "admin" || at >= slices.Index(models.Levels, l):
			return ""
		case sees:
			return forbidden
		}
		return hidden
	}
	switch grades[operation].grade {
	case needShow:
		return atLeast(models.LevelShow)
	case needDeploy:
		return atLeast(models.LevelDeploy)
	case needManage:
		return atLeast(models.LevelManage)
	case needSource:
		if p.name != "admin" && !sees {
			return hidden
		}
		fallthrough
	case needPolicy, needSelf:
		if p.name != "admin" {
			return forbidden
		}
	}
	return ""
}

// anyRefusal is wanted where there is nothing to act on.
const anyRefusal = "any"

func (w *world) drive(t *testing.T, operation string, p person, s *scene, want string) {
	t.Helper()
	if want == anyRefusal && namesNoStack(operation) {
		return
	}
	body := grades[operation].body(s)
	changed, refused := w.audited(t, operation, p, s)
	var status int
	var answer string
	if p.token != "" {
		status, answer = w.send(t, w.bearing(t, p.token, operation, body))
	} else {
		status, answer = w.raw(t, p.key, operation, body)
	}
	var f failure
	if status != http.StatusOK {
		check(t, json.Unmarshal([]byte(answer), &f))
	}
	if want != "" {
		changedNow, refusedNow := w.audited(t, operation, p, s)
		if changedNow != changed {
			t.Errorf("%s as %s is refused with %s and has changed something", body, p.name, f.Type)
		}
		// a read refused again within a minute is counted, not written
		if want != anyRefusal && refusedNow <= refused && !(looks(operation) && refused > 0) {
			t.Errorf("%s as %s is refused with %s, and the audit does not say so", body, p.name, f.Type)
		}
	}
	if want == anyRefusal {
		if status == http.StatusOK {
			t.Errorf("%s as %s: got %s", body, p.name, answer)
		}
		return
	}
	if want == "" && f.Type == "ValidationException" && slices.Contains(otherwiseRefused, operation) {
		return
	}
	if f.Type != want {
		t.Errorf("%s as %s: got %d %s, want %q", body, p.name, status, answer, want)
	}
}

// audited counts what the audit has of a person in a scene: what they have
// changed, and what they were refused. Other scenes are driven at the same time.
func (w *world) audited(t *testing.T, operation string, p person, s *scene) (changed, refused int) {
	t.Helper()
	const query = "SELECT coalesce(sum(CASE WHEN refused THEN 0 ELSE 1 END), 0), coalesce(sum(CASE WHEN refused THEN 1 ELSE 0 END), 0) FROM audit_entries WHERE actor_id = '%s' AND (stack_id = '%s' OR stack_id = '' AND action = '%s')"
	row := w.store.SQL().QueryRowContext(t.Context(), fmt.Sprintf(query, p.key.UserID, s.stack.ID, operation))
	check(t, row.Scan(&changed, &refused))
	return changed, refused
}
