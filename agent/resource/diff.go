package resource

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"
)

// maxDiff bounds the files that are compared line by line: the comparison
// takes quadratic time at worst, and nobody reads more.
const maxDiff = 256 << 10

// showDiff prints what changes in a file, as "diff -u" would.
func showDiff(w io.Writer, name string, old, content []byte, hide []string) {
	if len(old)+len(content) > maxDiff || !printable(old) || !printable(content) {
		_, _ = fmt.Fprintf(w, "%s: %d bytes become %d bytes\n", name, len(old), len(content))
		return
	}
	_ = difflib.WriteUnifiedDiff(w, difflib.UnifiedDiff{
		A: lines(old, hide), FromFile: name,
		B: lines(content, hide), ToFile: name + " (new)",
		Context: 3,
	})
}

func printable(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

func lines(b []byte, hide []string) []string {
	text := string(b)
	for _, secret := range hide {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "*****")
		}
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return strings.SplitAfter(text, "\n")[:strings.Count(text, "\n")]
}
