package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// team is people and what they have been given.
type team struct {
	*world
	other *models.Stack
}

func newTeam(t *testing.T, st *store.Store) *team {
	t.Helper()
	w := setup(t, st)
	return &team{w, must(w.engine.CreateStack(w.ctx, models.Stack{Name: "Vault"}))(t)}
}

func (m *team) person(name string, level models.Level) *models.User {
	m.t.Helper()
	u := must(m.engine.CreateUser(m.ctx, models.User{Name: name}, ""))(m.t)
	if level != "" {
		ok(m.t, m.engine.Permit(m.ctx, models.Permission{StackID: m.stack.ID, UserID: u.ID, Level: level}))
	}
	return u
}

func (m *team) as(u *models.User) context.Context {
	return models.WithActor(m.t.Context(), models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name, Admin: u.Admin})
}

func (m *team) group(name string, level models.Level, members ...*models.User) *models.Group {
	m.t.Helper()
	g := must(m.engine.CreateGroup(m.ctx, name))(m.t)
	ids := make([]models.UserID, len(members))
	for n, u := range members {
		ids[n] = u.ID
	}
	ok(m.t, m.engine.ChangeGroupMembers(m.ctx, g.ID, ids, nil))
	ok(m.t, m.engine.SetGroupPermission(m.ctx, m.stack.ID, g.ID, levelTo(level)))
	return g
}

func levelTo(level models.Level) func(*models.GroupPermission) error {
	return func(p *models.GroupPermission) error { p.Level = level; return nil }
}

func (m *team) policy(effect, action, resource string, to models.Principal) *models.Policy {
	m.t.Helper()
	document := `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Action":"` + action + `","Resource":"` + resource + `"}}`
	name := effect + strings.Map(func(r rune) rune {
		if r == ':' || r == '*' {
			return '_'
		}
		return r
	}, action)
	p := must(m.engine.CreatePolicy(m.ctx, models.Policy{Name: name, Document: document}))(m.t)
	ok(m.t, m.engine.AttachPolicy(m.ctx, p.ID, to))
	return p
}

// can tells whether somebody may, as the verbs see it.
func (m *team) can(u *models.User, action models.Action, stack *models.Stack) bool {
	m.t.Helper()
	_, err := m.engine.Authorize(m.as(u), stack.ID, action)
	if code := models.CodeOf(err); err != nil && code != models.CodeForbidden && code != models.CodeNotFound {
		m.t.Fatal(err)
	}
	may := must(m.engine.May(m.as(u), action, stack.ID))(m.t)
	if may != (err == nil) {
		m.t.Errorf("May says %v, Authorize %v", may, err)
	}
	return err == nil
}

func (m *team) visible(u *models.User) (names []string) {
	m.t.Helper()
	for _, s := range must(m.engine.VisibleStacks(m.as(u)))(m.t) {
		names = append(names, s.Name)
	}
	return names
}

func (m *team) want(what string, got, want bool) {
	m.t.Helper()
	if got != want {
		m.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestGroupsGiveLevels(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		m := newTeam(t, st)
		ben, eve := m.person("ben", ""), m.person("eve", models.LevelManage)
		g := m.group("Operators", models.LevelDeploy, ben, eve)
		m.want("a member deploys", m.can(ben, "CreateDeployment", m.stack), true)
		m.want("a member does not manage", m.can(ben, "UpdateStack", m.stack), false)
		m.want("a lower level takes nothing", m.can(eve, "UpdateStack", m.stack), true)
		m.want("another stack", m.can(ben, models.ActionShow, m.other), false)
		if got := m.visible(ben); !slices.Equal(got, []string{"Shop"}) {
			t.Errorf("got %v", got)
		}
		ok(t, m.engine.SetGroupPermission(m.ctx, m.stack.ID, g.ID, levelTo(models.LevelDeny)))
		m.want("deny of a group beats one's own level", m.can(eve, models.ActionShow, m.stack), false)
		ok(t, m.engine.ChangeGroupMembers(m.ctx, g.ID, nil, []models.UserID{eve.ID}))
		m.want("out of the group", m.can(eve, "UpdateStack", m.stack), true)
		ok(t, m.engine.DeleteGroup(m.ctx, g.ID))
		m.want("without the group", m.can(ben, models.ActionShow, m.stack), false)
	})
}

