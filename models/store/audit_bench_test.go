package store_test

import (
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

// A million entries are proved one by one: the memory does not grow with them.
func BenchmarkVerifyAMillion(b *testing.B) {
	const million = 1_000_000
	benchEach(b, func(b *testing.B, st *store.Store) {
		long(b, st, million)
		b.ResetTimer()
		for range b.N {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			proof, err := st.Audit.Verify(b.Context(), "")
			must(b, err)
			equal(b, proof.Entries, million)
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.Sys-before.Sys)/(1<<20), "MB-more")
		}
		perRow(b, million)
	})
}

// long writes a chain as Append does, but in large parts.
func long(b *testing.B, st *store.Store, entries int) {
	b.Helper()
	e := models.AuditEntry{
		At: noon, ActorKind: models.ActorUser, ActorID: "u", ActorName: "ana", SourceAddr: "192.0.2.7", Surface: "console", RequestID: "r", Action: "UpdateLayer",
		TargetKind: "layer", TargetID: "l", TargetName: "Web", StackID: "s", Before: `{"Name":"a"}`, After: `{"Name":"b"}`,
	}
	cause, err := json.Marshal(e.Cause)
	must(b, err)
	for e.ID < int64(entries) {
		must(b, st.Tx(b.Context(), func(tx *store.Store) error {
			list := make([]models.AuditEntry, 0, 500)
			for len(list) < cap(list) {
				e.ID, e.PrevHash, e.At = e.ID+1, e.Hash, e.At.Add(time.Millisecond)
				e.Hash = store.AuditHash(&e, string(cause))
				list = append(list, e)
			}
			return tx.Gorm().CreateInBatches(list, 500).Error
		}))
	}
}
