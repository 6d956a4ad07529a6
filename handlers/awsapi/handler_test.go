package awsapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/service/opsworks"

	"opsyard/models"
)

// with makes an operation of the test's own, in place of a real one.
func (w *world) with(name string, run func(context.Context) error) {
	w.uncounted = true
	w.api.services[stacksTarget].operations[name] = do(func(ctx context.Context, _ *struct{}) error { return run(ctx) })
}

// Nothing is done for a request that is not signed well, or too large.
func TestNothingIsDoneWithoutASignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.with("DeleteStack", func(context.Context) error {
		t.Error("the operation was reached")
		return nil
	})
	const body = `{"StackId":"x"}`
	for _, tc := range []struct {
		name string
		key  models.AccessKey
		at   time.Time
		body string
		then func(*http.Request)
		want string
	}{
		{name: "ErrUnsigned", key: *w.key, then: func(r *http.Request) { r.Header.Del("Authorization") }, want: "MissingAuthenticationTokenException"},
		{name: "ErrSecret", key: models.AccessKey{ID: w.key.ID, Secret: "wrong"}, want: "InvalidSignatureException"},
		{name: "ErrKey", key: models.AccessKey{ID: "AKIAUNKNOWN", Secret: "wrong"}, want: "UnrecognizedClientException"},
		{name: "ErrReplayed", key: *w.key, at: time.Now().Add(-6 * time.Minute), want: "InvalidSignatureException"},
		{name: "ErrSize", key: *w.key, body: `{"StackId":"` + strings.Repeat("x", maxBody) + `"}`, want: "RequestEntityTooLargeException"},
		{name: "ErrEndless", key: *w.key, body: `{"StackId":"` + strings.Repeat("x", maxBody) + `"}`, then: func(r *http.Request) { r.ContentLength = -1 }, want: "RequestEntityTooLargeException"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.at.IsZero() {
				tc.at = time.Now()
			}
			if tc.body == "" {
				tc.body = body
			}
			r := w.signed(t, &tc.key, "DeleteStack", tc.body, tc.at)
			if tc.then != nil {
				tc.then(r)
			}
			status, answer := w.send(t, r)
			wantStatus := http.StatusBadRequest
			if tc.want == "RequestEntityTooLargeException" {
				wantStatus = http.StatusRequestEntityTooLarge
			}
			if status != wantStatus || !strings.Contains(answer, `"__type":"`+tc.want+`"`) {
				t.Errorf("got %d %s, want %s", status, answer, tc.want)
			}
		})
	}
}

// Who sends a body slowly, or half of it, keeps a connection only for a while.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	w.api.readLimit = 50 * time.Millisecond
	r := w.signed(t, w.key, "DeleteStack", `{"StackId":"x"}`, time.Now())
	never, stop := io.Pipe()
	defer stop.Close()
	r.Body = never
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp := must(transport.RoundTrip(r))(t)
	defer resp.Body.Close()
	answer := must(io.ReadAll(resp.Body))(t)
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), "SerializationException") {
		t.Errorf("got %d %s", resp.StatusCode, answer)
	}
}

func TestWhatIsNoOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	for name, headers := range map[string][]string{
		"ErrOperation":   {"X-Amz-Target", "OpsWorks_20130218.MakeTea"},
		"ErrService":     {"X-Amz-Target", "Elsewhere_2013.DescribeStacks"},
		"ErrTarget":      {"X-Amz-Target", "DescribeStacks"},
		"ErrContentType": {"Content-Type", "application/json"},
	} {
		status, answer := w.raw(t, w.key, "DescribeStacks", "{}", headers...)
		if status != http.StatusBadRequest || !strings.Contains(answer, "UnknownOperationException") {
			t.Errorf("%s: got %d %s", name, status, answer)
		}
	}
}

func TestActor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var actor models.Actor
	w.with("DeleteStack", func(ctx context.Context) error {
		actor = models.ActorFrom(ctx)
		return nil
	})
	key := w.newKey(t, models.User{Name: "ben"})
	resp := must(w.http(t).Do(w.signed(t, key, "DeleteStack", `{"StackId":"x"}`, time.Now())))(t)
	resp.Body.Close()
	want := models.Actor{Kind: models.ActorUser, UserID: key.UserID, Name: "ben", SourceAddr: "127.0.0.1", RequestID: resp.Header.Get("X-Amzn-RequestId"), Surface: "api"}
	if actor != want || actor.RequestID == "" {
		t.Errorf("got %+v, want %+v", actor, want)
	}
	if resp.StatusCode != http.StatusOK || resp.ContentLength != 0 || resp.Header.Get("Content-Type") != contentType {
		t.Errorf("got %d, %d bytes of %s", resp.StatusCode, resp.ContentLength, resp.Header.Get("Content-Type"))
	}
	eventually(t, "the use of the key is noted", func() bool { return must(w.store.AccessKeys.Get(w.ctx, key.ID))(t).LastUsed != nil })
	check(t, w.store.Users.Delete(w.ctx, key.UserID))
	if _, answer := w.raw(t, key, "DeleteStack", `{"StackId":"x"}`); !strings.Contains(answer, "UnrecognizedClientException") {
		t.Errorf("the key of a deleted user: got %s", answer)
	}
}

