package engine

import (
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// Whoever ends a command and whoever changes the rollout take their locks in
// the same order.
func TestEndAndCancelTakeTheSameOrder(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.OpenPostgres(t))
	i := w.online(w.web)
	d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: someRecipe}))(t)
	run := w.sent(i, models.CommandExecuteRecipes)
	ended := make(chan error, 1)
	err := w.store.Tx(w.ctx, func(tx *store.Store) error {
		if _, err := tx.Deployments.LockRollout(w.ctx, d.ID); err != nil {
			return err
		}
		go func() {
			ended <- w.engine.FinishCommand(w.ctx, i.ID, protocol.Done{CommandID: run.CommandID, Outcome: protocol.Successful})
		}()
		w.eventually("the end waits for the lock", func() bool {
			var waiting int
			ok(t, w.store.SQL().QueryRow("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()").Scan(&waiting))
			return waiting > 0
		})
		var free int
		// Would wait for a row that the other has.
		ok(t, tx.SQLTx().QueryRow("SELECT count(*) FROM (SELECT id FROM commands WHERE id = $1 FOR UPDATE SKIP LOCKED) AS c", run.CommandID).Scan(&free))
		if free != 1 {
			t.Error("the end of a command holds it while it waits for the deployment")
		}
		return nil
	})
	ok(t, err)
	select {
	case err := <-ended:
		ok(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("it never ends")
	}
	w.deploymentEnds(d, models.DeploymentSuccessful)
}

// A transaction that is tried again finds the instances of its caller as they were.
func TestASecondAttemptBeginsAnew(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.OpenPostgres(t))
	i := must(w.store.Instances.Get(w.ctx, w.online(w.web).ID))(t)
	attempts := 0
	ok(t, w.engine.tx(w.ctx, func(t *tx) error {
		attempts++
		if err := t.move(w.ctx, i, models.InstanceConnectionLost, models.Cause{Kind: models.CauseAgent, Text: "its agent is silent"}, store.InstanceChange{}); err != nil {
			return err
		}
		if attempts > 1 {
			return nil
		}
		_, err := t.SQLTx().ExecContext(w.ctx, "DO $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$")
		return err
	}))
	if attempts != 2 || w.status(i) != models.InstanceConnectionLost {
		t.Errorf("after %d attempts it is %s", attempts, w.status(i))
	}
}
