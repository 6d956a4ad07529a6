package supervise

import "testing"

func TestMergeJSON(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{`{}`, `{"a":1}`, `{"a":1}`},
		{`{"a":{"b":1,"c":[1,2]}}`, `{"a":{"c":[3],"d":null}}`, `{"a":{"b":1,"c":[3],"d":null}}`},
		{`{"a":{"b":1}}`, `{"a":2}`, `{"a":2}`},
		{`{"a":2}`, ` {"a":{"b":12345678901234567890}} `, `{"a":{"b":12345678901234567890}}`},
		{`{"a":1}`, `[1]`, `[1]`},
	} {
		got, err := mergeJSON([]byte(c[0]), []byte(c[1]))
		if err != nil || string(got) != c[2] {
			t.Errorf("%s over %s: got %s %v, want %s", c[1], c[0], got, err, c[2])
		}
	}
	for _, bad := range []string{"", "{", "nonsense", `{"a":}`} {
		if _, err := mergeJSON([]byte(`{"a":1}`), []byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
