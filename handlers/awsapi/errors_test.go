package awsapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"opsyard/models"
)

// Errors of the model are HTTP 400 with exactly __type and message, the latter
// small; clients make their typed errors of these names.
func TestPitfall02ErrorsHaveASmallMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stack := w.stack(t)
	shower := w.newKey(t, models.User{Name: "ben"})
	check(t, w.engine.Permit(w.ctx, models.Permission{StackID: stack.ID, UserID: shower.UserID, Level: models.LevelShow}))
	for _, tc := range []struct {
		operation, body string
		key             *models.AccessKey
		want            map[string]any
	}{
		{"DescribeStacks", `{"StackIds":["x"]}`, w.key, map[string]any{"__type": "ResourceNotFoundException", "message": "Unable to find stack with ID x"}},
		{"DescribeApps", `{}`, w.key, map[string]any{"__type": "ValidationException", "message": "Please provide one or more app IDs or a stack ID"}},
		{"DeleteStack", `{"StackId":"` + string(stack.ID) + `"}`, shower, map[string]any{"__type": "AccessDeniedException", "message": "You may see stack Shop, but not do this: it needs the level manage."}},
	} {
		status, answer := w.raw(t, tc.key, tc.operation, tc.body)
		var got map[string]any
		check(t, json.Unmarshal([]byte(answer), &got))
		if status != http.StatusBadRequest || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %d %s, want %v", tc.operation, status, answer, tc.want)
		}
	}
}
