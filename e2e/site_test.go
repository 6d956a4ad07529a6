package e2e

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"opsyard/cookbooks"
	"opsyard/engine"
	"opsyard/engine/compute"
	"opsyard/engine/compute/local"
	"opsyard/engine/logstream"
	"opsyard/engine/logstream/blob"
	"opsyard/engine/pubsub"
	"opsyard/handlers/agentapi"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/web"
)

// site is a server inside the test, with real machines and a patience of the
// test's own, which the program does not let anybody change.
type site struct {
	t      *testing.T
	ctx    context.Context // as an administrator
	dir    string
	store  *store.Store
	engine *engine.Engine
	stack  *models.Stack
	mux    *http.ServeMux // of the server
	// reached is the server's address as its machines see it.
	reached string
}

func newSite(t *testing.T, times engine.Times) *site {
	t.Helper()
	needMachines(t)
	programs, err := programs()
	check(t, err)
	dir, err := os.MkdirTemp(base, "s")
	check(t, err)
	s := &site{t: t, dir: dir, ctx: models.WithActor(t.Context(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})}
	log := slog.New(slog.DiscardHandler)
	box, err := store.LoadSecretBox(filepath.Join(dir, "secret.key"))
	check(t, err)
	s.store, err = store.Open(s.ctx, store.Config{URL: "sqlite:" + filepath.Join(dir, "opsyard.db"), Secrets: box, Log: log})
	check(t, err)
	blobs, err := blob.OpenDir(filepath.Join(dir, "logs"))
	check(t, err)
	logs := logstream.New(logstream.Config{Store: s.store.Logs, Blobs: blobs, Log: log})
	machines, err := local.New(local.Config{Dir: filepath.Join(dir, "local"), AgentCommand: []string{filepath.Join(programs, "opsyard-agent")}, Ephemeral: true})
	check(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	s.engine, err = engine.New(s.ctx, engine.Config{
		Store: s.store, Hub: pubsub.NewHub(), Logs: logs, Log: log, Times: times, FastPasswords: true,
		Providers: map[string]compute.Provider{"local": machines}, DefaultProvider: "local",
		Cookbooks: cookbooks.Archive(), AgentURL: "http://" + listener.Addr().String(),
	})
	check(t, err)
	agents := agentapi.New(s.engine, logs, log, programs)
	mux := http.NewServeMux()
	mux.Handle("/agent/", agents)
	s.mux = mux
	s.reached, err = machines.Reach(s.ctx, "http://"+listener.Addr().String())
	check(t, err)
	check(t, logs.Start(s.ctx))
	check(t, s.engine.Start(s.ctx))
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
	served := make(chan error, 1)
	go func() {
		served <- (&web.Server{Handler: mux, Log: log, OnStop: agents.Stop}).Serve(ctx, listener)
	}()
	t.Cleanup(func() {
		noteTags(dir)
		s.engine.Stop()
		cancel()
		<-served
		logs.Stop()
		check(t, machines.Close())
		check(t, s.store.Close())
		check(t, os.RemoveAll(dir))
	})
	s.stack, err = s.engine.CreateStack(s.ctx, models.Stack{Name: "Site", Provider: "local", ConfigurationManager: models.ConfigurationManager{Name: models.ManagerShell}, DefaultRootDeviceType: models.RootDeviceEBS})
	check(t, err)
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// layer adds a layer without recipes of its own.
func (s *site) layer(name string, mode models.HealingMode) models.LayerID {
	s.t.Helper()
	l := models.NewLayer(s.stack.ID, models.LayerCustom)
	l.Name, l.Shortname = name, name
	l.SetHealingMode(mode)
	made, err := s.engine.CreateLayer(s.ctx, l)
	check(s.t, err)
	return made.ID
}

// start adds an instance and asks for its machine.
func (s *site) start(layers ...models.LayerID) models.InstanceID {
	s.t.Helper()
	i, err := s.engine.CreateInstance(s.ctx, models.Instance{StackID: s.stack.ID, LayerIDs: layers})
	check(s.t, err)
	check(s.t, s.engine.StartInstance(s.ctx, i.ID))
	return i.ID
}

func (s *site) instance(id models.InstanceID) *models.Instance {
	s.t.Helper()
	i, err := s.store.Instances.Get(s.ctx, id)
	check(s.t, err)
	return i
}

// become waits until all the instances are in the state.
func (s *site) become(status models.InstanceStatus, within time.Duration, ids ...models.InstanceID) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			events, err := s.store.Events.InStack(context.WithoutCancel(s.ctx), s.stack.ID, 0, 50)
			s.t.Log("the timeline", err)
			for _, e := range events {
				s.t.Log(e.At.Format("05.000"), e.Text, "|", e.Cause.Text)
			}
		}
	}()
	for _, id := range ids {
		wait(s.t, string(id)+" is "+string(status), within, func() bool {
			i := s.instance(id)
			if i.Status == models.InstanceStartFailed || i.Status == models.InstanceSetupFailed {
				s.t.Fatalf("%s is %s: %s", i.Hostname, i.Status, i.StatusReason)
			}
			return i.Status == status
		})
	}
}
