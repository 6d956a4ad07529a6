package awsapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	signer "github.com/aws/aws-sdk-go/aws/signer/v4"
	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/cookbooks"
	"opsyard/engine"
	"opsyard/engine/compute"
	"opsyard/engine/compute/sim"
	"opsyard/engine/logstream"
	"opsyard/engine/logstream/blob"
	"opsyard/engine/pubsub"
	"opsyard/handlers/agentapi"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// world is a whole server in small: a real database, the engine with simulated
// machines whose agents speak the real protocol, and AWS' own client.
type world struct {
	t      *testing.T
	ctx    context.Context // for the engine's verbs, as whoever may do everything
	store  *store.Store
	engine *engine.Engine
	api    *API
	url    string
	dir    string             // of what the server keeps in files
	admin  *opsworks.OpsWorks // an administrator's client
	key    *models.AccessKey  // of the administrator
	golden *goldens           // nil: this world's exchanges are not kept
	// uncounted exchanges say nothing about what the suite tries.
	uncounted bool
}

// newWorld starts a server that stops with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, storetest.Open(t))
}

func newWorldOn(t *testing.T, st *store.Store) *world {
	t.Helper()
	w := &world{t: t, store: st}
	w.ctx = models.WithActor(context.Background(), models.Actor{Kind: models.ActorSetup, Name: "test", Admin: true})
	log := logTo(testWriter{t})
	dir, err := os.MkdirTemp("", "awsapi")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	w.dir = dir
	blobs, err := blob.OpenDir(dir + "/logs")
	check(t, err)
	logs := logstream.New(logstream.Config{Store: w.store.Logs, Blobs: blobs, Log: log})
	machines, err := sim.New(sim.Config{Dir: dir + "/sim", Log: log})
	check(t, err)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.engine, err = engine.New(w.ctx, engine.Config{
		Store: w.store, Hub: pubsub.NewHub(), Logs: logs, Log: log, Cookbooks: cookbooks.Archive(), AgentURL: server.URL,
		Providers: map[string]compute.Provider{"sim": machines}, DefaultProvider: "sim", FastPasswords: true,
		Times: engine.Times{Reminder: 100 * time.Millisecond, Gather: 5 * time.Millisecond, Between: 5 * time.Millisecond},
	})
	check(t, err)
	agents := agentapi.New(w.engine, logs, log, dir)
	w.api = New(Config{Engine: w.engine, Store: w.store, Logs: logs, Log: log, PublicURL: server.URL})
	mux.Handle("/agent/", agents)
	mux.Handle("POST /{$}", w.api)
	mux.Handle(LogPattern, w.api.LogHandler())
	check(t, logs.Start(w.ctx))
	check(t, w.engine.Start(w.ctx))
	t.Cleanup(func() {
		agents.Stop()
		w.engine.Stop()
		check(t, machines.Close())
		logs.Stop()
	})
	w.key = w.newKey(t, models.User{Name: "ana", Admin: true, AllowSelfManagement: true})
	w.admin = w.client(t, w.key)
	return w
}

func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
}

// testWriter shows the server's log beside the test that it belongs to.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Logf("%s", line)
	return len(line), nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must is for calls that the test needs to go on.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}

// newKey makes a user with an access key.
func (w *world) newKey(t testing.TB, u models.User) *models.AccessKey {
	t.Helper()
	user := must(w.engine.CreateUser(w.ctx, u, ""))(t)
	return must(w.engine.CreateAccessKey(w.ctx, models.AccessKey{UserID: user.ID}))(t)
}

// user is the client of a user with a level in a stack; no stack: in none.
func (w *world) user(t testing.TB, name string, level models.Level, stack *models.Stack) *opsworks.OpsWorks {
	t.Helper()
	key := w.newKey(t, models.User{Name: name})
	if stack != nil {
		check(t, w.engine.Permit(w.ctx, models.Permission{StackID: stack.ID, UserID: key.UserID, Level: level}))
	}
	return w.client(t, key)
}

// client is AWS' client with a key of ours. It does not repeat what fails. A
// session without a client of its own would change that of all sessions where
// the environment names a bundle of certificates.
func (w *world) client(t testing.TB, key *models.AccessKey) *opsworks.OpsWorks {
	t.Helper()
	return opsworks.New(must(session.NewSession(&aws.Config{HTTPClient: &http.Client{}}))(t), &aws.Config{
		Region: aws.String("us-east-1"), Endpoint: &w.url, MaxRetries: aws.Int(0), HTTPClient: w.http(t),
		Credentials: credentials.NewStaticCredentials(key.ID, key.Secret, ""),
	})
}

func (w *world) http(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: &witness{w, transport}}
}

// raw sends a signed body that no SDK would send, and returns the status and
// the answer. Headers are set before the signature is made.
func (w *world) raw(t testing.TB, key *models.AccessKey, operation, body string, headers ...string) (int, string) {
	t.Helper()
	return w.send(t, w.signed(t, key, operation, body, time.Now(), headers...))
}

