package source_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/agent/archive"
	"opsyard/agent/protocol"
	"opsyard/agent/source"
)

// tight are limits that a test can reach.
var tight = source.Limits{
	Limits: archive.Limits{Bytes: 4 << 20, FileBytes: 2 << 20, Files: 2000, Path: 200},
	Time:   20 * time.Second, Stall: 3 * time.Second,
}

const password = "s3cr3t-pass"

// Each gives one sentence and leaves the instance as it was: no release, no
// file of a half-done fetch, and a cache that holds what it held.
func TestHostileSources(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source func(t *testing.T) protocol.Source
		want   string
	}{
		"zip slip":                    {zipped(entry{name: "../../evil", text: "x"}), `leaves the archive: "../../evil"`},
		"tar slip":                    {tarred(entry{name: "a/../../evil", text: "x"}), `leaves the archive: "a/../../evil"`},
		"absolute path":               {tarred(entry{name: "/etc/cron.d/evil", text: "x"}), `leaves the archive: "/etc/cron.d/evil"`},
		"link to an absolute path":    {tarred(entry{name: "l", link: "/etc", kind: tar.TypeSymlink}), `"l" points to "/etc"`},
		"link out":                    {tarred(entry{name: "a/l", link: "../../x", kind: tar.TypeSymlink}), `"a/l" points to "../../x"`},
		"link out in zip":             {zipped(entry{name: "l", link: "../x", kind: tar.TypeSymlink}), `"l" points to "../x"`},
		"chain of links":              {tarred(entry{name: "a/b/s", link: "../..", kind: tar.TypeSymlink}, entry{name: "m", link: "a/b/s/../x", kind: tar.TypeSymlink}, entry{name: "m/f", text: "x"}), "leaves the archive"},
		"file through a link":         {tarred(entry{name: "d/", kind: tar.TypeDir}, entry{name: "l", link: "d", kind: tar.TypeSymlink}, entry{name: "l/../../f", text: "x"}), "leaves the archive"},
		"hard link out":               {tarred(entry{name: "h", link: "../../etc/passwd", kind: tar.TypeLink}), `"h" points to "../../etc/passwd"`},
		"hard link to a link":         {tarred(entry{name: "a/b/s", link: "../x", kind: tar.TypeSymlink}, entry{name: "s", link: "a/b/s", kind: tar.TypeLink}), "is a hard link to"},
		"link out of the only root":   {tarred(entry{name: "app-1/l", link: "../x", kind: tar.TypeSymlink}), `"l" points to "../x"`},
		"device":                      {tarred(entry{name: "sda", kind: tar.TypeBlock}), `"sda", which is neither`},
		"pipe":                        {tarred(entry{name: "p", kind: tar.TypeFifo}), `"p", which is neither`},
		"gzip bomb":                   {body(gzipBomb), `"zeros" is larger than the limit of 2 MiB`},
		"bomb of many files":          {tarred(many(6, string(make([]byte, 1<<20)))...), "the limit is 4 MiB"},
		"zip bomb with one body":      {body(overlapping), "its files lie one over the other"},
		"zip with a name twice":       {zipped(entry{name: "index.php", text: "good"}, entry{name: "index.php", text: "evil"}), `"index.php" twice`},
		"too many files":              {tarred(many(20_000, "")...), "the limit is 2000 files"},
		"too many directories":        {tarred(entry{name: strings.Repeat("d/", 99) + "f"}, entry{name: strings.Repeat("e/", 500) + "f"}), "longer than 200 bytes"},
		"huge file":                   {tarred(entry{name: "huge", text: string(make([]byte, 3<<20))}), "larger than the limit of 2 MiB"},
		"very long name":              {tarred(entry{name: strings.Repeat("n", 300), text: "x"}), "longer than 200 bytes"},
		"name longer than the system": {zipped(entry{name: "d/" + strings.Repeat("é", 90) + strings.Repeat("n", 100)}), "longer than 200 bytes"},
		"truncated tar.gz":            {body(func(t *testing.T) []byte { b := tarOf(t, many(50, "some text")...); return b[:len(b)/2] }), "damaged or not complete"},
		"truncated zip":               {body(func(t *testing.T) []byte { b := zipOf(t, entry{name: "f", text: "text"}); return b[:len(b)-10] }), "damaged or not complete"},
		"gzip of nonsense":            {body(func(*testing.T) []byte { return gzipped(bytes.Repeat([]byte("nonsense "), 500)) }), "could not be unpacked"},
		"login page":                  {body(func(*testing.T) []byte { return []byte("<html>Please log in</html>") }), "it is not a tar"},
		"nothing":                     {body(func(*testing.T) []byte { return nil }), "it is not a tar"},
		"wrong password":              {answer(http.StatusUnauthorized), "refused the user name or password (401 Unauthorized)"},
		"forbidden":                   {answer(http.StatusForbidden), "refuses access (403 Forbidden)"},
		"gone":                        {answer(http.StatusNotFound), "nothing at this address (404 Not Found)"},
		"server error":                {answer(http.StatusBadGateway), `answered "502 Bad Gateway"`},
		"server that stalls":          {stalling, "no data came for 3s"},
		"connection cut":              {cut, "the connection ended in the middle"},
		"endless redirect":            {redirects(func(r *http.Request) string { return r.URL.Path + "x" }), "redirects more than 10 times"},
		"redirect to a program":       {redirects(func(*http.Request) string { return "file:///etc/passwd" }), "redirects to an address that is not valid"},
		"redirect to the metadata":    {redirects(func(*http.Request) string { return "http://169.254.169.254/latest/" }), "nothing is fetched from 169.254.169.254"},
		"redirect elsewhere":          {otherHost, "nothing at this address (404 Not Found)"},
		"nobody there":                {func(*testing.T) protocol.Source { return archiveAt("http://127.0.0.1:1/a.tgz") }, "connection refused"},
		"file as an archive":          {func(*testing.T) protocol.Source { return archiveAt("file:///etc/passwd") }, "not valid"},

		"git: missing branch":         {repo(protocol.Source{Revision: "nope"}), `has no branch, tag or commit "nope"`},
		"git: unknown commit":         {repo(protocol.Source{Revision: strings.Repeat("ab", 20)}), "has no branch, tag or commit"},
		"git: option as revision":     {repo(protocol.Source{Revision: "--upload-pack=touch /tmp/x"}), "the address or revision is not valid"},
		"git: refspec as revision":    {repo(protocol.Source{Revision: "+main:refs/heads/x"}), "the address or revision is not valid"},
		"git: newline in address":     {at("https://h/r\n[core]sshCommand=x"), "holds a character that cannot be in one"},
		"git: program as transport":   {at("ext::sh -c touch% " + evil), "the address or revision is not valid"},
		"git: unknown transport":      {at("fd://17/repo"), "the address or revision is not valid"},
		"git: option as address":      {at("--upload-pack=touch " + evil), "the address or revision is not valid"},
		"git: option as host":         {at("ssh://-oProxyCommand=touch${IFS}" + evil + "/repo"), "the address or revision is not valid"},
		"git: option as scp host":     {at("git@-oProxyCommand=touch " + evil + ":repo"), "the address or revision is not valid"},
		"git: option as path":         {at("ssh://git@127.0.0.1:1/-oProxyCommand=x"), "the address or revision is not valid"},
		"git: wrong password":         {gitAnswer(http.StatusUnauthorized), "refused the user name or password"},
		"git: forbidden":              {gitAnswer(http.StatusForbidden), "refuses access (403 Forbidden)"},
		"git: gone":                   {gitAnswer(http.StatusNotFound), "no repository at this address"},
		"git: nobody there":           {at("http://127.0.0.1:1/r.git"), "refused the connection"},
		"git: link out":               {gitTree(func(t *testing.T, dir string) { symlink(t, "/etc/shadow", filepath.Join(dir, "passwords")) }), `"passwords" points to "/etc/shadow"`},
		"git: hook by path":           {literal(".git"), "invalid path"},
		"git: submodule by path":      {submodule("https://127.0.0.1:1/x", "../evil", "../evil", ""), "Submodules of"},
		"git: submodule with option":  {submodule("--upload-pack=touch "+evil, "vendor", "vendor", ""), "Submodules of"},
		"git: submodule with program": {submodule("ext::sh -c touch% "+evil, "vendor", "vendor", ""), "the transport ext is not allowed"},
		"git: submodule of the host":  {submodule("file:///etc", "vendor", "vendor", ""), "the transport file is not allowed"},
		"git: submodule with proxy":   {submodule("ssh://-oProxyCommand=touch${IFS}"+evil+"/x", "vendor", "vendor", ""), "Submodules of"},
		"git: submodule with command": {submodule("https://127.0.0.1:1/x", "vendor", "vendor", "\tupdate = !touch "+evil+"\n"), "Submodules of"},
		"git: submodule unreachable":  {submodule("http://127.0.0.1:1/x.git", "vendor", "vendor", ""), "refused the connection"},
		"git: huge file":              {gitTree(func(t *testing.T, dir string) { write(t, filepath.Join(dir, "huge"), string(make([]byte, 3<<20))) }), `the file "huge" is larger than the limit of 2 MiB`},
		"git: bomb of trees":          {gitBomb, "the limit is 2000 files"},
		"svn: program as tunnel":      {svnAt("svn+evil://127.0.0.1/x", ""), "the address or revision is not valid"},
		"svn: option as host":         {svnAt("svn+ssh://-oProxyCommand=touch${IFS}"+evil+"/x", ""), "the address or revision is not valid"},
		"svn: expression as revision": {svnAt("http://127.0.0.1:1/x", "1:HEAD"), "the address or revision is not valid"},
		"s3: no key": {func(*testing.T) protocol.Source {
			return protocol.Source{Type: "s3", URL: "https://s3.amazonaws.com/bucket"}
		}, "its address is none of"},
		"s3: half a pair": {func(*testing.T) protocol.Source {
			return protocol.Source{Type: "s3", URL: "s3://b/k", Username: "AKIA"}
		}, "one of them is missing"},
		"unknown kind": {func(*testing.T) protocol.Source { return protocol.Source{Type: "ftp", URL: "ftp://x"} }, `"ftp"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := c.source(t)
			f := source.Fetcher{Data: t.TempDir(), Limits: tight}
			good := archiveAt(serve(t, "/good.tgz", tarOf(t, entry{name: "index.html", text: "hello"})))
			if _, err := f.Fetch(t.Context(), good, filepath.Join(t.TempDir(), "d"), io.Discard); err != nil {
				t.Fatal(err)
			}
			before, dir := listing(t, f.Data), t.TempDir()
			out := new(bytes.Buffer)
			_, err := f.Fetch(t.Context(), src, filepath.Join(dir, "releases", "next"), out)
			if err == nil {
				t.Fatalf("it was taken: %s", out)
			}
			t.Log(err)
			said := err.Error()
			if !strings.Contains(said, c.want) || strings.ContainsAny(said, "\n\x00") || len(said) > 600 {
				t.Errorf("got %q, want %q", said, c.want)
			}
			if strings.Contains(said+out.String(), password) {
				t.Errorf("the password is shown: %s %s", said, out)
			}
			leaveNothing(t, filepath.Join(dir, "releases"))
			if after := listing(t, f.Data); after != before {
				t.Errorf("the cache was\n%s\nand is\n%s", before, after)
			}
			if _, err := os.Lstat(evil); err == nil {
				t.Errorf("a program of the source ran")
			}
		})
	}
}

// evil is a file that programs of hostile sources would make.
var evil = filepath.Join(os.TempDir(), fmt.Sprintf("opsyard-evil-%d", os.Getpid()))

// What a repository says about programs to run is not heard.
func TestRepositoryRunsNothing(t *testing.T) {
	t.Parallel()
	src := gitTree(func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, ".gitattributes"), "* filter=evil diff=evil\n")
		write(t, filepath.Join(dir, ".gitconfig"), "[filter \"evil\"]\n\tsmudge = touch "+evil+"\n")
		write(t, filepath.Join(dir, ".lfsconfig"), "[lfs]\n\turl = http://127.0.0.1:1/\n")
		write(t, filepath.Join(dir, ".githooks/post-checkout"), "#!/bin/sh\ntouch "+evil+"\n")
		write(t, filepath.Join(dir, "setuid"), "x")
		os.Chmod(filepath.Join(dir, "setuid"), 0o755|fs.ModeSetuid)
	})(t)
	hook := filepath.Join(src.URL, ".git", "hooks", "post-checkout")
	write(t, hook, "#!/bin/sh\ntouch "+evil+"\n")
	os.Chmod(hook, 0o755)
	dest := filepath.Join(t.TempDir(), "d")
	if _, err := fetch(t.Context(), src, dest, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(evil); err == nil {
		t.Error("a program of the repository ran")
	}
	if info, err := os.Stat(filepath.Join(dest, "setuid")); err != nil || info.Mode()&fs.ModeSetuid != 0 {
		t.Errorf("setuid: %v %v", info.Mode(), err)
	}
}

// A redirect to another origin, be it only another port, carries no credentials.
func TestRedirectCarriesNoCredentials(t *testing.T) {
	t.Parallel()
	var carried atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			carried.Store(true)
		}
		w.Write(tarOf(t, entry{name: "index.html", text: "hello"}))
	}))
	t.Cleanup(other.Close)
	src := redirects(func(*http.Request) string { return other.URL })(t)
	if _, err := fetch(t.Context(), src, filepath.Join(t.TempDir(), "d"), io.Discard); err != nil {
		t.Fatal(err)
	}
	if carried.Load() {
		t.Error("the other server was sent the password")
	}
}

type entry struct {
	name, text, link string
	kind             byte
}

func many(n int, text string) []entry {
	all := make([]entry, n)
	for i := range all {
		all[i] = entry{name: fmt.Sprintf("f%d", i), text: text}
	}
	return all
}

func archiveAt(address string) protocol.Source {
	return protocol.Source{Type: "archive", URL: address, Username: "deploy", Password: password}
}

func at(address string) func(*testing.T) protocol.Source {
	return func(*testing.T) protocol.Source {
		return protocol.Source{Type: "git", URL: address, Username: "deploy", Password: password}
	}
}

func svnAt(address, revision string) func(*testing.T) protocol.Source {
	return func(*testing.T) protocol.Source {
		return protocol.Source{Type: "svn", URL: address, Revision: revision}
	}
}

// serve answers at a path with a body.
func serve(t *testing.T, path string, data []byte) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(data) }))
	t.Cleanup(srv.Close)
	return srv.URL + path
}

func body(pack func(t *testing.T) []byte) func(*testing.T) protocol.Source {
	return func(t *testing.T) protocol.Source { return archiveAt(serve(t, "/app.tgz", pack(t))) }
}

func tarred(entries ...entry) func(*testing.T) protocol.Source {
	return body(func(t *testing.T) []byte { return tarOf(t, entries...) })
}

func zipped(entries ...entry) func(*testing.T) protocol.Source {
	return body(func(t *testing.T) []byte { return zipOf(t, entries...) })
}

func handle(do http.HandlerFunc) func(*testing.T) protocol.Source {
	return func(t *testing.T) protocol.Source {
		srv := httptest.NewServer(do)
		t.Cleanup(srv.Close)
		return archiveAt(srv.URL + "/app.tgz?sig=" + password)
	}
}

func answer(status int) func(*testing.T) protocol.Source {
	return handle(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func gitAnswer(status int) func(*testing.T) protocol.Source {
	return func(t *testing.T) protocol.Source {
		src := answer(status)(t)
		src.Type, src.URL = "git", strings.TrimSuffix(src.URL, "?sig="+password)
		return src
	}
}

func redirects(to func(*http.Request) string) func(*testing.T) protocol.Source {
	return handle(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to(r))
		w.WriteHeader(http.StatusFound)
	})
}

func otherHost(t *testing.T) protocol.Source {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the other server was sent the password")
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(other.Close)
	return redirects(func(*http.Request) string { return other.URL + "/evil.tgz" })(t)
}

func stalling(t *testing.T) protocol.Source {
	return handle(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("\x1f\x8b"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})(t)
}

func cut(t *testing.T) protocol.Source {
	return handle(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		w.Write(make([]byte, 5000))
		panic(http.ErrAbortHandler)
	})(t)
}

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	z := gzip.NewWriter(b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: 0o4755, Size: int64(len(e.text))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, e.text)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	w := zip.NewWriter(b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(0o644)
		if e.kind == tar.TypeSymlink {
			h.SetMode(fs.ModeSymlink | 0o777)
			e.text = e.link
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, e.text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(data []byte) []byte {
	b := new(bytes.Buffer)
	z := gzip.NewWriter(b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// gzipBomb is a file of 200 MB of zeros in 200 KB.
func gzipBomb(t *testing.T) []byte {
	b := new(bytes.Buffer)
	z := gzip.NewWriter(b)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: 200 << 20})
	for range 200 {
		w.Write(make([]byte, 1<<20))
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// overlapping is a zip whose directory names one body many times.
func overlapping(*testing.T) []byte {
	text := []byte("the only body there is")
	sum := crc32.ChecksumIEEE(text)
	b := new(bytes.Buffer)
	le := func(v ...any) {
		for _, x := range v {
			binary.Write(b, binary.LittleEndian, x)
		}
	}
	size := uint32(len(text))
	b.WriteString("PK\x03\x04")
	le(uint16(20), uint16(0), uint16(0), uint32(0), sum, size, size, uint16(1), uint16(0))
	b.WriteString("f")
	b.Write(text)
	start := b.Len()
	for n := range 100 {
		b.WriteString("PK\x01\x02")
		le(uint16(20), uint16(20), uint16(0), uint16(0), uint32(0), sum, size, size, uint16(3), uint16(0), uint16(0), uint16(0), uint16(0), uint32(0), uint32(0))
		fmt.Fprintf(b, "f%02d", n)
	}
	end := b.Len()
	b.WriteString("PK\x05\x06")
	le(uint16(0), uint16(0), uint16(100), uint16(100), uint32(end-start), uint32(start), uint16(0))
	return b.Bytes()
}

// repo is a repository with one commit.
func repo(src protocol.Source) func(*testing.T) protocol.Source {
	return func(t *testing.T) protocol.Source {
		src.Type, src.URL = "git", newRepo(t)
		commit(t, src.URL, "index.html", "hello")
		return src
	}
}

func gitTree(fill func(t *testing.T, dir string)) func(*testing.T) protocol.Source {
	return func(t *testing.T) protocol.Source {
		dir := newRepo(t)
		fill(t, dir)
		commit(t, dir, "index.html", "hello")
		return protocol.Source{Type: "git", URL: dir}
	}
}

// literal has a file hooks/post-checkout below a directory of that name, as no
// Git would make it.
func literal(name string) func(*testing.T) protocol.Source {
	return func(t *testing.T) protocol.Source {
		dir := newRepo(t)
		commit(t, dir, "index.html", "hello")
		blob := object(t, dir, "blob", []byte("#!/bin/sh\ntouch "+evil+"\n"))
		hooks := object(t, dir, "tree", treeEntry("100755", "post-checkout", blob))
		meta := object(t, dir, "tree", treeEntry("40000", "hooks", hooks))
		root := object(t, dir, "tree", treeEntry("40000", name, meta))
		git(t, dir, "update-ref", "refs/heads/main", git(t, dir, "commit-tree", "-m", "evil", root))
		return protocol.Source{Type: "git", URL: dir}
	}
}

// gitBomb is a tree of 10 trees of 10 trees …: ten million files in a few objects.
func gitBomb(t *testing.T) protocol.Source {
	dir := newRepo(t)
	commit(t, dir, "index.html", "hello")
	mode, id := "100644", object(t, dir, "blob", []byte("x"))
	for range 7 {
		var tree []byte
		for n := range 10 {
			tree = append(tree, treeEntry(mode, fmt.Sprintf("f%d", n), id)...)
		}
		mode, id = "40000", object(t, dir, "tree", tree)
	}
	git(t, dir, "update-ref", "refs/heads/main", git(t, dir, "commit-tree", "-m", "bomb", id))
	return protocol.Source{Type: "git", URL: dir}
}

func treeEntry(mode, name, id string) []byte {
	raw := make([]byte, sha1.Size)
	fmt.Sscanf(id, "%x", &raw)
	return append([]byte(mode+" "+name+"\x00"), raw...)
}

// object writes one whatever Git thinks of it.
func object(t *testing.T, dir, kind string, data []byte) string {
	t.Helper()
	cmd := exec.Command("git", "hash-object", "-t", kind, "-w", "--literally", "--stdin")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git hash-object: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// submodule has one with that address, name and path, and more settings.
func submodule(address, name, path, more string) func(*testing.T) protocol.Source {
	return func(t *testing.T) protocol.Source {
		dir := newRepo(t)
		id := commit(t, dir, "index.html", "hello")
		modules := fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = %q\n%s", name, path, address, more)
		root := treeEntry("100644", ".gitmodules", object(t, dir, "blob", []byte(modules)))
		gitlink := treeEntry("160000", filepath.Base(path), id)
		git(t, dir, "update-ref", "refs/heads/main", git(t, dir, "commit-tree", "-m", "evil", object(t, dir, "tree", append(root, gitlink...))))
		return protocol.Source{Type: "git", URL: dir}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, file string) {
	t.Helper()
	if err := os.Symlink(target, file); err != nil {
		t.Fatal(err)
	}
}

// listing is every file below dir with its contents' digest.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %x\n", path, sha1.Sum(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
