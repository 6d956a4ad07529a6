package lifecycle

import (
	"encoding/json"
	"fmt"

	"opsyard/models"
)

// MergeJSON deep-merges JSON objects; later ones win key by key, objects merge,
// everything else is replaced. Empty texts are skipped; the result of none is
// nil (OpsWorks: "Using Custom JSON": stack, then layer, then deployment).
func MergeJSON(texts ...string) (map[string]any, error) {
	var merged map[string]any
	for _, text := range texts {
		if text == "" {
			continue
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return nil, fmt.Errorf("merge custom JSON: %w", err)
		}
		if merged == nil {
			merged = map[string]any{}
		}
		Merge(merged, object)
	}
	return merged, nil
}

// Merge deep-merges from into onto.
func Merge(onto, from map[string]any) {
	for key, value := range from {
		inner, isObject := value.(map[string]any)
		have, wasObject := onto[key].(map[string]any)
		if isObject && wasObject {
			Merge(have, inner)
			continue
		}
		if isObject { // a copy: the result must not share maps with its sources
			fresh := map[string]any{}
			Merge(fresh, inner)
			value = fresh
		}
		onto[key] = value
	}
}

// CustomJSON is the merged custom JSON of an instance for one command; nil
// when nobody wrote any.
func CustomJSON(stack models.Stack, layers []models.Layer, deployment string) (map[string]any, error) {
	texts := []string{stack.CustomJSON}
	for _, l := range layers {
		texts = append(texts, l.CustomJSON)
	}
	return MergeJSON(append(texts, deployment)...)
}
