package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// Hostile sources end in a sentence on the deployment's page, and the instance
// goes on with what it had.
func TestHostileSources(t *testing.T) {
	t.Parallel()
	good := tarball(t, tar.Header{Name: "app-1/index.html"}, "hello")
	var served = map[string][]byte{
		"/slip.tgz":    tarball(t, tar.Header{Name: "../../../evil"}, "x"),
		"/link.tgz":    tarball(t, tar.Header{Name: "app/passwords", Linkname: "/etc/shadow", Typeflag: tar.TypeSymlink}, ""),
		"/device.tgz":  tarball(t, tar.Header{Name: "sda", Typeflag: tar.TypeBlock}, ""),
		"/huge.tgz":    tarball(t, tar.Header{Name: "huge", Size: 9 << 30}, ""),
		"/cut.tgz":     good[:len(good)/2],
		"/page":        []byte("<html>Please log in</html>"),
		"/version.tgz": good,
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "deploy" || password != "s3cr3t-pass" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		data, ok := served[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(web.Close)
	s, c := serve(t, "--provider", "process")
	stack := c.newStack("Hostile", "process")
	c.useCookbooks(stack, "Hostile", repository(t, filepath.Join(s.dir, "cookbooks"), map[string]string{
		"site/recipes/deploy.sh": "for app in $(opsyard-agent app list); do\n  opsyard-agent release create \"$app\"\n  opsyard-agent release activate \"$app\"\ndone\n",
	}))
	layer := c.newLayer(stack, "Work", map[models.Event]string{models.EventDeploy: "site::deploy"})
	id := c.newInstances(stack, layer, 1)[0]
	s.becomes(models.InstanceOnline, 2*time.Minute, id)
	form := func(kind models.SourceType, address, password string) url.Values {
		return url.Values{
			"Name": {"Site"}, "Shortname": {"site"}, "Type": {string(models.AppOther)}, "do": {"save"},
			"SourceType": {string(kind)}, "SourceUrl": {address}, "SourceUsername": {"deploy"}, "SourcePassword": {password},
		}
	}
	app := c.made("/stacks/"+string(stack)+"/apps", form(models.SourceArchive, web.URL+"/version.tgz", "s3cr3t-pass"))
	deployed := c.deploy(stack, app)
	s.successful(deployed, time.Minute)
	if page := text(c.get("/deployments/" + string(deployed))); !strings.Contains(page, web.URL+"/version.tgz") || !strings.Contains(page, "sha256:") {
		t.Errorf("the page does not say what was fetched: %.1500s", page)
	}
	place := filepath.Join(s.data, "process", string(id), "srv", "www", "site")
	before := tree(t, place)
	if !strings.Contains(before, "index.html") {
		t.Fatalf("nothing was deployed: %s", before)
	}
	for name, hostile := range map[string]struct {
		form url.Values
		says string
	}{
		"zip slip":       {form(models.SourceArchive, web.URL+"/slip.tgz", "s3cr3t-pass"), `leaves the archive: "../../../evil"`},
		"link out":       {form(models.SourceArchive, web.URL+"/link.tgz", "s3cr3t-pass"), `"app/passwords" points to "/etc/shadow"`},
		"device":         {form(models.SourceArchive, web.URL+"/device.tgz", "s3cr3t-pass"), `which is neither file, directory nor link`},
		"huge file":      {form(models.SourceArchive, web.URL+"/huge.tgz", "s3cr3t-pass"), `"huge" is larger than the limit of 4 GiB`},
		"truncated":      {form(models.SourceArchive, web.URL+"/cut.tgz", "s3cr3t-pass"), "damaged or not complete"},
		"login page":     {form(models.SourceArchive, web.URL+"/page", "s3cr3t-pass"), "it is not a tar"},
		"gone":           {form(models.SourceArchive, web.URL+"/gone.tgz", "s3cr3t-pass"), "404 Not Found"},
		"wrong password": {form(models.SourceArchive, web.URL+"/version.tgz", "wrong-pass-word"), "refused the user name or password"},
		"missing branch": {func() url.Values {
			f := form(models.SourceGit, repository(t, filepath.Join(s.dir, "app"), map[string]string{"index.html": "x"}), "")
			f.Set("SourceRevision", "nope")
			return f
		}(), `has no branch, tag or commit "nope"`},
		"a program": {form(models.SourceGit, "ext::sh -c id", ""), "the address or revision is not valid"},
	} {
		c.post("/stacks/"+string(stack)+"/apps/"+app+"/edit", hostile.form)
		d := c.deploy(stack, app)
		t.Log(name)
		failsWith(t, s, c, d, hostile.says)
		if page := c.get("/deployments/" + string(d)); strings.Contains(page, "s3cr3t-pass") || strings.Contains(page, "wrong-pass-word") {
			t.Errorf("%s: the page shows the password", name)
		}
		if after := tree(t, place); after != before {
			t.Errorf("%s: the instance had\n%s\nand has\n%s", name, before, after)
		}
	}
}

// tree lists what is below dir, with where links point to.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		target, _ := os.Readlink(path)
		b.WriteString(strings.TrimPrefix(path, dir) + " " + target + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tarball is a tar.gz of one entry; one that says more than it has is cut off.
func tarball(t *testing.T, h tar.Header, content string) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	z := gzip.NewWriter(b)
	w := tar.NewWriter(z)
	h.Mode, h.Size = 0o644, max(h.Size, int64(len(content)))
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	_ = w.Flush() // fails where there is less than was said
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
