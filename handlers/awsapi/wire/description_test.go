package wire

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSentences gives each operation one sentence of its own.
func TestSentences(t *testing.T) {
	t.Parallel()
	said := map[string]string{}
	for _, o := range Operations() {
		sentence := Sentence(o.Name)
		if !strings.HasSuffix(sentence, ".") || strings.Count(sentence, ". ") > 0 {
			t.Errorf("%s: %q is not one sentence", o.Name, sentence)
		}
		if other := said[sentence]; other != "" {
			t.Errorf("%s and %s have the same sentence", o.Name, other)
		}
		said[sentence] = o.Name
	}
	if len(sentences) != len(said) {
		t.Errorf("there are sentences for %d operations, want %d", len(sentences), len(said))
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	var d struct {
		Version       string
		Metadata      map[string]any
		Documentation string
		Operations    map[string]struct{ Documentation string }
		Shapes        map[string]map[string]any
	}
	if err := json.Unmarshal(Description(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Version != "2.0" || d.Metadata["apiVersion"] != Version || d.Metadata["targetPrefix"] != "OpsWorks_20130218" {
		t.Errorf("got version %s and metadata %v", d.Version, d.Metadata)
	}
	if len(d.Operations) != 74 || len(d.Shapes) != len(parsed().API.Shapes) {
		t.Errorf("got %d operations and %d shapes", len(d.Operations), len(d.Shapes))
	}
	for name, o := range d.Operations {
		if o.Documentation != paragraph(Sentence(name)) {
			t.Errorf("%s is documented as %q", name, o.Documentation)
		}
	}
}

func TestWaitersAndPaginators(t *testing.T) {
	t.Parallel()
	var w struct{ Waiters map[string]any }
	if err := json.Unmarshal(Waiters(), &w); err != nil || len(w.Waiters) != 6 {
		t.Errorf("got %d waiters, %v, want 6", len(w.Waiters), err)
	}
	var p struct{ Pagination map[string]any }
	if err := json.Unmarshal(Paginators(), &p); err != nil || len(p.Pagination) != 1 || p.Pagination["DescribeEcsClusters"] == nil {
		t.Errorf("got paginators %v, %v, want that of DescribeEcsClusters", p.Pagination, err)
	}
}