func TestGroupVerbsRefuse(t *testing.T) {
	t.Parallel()
	m := newTeam(t, storetest.Open(t))
	ben, eve := m.person("ben", models.LevelManage), m.person("eve", models.LevelManage)
	g := m.group("Operators", models.LevelShow, ben)
	for name, err := range map[string]error{
		"create":       second(m.engine.CreateGroup(m.as(ben), "Mine")),
		"rename":       m.engine.RenameGroup(m.as(ben), g.ID, "Mine"),
		"delete":       m.engine.DeleteGroup(m.as(ben), g.ID),
		"members":      m.engine.ChangeGroupMembers(m.as(ben), g.ID, nil, nil),
		"other stack":  m.engine.SetGroupPermission(m.as(ben), m.other.ID, g.ID, levelTo(models.LevelShow)),
		"own group":    m.engine.SetGroupPermission(m.as(ben), m.stack.ID, g.ID, levelTo(models.LevelManage)),
		"same name":    second(m.engine.CreateGroup(m.ctx, " Operators ")),
		"no name":      m.engine.RenameGroup(m.ctx, g.ID, " "),
		"no such user": m.engine.ChangeGroupMembers(m.ctx, g.ID, []models.UserID{"nobody"}, nil),
		"no level":     m.engine.SetGroupPermission(m.ctx, m.stack.ID, g.ID, levelTo("root")),
	} {
		if err == nil || models.CodeOf(err) == models.CodeInternal {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ok(t, m.engine.SetGroupPermission(m.as(eve), m.stack.ID, g.ID, levelTo(models.LevelDeploy)))
	if got := must(m.store.Groups.Members(m.ctx, g.ID))(t); !slices.Equal(got, []models.UserID{ben.ID}) {
		t.Errorf("got members %v", got)
	}
}

func second[T any](_ T, err error) error { return err }

func TestPoliciesAllowAndDeny(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		m := newTeam(t, st)
		ben, eve := m.person("ben", ""), m.person("eve", models.LevelManage)
		g := m.group("Operators", models.LevelIAMOnly, eve)
		p := m.policy("Allow", "opsworks:Describe*", "arn:aws:opsworks:*:*:stack/"+string(m.other.ID)+"/", models.Principal{UserID: ben.ID})
		m.want("a policy adds", m.can(ben, "DescribeLayers", m.other), true)
		m.want("what it names", m.can(ben, "StartStack", m.other), false)
		m.want("where it says", m.can(ben, "DescribeLayers", m.stack), false)
		if got := m.visible(ben); !slices.Equal(got, []string{"Vault"}) {
			t.Errorf("got %v", got)
		}
		m.policy("Deny", "opsworks:StopStack", "*", models.Principal{GroupID: g.ID})
		m.want("a policy takes", m.can(eve, "StopStack", m.stack), false)
		m.want("no more than it names", m.can(eve, "StartStack", m.stack), true)
		ok(t, m.engine.UpdatePolicy(m.ctx, p.ID, func(p *models.Policy) error {
			p.Document = strings.ReplaceAll(p.Document, "Describe*", "DescribeApps")
			return nil
		}))
		m.want("a change holds at once", m.can(ben, "DescribeLayers", m.other), false)
		m.want("as it is now", m.can(ben, "DescribeApps", m.other), true)
		ok(t, m.engine.DetachPolicy(m.ctx, p.ID, models.Principal{UserID: ben.ID}))
		m.want("detached", m.can(ben, "DescribeApps", m.other), false)
		ok(t, m.engine.AttachPolicy(m.ctx, p.ID, models.Principal{UserID: ben.ID}))
		ok(t, m.engine.DeletePolicy(m.ctx, p.ID))
		m.want("deleted", m.can(ben, "DescribeApps", m.other), false)
	})
}

