package bench

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"opsyard/agent/protocol"
	"opsyard/agent/session"
	"opsyard/models"
	"opsyard/models/store"
)

// unconfirmed is how many chunks a sender has on its way, as agents do: a
// quarter of a megabyte.
const unconfirmed = 8

// ingest lets senders with a session each send chunks of a command's log, and
// tells how long it took until the last one was confirmed.
func (s *server) ingest(tb testing.TB, senders, chunks int, data []byte) time.Duration {
	tb.Helper()
	links, commands := s.talkers(tb, senders)
	begin := time.Now()
	var wg sync.WaitGroup
	for n, l := range links {
		wg.Go(func() {
			defer l.Close()
			send := func(seq int) error {
				return l.Send(protocol.LogChunk{CommandID: string(commands[n]), Seq: int64(seq + 1), Offset: int64(seq * len(data)), Data: data, At: time.Now()})
			}
			if err := window(chunks, send, func() (int, error) { return stored(l) }); err != nil {
				tb.Errorf("send a log: %v", err)
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

// stored waits for the next confirmation of chunks.
func stored(l *session.Link) (int, error) {
	for {
		message, err := l.Receive()
		if err != nil {
			return 0, err
		}
		if m, ok := message.(protocol.LogStored); ok {
			return int(m.Seq), nil
		}
	}
}

// window sends chunks and keeps a few unconfirmed.
func window(chunks int, send func(seq int) error, confirmed func() (int, error)) error {
	have := 0
	for seq := 0; have < chunks; {
		for seq < chunks && seq < have+unconfirmed {
			if err := send(seq); err != nil {
				return err
			}
			seq++
		}
		up, err := confirmed()
		if err != nil {
			return err
		}
		have = max(have, up)
	}
	return nil
}

// talkers opens sessions of agents that each run one command.
func (s *server) talkers(tb testing.TB, n int) (links []*session.Link, commands []models.CommandID) {
	tb.Helper()
	members := s.members(tb, n)
	running, err := s.commandFor(members)
	check(tb, err)
	for n, m := range members {
		l, err := m.dial(s.url, string(running[n].ID))
		check(tb, err)
		links, commands = append(links, l), append(commands, running[n].ID)
	}
	return links, commands
}

// member is an instance of which this process holds the key.
type member struct {
	instance models.Instance
	key      ed25519.PrivateKey
}

// members makes instances that are online as far as the rows say, each with a
// key, without machines.
func (s *server) members(tb testing.TB, n int) []member {
	tb.Helper()
	stack, err := s.engine.CreateStack(s.ctx, models.Stack{Name: "Members", DefaultRootDeviceType: models.RootDeviceEBS})
	check(tb, err)
	wanted := models.NewLayer(stack.ID, models.LayerCustom)
	wanted.Name, wanted.Shortname = "Members", "members"
	layer, err := s.engine.CreateLayer(s.ctx, wanted)
	check(tb, err)
	all := make([]member, n)
	err = s.store.Tx(s.ctx, func(tx *store.Store) error {
		for i := range all {
			public, private, err := ed25519.GenerateKey(nil)
			if err != nil {
				return err
			}
			now := time.Now()
			all[i] = member{key: private, instance: models.Instance{
				ID: models.NewID[models.InstanceID](), StackID: stack.ID, LayerIDs: []models.LayerID{layer.ID}, Hostname: fmt.Sprintf("member%d", i),
				Status: models.InstanceOnline, CreatedAt: now, UpdatedAt: now, SetupAt: &now, RegisteredBy: "bench",
			}}
			if err := tx.Instances.Create(s.ctx, &all[i].instance); err != nil {
				return err
			}
			if err := tx.Instances.SetAgent(s.ctx, all[i].instance.ID, store.AgentFacts{Key: public, SeenAt: &now}); err != nil {
				return err
			}
		}
		return nil
	})
	check(tb, err)
	return all
}

// commandFor makes a running command for each member.
func (s *server) commandFor(members []member) ([]models.Command, error) {
	now := time.Now()
	d := models.Deployment{
		ID: models.NewID[models.DeploymentID](), StackID: members[0].instance.StackID, Status: models.DeploymentRunning, CreatedAt: now,
		Command: models.DeploymentCommand{Name: models.CommandConfigure}, Commands: len(members),
	}
	commands := make([]models.Command, len(members))
	for n, m := range members {
		commands[n] = models.Command{
			ID: models.NewID[models.CommandID](), DeploymentID: d.ID, StackID: d.StackID, InstanceID: m.instance.ID, Hostname: m.instance.Hostname,
			Type: models.CommandConfigure, Status: models.CommandRunning, TimeoutSeconds: 3600, CreatedAt: now,
		}
	}
	err := s.store.Tx(s.ctx, func(tx *store.Store) error {
		if err := tx.Deployments.Create(s.ctx, &d); err != nil {
			return err
		}
		return tx.Commands.Create(s.ctx, commands)
	})
	return commands, err
}

// dial opens the member's session; unfinished are the commands that it holds.
func (m member) dial(url string, unfinished ...string) (*session.Link, error) {
	l, err := session.Dial(context.Background(), url, http.DefaultTransport.(*http.Transport))
	if err != nil {
		return nil, err
	}
	id := string(m.instance.ID)
	hello := protocol.Hello{InstanceID: id, AgentTime: time.Now(), Unfinished: unfinished, Facts: protocol.Facts{Hostname: m.instance.Hostname, AgentVersion: "bench"}}
	err = l.ShakeHands(hello, func(nonce []byte) []byte { return ed25519.Sign(m.key, protocol.SignedText(nonce, id)) })
	return l, err
}

// rawIngest is the same with a bare server, which confirms and forgets.
func rawIngest(tb testing.TB, senders, chunks int, data []byte) time.Duration {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(tb, err)
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		for conn.WriteMessage(websocket.BinaryMessage, []byte("stored")) == nil {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	var conns []*websocket.Conn
	for range senders {
		conn, _, err := (&websocket.Dialer{ReadBufferSize: 1024, WriteBufferSize: 4096}).Dial("ws://"+listener.Addr().String(), nil)
		check(tb, err)
		defer conn.Close()
		_, _, err = conn.ReadMessage() // one for the greeting
		check(tb, err)
		conns = append(conns, conn)
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Go(func() {
			got := 0
			err := window(chunks, func(int) error { return conn.WriteMessage(websocket.BinaryMessage, data) }, func() (int, error) {
				_, _, err := conn.ReadMessage()
				got++
				return got, err
			})
			if err != nil {
				tb.Errorf("send to the bare server: %v", err)
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}
