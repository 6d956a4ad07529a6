package chef

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opsyard/agent/recipe"
	"opsyard/agent/recipe/recipetest"
)

// TestFormatter reads runs as the clients print them: resources inside of
// others, what is skipped, a notification at the end, and failures.
func TestFormatter(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct {
		code       int
		want, fail string
	}{
		"converged.txt": {0, `
recipe web::default: 2 changed, 1 unchanged
  resource package[nginx] install: 0 changed, 1 unchanged
  resource template[/etc/nginx/nginx.conf] create: 1 changed, 0 unchanged
  resource web_site[shop] create: 1 changed, 0 unchanged
  resource execute[migrate] run: skipped
recipe <Dynamically Defined Resource>: 1 changed, 0 unchanged
  resource service[nginx] reload: 1 changed, 0 unchanged
recipe web::quiet: 0 changed, 0 unchanged
`, ""},
		"failed.txt": {1, `
recipe web::default: failed
  resource directory[/srv/shop] create: 0 changed, 1 unchanged
  resource web_site[shop] create: failed
`, "recipe web::default: Error executing action `run` on resource 'execute[tar xf shop.tar]'"},
		"uncompiled.txt": {1, "\nrecipe web::quiet: failed\n", "recipe web::quiet: it could not be compiled; the log says why"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			for name, pieces := range map[string][]string{
				"Whole": {string(text)}, "Lines": strings.SplitAfter(string(text), "\n"), "Prints": prints(string(text)),
			} {
				out := &recipetest.Recorder{}
				f := &formatter{out: out}
				f.begin([]recipe.Item{{Recipe: recipe.Name{Cookbook: "web", Recipe: "default"}}, {Recipe: recipe.Name{Cookbook: "web", Recipe: "quiet"}}})
				for _, p := range pieces {
					_, _ = f.Write([]byte(p))
				}
				err := f.end(t.Context(), c.code, nil)
				if got := "\n" + out.Outline(); got != c.want {
					t.Errorf("%s: steps are%swant%s", name, got, c.want)
				}
				if c.fail == "" && err != nil || c.fail != "" && (err == nil || err.Error() != c.fail) {
					t.Errorf("%s: got %v", name, err)
				}
				if out.Output() != string(text) {
					t.Errorf("%s: output differs:\n%s", name, out.Output())
				}
			}
		})
	}
}

// prints cuts a text as the client writes it: the indent, the text and the end
// of a line apart.
func prints(text string) (pieces []string) {
	for line := range strings.Lines(text) {
		whole := strings.TrimSuffix(line, "\n")
		body := strings.TrimLeft(whole, " ")
		indent := whole[:len(whole)-len(body)]
		if head, state, found := strings.Cut(body, " ("); found {
			pieces = append(pieces, indent, head, " ("+state, "\n")
		} else {
			pieces = append(pieces, indent, body, "\n")
		}
	}
	return pieces
}
