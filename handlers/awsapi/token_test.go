package awsapi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// owner makes a user with a level in a stack.
func (w *world) owner(t *testing.T, name string, level models.Level, stack *models.Stack) *models.User {
	t.Helper()
	u := must(w.engine.CreateUser(w.ctx, models.User{Name: name}, ""))(t)
	check(t, w.engine.Permit(w.ctx, models.Permission{StackID: stack.ID, UserID: u.ID, Level: level}))
	return u
}

func (w *world) token(t *testing.T, of *models.User, scope models.Scope) (*models.Token, string) {
	t.Helper()
	as := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: of.ID, Name: of.Name})
	made, text, err := w.engine.CreateToken(as, models.Token{UserID: of.ID, Name: "script", ExpiresAt: time.Now().Add(time.Hour), Scope: scope})
	check(t, err)
	return made, text
}

func (w *world) wantAnswer(t *testing.T, r *http.Request, status int, text string) {
	t.Helper()
	if got, answer := w.send(t, r); got != status || !strings.Contains(answer, text) {
		t.Errorf("got %d %s, want %d with %s", got, answer, status, text)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	own, other := w.stack(t), w.stack(t)
	ben := w.owner(t, "ben", models.LevelManage, own)
	check(t, w.engine.Permit(w.ctx, models.Permission{StackID: other.ID, UserID: ben.ID, Level: models.LevelManage}))
	made, text := w.token(t, ben, models.Scope{Level: models.LevelShow, Stacks: []models.StackID{own.ID}})
	about := func(s *models.Stack) string { return `{"StackId":"` + string(s.ID) + `"}` }

	w.wantAnswer(t, w.bearing(t, text, "DescribeStackSummary", about(own)), 200, "Shop")
	w.wantAnswer(t, w.bearing(t, text, "DescribeStackSummary", about(other)), 400, "ResourceNotFoundException")
	w.wantAnswer(t, w.bearing(t, text, "StopStack", about(own)), 400, "the token is limited to the level show")
	if _, answer := w.send(t, w.bearing(t, text, "DescribeStacks", "{}")); strings.Contains(answer, string(other.ID)) || !strings.Contains(answer, string(own.ID)) {
		t.Errorf("it lists %s", answer)
	}
	eventually(t, "its use is noted", func() bool { return must(w.store.Tokens.Get(w.ctx, made.ID))(t).LastUsed != nil })

	_, free := w.token(t, ben, models.Scope{})
	w.wantAnswer(t, w.bearing(t, free, "StopStack", about(own)), 200, "")
	shown := w.bearing(t, free, "StopStack", about(own))
	shown.Header.Set("Authorization", "bearer   "+free)
	w.wantAnswer(t, shown, 200, "")

	for name, wrong := range map[string]string{
		"unknown": models.TokenPrefix + strings.Repeat("A", 32), "other text": "x", "none": "", "cut": text[:39],
	} {
		t.Run(name, func(t *testing.T) {
			w.wantAnswer(t, w.bearing(t, wrong, "DescribeStacks", "{}"), 400, "UnrecognizedClientException")
		})
	}
	check(t, w.engine.Permit(w.ctx, models.Permission{StackID: own.ID, UserID: ben.ID, Level: models.LevelDeny}))
	w.wantAnswer(t, w.bearing(t, text, "DescribeStackSummary", about(own)), 400, "ResourceNotFoundException")
	check(t, w.engine.DeleteToken(w.ctx, made.ID))
	w.wantAnswer(t, w.bearing(t, text, "DescribeStacks", "{}"), 400, "UnrecognizedClientException")
	check(t, w.store.Users.Delete(w.ctx, ben.ID))
	w.wantAnswer(t, w.bearing(t, free, "DescribeStacks", "{}"), 400, "UnrecognizedClientException")
}

func TestTokensAndKeysExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	ben := w.owner(t, "ben", models.LevelManage, w.stack(t))
	as := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: ben.ID})
	soon := time.Now().Add(time.Hour)
	key := must(w.engine.CreateAccessKey(as, models.AccessKey{UserID: ben.ID, ExpiresAt: &soon, Scope: models.Scope{Level: models.LevelShow}}))(t)
	_, text := w.token(t, ben, models.Scope{})
	if status, answer := w.raw(t, key, "DescribeStacks", "{}"); status != 200 {
		t.Errorf("got %d %s", status, answer)
	}
	if _, answer := w.raw(t, key, "CreateStack", `{"Name":"x","Region":"local","ServiceRoleArn":"arn:aws:iam::123456789012:role/r","DefaultInstanceProfileArn":"arn:aws:iam::123456789012:instance-profile/p"}`); !strings.Contains(answer, "AccessDenied") {
		t.Errorf("beyond its scope: got %s", answer)
	}
	for _, table := range []string{"tokens", "access_keys"} {
		_, err := w.store.SQL().ExecContext(t.Context(), "UPDATE "+table+" SET expires_at = '2020-01-01 00:00:00+00:00' WHERE user_id = '"+string(ben.ID)+"'")
		check(t, err)
	}
	w.wantAnswer(t, w.bearing(t, text, "DescribeStacks", "{}"), 400, "UnrecognizedClientException")
	if _, answer := w.raw(t, key, "DescribeStacks", "{}"); !strings.Contains(answer, "UnrecognizedClientException") {
		t.Errorf("an expired key: got %s", answer)
	}
}

// A policy speaks of the operation that is called, and of no other.
func TestPoliciesHoldForOperations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	stack, hidden := w.stack(t), w.stack(t)
	ben, eve := w.newKey(t, models.User{Name: "ben"}), w.newKey(t, models.User{Name: "eve"})
	check(t, w.engine.Permit(w.ctx, models.Permission{StackID: stack.ID, UserID: eve.UserID, Level: models.LevelManage}))
	attach := func(name, statement string, to models.UserID) {
		p := must(w.engine.CreatePolicy(w.ctx, models.Policy{Name: name, Document: `{"Version":"2012-10-17","Statement":` + statement + `}`}))(t)
		check(t, w.engine.AttachPolicy(w.ctx, p.ID, models.Principal{UserID: to}))
	}
	attach("layers", `{"Effect":"Allow","Action":["opsworks:DescribeLayers","opsworks:DescribeVolumes"],"Resource":"`+stack.Arn+`"}`, ben.UserID)
	attach("no-volumes", `{"Effect":"Deny","Action":"opsworks:DescribeVolumes","Resource":"*"}`, eve.UserID)
	about := func(s *models.Stack) string { return `{"StackId":"` + string(s.ID) + `"}` }
	for _, tc := range []struct {
		name      string
		key       *models.AccessKey
		operation string
		stack     *models.Stack
		want      string
	}{
		{"Allowed", ben, "DescribeLayers", stack, `"Layers":[]`},
		{"AllowedWithoutShow", ben, "DescribeVolumes", stack, `"Volumes":[]`},
		{"ErrNotNamed", ben, "DescribeApps", stack, "ResourceNotFoundException"},
		{"ErrOtherStack", ben, "DescribeLayers", hidden, "ResourceNotFoundException"},
		{"ErrDenied", eve, "DescribeVolumes", stack, "the policy no-volumes denies it"},
		{"NotDenied", eve, "DescribeLayers", stack, `"Layers":[]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, answer := w.raw(t, tc.key, tc.operation, about(tc.stack)); !strings.Contains(answer, tc.want) {
				t.Errorf("got %s, want %s", answer, tc.want)
			}
		})
	}
}
