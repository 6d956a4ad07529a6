package cookbooks_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"opsyard/agent/protocol"
	"opsyard/engine/lifecycle"
	"opsyard/models"
)

// sample is an app that machines fetch from the test: the files of a directory
// of testdata/apps, in which @VERSION@ stands for the app's version.
type sample struct {
	protocol.App
	dir string
	// extra are files that the directory does not hold, such as built programs.
	// They are executable.
	extra map[string][]byte

	mu      sync.Mutex
	version string
}

// newSample is an app named hello of the given type, "static" or "nodejs", in
// its first version.
func newSample(kind string) *sample {
	return &sample{App: protocol.App{ID: "hello-1", Shortname: "hello", Name: "Hello", Type: kind}, dir: kind, version: "first"}
}

// release makes another version the one that is fetched.
func (s *sample) release(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

func (s *sample) file() string { return s.Shortname + ".tar.gz" }

// serve answers with the app as an archive.
func (s *sample) serve(w http.ResponseWriter, _ *http.Request) {
	if err := s.pack(w); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *sample) pack(w http.ResponseWriter) error {
	s.mu.Lock()
	version := s.version
	s.mu.Unlock()
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	root := filepath.Join("testdata", "apps", s.dir)
	add := func(name string, mode fs.FileMode, content []byte) error {
		content = bytes.ReplaceAll(content, []byte("@VERSION@"), []byte(version))
		if err := archive.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: int64(mode.Perm()), Size: int64(len(content))}); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return add(name, info.Mode(), content)
	})
	for name, content := range s.extra {
		if err == nil {
			err = add(name, 0o755, content)
		}
	}
	for _, end := range []func() error{archive.Close, zip.Close} {
		if err == nil {
			err = end()
		}
	}
	return err
}

// attributes are those that the engine gives for an app that is deployed.
func (s *sample) attributes() map[string]any {
	app := models.App{Shortname: s.Shortname, Name: s.Name, Type: models.AppType(s.Type), Domains: s.Domains, Attributes: s.Attributes, EnableSsl: s.EnableSSL}
	doc := lifecycle.Deploying{Apps: []models.App{app}}.Attributes()["deploy"].(map[string]any)[s.Shortname].(map[string]any)
	if db := s.Database; db != nil {
		doc["database"] = map[string]any{
			"adapter": db.Adapter, "host": db.Host, "port": db.Port, "username": db.Username, "database": db.Database,
			"data_source_provider": db.DataSourceProvider, "reconnect": true,
		}
	}
	return doc
}
