package lifecycle

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"opsyard/models"
)

func TestDeploymentBeatsLayerBeatsStack(t *testing.T) {
	t.Parallel()
	stack := models.Stack{CustomJSON: `{"a":{"x":1,"y":1,"z":1},"list":[1,2],"only":"stack"}`}
	layers := []models.Layer{{CustomJSON: `{"a":{"y":2,"z":2}}`}, {CustomJSON: ``}, {CustomJSON: `{"a":{"w":3},"list":[3]}`}}
	got, err := CustomJSON(stack, layers, `{"a":{"z":4},"only":{"now":"an object"}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": map[string]any{"x": 1.0, "y": 2.0, "z": 4.0, "w": 3.0}, "list": []any{3.0}, "only": map[string]any{"now": "an object"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := MergeJSON("", ""); err != nil || got != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	if _, err := MergeJSON(`{"a":1}`, `[]`); err == nil {
		t.Error("a list was merged")
	}
}

// object makes small nested JSON objects with keys that often meet.
func object(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		o := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "keys") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			if depth > 0 && rapid.Bool().Draw(t, "nested") {
				o[key] = object(depth-1).Draw(t, "object")
			} else {
				o[key] = float64(rapid.IntRange(0, 9).Draw(t, "number"))
			}
		}
		return o
	})
}

func text(t *rapid.T, o map[string]any) string {
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// oracle is the merge said differently: what is at a path, and nothing above it
// that is not an object, comes from the last text that has it.
func oracle(onto, from any) any {
	a, isA := onto.(map[string]any)
	b, isB := from.(map[string]any)
	if !isA || !isB {
		return from
	}
	out := map[string]any{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		if have, ok := a[k]; ok {
			v = oracle(have, v)
		}
		out[k] = v
	}
	return out
}

func TestMergeProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := object(2).Draw(t, "a"), object(2).Draw(t, "b"), object(2).Draw(t, "c")
		texts := []string{text(t, a), text(t, b), text(t, c)}
		got, err := MergeJSON(texts...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(oracle(oracle(a, b), c), any(got)); diff != "" {
			t.Fatal(diff)
		}
		again, err := MergeJSON(text(t, got), texts[2])
		if err != nil || !cmp.Equal(got, again) {
			t.Fatalf("merging the last once more changed it: %v, %v", again, err)
		}
		for n, was := range []map[string]any{a, b, c} { // the sources are as they were
			if text(t, was) != texts[n] {
				t.Fatalf("source %d was changed", n)
			}
		}
	})
}
