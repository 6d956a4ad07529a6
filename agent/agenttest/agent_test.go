package agenttest_test

import (
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/agent/simulated"
)

func TestAgent(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	s.Token("a", "i-a")
	a := agenttest.Agent(t, s.URL, "a", simulated.Script{}, nil)
	s.Wait(t, "a session", func(v agenttest.View) bool { return v.Connected })
	s.Send(protocol.Run{CommandID: "c", Type: "setup"})
	if run := a.WaitRun(t, func(r protocol.Run) bool { return r.Type == "setup" }); run.CommandID != "c" || len(a.Runs()) != 1 {
		t.Errorf("got %+v", run)
	}
	s.WaitDone(t, "c")
	a.Stop()
}

func TestLine(t *testing.T) {
	t.Parallel()
	s := agenttest.NewServer(t)
	s.Token("a", "i-a")
	l := agenttest.Dial(t, s.URL, "a")
	l.Send(protocol.LogChunk{CommandID: "c", Seq: 1, Data: []byte("x")})
	if got := agenttest.Expect[protocol.LogStored](t, l); got.Seq != 1 {
		t.Errorf("got %+v", got)
	}
	l.Close()
	l = agenttest.Redial(t, s.URL, l, "c")
	if l.Stored["c"] != 1 {
		t.Errorf("got %v", l.Stored)
	}
	l.Send(protocol.Done{CommandID: "c", Outcome: protocol.Successful, At: time.Now(), LastSeq: 1})
	agenttest.Expect[protocol.DoneStored](t, l)
}