// Somebody whom a policy lets do all that policies can must not become an
// administrator by it.
func TestAPolicyMakesNoAdministrator(t *testing.T) {
	t.Parallel()
	m := newTeam(t, storetest.Open(t))
	ben, eve := m.person("ben", ""), m.person("eve", "")
	root := must(m.engine.CreateUser(m.ctx, models.User{Name: "root", Admin: true}, ""))(t)
	must(m.engine.CreateUser(m.ctx, models.User{Name: "second", Admin: true}, ""))(t)
	m.policy("Allow", "*", "*", models.Principal{UserID: ben.ID})
	as := m.as(ben)
	must(m.engine.CreateStack(as, models.Stack{Name: "Third"}))(t)
	must(m.engine.CreateUserProfile(as, models.User{IamUserArn: "arn:aws:iam::123456789012:user/kim"}))(t)
	ok(t, m.engine.UpdateUserProfile(as, eve.IamUserArn, func(u *models.User) error { u.AllowSelfManagement = true; return nil }))
	promote := func(u *models.User) error { u.Admin = true; return nil }
	for name, err := range map[string]error{
		"promote oneself":    m.engine.UpdateUserProfile(as, ben.IamUserArn, promote),
		"promote another":    m.engine.UpdateUserProfile(as, eve.IamUserArn, promote),
		"change an admin":    m.engine.UpdateUserProfile(as, root.IamUserArn, func(u *models.User) error { u.Email = "x@example.com"; return nil }),
		"delete an admin":    m.engine.DeleteUserProfile(as, root.IamUserArn),
		"password":           m.engine.SetPassword(as, root.ID, "a long password"),
		"password of others": m.engine.SetPassword(as, eve.ID, "a long password"),
		"key of others":      second(m.engine.CreateAccessKey(as, models.AccessKey{UserID: root.ID})),
		"user with password": second(m.engine.CreateUser(as, models.User{Name: "x", Admin: true}, "a long password")),
		"group":              second(m.engine.CreateGroup(as, "Mine")),
		"policy":             second(m.engine.CreatePolicy(as, models.Policy{Name: "Mine", Document: "{}"})),
	} {
		if models.CodeOf(err) != models.CodeForbidden || err == nil {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if refused := m.refusals(ben); refused < 10 {
		t.Errorf("the audit has %d refusals", refused)
	}
}

func (m *team) refusals(u *models.User) (n int) {
	m.t.Helper()
	row := m.store.SQL().QueryRow("SELECT count(*) FROM audit_entries WHERE refused AND actor_id = '" + string(u.ID) + "'")
	ok(m.t, row.Scan(&n))
	return n
}

func TestTokens(t *testing.T) {
	t.Parallel()
	m := newTeam(t, storetest.Open(t))
	ben, eve := m.person("ben", models.LevelManage), m.person("eve", models.LevelManage)
	now := m.engine.Clock()
	wish := models.Token{UserID: ben.ID, Name: " deploys ", ExpiresAt: now.Add(time.Hour), Scope: models.Scope{Level: models.LevelDeploy, Stacks: []models.StackID{m.stack.ID}}}
	made, secret, err := m.engine.CreateToken(m.as(ben), wish)
	ok(t, err)
	if made.Name != "deploys" || len(secret) != 40 || !strings.HasPrefix(secret, models.TokenPrefix) || strings.Contains(made.Hash, secret[8:]) {
		t.Errorf("got %+v %q", made, secret)
	}
	found := must(m.engine.TokenOf(m.ctx, secret))(t)
	if found.ID != made.ID || found.Scope.Level != models.LevelDeploy || found.Scope.Stacks[0] != m.stack.ID {
		t.Errorf("got %+v", found)
	}
	as := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: ben.ID, Name: "ben", Scope: &found.Scope})
	_, err = m.engine.Authorize(as, m.stack.ID, "CreateDeployment")
	ok(t, err)
	for name, err := range map[string]error{
		"beyond its level":   second(m.engine.Authorize(as, m.stack.ID, "UpdateStack")),
		"another token":      third(m.engine.CreateToken(as, wish)),
		"a key":              second(m.engine.CreateAccessKey(as, models.AccessKey{UserID: ben.ID})),
		"of somebody else":   third(m.engine.CreateToken(m.as(eve), wish)),
		"end another's":      m.engine.DeleteToken(m.as(eve), made.ID),
		"without end":        third(m.engine.CreateToken(m.as(ben), models.Token{UserID: ben.ID, Name: "x"})),
		"without name":       third(m.engine.CreateToken(m.as(ben), models.Token{UserID: ben.ID, ExpiresAt: now.Add(time.Hour)})),
		"too long":           third(m.engine.CreateToken(m.as(ben), models.Token{UserID: ben.ID, Name: "x", ExpiresAt: now.Add(3 * models.MaxTokenAge)})),
		"odd level":          third(m.engine.CreateToken(m.as(ben), models.Token{UserID: ben.ID, Name: "x", ExpiresAt: now.Add(time.Hour), Scope: models.Scope{Level: models.LevelDeny}})),
		"stack out of sight": third(m.engine.CreateToken(m.as(ben), models.Token{UserID: ben.ID, Name: "x", ExpiresAt: now.Add(time.Hour), Scope: models.Scope{Stacks: []models.StackID{m.other.ID}}})),
		"wrong text":         second(m.engine.TokenOf(m.ctx, secret+"x")),
		"no prefix":          second(m.engine.TokenOf(m.ctx, strings.TrimPrefix(secret, models.TokenPrefix))),
	} {
		if err == nil || models.CodeOf(err) == models.CodeInternal {
			t.Errorf("%s: got %v", name, err)
		}
	}
	m.engine.TokenUsed(made.ID)
	m.eventually("the use is in the database", func() bool {
		return must(m.store.Tokens.Get(m.ctx, made.ID))(t).LastUsed != nil
	})
	ok(t, m.engine.DeleteToken(m.as(ben), made.ID))
	if _, err := m.engine.TokenOf(m.ctx, secret); models.CodeOf(err) != models.CodeUnauthenticated || err == nil {
		t.Errorf("a deleted token: got %v", err)
	}
}

