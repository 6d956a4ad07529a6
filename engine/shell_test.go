package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// shellWorld is a world with an instance whose agent knows shells, and a person
// who may log in there.
type shellWorld struct {
	*world
	i    *models.Instance
	link *fakeLink
	ben  context.Context
	user *models.User
}

func setupShell(t *testing.T, st *store.Store, times func(*Times)) *shellWorld {
	t.Helper()
	w := &shellWorld{world: setup(t, st)}
	w.times = times
	w.reboot()
	w.i = w.online(w.web)
	w.user = must(w.engine.CreateUser(w.ctx, models.User{Name: "ben"}, ""))(t)
	w.permit(models.LevelShow, true)
	w.ben = models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: w.user.ID, Name: "ben", Surface: "console"})
	w.link = &fakeLink{}
	if err := w.engine.ConnectAgent(w.ctx, w.i.ID, protocol.Hello{InstanceID: string(w.i.ID), Shells: true}, w.link); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *shellWorld) permit(level models.Level, ssh bool) {
	w.t.Helper()
	if err := w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: w.user.ID, Level: level, AllowSSH: ssh}); err != nil {
		w.t.Fatal(err)
	}
}

// fakeScreen is a browser.
type fakeScreen struct {
	mu    sync.Mutex
	shown bytes.Buffer
	typed int
	news  chan struct{}
}

func (s *fakeScreen) Show(_ context.Context, output []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown.Write(output)
	select {
	case s.news <- struct{}{}:
	default:
	}
	return nil
}

func (s *fakeScreen) Typed(_ context.Context, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.typed += n
	return nil
}

