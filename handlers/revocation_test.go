package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/web/ws"

	"github.com/gorilla/websocket"
)

// revocationLimit is how soon a websocket ends whose right has gone, as
// docs/security.md says.
const revocationLimit = 5 * time.Second

// revocationWait is how long a test waits for that: the machine may be busy.
const revocationWait = revocationLimit + 5*time.Second

// deafAgent is the line to an agent that takes what it is told.
type deafAgent struct{}

func (deafAgent) Send(any) error       { return nil }
func (deafAgent) Close(string, string) {}

// withAgent lets an instance have an agent that opens shells.
func (c *realConsole) withAgent() (*engine.Engine, models.Instance) {
	c.t.Helper()
	eng, ok := c.h.Engine.(*engine.Engine)
	if !ok {
		c.t.Fatalf("the console has %T", c.h.Engine)
	}
	host := c.fleet.with(models.InstanceOnline)[0]
	c.fleet.must(eng.ConnectAgent(c.t.Context(), host.ID, protocol.Hello{InstanceID: string(host.ID), Shells: true}, deafAgent{}))
	return eng, host
}

// TestShellsAskForALogin opens the shell's websocket at each level, with SSH and
// without: it takes both to get one.
func TestShellsAskForALogin(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	eng, host := c.withAgent()
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup})
	path := "/ws/shell?columns=80&rows=24&instance=" + string(host.ID)
	for _, level := range append([]models.Level{"root"}, models.Levels...) {
		b := c.as(string(level))
		for _, ssh := range []bool{false, true} {
			p := models.Permission{StackID: c.fleet.stack.ID, UserID: c.userID(string(level)), Level: level, AllowSSH: ssh}
			if level == "root" {
				p.Level = models.LevelIAMOnly
			}
			c.fleet.must(eng.Permit(ctx, p))
			sees := level != models.LevelDeny && level != models.LevelIAMOnly
			conn, answer, err := b.dial(path, c.url)
			if err != nil {
				if sees || answer == nil || answer.StatusCode != http.StatusNotFound {
					t.Errorf("%s, SSH %v: %d, %v", level, ssh, statusOf(answer), err)
				}
				continue
			}
			said := next(t, conn)
			if opened := strings.Contains(said, `"opened"`); opened != (sees && ssh) || !sees {
				t.Errorf("%s, SSH %v: the shell says %s", level, ssh, said)
			}
			conn.Close()
		}
	}
}

// revoked is somebody with a right that is taken away.
type revoked struct {
	*testing.T
	c      *realConsole
	engine *engine.Engine
	ctx    context.Context // of whoever gives and takes
	stack  models.StackID
	user   *models.User
	mine   models.Principal
	group  *models.Group
	policy *models.Policy
	b      *browser
}

func (s *revoked) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// The ways in which somebody comes to see a stack and to log in there.

func (s *revoked) permit(level models.Level, ssh bool) {
	s.Helper()
	s.ok(s.engine.Permit(s.ctx, models.Permission{StackID: s.stack, UserID: s.user.ID, Level: level, AllowSSH: ssh}))
}

func byLevel(s *revoked) { s.permit(models.LevelShow, true) }

func byTime(s *revoked) {
	s.permit(models.LevelShow, false)
	s.ok(s.engine.GrantSSH(s.ctx, s.stack, s.user.ID, false, time.Hour))
}

func (s *revoked) join(level models.Level, ssh bool) {
	s.Helper()
	var err error
	s.group, err = s.engine.CreateGroup(s.ctx, s.user.Name)
	s.ok(err)
	s.ok(s.engine.ChangeGroupMembers(s.ctx, s.group.ID, []models.UserID{s.user.ID}, nil))
	s.groupMay(level, ssh)
}

func (s *revoked) groupMay(level models.Level, ssh bool) {
	s.Helper()
	s.ok(s.engine.SetGroupPermission(s.ctx, s.stack, s.group.ID, func(p *models.GroupPermission) error {
		p.Level, p.AllowSSH = level, ssh
		return nil
	}))
}