// Each code has its type and status; what is not for people stays inside.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err    error
		kind   string
		status int
		text   string
	}{
		{models.Invalid("Name: is taken"), "ValidationException", 400, "Name: is taken"},
		{models.Conflict("It has changed."), "ValidationException", 400, "It has changed."},
		{models.NotFound("stack", "x"), "ResourceNotFoundException", 400, "Unable to find stack with ID x"},
		{models.Forbidden("No."), "AccessDeniedException", 400, "No."},
		{&models.Error{Code: models.CodeThrottled, Message: "Rate exceeded"}, "ThrottlingException", 400, "Rate exceeded"},
		{context.DeadlineExceeded, "ServiceUnavailable", 503, "too busy"},
		{errors.New("password is 1234"), "InternalFailure", 500, "Internal error"},
		{&models.Error{Code: models.CodeInternal, Message: "inside"}, "InternalFailure", 500, "Internal error"},
	} {
		f := failureOf(tc.err)
		if f.Type != tc.kind || f.status != tc.status || !strings.Contains(f.Message, tc.text) {
			t.Errorf("%v: got %+v", tc.err, f)
		}
		if strings.Contains(f.Message, "1234") || strings.Contains(f.Message, "inside") {
			t.Errorf("%v gets out", tc.err)
		}
	}
}

func TestPanicIsAnInternalFailure(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := newWorld(t)
	w.with("DeleteStack", func(context.Context) error { panic("at the disco") })
	w.api = New(Config{Engine: w.engine, Store: w.store, Log: logTo(&log)})
	w.with("DeleteStack", func(context.Context) error { panic("at the disco") })
	answer := httptest.NewRecorder()
	w.api.ServeHTTP(answer, w.signed(t, w.key, "DeleteStack", `{"StackId":"my-secret"}`, time.Now()))
	if answer.Code != http.StatusInternalServerError || !strings.Contains(answer.Body.String(), "InternalFailure") || strings.Contains(answer.Body.String(), "disco") {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
	if strings.Count(log.String(), "level=ERROR") != 1 || !strings.Contains(log.String(), "disco") || strings.Contains(log.String(), "my-secret") {
		t.Errorf("logged %s", log.String())
	}
}

// One key cannot take all; another is still served.
func TestThrottling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begun, release := make(chan struct{}, maxCalls), make(chan struct{})
	w.with("DeleteStack", func(context.Context) error {
		begun <- struct{}{}
		<-release
		return nil
	})
	w.with("DeleteApp", func(context.Context) error { return nil })
	ended := make(chan error, maxCalls)
	client := w.client(t, w.key)
	for range maxCalls {
		go func() {
			_, err := client.DeleteStack(&opsworks.DeleteStackInput{StackId: str("x")})
			ended <- err
		}()
	}
	for range maxCalls {
		<-begun
	}
	_, err := w.admin.DeleteApp(&opsworks.DeleteAppInput{AppId: str("x")})
	wantError(t, err, "ThrottlingException", "Rate exceeded")
	if _, err := w.user(t, "ben", "", nil).DeleteApp(&opsworks.DeleteAppInput{AppId: str("x")}); err != nil {
		t.Errorf("another key: %v", err)
	}
	close(release)
	for range maxCalls {
		check(t, <-ended)
	}
	if _, err := w.admin.DeleteApp(&opsworks.DeleteAppInput{AppId: str("x")}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if len(w.api.calls.now) != 0 {
		t.Errorf("left over: %v", w.api.calls.now)
	}
}

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.with("DeleteStack", func(context.Context) error { return nil })
	for body, want := range map[string]string{
		"{":               "SerializationException",
		"[]":              "SerializationException",
		`{"StackId":1}`:   "SerializationException",
		"{}":              "ValidationException",
		`{"StackId":"x"}`: "",
	} {
		status, answer := w.raw(t, w.key, "DeleteStack", body)
		if want == "" && status != http.StatusOK || !strings.Contains(answer, want) {
			t.Errorf("%s: got %d %s, want %s", body, status, answer, want)
		}
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	at := time.Date(2013, 7, 25, 20, 57, 49, 123456, time.FixedZone("", 2*60*60))
	if got := *stamp(at); got != "2013-07-25T18:57:49+00:00" {
		t.Errorf("got %s", got)
	}
	if stamp(time.Time{}) != nil || stampAt(nil) != nil {
		t.Error("no time has no stamp")
	}
}