func third[T, U any](_ T, _ U, err error) error { return err }

func TestExplain(t *testing.T) {
	t.Parallel()
	m := newTeam(t, storetest.Open(t))
	ben, eve := m.person("ben", models.LevelShow), m.person("eve", models.LevelManage)
	m.policy("Deny", "opsworks:DescribeLayers", "*", models.Principal{UserID: ben.ID})
	m.group("Operators", models.LevelDeploy, ben)
	for _, as := range []context.Context{m.as(ben), m.as(eve), m.ctx} {
		why := map[models.Action]string{}
		for _, x := range must(m.engine.Explain(as, ben.ID, m.stack.ID))(t) {
			why[x.Action] = x.Reason
			if x.Allowed != m.can(ben, x.Action, m.stack) {
				t.Errorf("%s: %v", x.Action, x.Reason)
			}
		}
		for action, want := range map[models.Action]string{
			"DescribeLayers": "the policy Denyopsworks_DescribeLayers denies it",
			"UpdateApp":      "the level deploy of the group Operators allows it",
			"UpdateStack":    "it needs the level manage",
		} {
			if why[action] != want {
				t.Errorf("%s: got %q, want %q", action, why[action], want)
			}
		}
	}
	must(m.engine.Explain(m.as(ben), ben.ID, ""))(t)
	for name, err := range map[string]error{
		"another, without the level": second(m.engine.Explain(m.as(ben), eve.ID, m.stack.ID)),
		"another stack":              second(m.engine.Explain(m.as(eve), ben.ID, m.other.ID)),
		"another, everywhere":        second(m.engine.Explain(m.as(eve), ben.ID, "")),
	} {
		if err == nil {
			t.Errorf("%s: is told", name)
		}
	}
}

// A person at the console proves who they are before they destroy something; a
// client of the API is not asked.
func TestDestructionAsksForConfirmation(t *testing.T) {
	t.Parallel()
	m := newTeam(t, storetest.Open(t))
	root := models.Actor{Kind: models.ActorUser, UserID: "x", Admin: true, Session: "hash", ConfirmedAt: m.engine.Clock().Add(-time.Hour)}
	err := m.engine.DeleteStack(models.WithActor(t.Context(), root), m.other.ID)
	if models.CodeOf(err) != models.CodeConfirm || err == nil {
		t.Fatalf("got %v", err)
	}
	must(m.store.Stacks.Get(m.ctx, m.other.ID))(t)
	root.ConfirmedAt = m.engine.Clock()
	ok(t, m.engine.DeleteStack(models.WithActor(t.Context(), root), m.other.ID))
}

