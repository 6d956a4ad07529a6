package protocol

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	wire, err := json.Marshal(Figures{99.5, nan, 0, 8123456, float32(math.Inf(1)), 0.1})
	if err != nil || string(wire) != `[99.5,null,0,8.123456e+06,null,0.1]` {
		t.Fatalf("got %s %v", wire, err)
	}
	var f Figures
	if err := json.Unmarshal(wire, &f); err != nil || len(f) != 6 || f[0] != 99.5 || f[1] == f[1] || f[3] != 8123456 || f[5] != 0.1 {
		t.Errorf("read back %v, %v", f, err)
	}
	for text, want := range map[string]int{"[]": 0, " [ 1 , null ] ": 2, "null": -1, "{}": -1, `["a"]`: -1, "[1,]": -1, "[[1]]": -1, "[" + strings.Repeat("1,", 64) + "1]": -1} {
		var f Figures
		err := json.Unmarshal([]byte(text), &f)
		if want < 0 && err == nil || want >= 0 && (err != nil || len(f) != want) {
			t.Errorf("%.20s is read as %v, %v", text, f, err)
		}
	}
}
