package awsapi

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
	"opsyard/models/store"
)

// looks tells operations that only read. The parameters with which a host joins
// hold a token that is made for them.
func looks(operation string) bool {
	return operation != "DescribeStackProvisioningParameters" && slices.ContainsFunc([]string{"Describe", "Get", "List"}, func(verb string) bool { return strings.HasPrefix(operation, verb) })
}

// request sends an operation, and gives its status and the id that the server
// gave the request.
func (w *world) request(t *testing.T, key *models.AccessKey, operation, body string) (status int, id string) {
	t.Helper()
	resp := must(w.http(t).Do(w.signed(t, key, operation, body, time.Now())))(t)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("X-Amzn-RequestId")
}

func (w *world) entriesOf(t *testing.T, request string) []models.AuditEntry {
	t.Helper()
	return must(w.store.Audit.Page(w.ctx, models.AuditFilter{RequestID: request}, store.AuditCursor{}))(t)
}

// Each operation that changes something writes exactly one entry of what was
// asked, with who and from where; one that only looks writes none; one that is
// refused writes that.
func TestEveryOperationIsAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	onlooker := person{name: "onlooker", level: models.LevelShow, key: w.newKey(t, models.User{Name: "onlooker"})}
	for _, o := range wire.Operations() {
		t.Run(o.Name, func(t *testing.T) {
			s := w.scene(t, []person{onlooker})
			body := grades[o.Name].body(s)
			if wanted(o.Name, onlooker) != "" {
				w.oneEntry(t, o.Name, onlooker.key, body, true)
			}
			w.oneEntry(t, o.Name, w.key, body, false)
		})
	}
}

func (w *world) oneEntry(t *testing.T, operation string, key *models.AccessKey, body string, refused bool) {
	t.Helper()
	status, request := w.request(t, key, operation, body)
	list := w.entriesOf(t, request)
	if !refused && (looks(operation) || status != http.StatusOK) {
		if len(list) != 0 {
			t.Errorf("%s changes nothing and wrote %d entries: %+v", operation, len(list), list)
		}
		return
	}
	if len(list) != 1 {
		t.Fatalf("%s wrote %d entries, want 1: %+v", operation, len(list), list)
	}
	e := list[0]
	if e.Refused != refused || e.ActorKind != models.ActorUser || e.ActorID != string(key.UserID) || e.ActorName == "" || e.SourceAddr != "127.0.0.1" || e.Surface != "api" || e.Action == "" || e.TargetKind == "" {
		t.Errorf("%s wrote %+v", operation, e)
	}
}

// A key that is not good is told of; a thousand of them from one address do not
// fill the audit.
func TestBadCredentialsAreAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	wrong := &models.AccessKey{ID: w.key.ID, Secret: "not the secret"}
	status, request := w.request(t, wrong, "DescribeStacks", "{}")
	list := w.entriesOf(t, request)
	if status == http.StatusOK || len(list) != 1 || !list[0].Refused || list[0].SourceAddr != "127.0.0.1" || list[0].Cause.Text != "InvalidSignatureException" {
		t.Errorf("a wrong signature answers %d and wrote %+v", status, list)
	}
	before := must(w.store.Audit.Head(w.ctx))(t).ID
	for n := range 100 {
		key := &models.AccessKey{ID: "AKIA" + strings.Repeat("X", 10+n%6), Secret: "x"}
		if status, _ := w.request(t, key, "DescribeStacks", "{}"); status == http.StatusOK {
			t.Fatal("a key of nobody is good")
		}
	}
	if after := must(w.store.Audit.Head(w.ctx))(t).ID; after-before > 10 {
		t.Errorf("100 wrong keys wrote %d entries", after-before)
	}
}
