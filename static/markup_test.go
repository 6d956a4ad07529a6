package static

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What makes markup or code of a text.
var makesMarkup = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|srcdoc|\beval\(|new Function|DOMParser`)

// TestScriptsMakeNoMarkup: our scripts write text as text. Two of them read
// fragments that the server has drawn, and escaped.
func TestScriptsMakeNoMarkup(t *testing.T) {
	t.Parallel()
	read := 0
	for name, source := range files {
		if !strings.HasPrefix(name, "js/") || !strings.HasSuffix(name, ".js") {
			continue
		}
		read++
		for _, found := range makesMarkup.FindAllString(string(source), -1) {
			if found != "DOMParser" || !slices.Contains([]string{"js/live.js", "js/layer-scaling.js"}, name) {
				t.Errorf("%s uses %s", name, found)
			}
		}
	}
	if read < 10 {
		t.Errorf("only %d scripts were read", read)
	}
}
