package engine

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/pubsub"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// BenchmarkConfigureHeard is a Configure of a large stack, which supersedes the
// one before on each instance: with nobody who hears, with a channel that hears
// of deployments, and with one that hears of each command.
func BenchmarkConfigureHeard(b *testing.B) {
	const fleet = 1600
	for _, test := range []struct {
		name  string
		types []models.NotificationType
	}{
		{"Nobody", nil},
		{"Deployments", []models.NotificationType{models.NotifyDeployment}},
		{"Commands", models.NotificationTypes},
	} {
		b.Run(test.name, func(b *testing.B) {
			st := storetest.Open(b)
			ctx := models.AsEngine(b.Context())
			e, err := New(ctx, Config{
				Store: st, Hub: pubsub.NewHub(), Logs: &fakeLogs{}, Log: slog.New(slog.DiscardHandler),
				Providers: map[string]compute.Provider{"sim": newFakeProvider()}, DefaultProvider: "sim", AgentURL: "http://127.0.0.1:1",
			})
			if err != nil {
				b.Fatal(err)
			}
			stack := storetest.Stack(b, st).ID
			layer := storetest.Layer(b, st, func(l *models.Layer) { l.StackID = stack })
			if err := st.Tx(ctx, func(tx *store.Store) error {
				for n := range fleet {
					storetest.Instance(b, tx, func(i *models.Instance) {
						i.StackID, i.LayerIDs, i.Hostname, i.Status = stack, []models.LayerID{layer.ID}, fmt.Sprintf("web%d", n), models.InstanceOnline
					})
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			if test.types != nil {
				c := models.NotificationChannel{StackID: stack, Name: "x", Kind: models.ChannelWebhook, URL: "https://hooks.example/1", Types: test.types}
				if _, err := e.CreateNotificationChannel(ctx, c); err != nil {
					b.Fatal(err)
				}
			}
			least := time.Hour // what other work on the host did not slow down
			for b.Loop() {
				began := time.Now()
				if err := e.tx(ctx, func(t *tx) error {
					_, err := t.configure(ctx, stack, models.Cause{Kind: models.CauseChange, Text: "x"})
					return err
				}); err != nil {
					b.Fatal(err)
				}
				least = min(least, time.Since(began))
			}
			b.ReportMetric(float64(least.Milliseconds()), "ms/least")
		})
	}
}
