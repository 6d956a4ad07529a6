package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/dispatch"
	"opsyard/models"
)

// The verbs of shells in the browser. A shell is carried by the server that the
// instance's agent is connected to; nothing hands its bytes to another one.

const (
	shellRound = time.Minute
	// shellMissed is how long nothing may be written of a shell whose server
	// lives; it writes every shellSeen.
	shellMissed = 3 * time.Minute
	shellSeen   = time.Minute
	shellTerm   = "xterm-256color"
)

// shells are the agents that know shells, and the shells that are open.
type shells struct {
	mu   sync.Mutex
	able map[models.InstanceID]dispatch.Link
	open map[models.ShellID]*Shell
}

func newShells() *shells {
	return &shells{able: map[models.InstanceID]dispatch.Link{}, open: map[models.ShellID]*Shell{}}
}

// greet notes whether an agent that connects knows shells.
func (s *shells) greet(id models.InstanceID, hello protocol.Hello, link dispatch.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.able, id)
	if hello.Shells {
		s.able[id] = link
	}
}

// disconnect ends the shells that the link carried.
func (s *shells) disconnect(id models.InstanceID, link dispatch.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.able[id] == link {
		delete(s.able, id)
	}
	for _, shell := range s.open {
		if shell.link == link {
			shell.lost()
		}
	}
}

func (s *shells) linkTo(id models.InstanceID) dispatch.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.able[id]
}

func (s *shells) add(shell *Shell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[shell.ID] = shell
}

func (s *shells) remove(shell *Shell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, shell.ID)
}

// of is the open shell that an agent speaks of; nil unless it is its own.
func (s *shells) of(instance models.InstanceID, id string) *Shell {
	s.mu.Lock()
	defer s.mu.Unlock()
	shell := s.open[models.ShellID(id)]
	if shell == nil || shell.instance != instance {
		return nil
	}
	return shell
}

// MayOpenShell refuses those who may not open a shell on the instance: who may
// not log in there, by AllowSSH. Who has not proved of late who they are is asked.
func (e *Engine) MayOpenShell(ctx context.Context, id models.InstanceID) error {
	_, _, err := e.shellFor(ctx, id)
	return err
}

// MayKeepShell is MayOpenShell for who has one already, and for pages that show
// what is refused anyway: it asks for no proof.
func (e *Engine) MayKeepShell(ctx context.Context, id models.InstanceID) error {
	_, err := e.keptAccount(ctx, id)
	return err
}

// keptAccount is the account that the asker has on the instance, if they may
// still have a shell of it.
func (e *Engine) keptAccount(ctx context.Context, id models.InstanceID) (*models.Login, error) {
	i, err := e.instanceFor(ctx, id, models.ActionShow)
	if err != nil {
		return nil, err
	}
	if may, err := e.May(ctx, models.ActionOpenShell, i.StackID); err != nil || !may {
		return nil, cmp.Or(err, errNoLogin(i))
	}
	return e.shellAccount(ctx, i)
}

// MayGoOn refuses who may not have the shell any more. Who loses sudo loses it,
// too: it may be behind sudo already, and where machines have no accounts it is
// the agent's own.
func (s *Shell) MayGoOn(ctx context.Context) error {
	account, err := s.e.keptAccount(ctx, s.instance)
	if err == nil && s.request.Sudo && !account.Sudo {
		return ShellEnd("You may not use sudo on this instance any more.")
	}
	return err
}

// shellFor is the instance, and the account that the asker has there.
func (e *Engine) shellFor(ctx context.Context, id models.InstanceID) (*models.Instance, *models.Login, error) {
	i, err := e.instanceFor(ctx, id, models.ActionOpenShell)
	if err != nil {
		return nil, nil, err
	}
	account, err := e.shellAccount(ctx, i)
	if models.CodeOf(err) == models.CodeForbidden && err != nil {
		e.auditRefusal(ctx, string(models.ActionOpenShell), onInstance(i))
	}
	return i, account, err
}

// shellAccount is whom the asker is on an instance.
func (e *Engine) shellAccount(ctx context.Context, i *models.Instance) (*models.Login, error) {
	logins, err := e.store.Logins(ctx, i.StackID)
	if err != nil {
		return nil, err
	}
	actor := models.ActorFrom(ctx)
	n := slices.IndexFunc(logins, func(l models.Login) bool { return l.UserID == actor.UserID })
	if n < 0 || actor.Kind != models.ActorUser {
		return nil, errNoLogin(i)
	}
	return &logins[n], nil
}

