package engine

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

func TestTags(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		w := setup(t, st)
		stack, layer := w.stack.Arn, w.web.Arn
		tag := func(arn string, pairs ...string) error {
			tags := map[string]string{}
			for n := 0; n < len(pairs); n += 2 {
				tags[pairs[n]] = pairs[n+1]
			}
			return w.engine.TagResource(w.ctx, arn, tags)
		}
		want := func(arn string, pairs ...string) {
			t.Helper()
			tags := map[string]string{}
			for n := 0; n < len(pairs); n += 2 {
				tags[pairs[n]] = pairs[n+1]
			}
			if got := must(w.engine.Tags(w.ctx, arn))(t); !maps.Equal(got, tags) {
				t.Errorf("%s has %v, want %v", arn, got, tags)
			}
		}
		want(stack)
		if err := tag(strings.TrimSuffix(stack, "/"), " team ", " web shop ", "größe", "10 m²"[:2]); err != nil {
			t.Fatal(err)
		}
		want(stack, "team", "web shop", "größe", "10")
		want(layer, "team", "web shop", "größe", "10")
		if err := tag(layer+"/", "team", "front", "own", ""); err != nil {
			t.Fatal(err)
		}
		want(layer, "team", "front", "größe", "10", "own", "")
		want(stack, "team", "web shop", "größe", "10")
		mustRefuse(t, "an inherited tag", w.engine.UntagResource(w.ctx, layer, []string{"größe"}), "from its stack")
		if err := w.engine.UntagResource(w.ctx, layer, []string{"team", "none"}); err != nil {
			t.Fatal(err)
		}
		want(layer, "team", "web shop", "größe", "10", "own", "")
		// An edit of the stack leaves its tags alone.
		if err := w.update(w.stack, func(s *models.Stack) { s.Tags = nil }); err != nil {
			t.Fatal(err)
		}
		want(stack, "team", "web shop", "größe", "10")

		for n := range models.MaxTags - 3 {
			if err := tag(layer, fmt.Sprintf("k%d", n), ""); err != nil {
				t.Fatal(err)
			}
		}
		mustRefuse(t, "the 41st", tag(layer, "more", ""), "40 are the most")
		mustRefuse(t, "the 41st by inheritance", tag(stack, "more", ""), "layer Web would have 41")
		for what, key := range map[string]string{
			"aws": "aws:x", "opsworks": "OpsWorks:stack", "rds": "rds:x", "name": "name", "Name": "Name", "empty": " ", "long": strings.Repeat("k", 128), "odd": "a#b", "line": "a\nb",
		} {
			mustRefuse(t, what, tag(stack, key, "v"), "Tags: ")
		}
		mustRefuse(t, "a long value", tag(stack, "k", strings.Repeat("ü", 256)), "too long")
		for _, arn := range []string{"", "stack", w.stack.Arn[:20], strings.Replace(stack, "stack/", "instance/", 1)} {
			mustRefuse(t, arn, tag(arn, "k", "v"), "Resource arn")
		}
		for _, arn := range []string{stack[:len(stack)-3] + "/", strings.Replace(layer, ":000000000000:", ":123456789012:", 1)} {
			if err := tag(arn, "k", "v"); models.CodeOf(err) != models.CodeNotFound {
				t.Errorf("%s: %v", arn, err)
			}
		}
	})
}

func TestTagsObeyLevels(t *testing.T) {
	t.Parallel()
	w := setup(t, storetest.Open(t))
	ben := must(w.engine.CreateUser(w.ctx, models.User{Name: "ben"}, ""))(t)
	as := models.WithActor(t.Context(), models.Actor{Kind: models.ActorUser, UserID: ben.ID, Name: ben.Name})
	if _, err := w.engine.Tags(as, w.web.Arn); models.CodeOf(err) != models.CodeNotFound || !strings.Contains(err.Error(), string(w.web.ID)) {
		t.Errorf("without a level: %v", err)
	}
	if err := w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: ben.ID, Level: models.LevelShow}); err != nil {
		t.Fatal(err)
	}
	must(w.engine.Tags(as, w.web.Arn))(t)
	if err := w.engine.TagResource(as, w.web.Arn, map[string]string{"a": "b"}); models.CodeOf(err) != models.CodeForbidden {
		t.Errorf("with show: %v", err)
	}
}
