package blob

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestDir(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	root := filepath.Join(t.TempDir(), "logs")
	d, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string) error {
		return d.Put(ctx, "ab/c.zst", func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
	}
	if err := errors.Join(put("first"), put("hello world")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Read(ctx, "ab/c.zst", 6, 5); err != nil || string(got) != "world" {
		t.Fatalf("got %q, %v", got, err)
	}

	// A write that fails leaves the old object and no litter.
	broken := errors.New("broken")
	err = d.Put(ctx, "ab/c.zst", func(w io.Writer) error {
		io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if got, _ := d.Read(ctx, "ab/c.zst", 0, 5); string(got) != "hello" {
		t.Fatalf("got %q", got)
	}
	if entries, _ := os.ReadDir(filepath.Join(root, "ab")); len(entries) != 1 {
		t.Fatalf("got %v", entries)
	}

	if err := d.Delete(ctx, "ab/c.zst"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(ctx, "ab/c.zst", 0, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	for _, key := range []string{"../x", "/etc/passwd", "", ".", `..\x`, "a//b"} {
		if err := d.Delete(ctx, key); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("key %q: got %v", key, err)
		}
	}
}
