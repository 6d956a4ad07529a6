package store_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// Of two transactions that wait for each other PostgreSQL ends one, which is
// then made again. What it was to do after its commit is done once.
func TestTransactionsInEachOthersWay(t *testing.T) {
	t.Parallel()
	st := storetest.OpenPostgres(t)
	ctx := t.Context()
	ids := []models.StackID{storetest.Stack(t, st).ID, storetest.Stack(t, st).ID}
	var attempts, after atomic.Int32
	var met [2]chan struct{}
	for n := range met {
		met[n] = make(chan struct{})
	}
	together(2, func(n int) {
		first := true
		err := st.Tx(ctx, func(tx *store.Store) error {
			attempts.Add(1)
			tx.AfterCommit(func() { after.Add(1) })
			if _, err := tx.Stacks.BumpVersion(ctx, ids[n]); err != nil {
				return err
			}
			if first { // until the other has its row too
				first = false
				close(met[n])
				<-met[1-n]
			}
			_, err := tx.Stacks.BumpVersion(ctx, ids[1-n])
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	for _, id := range ids {
		s, err := st.Stacks.Get(ctx, id)
		must(t, err)
		equal(t, s.Version, int64(2))
	}
	equal(t, attempts.Load(), int32(3))
	equal(t, after.Load(), int32(2))
}

// What fails by itself is not tried again.
func TestTransactionsThatFailAreMadeOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		attempts, broken := 0, errors.New("broken")
		err := st.Tx(t.Context(), func(*store.Store) error { attempts++; return broken })
		if !errors.Is(err, broken) || attempts != 1 {
			t.Errorf("%v after %d attempts", err, attempts)
		}
	})
}
