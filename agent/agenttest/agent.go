package agenttest

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/session"
	"opsyard/agent/simulated"
)

// FakeAgent is a simulated agent under a test's control.
type FakeAgent struct {
	*simulated.Agent
	stop func()

	mu   sync.Mutex
	cond *sync.Cond
	runs []protocol.Run
}

// Agent starts a simulated agent that enrols with the token and plays the
// script; it ends with the test. A restart with the same disk is the same
// instance.
func Agent(t testing.TB, server, token string, script simulated.Script, disk *simulated.Disk) *FakeAgent {
	t.Helper()
	f := &FakeAgent{}
	f.cond = sync.NewCond(&f.mu)
	f.Agent = simulated.New(simulated.Config{
		Server: server, Token: token, Host: "host-" + token, Script: &script, Disk: disk, BootID: time.Now().String(),
		Received: func(run protocol.Run) {
			f.mu.Lock()
			f.runs = append(f.runs, run)
			f.mu.Unlock()
			f.cond.Broadcast()
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { f.Run(ctx) })
	f.stop = func() { cancel(); run.Wait() }
	t.Cleanup(f.stop)
	return f
}

// Stop pulls the plug; it is safe twice.
func (f *FakeAgent) Stop() { f.stop() }

// Runs are the commands it has received, in order, each once.
func (f *FakeAgent) Runs() []protocol.Run {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.runs)
}

// WaitRun returns the first command received that fits, and fails the test
// after half a minute.
func (f *FakeAgent) WaitRun(t testing.TB, fits func(protocol.Run) bool) protocol.Run {
	t.Helper()
	late := false
	timer := time.AfterFunc(30*time.Second, func() {
		f.mu.Lock()
		late = true
		f.mu.Unlock()
		f.cond.Broadcast()
	})
	defer timer.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if i := slices.IndexFunc(f.runs, fits); i >= 0 {
			return f.runs[i]
		}
		if late {
			t.Fatalf("the command did not come; these did: %+v", f.runs)
		}
		f.cond.Wait()
	}
}

// Line is a session spoken by hand, for tests of what a well-behaved agent
// would not say.
type Line struct {
	*session.Link
	InstanceID string
	Seed       []byte
}

// Dial enrols with the token and opens a session.
func Dial(t testing.TB, server, token string) *Line {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := session.Enrol(t.Context(), &http.Client{Transport: transport}, server, protocol.EnrollRequest{Token: token, PublicKey: public})
	if err != nil {
		t.Fatal(err)
	}
	return Redial(t, server, &Line{InstanceID: response.InstanceID, Seed: private.Seed()})
}

// Redial opens another session of the same instance.
func Redial(t testing.TB, server string, was *Line, unfinished ...string) *Line {
	t.Helper()
	link, err := session.Dial(t.Context(), server, &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	l := &Line{Link: link, InstanceID: was.InstanceID, Seed: was.Seed}
	hello := protocol.Hello{InstanceID: l.InstanceID, AgentTime: time.Now(), Unfinished: unfinished}
	err = link.ShakeHands(hello, func(nonce []byte) []byte {
		return ed25519.Sign(ed25519.NewKeyFromSeed(l.Seed), protocol.SignedText(nonce, l.InstanceID))
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Expect receives messages until one of type T comes.
func Expect[T any](t testing.TB, l *Line) T {
	t.Helper()
	for {
		message, err := l.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := message.(T); ok {
			return m
		}
	}
}
