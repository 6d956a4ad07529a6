package supervise

import (
	"bytes"
	"encoding/json"
)

// mergeJSON lays b over a: objects merge key by key, anything else replaces.
// What only one of them has is passed on unread, so numbers keep their digits
// and a big document costs little.
func mergeJSON(a, b json.RawMessage) (json.RawMessage, error) {
	a, b = bytes.TrimSpace(a), bytes.TrimSpace(b)
	if !isObject(a) || !isObject(b) {
		if !json.Valid(b) {
			return nil, json.Unmarshal(b, new(any))
		}
		return b, nil
	}
	var under, over map[string]json.RawMessage
	if err := json.Unmarshal(a, &under); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &over); err != nil {
		return nil, err
	}
	for key, value := range over {
		if below, both := under[key]; both {
			merged, err := mergeJSON(below, value)
			if err != nil {
				return nil, err
			}
			value = merged
		}
		under[key] = value
	}
	return json.Marshal(under)
}

func isObject(doc json.RawMessage) bool { return len(doc) > 0 && doc[0] == '{' }
