package awsapi

import (
	"net/http"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// What a describe request reads may be remembered, but the next one after a
// change is answered by it: here each is asked twice before the change.
func TestAnswersAreFresh(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := newWorldOn(t, st)
		stack := must(w.engine.CreateStack(w.ctx, models.NewStack("fresh")))(t)
		l := models.NewLayer(stack.ID, models.LayerCustom)
		l.Name, l.Shortname = "Web", "web"
		layer := must(w.engine.CreateLayer(w.ctx, l))(t)
		i := must(w.engine.CreateInstance(w.ctx, models.Instance{StackID: stack.ID, LayerIDs: []models.LayerID{layer.ID}, Hostname: "web1"}))(t)
		key := w.newKey(t, models.User{Name: "ci"})
		permit := func(level models.Level) func() error {
			return func() error {
				return w.engine.Permit(w.ctx, models.Permission{StackID: stack.ID, UserID: key.UserID, Level: level})
			}
		}
		ask := func(after string, status int, word string) {
			t.Helper()
			for _, body := range []string{`{"LayerId":"` + string(layer.ID) + `"}`, `{"StackId":"` + string(stack.ID) + `"}`, `{"InstanceIds":["` + string(i.ID) + `"]}`} {
				for range 2 {
					if got, answer := w.raw(t, key, "DescribeInstances", body); got != status || !strings.Contains(answer, word) {
						t.Errorf("%s, %s: got %d %s, want %d and %q", after, body, got, answer, status, word)
					}
				}
			}
		}
		ask("no permission", http.StatusBadRequest, "ResourceNotFoundException")
		for _, c := range []struct {
			change string
			do     func() error
			status int
			word   string
		}{
			{"permission", permit(models.LevelShow), http.StatusOK, "web1"},
			{"another name", func() error {
				_, err := w.engine.UpdateInstance(w.ctx, i.ID, func(i *models.Instance) error { i.Hostname = "db1"; return nil })
				return err
			}, http.StatusOK, "db1"},
			{"revoked permission", permit(models.LevelDeny), http.StatusBadRequest, "ResourceNotFoundException"},
			{"permission again", permit(models.LevelManage), http.StatusOK, "db1"},
			{"deleted key", func() error { return w.engine.DeleteAccessKey(w.ctx, key.ID) }, http.StatusBadRequest, "UnrecognizedClientException"},
		} {
			check(t, c.do())
			ask(c.change, c.status, c.word)
		}
	})
}