func byGroup(s *revoked) { s.join(models.LevelDeploy, true) }

func (s *revoked) attach(effect string, to models.Principal) {
	s.Helper()
	var err error
	s.policy, err = s.engine.CreatePolicy(s.ctx, models.Policy{Name: s.user.Name, Document: s.document(effect)})
	s.ok(err)
	s.ok(s.engine.AttachPolicy(s.ctx, s.policy.ID, to))
}

func (s *revoked) document(effect string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,"Action":"opsworks:*","Resource":"arn:aws:opsworks:*:*:stack/%s/"}}`, effect, s.stack)
}

func byPolicy(s *revoked) {
	s.permit(models.LevelIAMOnly, true)
	s.attach("Allow", s.mine)
}

func byPolicyOfGroup(s *revoked) {
	s.join(models.LevelIAMOnly, true)
	s.attach("Allow", models.Principal{GroupID: s.group.ID})
}

func byOffice(s *revoked) {
	s.permit(models.LevelIAMOnly, true)
	s.profile(func(u *models.User) { u.Admin = true })
}

func (s *revoked) profile(change func(*models.User)) {
	s.Helper()
	s.ok(s.engine.UpdateUserProfile(s.ctx, s.user.IamUserArn, func(u *models.User) error { change(u); return nil }))
}

// allSockets are the websockets that a person can have open.
var allSockets = []string{"live page", "log", "shell"}

// TestRevocationCutsWebsockets opens a live page, a log and a shell of somebody,
// by each way to a right, and takes it away in each way. What the right was
// needed for ends within five seconds; what is still allowed goes on.
func TestRevocationCutsWebsockets(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	eng, host := c.withAgent()
	going := c.fleet.command(&c.fleet.running, c.fleet.with(models.InstanceOnline)[1], models.CommandRunning, c.h.Now(), 0)
	c.fleet.must(c.store.Commands.Create(t.Context(), []models.Command{going}))
	addresses := map[string]string{
		"live page": "/ws/live?view=stack/" + string(c.fleet.stack.ID), "log": "/ws/commands/" + string(going.ID) + "/log",
		"shell": "/ws/shell?columns=80&rows=24&instance=" + string(host.ID),
	}
	onlyShell := []string{"shell"}
	for n, tc := range []struct {
		name string
		give func(*revoked)
		take func(*revoked)
		ends []string // what ends; the rest stays
	}{
		{"level to deny", byLevel, func(s *revoked) { s.permit(models.LevelDeny, true) }, allSockets},
		{"level removed", byLevel, func(s *revoked) { s.permit(models.LevelIAMOnly, false) }, allSockets},
		{"level removed, SSH stays", byLevel, func(s *revoked) { s.permit(models.LevelIAMOnly, true) }, allSockets},
		{"SSH removed", byLevel, func(s *revoked) { s.permit(models.LevelShow, false) }, onlyShell},
		{"SSH for some time ended", byTime, func(s *revoked) { s.ok(s.engine.EndSSH(s.ctx, s.stack, s.user.ID)) }, onlyShell},
		{"joined a group that is denied", byLevel, func(s *revoked) { s.join(models.LevelDeny, false) }, allSockets},
		{"policy with Deny attached", byLevel, func(s *revoked) { s.attach("Deny", s.mine) }, allSockets},
		{"user deleted", byLevel, func(s *revoked) { s.ok(s.engine.DeleteUserProfile(s.ctx, s.user.IamUserArn)) }, allSockets},
		{"signed out", byLevel, func(s *revoked) { s.b.post("/sign-out") }, allSockets},
		{"sessions ended by an administrator", byLevel, func(s *revoked) { s.ok(s.engine.EndSessionsOf(s.ctx, s.user.ID, "")) }, allSockets},
		{"new password by an administrator", byLevel, func(s *revoked) { s.ok(s.engine.SetPassword(s.ctx, s.user.ID, goodPassword+"!")) }, allSockets},
		{"factors reset by an administrator", byLevel, func(s *revoked) { s.ok(s.engine.ResetFactors(s.ctx, s.user.ID)) }, allSockets},

		{"out of the group", byGroup, func(s *revoked) {
			s.ok(s.engine.ChangeGroupMembers(s.ctx, s.group.ID, nil, []models.UserID{s.user.ID}))
		}, allSockets},
		{"group deleted", byGroup, func(s *revoked) { s.ok(s.engine.DeleteGroup(s.ctx, s.group.ID)) }, allSockets},
		{"group's level removed", byGroup, func(s *revoked) { s.groupMay(models.LevelIAMOnly, true) }, allSockets},
		{"group's level to deny", byGroup, func(s *revoked) { s.groupMay(models.LevelDeny, true) }, allSockets},
		{"group's level lowered to show", byGroup, func(s *revoked) { s.groupMay(models.LevelShow, true) }, nil},
		{"group's SSH removed", byGroup, func(s *revoked) { s.groupMay(models.LevelDeploy, false) }, onlyShell},

		{"policy detached", byPolicy, func(s *revoked) { s.ok(s.engine.DetachPolicy(s.ctx, s.policy.ID, s.mine)) }, allSockets},
		{"policy deleted", byPolicy, func(s *revoked) { s.ok(s.engine.DeletePolicy(s.ctx, s.policy.ID)) }, allSockets},
		{"policy edited to Deny", byPolicy, func(s *revoked) {
			s.ok(s.engine.UpdatePolicy(s.ctx, s.policy.ID, func(p *models.Policy) error { p.Document = s.document("Deny"); return nil }))
		}, allSockets},
		{"group's policy detached", byPolicyOfGroup, func(s *revoked) {
			s.ok(s.engine.DetachPolicy(s.ctx, s.policy.ID, models.Principal{GroupID: s.group.ID}))
		}, allSockets},
		{"out of the group with the policy", byPolicyOfGroup, func(s *revoked) {
			s.ok(s.engine.ChangeGroupMembers(s.ctx, s.group.ID, nil, []models.UserID{s.user.ID}))
		}, allSockets},
		{"no administrator any more", byOffice, func(s *revoked) { s.profile(func(u *models.User) { u.Admin = false }) }, allSockets},
	} {
		s := &revoked{T: t, c: c, engine: eng, stack: c.fleet.stack.ID}
		s.ctx = models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup})
		var err error
		s.user, err = eng.CreateUser(s.ctx, models.User{Name: fmt.Sprintf("case%d", n)}, goodPassword)
		s.ok(err)
		s.mine = models.Principal{UserID: s.user.ID}
		tc.give(s)
		s.b = c.as(s.user.Name)
		t.Run(tc.name, func(t *testing.T) {
			s.T = t
			open := map[string]*socket{}
			for name, path := range addresses {
				open[name] = s.open(name, path)
			}
			began := time.Now()
			tc.take(s)
			for _, name := range tc.ends {
				s.ends(open[name], began, revocationWait)
				delete(open, name)
			}
			for _, name := range tc.ends {
				if got := may(s.b.get(addresses[name])); got == "yes" && name != "shell" { // a shell says so when it is open
					t.Errorf("the %s can be opened again", name)
				}
			}
			for _, one := range open {
				s.goesOn(one)
			}
		})
	}
}

// TestRevocationThatNobodyTells lets a session run out, and takes a right away
// beside the engine, as another server would: the next look finds it.
func TestRevocationThatNobodyTells(t *testing.T) {
	t.Parallel()
	if liveRecheck >= revocationLimit {
		t.Errorf("open websockets are looked at every %s", liveRecheck)
	}
	c := quietConsole(t)
	for name, take := range map[string]string{
		"show":   "UPDATE sessions SET expires_at = '2001-01-01 00:00:00+00:00' WHERE user_id = ?",
		"deploy": "DELETE FROM permissions WHERE user_id = ?",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &revoked{T: t, c: c, b: c.as(name)}
			open := []*socket{s.open("live page", "/ws/live?view=stack/"+string(c.fleet.stack.ID))}
			began := time.Now()
			_, err := c.store.SQL().ExecContext(t.Context(), take, c.userID(name))
			s.ok(err)
			for _, one := range open {
				s.ends(one, began, revocationWait)
			}
		})
	}
}

// TestWebsocketsAskForASession: what lets programs in opens no websocket, so
// that no scope has to be looked at there again.
func TestWebsocketsAskForASession(t *testing.T) {
	t.Parallel()
	c := quietConsole(t)
	eng, _ := c.h.Engine.(*engine.Engine)
	ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup})
	_, text, err := eng.CreateToken(ctx, models.Token{UserID: c.userID("root"), Name: "x", ExpiresAt: c.h.Now().Add(time.Hour)})
	c.fleet.must(err)
	for _, pattern := range []string{"/ws/live", "/ws/commands/{command}/log", "/ws/shell"} {
		header := http.Header{"Authorization": {"Bearer " + text}}
		conn, answer, err := websocket.DefaultDialer.Dial(strings.Replace(c.url, "http", "ws", 1)+c.path(c.fleet, pattern), header)
		if err == nil {
			conn.Close()
			t.Errorf("a token opens %s", pattern)
			continue
		}
		if answer == nil || answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s with a token: got %d, %v", pattern, statusOf(answer), err)
		}
		if answer != nil {
			answer.Body.Close()
		}
	}
}

// socket is a websocket that is being read.
type socket struct {
	name string
	said chan string   // a message, dropped when nobody waits
	end  chan struct{} // closed at its end
	code int           // after end
}

// open dials and waits for the first message.
func (s *revoked) open(name, path string) *socket {
	s.Helper()
	conn := s.b.mustDial(path)
	one := &socket{name: name, said: make(chan string, 1), end: make(chan struct{})}
	go func() { // reader: ends when the connection does
		defer close(one.end)
		for {
			_, data, err := conn.ReadMessage()
			if e := new(websocket.CloseError); errors.As(err, &e) {
				one.code = e.Code
			}
			if err != nil {
				return
			}
			if len(data) > 0 {
				select {
				case one.said <- string(data):
				default:
				}
			}
		}
	}()
	s.Cleanup(func() {
		conn.Close()
		<-one.end
	})
	if said := s.hears(one); name == "shell" && !strings.Contains(said, "opened") {
		s.Fatalf("the shell says %s", said)
	}
	return one
}

func (s *revoked) hears(one *socket) string {
	s.Helper()
	select {
	case said := <-one.said:
		return said
	case <-one.end:
		s.Fatalf("the %s has ended with %d", one.name, one.code)
	case <-time.After(20 * time.Second):
		s.Fatalf("the %s says nothing", one.name)
	}
	return ""
}

func (s *revoked) ends(one *socket, began time.Time, within time.Duration) {
	s.Helper()
	select {
	case <-one.end:
	case <-time.After(20 * time.Second):
		s.Errorf("the %s is still open", one.name)
		return
	}
	if took := time.Since(began); took > within {
		s.Errorf("the %s ended after %s", one.name, took)
	}
	switch one.code {
	case ws.CloseSignedOut, ws.CloseForbidden:
	case websocket.CloseNormalClosure: // a shell has said why before
		if one.name == "shell" {
			return
		}
		fallthrough
	default:
		s.Errorf("the %s ended with %d", one.name, one.code)
	}
}

// goesOn: a websocket that was looked at is still open. A live page is drawn
// again, after the look.
func (s *revoked) goesOn(one *socket) {
	s.Helper()
	if one.name == "live page" {
		select {
		case <-one.said: // from before
		default:
		}
		s.c.hub.Publish(engine.TopicStack(s.stack), pubsub.Message{Kind: pubsub.Gap})
		s.hears(one)
	}
	select {
	case <-one.end:
		s.Errorf("the %s has ended with %d", one.name, one.code)
	default:
	}
}