// Without its entry in the audit nothing is changed: who cannot be recorded
// cannot act, nor sign in.
func TestNoChangeWithoutItsEntry(t *testing.T) {
	t.Parallel()
	m := newTeam(t, storetest.Open(t))
	ana := must(m.engine.CreateUser(m.ctx, models.User{Name: "ana", Admin: true}, pass))(t)
	group, as := m.group("Operators", models.LevelShow), m.as(ana)
	count := func() (rows string) {
		for _, table := range []string{"stacks", "layers", "users", "groups", "group_members", "permissions", "policies", "tokens", "access_keys", "sessions", "challenges", "enroll_tokens", "audit_entries"} {
			var n int
			ok(t, m.store.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
			rows += fmt.Sprintf("%s %d, ", table, n)
		}
		return rows
	}
	cid := must(m.engine.CreateUser(m.ctx, models.User{Name: "cid"}, pass))(t)
	since := m.engine.Clock()
	cid.TOTPSecret, cid.TOTPSince = "JBSWY3DPEHPK3PXP", &since
	ok(t, m.store.Users.Save(m.ctx, cid))
	host := must(m.engine.RegisterInstance(m.ctx, Registration{StackID: m.stack.ID}))(t)
	before := count()
	_, err := m.store.SQL().ExecContext(t.Context(), "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
	ok(t, err)
	for name, err := range map[string]error{
		"stack":      second(m.engine.CreateStack(as, models.Stack{Name: "Other"})),
		"delete":     m.engine.DeleteStack(as, m.other.ID),
		"layer":      m.engine.DeleteLayer(as, m.web.ID),
		"user":       second(m.engine.CreateUser(as, models.User{Name: "ben"}, pass)),
		"members":    m.engine.ChangeGroupMembers(as, group.ID, []models.UserID{ana.ID}, nil),
		"permission": m.engine.SetGroupPermission(as, m.stack.ID, group.ID, levelTo(models.LevelManage)),
		"policy":     second(m.engine.CreatePolicy(as, models.Policy{Name: "x", Document: `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`})),
		"token":      third(m.engine.CreateToken(as, models.Token{UserID: ana.ID, Name: "x", ExpiresAt: m.engine.Clock().Add(time.Hour)})),
		"key":        second(m.engine.CreateAccessKey(as, models.AccessKey{UserID: ana.ID})),
		"sign in":    second(m.engine.SignIn(m.ctx, "ana", pass, models.Browser{Addr: "192.0.2.1"})),
		"half of it": second(m.engine.SignIn(m.ctx, "cid", pass, models.Browser{Addr: "192.0.2.1"})),
		"enrolment":  second(m.engine.CreateEnrollToken(as, m.stack.ID, m.web.ID, time.Hour)),
		"own host":   second(m.engine.CreateInstanceToken(as, host.ID, time.Hour)),
	} {
		if err == nil || models.CodeOf(err) != models.CodeInternal {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if after := count(); after != before {
		t.Errorf("there was %s\nand now   %s", before, after)
	}
}

// Whatever takes rights away is told to what the person has open.
func TestChangesOfRightsAreTold(t *testing.T) {
	t.Parallel()
	m := newTeam(t, storetest.Open(t))
	ben := m.person("ben", "")
	g := m.group("Operators", models.LevelShow, ben)
	p := m.policy("Allow", "opsworks:*", "*", models.Principal{GroupID: g.ID})
	token, _, err := m.engine.CreateToken(m.as(ben), models.Token{UserID: ben.ID, Name: "x", ExpiresAt: m.engine.Clock().Add(time.Hour)})
	ok(t, err)
	news := m.engine.hub.Subscribe("user:" + string(ben.ID))
	defer news.Close()
	for _, step := range []struct {
		name   string
		change func() error
	}{
		{"level of a group", func() error {
			return m.engine.SetGroupPermission(m.ctx, m.stack.ID, g.ID, levelTo(models.LevelDeny))
		}},
		{"policy", func() error {
			return m.engine.UpdatePolicy(m.ctx, p.ID, func(*models.Policy) error { return nil })
		}},
		{"detach", func() error { return m.engine.DetachPolicy(m.ctx, p.ID, models.Principal{GroupID: g.ID}) }},
		{"token", func() error { return m.engine.DeleteToken(m.ctx, token.ID) }},
		{"members", func() error { return m.engine.ChangeGroupMembers(m.ctx, g.ID, nil, []models.UserID{ben.ID}) }},
	} {
		ok(t, step.change())
		select {
		case <-news.C:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: nothing is told", step.name)
		}
	}
}
