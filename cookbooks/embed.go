// Package cookbooks holds the built-in cookbooks: shell recipes that make the
// built-in layers. They use nothing but what docs/cookbooks.md offers to all.
package cookbooks

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io/fs"
	"sync"
)

// FS holds one directory per cookbook.
//
//go:embed apache deploy haproxy java memcached monitoring mysql nginx nodejs opsyard_demo opsyard_initial_setup php postgresql program rails redis
var FS embed.FS

// Archive is FS as a tar.gz file, the same bytes in every process of a build.
var Archive = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	err := fs.WalkDir(FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := FS.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	for _, end := range []func() error{w.Close, zip.Close} {
		if err == nil {
			err = end()
		}
	}
	if err != nil {
		panic(fmt.Sprintf("pack the built-in cookbooks: %v", err)) // memory to memory: a bug
	}
	return out.Bytes()
})