func (s *fakeScreen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// running is a shell that is being carried.
type running struct {
	*Shell
	w      *shellWorld
	screen *fakeScreen
	leave  context.CancelFunc
	why    chan string
}

func (w *shellWorld) run() *running {
	w.t.Helper()
	shell := must(w.engine.OpenShell(w.ben, w.i.ID, models.ShellSize{Columns: 80, Rows: 24}))(w.t)
	ctx, cancel := context.WithCancel(w.ben)
	r := &running{Shell: shell, w: w, screen: &fakeScreen{news: make(chan struct{}, 1)}, leave: cancel, why: make(chan string, 1)}
	go func() { r.why <- shell.Run(ctx, r.screen) }()
	w.t.Cleanup(cancel)
	return r
}

// agent sends what the terminal shows.
func (r *running) agent(text string) {
	r.w.engine.ShellOutput(r.w.i.ID, protocol.ShellOutput{ID: string(r.ID), Data: []byte(text)})
}

func (r *running) ends(want string) {
	r.w.t.Helper()
	select {
	case why := <-r.why:
		if !strings.Contains(why, want) {
			r.w.t.Errorf("it ended because %q, want %q", why, want)
		}
	case <-time.After(20 * time.Second):
		r.w.t.Fatalf("it did not end, want %q", want)
	}
	row := must(r.w.store.Shells.Get(r.w.t.Context(), r.ID))(r.w.t)
	if row.EndedAt == nil || !strings.Contains(row.Why, want) {
		r.w.t.Errorf("on record is %+v", row)
	}
}

func (r *running) recording() string {
	r.w.t.Helper()
	var b bytes.Buffer
	if err := must(r.w.engine.ReadShellRecording(r.w.ben, r.ID))(r.w.t).Write(r.w.t.Context(), &b); err != nil {
		r.w.t.Fatal(err)
	}
	return b.String()
}

func (r *running) until(what string, is func() bool) {
	r.w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			r.w.t.Fatalf("waited until %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// A shell's output reaches the screen and the recording, its input the agent,
// and its whole life the audit.
func TestShellIsCarriedAndRecorded(t *testing.T) {
	t.Parallel()
	w := setupShell(t, storetest.Open(t), nil)
	r := w.run()
	open := r.request
	if open.User != "ben" || open.UID < 2000 || open.Own || open.Sudo || !open.Plausible() {
		t.Errorf("the agent is asked for %+v", open)
	}
	r.agent("h\xc3")
	r.agent("\xb6 <b>")
	r.Type([]byte("typed secret"))
	r.Resize(models.ShellSize{Columns: 9999, Rows: -1})
	r.until("the output is shown", func() bool { return r.screen.text() == "hö <b>" })
	r.until("input and size are sent", func() bool {
		var input, size bool
		for _, m := range w.link.messages() {
			if i, ok := m.(protocol.ShellInput); ok && string(i.Data) == "typed secret" {
				input = true
			}
			if s, ok := m.(protocol.ShellResize); ok && s.Columns == 500 && s.Rows == 1 {
				size = true
			}
		}
		return input && size
	})
	w.engine.ShellTaken(w.i.ID, protocol.ShellTaken{ID: string(r.ID)})
	w.engine.ShellTaken(w.i.ID, protocol.ShellTaken{ID: string(r.ID)})
	w.engine.ShellTaken(w.i.ID, protocol.ShellTaken{ID: string(r.ID)}) // one too many changes nothing
	r.agent("last words")
	w.engine.ShellEnded(w.i.ID, protocol.ShellEnded{ID: string(r.ID), ExitCode: 3})
	r.ends("exit code 3")
	if got := r.screen.text(); got != "hö <b>last words" || r.screen.typed != len("typed secret") {
		t.Errorf("the screen shows %q, and %d bytes were typed", got, r.screen.typed)
	}
	text := r.recording()
	var shown string
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var event []any
		if n > 0 && (json.Unmarshal([]byte(line), &event) != nil || len(event) != 3) {
			t.Fatalf("line %d is %s", n, line)
		}
		if n > 0 && event[1] == "o" {
			shown += event[2].(string)
		}
	}
	if shown != "hö <b>last words" || strings.Contains(text, "typed secret") || !strings.Contains(text, `"r","500x1"`) {
		t.Errorf("the recording is %s", text)
	}
	entries := must(w.store.Audit.Page(t.Context(), models.AuditFilter{}, store.AuditCursor{Limit: 20}))(t)
	var actions []string
	for _, e := range entries {
		if strings.Contains(e.Action, "Shell") {
			actions = append(actions, e.Action+" by "+e.ActorName)
		}
	}
	if got := strings.Join(actions, ", "); got != "ReadShellRecording by ben, CloseShell by ben, OpenShell by ben" {
		t.Errorf("the audit has %s", got)
	}
}

// What neither side may send ends the shell, and what it may not acknowledge is
// not believed.
func TestShellBounds(t *testing.T) {
	t.Parallel()
	w := setupShell(t, storetest.Open(t), nil)
	flood := strings.Repeat("x", protocol.ShellWindow)

	r := w.run()
	r.Seen(1 << 30) // nothing was shown yet
	r.agent(flood)
	r.agent("y")
	r.ends("more than it may")

	r = w.run()
	r.agent(flood)
	r.until("all is shown", func() bool { return len(r.screen.text()) == len(flood) })
	r.Seen(len(flood) - 1)
	r.Seen(-5)
	r.until("room is given back", func() bool {
		for _, m := range w.link.messages() {
			if c, ok := m.(protocol.ShellCredit); ok && c.ID == string(r.ID) && c.Bytes == len(flood)-1 {
				return true
			}
		}
		return false
	})
	r.agent(flood[1:])
	r.agent("y")
	r.ends("more than it may")

	r = w.run()
	r.Type(bytes.Repeat([]byte("x"), ShellTypable))
	r.Type([]byte("y"))
	r.ends("could take")
	sent := 0
	for _, m := range w.link.messages() {
		if i, ok := m.(protocol.ShellInput); ok && i.ID == string(r.ID) {
			sent++
		}
	}
	if sent > protocol.ShellPending {
		t.Errorf("%d messages were sent without an answer", sent)
	}

	r = w.run()
	w.engine.ShellOutput("another", protocol.ShellOutput{ID: string(r.ID), Data: []byte("forged")})
	w.engine.ShellEnded("another", protocol.ShellEnded{ID: string(r.ID)})
	w.engine.DisconnectAgent(w.i.ID, w.link)
	r.ends("agent was lost")
	if r.screen.text() != "" {
		t.Errorf("another agent's words are shown: %q", r.screen.text())
	}
}

// A shell in which nothing happens ends, and so does one that is open too long,
// whose permission goes, or whose browser leaves; the agent is told.
func TestShellLimits(t *testing.T) {
	t.Parallel()
	w := setupShell(t, storetest.Open(t), func(times *Times) { times.ShellIdle = 1500 * time.Millisecond })
	w.run().ends("Nothing happened")
	w.engine.times.ShellIdle, w.engine.times.ShellAbsolute = time.Hour, 1500*time.Millisecond
	w.run().ends("which is the most")
	w.engine.times.ShellAbsolute = time.Hour
	r := w.run()
	r.leave()
	r.ends("browser has left")
	closed := 0
	for _, m := range w.link.messages() {
		if _, ok := m.(protocol.ShellClose); ok {
			closed++
		}
	}
	if closed != 3 {
		t.Errorf("the agent was told of %d ends", closed)
	}
	var all []*running
	for range models.ShellMost {
		all = append(all, w.run())
	}
	if _, err := w.engine.OpenShell(w.ben, w.i.ID, models.ShellSize{}); models.CodeOf(err) != models.CodeConflict {
		t.Errorf("one more shell: %v", err)
	}
	w.permit(models.LevelShow, false)
	if err := w.engine.MayKeepShell(w.ben, w.i.ID); models.CodeOf(err) != models.CodeForbidden || err == nil {
		t.Errorf("without SSH: %v", err)
	}
	w.permit(models.LevelDeny, true)
	if err := w.engine.MayKeepShell(w.ben, w.i.ID); models.CodeOf(err) != models.CodeNotFound || err == nil {
		t.Errorf("with the level deny: %v", err)
	}
	for _, r := range all {
		r.End("You may not.")
		r.ends("You may not.")
	}
	root := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: "root", Name: "root", Admin: true})
	if _, err := w.engine.OpenShell(root, w.i.ID, models.ShellSize{}); models.CodeOf(err) != models.CodeForbidden {
		t.Errorf("an administrator without SSH: %v", err)
	}
	w.permit(models.LevelShow, true)
	stale := models.ActorFrom(w.ben)
	stale.Session, stale.ConfirmedAt = "hash", w.engine.Clock().Add(-time.Hour)
	old := models.WithActor(t.Context(), stale)
	if _, err := w.engine.OpenShell(old, w.i.ID, models.ShellSize{}); models.CodeOf(err) != models.CodeConfirm {
		t.Errorf("without a fresh proof: %v", err)
	}
	if err := w.engine.MayKeepShell(old, w.i.ID); err != nil {
		t.Errorf("who has a shell keeps it: %v", err)
	}
}

