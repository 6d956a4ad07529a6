package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/dispatch"
	"opsyard/engine/pubsub"
	"opsyard/engine/service"
	"opsyard/models"
)

// Who may log in is a state, not a command: each agent is told all of it when
// it connects and whenever it changes, and makes its instance so. A command
// would wait behind a deployment, and be lost with one that fails.

// Times of telling agents who may log in.
const (
	// tellAccounts finds what another process has changed, and what time has.
	tellAccounts = 20 * time.Second
	// accountsKept is how long agents that connect are told what was read for
	// others: when a server restarts, thousands do.
	accountsKept = 5 * time.Second
)

// accounts is what the connected agents have been told.
type accounts struct {
	nudge chan struct{}

	mu      sync.Mutex
	told    map[models.InstanceID]toldAccounts
	kept    map[models.StackID]wantedAccounts // of stacks where anybody may log in
	until   time.Time                         // kept is good until then
	changes int                               // since the start; kept is of one of them
}

type toldAccounts struct {
	stack    models.StackID
	revision string
}

// wantedAccounts are the accounts on a stack's instances.
type wantedAccounts struct {
	revision string
	message  protocol.Wire
	unfit    []models.SkippedAccount // who cannot have one on any instance
}

func newAccounts() *accounts {
	return &accounts{nudge: make(chan struct{}, 1), told: map[models.InstanceID]toldAccounts{}}
}

// changed says that somebody may log in, or may not any more.
func (a *accounts) changed() {
	a.mu.Lock()
	a.changes++
	a.until = time.Time{}
	a.mu.Unlock()
	service.Nudge(a.nudge)
}

func (a *accounts) version() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changes
}

// wantAccounts makes the message about who may log in.
func wantAccounts(logins []models.Login) (wantedAccounts, error) {
	var w wantedAccounts
	var m protocol.Accounts
	size := 0
	for _, l := range logins {
		a := protocol.Account{Name: l.SSHUsername, UID: l.UnixUID, Sudo: l.Sudo}
		if key := strings.Join(strings.Fields(l.SSHPublicKey), " "); key != "" {
			a.Keys = []string{key}
			size += len(key)
		}
		why := a.Unfit()
		if why == "" && size > protocol.MaxAccountKeys {
			why = "There are too many keys of others."
		}
		if why != "" {
			w.unfit = append(w.unfit, models.SkippedAccount{Name: l.SSHUsername, Reason: why})
			continue
		}
		m.Users = append(m.Users, a)
	}
	text, err := json.Marshal(m.Users)
	if err != nil {
		return w, fmt.Errorf("encode accounts: %w", err)
	}
	sum := sha256.Sum256(text)
	w.revision = hex.EncodeToString(sum[:16])
	m.Revision = w.revision
	wire, err := protocol.Encode(m)
	w.message = wire
	return w, err
}

// noAccounts is what is wanted where nobody may log in.
var noAccounts = sync.OnceValue(func() wantedAccounts {
	w, err := wantAccounts(nil)
	if err != nil {
		panic(err) // a constant
	}
	return w
})

// wantedOf is what is wanted in a stack, of what was read.
func wantedOf(all map[models.StackID]wantedAccounts, stack models.StackID) wantedAccounts {
	if w, ok := all[stack]; ok {
		return w
	}
	return noAccounts()
}

