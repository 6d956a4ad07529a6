package agent_test

import (
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
)

// An agent measures when its server wants it, more often while it is asked to,
// and says what it measured while the server was away.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Measure(2)
	b.Restart(t)
	b.Wait(t, "two measurements", func(v agenttest.View) bool { return len(v.Metrics) >= 2 })
	b.Send(protocol.WatchMetrics{Seconds: 1})
	b.Wait(t, "a short one", func(v agenttest.View) bool { return v.Metrics[len(v.Metrics)-1].Seconds == 1 })
	before := 0
	b.See(func(v agenttest.View) {
		before = len(v.Metrics)
		for n, m := range v.Metrics {
			at := time.Since(m.At)
			if len(m.Values) != 16 || m.Values[6] <= 0 || m.At.Unix()%int64(m.Seconds) != 0 || at < 0 || at > time.Minute {
				t.Errorf("measurement %d is %+v", n, m)
			}
		}
	})
	b.Restart(t)
	b.Wait(t, "more", func(v agenttest.View) bool { return len(v.Metrics) > before+2 })
}
