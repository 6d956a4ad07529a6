package content_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"opsyard/agent/content"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := content.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(digest("x"), strings.NewReader("x")); err != nil || !s.Has(digest("x")) {
		t.Errorf("stored: %v, there: %v", err, s.Has(digest("x")))
	}
	if err := s.Add(digest("y"), strings.NewReader("z")); !errors.Is(err, content.ErrDigest) || s.Has(digest("y")) {
		t.Errorf("wrong content: got %v", err)
	}
	for _, bad := range []string{"", "sha256:../../etc/passwd", "md5:x"} {
		if err := s.Add(bad, strings.NewReader("")); err == nil || s.Has(bad) {
			t.Errorf("%q was taken", bad)
		}
	}
	os.WriteFile(dir+"/.new-left", nil, 0o600)
	if err := s.Prune([]string{digest("x")}); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}
