package awsapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"opsyard/handlers/awsapi/wire"
)

var update = flag.Bool("update", false, "write the golden pairs anew")

const goldenDir = "testdata/golden"

// goldens keeps exchanges of some operations, and compares them with those in
// testdata/golden when the test ends.
type goldens struct {
	operations []string
	mu         sync.Mutex
	pairs      map[string][]pair
}

// pair is an exchange as it is kept.
type pair struct {
	Request  json.RawMessage
	Status   int
	Response json.RawMessage `json:",omitempty"`
}

var goldenOwners = struct {
	sync.Mutex
	by map[string]string
}{by: map[string]string{}}

// keepGolden makes this world's exchanges of the operations, from now on, the
// golden ones: testdata/golden/<Operation>.json, written with -update. One test
// keeps an operation, and drives it in a fixed order.
func (w *world) keepGolden(t *testing.T, operations ...string) {
	t.Helper()
	goldenOwners.Lock()
	defer goldenOwners.Unlock()
	for _, name := range operations {
		if other := goldenOwners.by[name]; other != "" && other != t.Name() {
			t.Fatalf("%s keeps the golden pairs of %s already", other, name)
		}
		goldenOwners.by[name] = t.Name()
	}
	w.golden = &goldens{operations: operations, pairs: map[string][]pair{}}
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		for _, name := range operations {
			w.golden.compare(t, name)
		}
	})
}

func (g *goldens) note(x exchange) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.operations, x.operation) {
		p := pair{Request: x.asked, Status: x.status, Response: x.answer}
		if len(p.Request) == 0 {
			p.Request = []byte("{}")
		}
		g.pairs[x.operation] = append(g.pairs[x.operation], p)
	}
}

func (g *goldens) compare(t *testing.T, operation string) {
	t.Helper()
	if len(g.pairs[operation]) == 0 {
		t.Errorf("%s was not driven, but is to be kept", operation)
		return
	}
	got := normalize(t, g.pairs[operation])
	path := filepath.Join(goldenDir, operation+".json")
	if *update {
		check(t, os.MkdirAll(goldenDir, 0o755))
		check(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with go test -update, and look at it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed; if that is right, write it with -update:\n%s", path, got)
	}
}

// volatile are texts that differ from run to run, and what stands for them.
var volatile = []struct {
	pattern *regexp.Regexp
	instead string // with a number behind if it ends in -
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "00000000-0000-0000-0000-"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00`), "2013-07-25T18:57:49+00:00"},
	{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "http://opsyard.example"},
	{regexp.MustCompile(`"Duration": \d+`), `"Duration": 1`},
	{regexp.MustCompile(`Expires=\d+&Signature=[\w-]+`), "Expires=1374792000&Signature=SIGNATURE"},
	{regexp.MustCompile(`(_port": )"\d+"`), `$1"443"`},
	{regexp.MustCompile(`oye_[A-Z2-7]+`), "oye_TOKEN"},
	{regexp.MustCompile(`([0-9a-f]{2}:){15}[0-9a-f]{2}`), "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"},
	{regexp.MustCompile(`(ssh-(rsa|ed25519)|ecdsa-sha2-nistp256) [A-Za-z0-9+/=]{40,}`), "ssh-rsa KEY"},
	{regexp.MustCompile(`-----BEGIN [A-Z ]+-----[^"]+-----END [A-Z ]+-----(\\n)?`), "PEM"},
	{regexp.MustCompile(`"(ReportedAgentVersion|Password)": "[^"*]+"`), `"$1": "…"`},
}

// normalize writes pairs so that two runs write the same.
func normalize(t *testing.T, pairs []pair) []byte {
	t.Helper()
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	var sorted any // maps are written in the order of their keys
	check(t, json.Unmarshal(must(json.Marshal(pairs))(t), &sorted))
	check(t, e.Encode(sorted))
	text := buf.String()
	for _, v := range volatile {
		if last := len(v.instead) - 1; v.instead[last] != '-' {
			text = v.pattern.ReplaceAllString(text, v.instead)
			continue
		}
		numbers := map[string]int{}
		text = v.pattern.ReplaceAllStringFunc(text, func(found string) string {
			if numbers[found] == 0 {
				numbers[found] = len(numbers) + 1
			}
			return fmt.Sprintf("%s%012d", v.instead, numbers[found])
		})
	}
	return []byte(text)
}

// Each operation has its golden pairs, and none is left over.
func TestGoldenPairsAreComplete(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, o := range wire.Operations() {
		want[o.Name+".json"] = true
		if _, err := os.Stat(filepath.Join(goldenDir, o.Name+".json")); err != nil {
			t.Errorf("%s has no golden pair", o.Name)
		}
	}
	files, _ := os.ReadDir(goldenDir)
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("%s belongs to no operation", f.Name())
		}
	}
}

// Golden answers stay valid, whatever the tests do later.
func TestGoldenPairsFitTheModel(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(goldenDir + "/*.json")
	for _, file := range files {
		var pairs []pair
		check(t, json.Unmarshal(must(os.ReadFile(file))(t), &pairs))
		operation := filepath.Base(file[:len(file)-len(".json")])
		for n, p := range pairs {
			x := exchange{operation: operation, status: p.Status, answer: p.Response}
			if err := x.check(); err != nil {
				t.Errorf("%s, pair %d: %v", file, n+1, err)
			}
		}
	}
}