func (w *world) signed(t testing.TB, key *models.AccessKey, operation, body string, at time.Time, headers ...string) *http.Request {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/", strings.NewReader(body)))(t)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", "OpsWorks_20130218."+operation)
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	_, err := signer.NewSigner(credentials.NewStaticCredentials(key.ID, key.Secret, "")).Sign(r, strings.NewReader(body), "opsworks", "local", at)
	check(t, err)
	return r
}

// bearing is a request that shows a token.
func (w *world) bearing(t testing.TB, token, operation, body string) *http.Request {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/", strings.NewReader(body)))(t)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", "OpsWorks_20130218."+operation)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func (w *world) send(t testing.TB, r *http.Request) (int, string) {
	t.Helper()
	resp := must(w.http(t).Do(r))(t)
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body))(t))
}

// witness sees every exchange: answers must be those of the model.
type witness struct {
	w    *world
	next http.RoundTripper
}

func (v *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	var asked []byte
	if r.Body != nil {
		var err error
		if asked, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(asked))
	}
	resp, err := v.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	v.w.seen(exchange{operation: operation, asked: asked, status: resp.StatusCode, answer: answer, header: resp.Header})
	return resp, nil
}

// exchange is a request and its answer.
type exchange struct {
	operation string
	asked     []byte
	status    int
	answer    []byte
	header    http.Header
}

func (w *world) seen(x exchange) {
	w.t.Helper()
	if err := x.check(); err != nil {
		w.t.Errorf("%s %s: %v: %d %s", x.operation, x.asked, err, x.status, x.answer)
	}
	if !w.uncounted {
		tried.note(x)
	}
	if w.golden != nil {
		w.golden.note(x)
	}
}

// wantError checks AWS' type of an error, and that its message says the texts.
func wantError(t testing.TB, err error, code string, texts ...string) {
	t.Helper()
	var refusal awserr.Error
	if !errors.As(err, &refusal) || refusal.Code() != code {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	for _, text := range texts {
		if !strings.Contains(refusal.Message(), text) {
			t.Errorf("got %q, want it to say %q", refusal.Message(), text)
		}
	}
}

// stack makes a Shell stack, in which every layer type is allowed.
func (w *world) stack(t testing.TB, changes ...func(*models.Stack)) *models.Stack {
	t.Helper()
	s := models.NewStack("Shop")
	s.ConfigurationManager = models.ConfigurationManager{Name: models.ManagerShell}
	s.DefaultOs = models.DefaultOS(s.ConfigurationManager)
	s.DefaultRootDeviceType = models.RootDeviceEBS
	for _, change := range changes {
		change(&s)
	}
	return must(w.engine.CreateStack(w.ctx, s))(t)
}

// layer makes a layer; a custom one is called after its stack's other layers.
func (w *world) layer(t testing.TB, stack *models.Stack, kind models.LayerType, changes ...func(*models.Layer)) *models.Layer {
	t.Helper()
	l := models.NewLayer(stack.ID, kind)
	l.Name = string(kind)
	if kind == models.LayerCustom {
		l.Name, l.Shortname = "Workers", "workers"
	}
	for _, change := range changes {
		change(&l)
	}
	return must(w.engine.CreateLayer(w.ctx, l))(t)
}

// instance makes a stopped instance of a layer.
func (w *world) instance(t testing.TB, layer *models.Layer, changes ...func(*models.Instance)) *models.Instance {
	t.Helper()
	i := models.Instance{StackID: layer.StackID, LayerIDs: []models.LayerID{layer.ID}}
	for _, change := range changes {
		change(&i)
	}
	return must(w.engine.CreateInstance(w.ctx, i))(t)
}

// online makes n instances of a layer and waits until they are online.
func (w *world) online(t testing.TB, layer *models.Layer, n int) []*models.Instance {
	t.Helper()
	var all []*models.Instance
	for range n {
		i := w.instance(t, layer)
		check(t, w.engine.StartInstance(w.ctx, i.ID))
		all = append(all, i)
	}
	for n, i := range all {
		w.becomes(t, i.ID, models.InstanceOnline)
		all[n] = must(w.store.Instances.Get(w.ctx, i.ID))(t)
	}
	return all
}

// becomes waits until an instance has a status.
// awayHour is far from the present one, by UTC: an instance whose schedule has
// only this hour is not started while tests run, whenever that is.
var awayHour = (time.Now().UTC().Hour() + 12) % 24

func (w *world) becomes(t testing.TB, id models.InstanceID, want models.InstanceStatus) {
	t.Helper()
	eventually(t, "instance "+string(id)+" is "+string(want), func() bool {
		return must(w.store.Instances.Get(w.ctx, id))(t).Status == want
	})
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
