package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"time"

	"opsyard/models"
)

// lostHosts is a stack in which half of the agents vanished together, so that
// its healing is frozen.
func (s *server) lostHosts(c *console) models.StackID {
	s.t.Helper()
	stack := c.newStack("Lost hosts", "sim")
	layer := c.newLayer(stack, "Workers", nil)
	now := time.Now().UTC().Truncate(time.Microsecond) // as the server stores it
	for n := range 4 {
		id := models.InstanceID(c.made("/stacks/"+string(stack)+"/instances", url.Values{"LayerIds": {string(layer)}}))
		heard := now.Add(-time.Duration(6+n) * time.Minute)
		s.write("UPDATE instances SET status = ?, status_since = ?, agent_seen_at = ?, status_reason = ? WHERE id = ?",
			models.InstanceConnectionLost, now.Add(-time.Minute), heard, "The agent has been silent for 5 min.", id)
	}
	return stack
}

// healed writes a history of healing with every decision.
func (s *server) healed(p sample) {
	s.t.Helper()
	at := time.Now().UTC().Add(-26 * time.Hour)
	web1, web2 := s.instance(p.online).Hostname, s.instance(p.setupFailed).Hostname
	nobody := []models.HealingProbe{{Detail: "no answer"}, {From: web2, Detail: "no answer"}, {From: "web3", Detail: "no answer"}}
	for n, h := range []models.Healing{
		{Decision: models.DecisionOff, Sentence: "Auto healing is off in layer Batch, so it is not healed.", Outcome: "Its agent is back."},
		{
			Decision: models.DecisionAlive, Sentence: "Its agent is silent, but its machine lives: " + web2 + " reaches it (port 22 refuses). It is not restarted.", Outcome: "Its agent is back.",
			Evidence: models.HealingEvidence{Machine: "running", Probes: []models.HealingProbe{{Detail: "no answer"}, {From: web2, Alive: true, Detail: "port 22 refuses"}}},
		},
		{
			Decision: models.DecisionHeal, Sentence: "Its agent is silent, and neither this server, " + web2 + " nor web3 reaches its machine. It is stopped and started again, with its disk.",
			Outcome: "It was online again after 3 min 20 s.", Evidence: models.HealingEvidence{Machine: "running", Probes: nobody},
		},
		{
			Decision: models.DecisionHeal, Sentence: "Its agent is silent, and its provider says that its machine is stopped (power failure). It is stopped and started again, with its disk.",
			Outcome: "It was online again after 2 min.", Evidence: models.HealingEvidence{Machine: "stopped", Reason: "power failure"},
		},
		{Decision: models.DecisionNotify, Sentence: "It was healed at 09:15:02 UTC, and its agent has not called since. It is not healed again before that.", Outcome: "Its agent is back."},
		{
			Decision: models.DecisionFrozen, Outcome: "It was decided anew.",
			Sentence: "3 of the 5 agents of the stack vanished together, which is more likely the network or this server than the machines. Healing is frozen until most are back, or until a person lifts the freeze.",
		},
	} {
		h.ID, h.StackID, h.InstanceID, h.Hostname = models.NewID[models.HealingID](), p.stack, p.online, web1
		h.At = at.Add(time.Duration(n) * 4 * time.Hour)
		h.LostAt = h.At.Add(-time.Minute)
		if h.Evidence.Machine != "" {
			h.Evidence.At = h.At
		}
		ended := h.At.Add(5 * time.Minute)
		h.EndedAt = &ended
		if n == 2 {
			h.WrongAt, h.WrongBy = &ended, userName
		}
		if err := s.store().Healings.Create(s.t.Context(), h); err != nil {
			s.t.Fatal(err)
		}
	}
}

// channel is a webhook that has taken some events and refused others.
func (s *server) channel(c *console, p sample) string {
	s.t.Helper()
	var calls atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1)%2 == 0 {
			http.Error(w, "the database of the chat is read-only", http.StatusServiceUnavailable)
		}
	}))
	s.t.Cleanup(receiver.Close)
	to := "/stacks/" + string(p.stack) + "/notifications"
	id := c.made(to, url.Values{"Kind": {"webhook"}, "Name": {"On-call"}, "URL": {receiver.URL + "/hooks/on-call"}, "Secret": {"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"}, "Types": {string(models.NotifyInstance), string(models.NotifyAlert)}})
	for range 3 {
		c.send(to+"/"+id+"/test", nil)
	}
	c.post(to, url.Values{"Kind": {"slack"}, "Name": {"Team chat"}, "URL": {"https://chat.example.com/hooks/a1b2"}, "TroubleOnly": {"on"}, "Types": {string(models.NotifyDeployment)}})
	return id
}

// write changes rows as no page can.
func (s *server) write(statement string, values ...any) {
	s.t.Helper()
	if _, err := s.store().SQL().ExecContext(s.t.Context(), statement, values...); err != nil {
		s.t.Fatal(err)
	}
}
