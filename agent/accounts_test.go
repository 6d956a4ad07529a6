package agent_test

import (
	"testing"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
)

// An agent says in each session what became of the accounts that it was told
// of, and a command that came after them runs.
func TestAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Accounts(protocol.Accounts{Revision: "first", Users: []protocol.Account{{Name: "ana", UID: 2000}}})
	b.Restart(t)
	answered := func(revision string, times int) {
		t.Helper()
		b.Wait(t, "an answer to "+revision, func(v agenttest.View) bool {
			n := 0
			for _, a := range v.Applied {
				if a.Revision == revision && a.Problem != "" { // agents of tests make none
					n++
				}
			}
			return n == times
		})
	}
	answered("first", 1)
	b.Send(protocol.Accounts{Revision: "second"})
	b.Send(script("c-1", "true"))
	answered("second", 1)
	if done, _ := b.WaitDone(t, "c-1"); done.Outcome != protocol.Successful {
		t.Errorf("the command is %+v", done)
	}
	b.Restart(t)
	answered("first", 2)
}
