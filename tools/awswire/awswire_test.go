package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const small = `{
	"version": "2.0", "metadata": {"apiVersion": "1"},
	"operations": {"Paint": {"name": "Paint", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "PaintRequest"}, "documentation": "not ours"}},
	"shapes": {
		"PaintRequest": {"type": "structure", "required": ["Walls"], "members": {"Walls": {"shape": "Walls"}, "Colour": {"shape": "String", "documentation": "not ours"}, "Coats": {"shape": "Count"}}},
		"Walls": {"type": "list", "member": {"shape": "Wall"}},
		"Wall": {"type": "structure", "members": {"Sizes": {"shape": "Sizes"}, "Next": {"shape": "Wall"}}, "documentation": "not ours"},
		"Sizes": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Count"}},
		"String": {"type": "string"},
		"Count": {"type": "integer", "box": true, "min": 1},
		"Failed": {"type": "structure", "members": {}, "exception": true}
	}
}`

// want is in the order of the alphabet and without the error.
const want = `
// PaintRequest is what Paint is asked.
type PaintRequest struct {
	Coats  *int64  ` + "`json:\"Coats,omitempty\"`" + `
	Colour *string ` + "`json:\"Colour,omitempty\"`" + `
	Walls  []Wall  ` + "`json:\"Walls,omitzero\"`" + `
}

// Wall is a structure inside requests and results.
type Wall struct {
	Next  *Wall            ` + "`json:\"Next,omitempty\"`" + `
	Sizes map[string]int64 ` + "`json:\"Sizes,omitzero\"`" + `
}
`

// modelOf writes the three files, as the SDK has them.
func modelOf(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"api-2.json":        text,
		"waiters-2.json":    `{"version": 2, "waiters": {"Painted": {"delay": 1, "operation": "Paint", "maxAttempts": 2, "description": "not ours", "acceptors": []}}}`,
		"paginators-1.json": `{"pagination": {}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWrite(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := write(modelOf(t, small), out); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(filepath.Join(out, "types_gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimPrefix(string(code), header); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	text, err := os.ReadFile(filepath.Join(out, "model_gen.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "not ours") || !strings.Contains(string(text), `"min": 1`) {
		t.Errorf("the model has texts, or lacks facts:\n%s", text)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no operations":   `{}`,
		"not JSON":        `{`,
		"an unknown type": strings.Replace(small, `"integer"`, `"blob"`, 1),
		"a missing shape": strings.Replace(small, `"member": {"shape": "Wall"}`, `"member": {"shape": "Roof"}`, 1),
	} {
		if err := write(modelOf(t, text), t.TempDir()); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