func errNoLogin(i *models.Instance) error {
	return models.Forbidden("You may not log in to %s. Whoever manages the stack can allow you SSH there.", i.Hostname)
}

// OpenShell opens a shell of the asker's own account on an instance. Whoever
// opens it must Run it, and stays its actor.
func (e *Engine) OpenShell(ctx context.Context, id models.InstanceID, size models.ShellSize) (*Shell, error) {
	i, account, err := e.shellFor(ctx, id)
	if err != nil {
		return nil, err
	}
	link := e.shells.linkTo(i.ID)
	if link == nil {
		return nil, e.noShell(i)
	}
	shell, err := e.newShell(ctx, i, account, link, size)
	if err != nil {
		return nil, err
	}
	if err := e.tx(ctx, func(t *tx) error {
		if _, err := t.Users.GetForUpdate(ctx, account.UserID); err != nil { // of two shells the second sees the first
			return err
		}
		n, err := t.Shells.OpenOf(ctx, i.ID, account.UserID)
		if err != nil {
			return err
		}
		if n >= models.ShellMost {
			return models.Conflict("You have %d shells open on %s. Close one of them first.", n, i.Hostname)
		}
		row := shell.row
		if err := t.Shells.Create(ctx, &row); err != nil {
			return err
		}
		return t.audit(ctx, string(models.ActionOpenShell), onInstance(i), nil, map[string]any{"Shell": row.ID, "Account": row.Account}, models.Cause{})
	}); err != nil {
		return nil, err
	}
	e.shells.add(shell)
	_ = link.Send(shell.request) // a line that broke ends the shell when it is noticed
	if e.shells.linkTo(i.ID) != link {
		shell.lost() // before it was added
	}
	return shell, nil
}

// noShell says why an instance has no agent here that knows shells.
func (e *Engine) noShell(i *models.Instance) error {
	switch {
	case models.IsWindows(i.Os):
		return models.Invalid("%s runs Windows: shells open on Linux only.", i.Hostname)
	case e.dispatcher.Connected(i.ID):
		return models.Conflict("The agent of %s does not know shells: it is older than this server. Update it, then try again.", i.Hostname)
	case i.AgentServer != "" && i.AgentServer != e.server && e.Clock().Sub(lastHeard(i)) < 2*e.times.Offline:
		return models.Conflict("The agent of %s is connected to the server %s, and you are connected to %s. Shells are not handed from one to the other: open the console at %s.", i.Hostname, i.AgentServer, e.server, i.AgentServer)
	}
	return models.Conflict("The agent of %s is not connected, so no shell can be opened there.", i.Hostname)
}

// newShell is a shell that nobody knows of yet.
func (e *Engine) newShell(ctx context.Context, i *models.Instance, account *models.Login, link dispatch.Link, size models.ShellSize) (*Shell, error) {
	stack, err := e.store.Stacks.Get(ctx, i.StackID)
	if err != nil {
		return nil, err
	}
	size, now, u := size.Bounded(), e.Clock(), account
	own := e.sharesHost(stack, i)
	row := models.ShellSession{
		ID: models.NewID[models.ShellID](), StackID: i.StackID, InstanceID: i.ID, Hostname: i.Hostname,
		UserID: u.UserID, UserName: u.Name, Account: u.SSHUsername, StartedAt: now, SeenAt: now,
	}
	if own {
		row.Account = "the agent's own user"
	} else if u.SSHUsername == "" {
		return nil, models.Invalid("You have no account on instances: give yourself an SSH key in My settings first.")
	}
	return &Shell{
		ID: row.ID, e: e, instance: i.ID, link: link, row: row, began: now, active: now, seen: now,
		request: protocol.ShellOpen{
			ID: string(row.ID), User: u.SSHUsername, UID: u.UnixUID, Sudo: u.Sudo, Own: own,
			Columns: size.Columns, Rows: size.Rows, Term: shellTerm,
		},
		window: protocol.ShellWindow, typable: ShellTypable, nudge: make(chan struct{}, 1),
		rec: newRecorder(now, size, fmt.Sprintf("%s on %s", u.Name, i.Hostname)),
	}, nil
}

// sharesHost tells whether the instance is a process of the server's own host,
// which has no accounts of its own.
func (e *Engine) sharesHost(stack *models.Stack, i *models.Instance) bool {
	p := e.providers[stack.Provider]
	return !i.Registered() && p != nil && !p.Caps().OwnDisk && !p.Caps().Simulated
}

