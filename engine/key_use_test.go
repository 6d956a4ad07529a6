package engine

import (
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store/storetest"
)

func TestKeyUseIsWrittenAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	k, now := newKeyUse(), time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	use := func(at time.Time) { k.used[credential{key: "AKIA"}] = at }
	use(now)
	if got := k.due(now.Add(time.Second)); !got[credential{key: "AKIA"}].Equal(now) {
		t.Errorf("the first use: got %v", got)
	}
	last := now.Add(30 * time.Second)
	use(last)
	if got := k.due(last); len(got) != 0 {
		t.Errorf("half a minute later: got %v", got)
	}
	if got := k.due(now.Add(noteEvery + time.Second)); !got[credential{key: "AKIA"}].Equal(last) {
		t.Errorf("a minute later: got %v, want the last use", got)
	}
	if k.due(now.Add(time.Hour)); len(k.noted)+len(k.used) != 0 {
		t.Errorf("an idle key is remembered: %v %v", k.noted, k.used)
	}
}

func TestKeyUsed(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	u := must(w.engine.CreateUser(w.ctx, models.User{Name: "ci"}, ""))(t)
	key := must(w.engine.CreateAccessKey(w.ctx, models.AccessKey{UserID: u.ID}))(t)
	w.engine.KeyUsed(key.ID)
	w.eventually("the use is in the database", func() bool {
		return must(w.store.AccessKeys.Get(w.ctx, key.ID))(t).LastUsed != nil
	})
}