// Who cannot be served is told why: the agent is older, away, or at another server.
func TestNoShell(t *testing.T) {
	t.Parallel()
	w := setupShell(t, storetest.Open(t), nil)
	refused := func(want string) {
		t.Helper()
		if _, err := w.engine.OpenShell(w.ben, w.i.ID, models.ShellSize{}); err == nil || !strings.Contains(models.Sentence(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	w.engine.DisconnectAgent(w.i.ID, w.link)
	w.connect(w.i)
	refused("does not know shells")
	w.engine.DisconnectAgent(w.i.ID, w.links[w.i.ID])
	refused("is not connected")
	if err := w.store.Instances.Seen(t.Context(), "beta", map[models.InstanceID]time.Time{w.i.ID: w.engine.Clock().Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	refused("connected to the server beta")
}

// The shells of a server that is gone get an end, and old ones are forgotten.
func TestShellsAreLookedAfter(t *testing.T) {
	t.Parallel()
	w := setupShell(t, storetest.Open(t), nil)
	now := w.engine.Clock()
	row := func(began time.Time) models.ShellID {
		s := models.ShellSession{
			ID: models.NewID[models.ShellID](), StackID: w.stack.ID, InstanceID: w.i.ID, Hostname: "a", UserID: w.user.ID, UserName: "ben", Account: "ben", StartedAt: began, SeenAt: began,
		}
		if err := w.store.Shells.Create(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Shells.Append(t.Context(), models.ShellChunk{ShellID: s.ID, Seq: 1, Data: []byte{}}, 0, began); err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	fresh, missed, old := row(now), row(now.Add(-time.Hour)), row(now.Add(-200*24*time.Hour))
	if _, err := w.store.Shells.End(t.Context(), old, "It ended.", 0, now.Add(-199*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.lookAfterShells(w.ctx); err != nil {
		t.Fatal(err)
	}
	if s := must(w.store.Shells.Get(t.Context(), fresh))(t); s.EndedAt != nil {
		t.Error("a shell that lives was ended")
	}
	if s := must(w.store.Shells.Get(t.Context(), missed))(t); s.EndedAt == nil || !strings.Contains(s.Why, "server that carried it") {
		t.Errorf("the shell of a server that is gone is %+v", s)
	}
	if _, err := w.store.Shells.Get(t.Context(), old); models.CodeOf(err) != models.CodeNotFound {
		t.Errorf("an old shell: %v", err)
	}
	if left := must(w.store.Shells.Chunks(t.Context(), old, 0, 1))(t); len(left) > 0 {
		t.Error("its recording is still there")
	}
}

// Recordings are for whoever had the shell and for those who manage the stack.
func TestWhoReadsRecordings(t *testing.T) {
	t.Parallel()
	w := setupShell(t, storetest.Open(t), nil)
	r := w.run()
	r.End("Enough.")
	r.ends("Enough.")
	for level, want := range map[models.Level]models.Code{models.LevelIAMOnly: models.CodeNotFound, models.LevelDeploy: models.CodeForbidden, models.LevelManage: ""} {
		u := must(w.engine.CreateUser(w.ctx, models.User{Name: string(level)}, ""))(t)
		if err := w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: u.ID, Level: level, AllowSSH: true}); err != nil {
			t.Fatal(err)
		}
		ctx := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name})
		_, err := w.engine.ReadShellRecording(ctx, r.ID)
		if want == "" && err != nil || want != "" && (err == nil || models.CodeOf(err) != want) {
			t.Errorf("%s: %v, want %q", level, err, want)
		}
		list, err := w.engine.ShellSessions(ctx, w.i.ID)
		if n := map[models.Level]int{models.LevelManage: 1}[level]; len(list) != n || level != models.LevelIAMOnly && err != nil {
			t.Errorf("%s is shown %d shells, %v", level, len(list), err)
		}
	}
	w.permit(models.LevelDeny, false)
	if !strings.Contains(r.recording(), "Enough.") {
		t.Error("who had the shell cannot read its recording")
	}
}

func (l *fakeLink) messages() []any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]any(nil), l.sent...)
}

// A shell may be behind sudo already when sudo is taken back.
func TestAShellEndsWithSudo(t *testing.T) {
	t.Parallel()
	w := setupShell(t, storetest.Open(t), nil)
	permit := func(sudo bool) {
		ok(t, w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: w.user.ID, Level: models.LevelShow, AllowSSH: true, AllowSudo: sudo}))
	}
	without := must(w.engine.OpenShell(w.ben, w.i.ID, models.ShellSize{}))(t)
	permit(true)
	with := must(w.engine.OpenShell(w.ben, w.i.ID, models.ShellSize{}))(t)
	ok(t, with.MayGoOn(w.ben))
	permit(false)
	if err := with.MayGoOn(w.ben); err == nil || !strings.Contains(err.Error(), "sudo") {
		t.Errorf("with sudo taken back: %v", err)
	}
	ok(t, without.MayGoOn(w.ben))
}