// ShellOutput takes what a terminal shows.
func (e *Engine) ShellOutput(id models.InstanceID, m protocol.ShellOutput) {
	if s := e.shells.of(id, m.ID); s != nil {
		s.shows(m.Data)
	}
}

// ShellTaken notes that an agent is ready for the next input.
func (e *Engine) ShellTaken(id models.InstanceID, m protocol.ShellTaken) {
	if s := e.shells.of(id, m.ID); s != nil {
		s.taken()
	}
}

// ShellEnded takes a shell's end.
func (e *Engine) ShellEnded(id models.InstanceID, m protocol.ShellEnded) {
	if s := e.shells.of(id, m.ID); s != nil {
		s.ended(m)
	}
}

// lookAfterShells ends the shells of servers that are gone, and forgets what is
// too old.
func (e *Engine) lookAfterShells(ctx context.Context) error {
	ctx = models.AsEngine(ctx)
	missed, err := e.store.Shells.Missed(ctx, e.Clock().Add(-shellMissed))
	if err != nil {
		return err
	}
	for n := range missed {
		if err := e.closeShell(ctx, &missed[n], "The server that carried it is gone.", missed[n].Shown); err != nil {
			return err
		}
	}
	for more := true; more && ctx.Err() == nil; {
		if more, err = e.store.Shells.Prune(ctx, e.Clock().Add(-e.times.KeepShells)); err != nil {
			return err
		}
	}
	return nil
}

// closeShell writes a shell's end, once.
func (e *Engine) closeShell(ctx context.Context, row *models.ShellSession, why string, shown int64) error {
	return e.tx(ctx, func(t *tx) error {
		now := e.Clock()
		open, err := t.Shells.End(ctx, row.ID, why, shown, now)
		if err != nil || !open {
			return err
		}
		took := now.Sub(row.StartedAt).Round(time.Second)
		return t.audit(ctx, "CloseShell", target{"instance", string(row.InstanceID), row.Hostname, row.StackID}, nil,
			map[string]any{"Shell": row.ID, "Account": row.Account, "User": row.UserName, "Seconds": int(took.Seconds()), "Bytes": shown, "Why": why}, models.Cause{})
	})
}

// ShellSessions lists the newest shells on an instance: all of them for those
// who manage the stack, else the asker's own.
func (e *Engine) ShellSessions(ctx context.Context, id models.InstanceID) ([]models.ShellSession, error) {
	i, err := e.instanceFor(ctx, id, models.ActionShow)
	if err != nil {
		return nil, err
	}
	whose := models.ActorFrom(ctx).UserID
	all, err := e.May(ctx, models.ActionReadRecording, i.StackID)
	if err != nil {
		return nil, err
	}
	if all {
		whose = ""
	}
	return e.store.Shells.OfInstance(ctx, id, whose, shellsListed)
}

// shellsListed is how many shells a page lists.
const shellsListed = 50

// ShellSession is one shell, for whoever had it and for those who manage the
// stack.
func (e *Engine) ShellSession(ctx context.Context, id models.ShellID) (*models.ShellSession, error) {
	row, err := e.store.Shells.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	actor := models.ActorFrom(ctx)
	if actor.Kind == models.ActorUser && (row.UserID == actor.UserID || actor.Admin) {
		return row, nil // also when the stack is gone
	}
	_, err = e.Authorize(ctx, row.StackID, models.ActionReadRecording)
	return row, hide(err, "shell session", id)
}

// ReadShellRecording is a shell's recording; that it is read is on record too.
func (e *Engine) ReadShellRecording(ctx context.Context, id models.ShellID) (*ShellRecording, error) {
	row, err := e.ShellSession(ctx, id)
	if err != nil {
		return nil, err
	}
	err = e.tx(ctx, func(t *tx) error {
		return t.audit(ctx, string(models.ActionReadRecording), target{"instance", string(row.InstanceID), row.Hostname, row.StackID}, nil,
			map[string]any{"Shell": row.ID, "User": row.UserName, "StartedAt": row.StartedAt}, models.Cause{})
	})
	return &ShellRecording{Session: *row, store: e.store}, err
}

// shellLog notes what a shell could not do.
func (e *Engine) shellLog(ctx context.Context, deed string, id models.ShellID, err error) {
	e.Log.ErrorContext(ctx, deed, slog.String("shell_id", string(id)), slog.Any("error", err))
}

// sentence ends a text with a full stop.
func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
