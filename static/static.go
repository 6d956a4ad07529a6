// Package static holds the console's style sheets, scripts and icons, embedded
// in the program and served under addresses that change with their content.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed css js vendor icons.svg favicon.svg
var embedded embed.FS

// Sheet is the one style sheet of all pages: the files of css/ in a row.
// Cascade layers, not the order of files, decide which rule wins; only
// tokens.css must come first, because it names the layers.
const Sheet = "console.css"

var (
	files   = load()
	version = digest(files)
)

// load reads every file once, so that serving one is a map access.
func load() map[string][]byte {
	all := map[string][]byte{}
	err := fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[name], err = embedded.ReadFile(name)
		return err
	})
	if err != nil {
		panic("static: " + err.Error()) // embedded files cannot fail to be read
	}
	var sheet bytes.Buffer
	sheet.Write(all["css/tokens.css"])
	for _, name := range names(all) {
		if strings.HasPrefix(name, "css/") && name != "css/tokens.css" {
			sheet.Write(all[name])
		}
	}
	all[Sheet] = sheet.Bytes()
	return all
}

// digest names the whole set: scripts import each other by relative address,
// so one of them cannot change its name alone.
func digest(all map[string][]byte) string {
	h := sha256.New()
	for _, name := range names(all) {
		h.Write([]byte(name))
		h.Write([]byte{0})
		h.Write(all[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

func names(all map[string][]byte) []string {
	list := make([]string, 0, len(all))
	for name := range all {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Path is the address of a file such as "js/app.js". A name that does not
// exist is a mistake in a page and panics, so that the page's test fails.
func Path(name string) string {
	if _, ok := files[name]; !ok {
		panic("static: no file " + name)
	}
	return "/static/" + version + "/" + name
}

// types are fixed here, because the system's own table differs by machine.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".json": "application/json",
	"":      "text/plain; charset=utf-8",
}

// Handler serves the files under /static/.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/static/"), "/")
		body, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", types[path.Ext(name)])
		w.Header().Set("Cache-Control", cacheControl(asked))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// cacheControl lets a page of an older program still find its files, without
// keeping the newer content under the older name.
func cacheControl(asked string) string {
	if asked == version {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}
