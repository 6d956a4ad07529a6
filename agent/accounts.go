package agent

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"opsyard/agent/accounts"
	"opsyard/agent/protocol"
)

// mendEvery is how often the accounts are compared with what is there: what
// somebody has broken is mended, and what failed is tried again.
const mendEvery = time.Minute

// applyLimit bounds one round of work on the accounts, which commands wait for.
const applyLimit = 5 * time.Minute

// wantedAccounts are what the server last said, and what was made of it.
type wantedAccounts struct {
	nudge chan struct{} // one slot

	mu      sync.Mutex
	want    *protocol.Accounts // nil until a server has spoken
	pending bool               // not applied yet
	settled chan struct{}      // closed when they are
	told    *protocol.AccountsApplied
}

func newWantedAccounts() *wantedAccounts {
	return &wantedAccounts{nudge: make(chan struct{}, 1), settled: make(chan struct{})}
}

// wantAccounts takes the server's word. No command that comes after it starts
// before it is followed: who may not log in any more must not wait for a run.
func (a *Agent) wantAccounts(m protocol.Accounts) {
	w := a.accounts
	w.mu.Lock()
	if !w.pending {
		w.settled = make(chan struct{})
	}
	w.want, w.pending, w.told = &m, true, nil
	w.mu.Unlock()
	nudge(w.nudge)
}

// runAccounts makes the accounts the wanted ones, and keeps them so.
func (a *Agent) runAccounts(ctx context.Context) error {
	keeper := accounts.Open(a.cfg.DataDir, a.cfg.Accounts, a.log)
	ticker := time.NewTicker(mendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.accounts.nudge:
		case <-ticker.C:
		}
		a.applyAccounts(ctx, keeper)
	}
}

func (a *Agent) applyAccounts(ctx context.Context, keeper *accounts.Keeper) {
	w := a.accounts
	w.mu.Lock()
	want := w.want
	w.mu.Unlock()
	if want == nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, applyLimit)
	defer cancel()
	answer := keeper.Apply(limited, *want)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.want != want {
		return // it is outdated already, and the nudge is there
	}
	if w.pending {
		w.pending = false
		close(w.settled)
	}
	if w.told == nil || !reflect.DeepEqual(*w.told, answer) {
		w.told = &answer
		a.send(answer)
		a.log.DebugContext(ctx, "accounts are as wanted", slog.Int("users", len(want.Users)), slog.Int("skipped", len(answer.Skipped)))
	}
}

// accountsSettled waits until the accounts are what the server last said; it
// tells whether they are, and not that ctx has ended.
func (a *Agent) accountsSettled(ctx context.Context) bool {
	for {
		a.accounts.mu.Lock()
		pending, settled := a.accounts.pending, a.accounts.settled
		a.accounts.mu.Unlock()
		if !pending {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-settled:
		}
	}
}

// removeAccounts takes everybody's account away: the host leaves its stack, and
// nobody would do it later.
func (a *Agent) removeAccounts(ctx context.Context) {
	a.wantAccounts(protocol.Accounts{Revision: "none"})
	ctx, cancel := context.WithTimeout(ctx, applyLimit)
	defer cancel()
	a.accountsSettled(ctx)
}