// readAccounts reads what is wanted in all stacks.
func (e *Engine) readAccounts(ctx context.Context) (map[models.StackID]wantedAccounts, error) {
	a := e.accounts
	version := a.version()
	logins, err := e.store.AllLogins(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[models.StackID]wantedAccounts, len(logins))
	for stack, list := range logins {
		if all[stack], err = wantAccounts(list); err != nil {
			return nil, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes == version {
		a.kept, a.until = all, e.Clock().Add(accountsKept)
	}
	return all, nil
}

// greetAccounts tells an agent who may log in, before it is connected and told
// anything else: who may not any more must be gone before a command runs.
func (e *Engine) greetAccounts(ctx context.Context, id models.InstanceID, stack models.StackID, link dispatch.Link) error {
	a := e.accounts
	a.mu.Lock()
	all, fresh := a.kept, e.Clock().Before(a.until)
	a.mu.Unlock()
	if !fresh {
		var err error
		if all, err = e.readAccounts(ctx); err != nil {
			return err
		}
	}
	w := wantedOf(all, stack)
	a.mu.Lock()
	a.told[id] = toldAccounts{stack, w.revision}
	a.mu.Unlock()
	_ = link.Send(w.message) // a link that is dead says so to its reader
	return nil
}

// connect makes the link the instance's, once its agent knows who may log in.
func (e *Engine) connect(ctx context.Context, id models.InstanceID, stack models.StackID, link dispatch.Link) error {
	version := e.accounts.version()
	if err := e.greetAccounts(ctx, id, stack, link); err != nil {
		return err
	}
	e.dispatcher.Connect(id, link)
	if e.accounts.version() != version { // the round may have missed it
		service.Nudge(e.accounts.nudge)
	}
	return nil
}

// tellAccounts tells the connected agents what has changed since they were told.
func (e *Engine) tellAccounts(ctx context.Context) error {
	all, err := e.readAccounts(ctx)
	if err != nil {
		return fmt.Errorf("look who may log in: %w", err)
	}
	a := e.accounts
	a.mu.Lock()
	var outdated []models.InstanceID
	for id, t := range a.told {
		if wantedOf(all, t.stack).revision != t.revision {
			outdated = append(outdated, id)
		}
	}
	a.mu.Unlock()
	for _, id := range outdated {
		e.tellAccountsTo(id, all)
	}
	return nil
}

// tellAccountsTo tells one agent; its session may have changed meanwhile.
func (e *Engine) tellAccountsTo(id models.InstanceID, all map[models.StackID]wantedAccounts) {
	a := e.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.told[id]
	w := wantedOf(all, t.stack)
	if ok && w.revision != t.revision && e.dispatcher.Ask(id, w.message) {
		a.told[id] = toldAccounts{t.stack, w.revision}
	}
}

// forgetAccounts drops what an agent was told that is gone.
func (e *Engine) forgetAccounts(id models.InstanceID) {
	if e.dispatcher.Connected(id) {
		return
	}
	e.accounts.mu.Lock()
	defer e.accounts.mu.Unlock()
	delete(e.accounts.told, id)
}

// AccountsApplied takes an agent's word on what became of the accounts on its
// instance. It says so in each session; only what is new is written.
func (e *Engine) AccountsApplied(ctx context.Context, id models.InstanceID, said protocol.AccountsApplied) error {
	said = said.Plausible()
	row := models.AppliedAccounts{InstanceID: id, Revision: said.Revision, Problem: said.Problem, At: e.Clock()}
	for _, s := range said.Skipped {
		row.Skipped = append(row.Skipped, models.SkippedAccount(s))
	}
	before, err := e.store.AppliedAccounts.Get(ctx, id)
	if err != nil {
		return err
	}
	if before == nil { // where nobody may log in, nothing is worth a row
		before = &models.AppliedAccounts{Revision: noAccounts().revision, Problem: said.Problem}
	}
	if before.Revision == row.Revision && before.Problem == row.Problem && slices.Equal(before.Skipped, row.Skipped) {
		return nil
	}
	if err := e.store.AppliedAccounts.Put(ctx, &row); err != nil {
		return err
	}
	e.hub.Publish(TopicInstance(id), pubsub.Message{Kind: "instance", ID: string(id)})
	return nil
}

// InstanceAccounts tells who may log in to an instance and what became of their
// accounts there. Those of others are for who manages the stack.
func (e *Engine) InstanceAccounts(ctx context.Context, id models.InstanceID) (*models.InstanceAccounts, error) {
	i, err := e.instanceFor(ctx, id, models.ActionShow)
	if err != nil {
		return nil, err
	}
	logins, err := e.store.Logins(ctx, i.StackID)
	if err != nil {
		return nil, err
	}
	applied, err := e.store.AppliedAccounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	all, err := e.May(ctx, "DescribePermissions", i.StackID)
	if err != nil {
		return nil, err
	}
	view, err := viewAccounts(logins, applied)
	if err != nil || all {
		return view, err
	}
	me := models.ActorFrom(ctx).UserID
	view.Others = nil
	view.Accounts = slices.DeleteFunc(view.Accounts, func(a models.InstanceAccount) bool { return a.UserID != me })
	return view, nil
}

func viewAccounts(logins []models.Login, applied *models.AppliedAccounts) (*models.InstanceAccounts, error) {
	want, err := wantAccounts(logins)
	if err != nil {
		return nil, err
	}
	if applied == nil {
		applied = &models.AppliedAccounts{Revision: noAccounts().revision}
	}
	view := &models.InstanceAccounts{Problem: applied.Problem}
	skipped := map[string]string{}
	for _, s := range slices.Concat(applied.Skipped, want.unfit) {
		skipped[s.Name] = s.Reason
	}
	for _, l := range logins {
		a := models.InstanceAccount{Login: l, State: models.AccountHere}
		reason, skip := skipped[l.SSHUsername]
		delete(skipped, l.SSHUsername)
		switch {
		case skip:
			a.State, a.Reason = models.AccountSkipped, reason
		case applied.Revision != want.revision || applied.Problem != "":
			a.State = models.AccountWaits
		}
		view.Accounts = append(view.Accounts, a)
	}
	for _, s := range applied.Skipped {
		if _, left := skipped[s.Name]; left {
			view.Others = append(view.Others, s)
		}
	}
	return view, nil
}
