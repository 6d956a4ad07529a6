package source_test

import (
	"archive/tar"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
	"opsyard/agent/source"
)

var at2020 = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func plainTar(t *testing.T, size int) []byte {
	t.Helper()
	b := new(bytes.Buffer)
	w := tar.NewWriter(b)
	if err := w.WriteHeader(&tar.Header{Name: "f", Mode: 0o644, Size: int64(size)}); err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, size))
	w.Close()
	return b.Bytes()
}

// program is its path; the test is skipped where it is not.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// start runs a server until the test ends, and waits until it listens.
func start(t *testing.T, port int, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("%s does not listen: %s", name, said.String())
		}
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

func keygen(t *testing.T, file string) string {
	t.Helper()
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
	return file
}

// Git over a real SSH server: the deploy key opens the repository and its
// submodules, another key does not, and a host that changes its key is refused.
func TestGitOverSSH(t *testing.T) {
	t.Parallel()
	sshd := program(t, "sshd")
	program(t, "ssh")
	dir := t.TempDir()
	host, other := keygen(t, filepath.Join(dir, "host")), keygen(t, filepath.Join(dir, "other"))
	key, stranger := keygen(t, filepath.Join(dir, "deploy")), keygen(t, filepath.Join(dir, "stranger"))
	run(t, "cp", key+".pub", filepath.Join(dir, "authorized"))
	os.MkdirAll("/run/sshd", 0o755) // where sshd run as root wants to lock itself up
	port := agenttest.FreePort(t)
	serve := func(hostKey string, port int) {
		config := filepath.Join(dir, fmt.Sprintf("sshd_config-%d", port))
		write(t, config, fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\nPermitRootLogin prohibit-password\n",
			port, hostKey, filepath.Join(dir, "authorized")))
		start(t, port, sshd, "-D", "-e", "-f", config)
	}
	serve(host, port)
	lib, app := newRepo(t), newRepo(t)
	commit(t, lib, "lib", "library")
	git(t, app, "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", lib, "vendor")
	address := func(port int, path string) string { return fmt.Sprintf("ssh://root@127.0.0.1:%d%s", port, path) }
	git(t, app, "config", "-f", ".gitmodules", "submodule.vendor.url", address(port, lib))
	want := commit(t, app, "main", "app")
	private := func(file string) string { return read(t, dir, filepath.Base(file)) }
	f := source.Fetcher{Data: t.TempDir()}
	get := func(url, key string) (string, string, error) {
		dest := filepath.Join(t.TempDir(), "d")
		got, err := f.Fetch(t.Context(), protocol.Source{Type: "git", URL: url, SSHKey: key}, dest, io.Discard)
		return dest, got, err
	}
	dest, got, err := get(address(port, app), strings.ReplaceAll(private(key), "\n", "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got != want || read(t, dest, "vendor/lib") != "library" {
		t.Errorf("got commit %s, want %s", got, want)
	}
	if known := read(t, f.Data, "known_hosts"); !strings.Contains(known, "ssh-ed25519") {
		t.Errorf("known hosts: %q", known)
	}
	for name, c := range map[string][3]string{
		"wrong key":       {address(port, app), private(stranger), "refused the SSH key (Permission denied)"},
		"no key at all":   {address(port, app), "not a key", "not a private key that SSH can read"},
		"no repository":   {address(port, app+"-gone"), private(key), "could not be read"},
		"nobody there":    {address(1, app), private(key), "refused the connection"},
		"missing program": {"ssh://-oProxyCommand=x/y", private(key), "not valid"},
	} {
		dest, _, err := get(c[0], c[1])
		if err == nil || !strings.Contains(err.Error(), c[2]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", name, err, c[2])
		}
		leaveNothing(t, filepath.Dir(dest))
	}
	// The same address with another host key: somebody is in between.
	port2 := agenttest.FreePort(t)
	serve(other, port2)
	write(t, filepath.Join(f.Data, "known_hosts"), fmt.Sprintf("[127.0.0.1]:%d %s", port2, read(t, dir, "host.pub")))
	if _, _, err := get(address(port2, app), private(key)); err == nil || !strings.Contains(err.Error(), "another SSH host key") {
		t.Errorf("another host key: got %v", err)
	}
}

// A real Subversion server with a password.
func TestSvn(t *testing.T) {
	t.Parallel()
	svnserve, svn := program(t, "svnserve"), program(t, "svn")
	dir, port := t.TempDir(), agenttest.FreePort(t)
	repo, work := filepath.Join(dir, "repo"), filepath.Join(dir, "work")
	run(t, "svnadmin", "create", repo)
	write(t, filepath.Join(repo, "conf", "svnserve.conf"), "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\n")
	write(t, filepath.Join(repo, "conf", "passwd"), "[users]\ndeploy = "+password+"\n")
	run(t, svn, "checkout", "-q", "file://"+repo, work)
	write(t, filepath.Join(work, "trunk", "index.html"), "one")
	write(t, filepath.Join(work, "evil", "f"), "x")
	symlink(t, "/etc/passwd", filepath.Join(work, "evil", "l"))
	run(t, svn, "add", "-q", filepath.Join(work, "trunk"), filepath.Join(work, "evil"))
	run(t, svn, "propset", "-q", "svn:externals", "file:///etc ext", filepath.Join(work, "trunk"))
	run(t, svn, "commit", "-q", "-m", "one", work)
	write(t, filepath.Join(work, "trunk", "index.html"), "two")
	run(t, svn, "commit", "-q", "-m", "two", work)
	start(t, port, svnserve, "-d", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", strconv.Itoa(port), "-r", dir)
	f := source.Fetcher{Data: t.TempDir()}
	get := func(path, revision, pass string) (string, string, string, error) {
		dest, out := filepath.Join(t.TempDir(), "d"), new(bytes.Buffer)
		got, err := f.Fetch(t.Context(), protocol.Source{Type: "svn", URL: fmt.Sprintf("svn://127.0.0.1:%d/repo/%s", port, path), Revision: revision, Username: "deploy", Password: pass}, dest, out)
		return dest, got, out.String(), err
	}
	for _, c := range [][3]string{{"", "2", "two"}, {"1", "1", "one"}, {"HEAD", "2", "two"}} {
		for n := range 2 {
			dest, got, out, err := get("trunk", c[0], password)
			if err != nil {
				t.Fatalf("revision %q: %v", c[0], err)
			}
			if got != c[1] || read(t, dest, "index.html") != c[2] || strings.Contains(out, "in the cache") != (n == 1) {
				t.Errorf("revision %q: got %s: %s", c[0], got, out)
			}
			if _, err := os.Lstat(filepath.Join(dest, "ext")); err == nil {
				t.Error("an external was followed")
			}
		}
	}
	for name, c := range map[string][4]string{
		"wrong password":   {"trunk", "", "wrong-pass", "refused the user name or password"},
		"missing revision": {"trunk", "99", password, "no such revision"},
		"missing path":     {"gone", "", password, "could not be read"},
		"link out":         {"evil", "", password, `"l" points to "/etc/passwd"`},
	} {
		dest, _, _, err := get(c[0], c[1], c[2])
		if err == nil || !strings.Contains(err.Error(), c[3]) || strings.Contains(err.Error(), c[2]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", name, err, c[3])
		} else {
			t.Log(err)
		}
		leaveNothing(t, filepath.Dir(dest))
	}
}

// A fake S3 that checks signatures.
func TestS3(t *testing.T) {
	const region = "eu-west-1"
	data := tarOf(t, entry{name: "app/index.html", text: "hello"})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, code string) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>No.</Message></Error>", code)
		}
		switch {
		case strings.Contains(r.Header.Get("Authorization"), "AKIABAD"):
			refuse(403, "InvalidAccessKeyId")
		case strings.Contains(r.Header.Get("Authorization"), "/us-east-1/"):
			w.Header().Set("X-Amz-Bucket-Region", region)
			refuse(400, "AuthorizationHeaderMalformed")
		case !signed(r, region, password):
			refuse(403, "SignatureDoesNotMatch")
		case r.URL.Path == "/none/app.tgz":
			refuse(404, "NoSuchBucket")
		case r.URL.Path != "/apps/v 1+2/äpp.tgz":
			refuse(404, "NoSuchKey")
		default:
			w.Write(data)
		}
	}))
	t.Cleanup(srv.Close)
	meta := fakeMetadata(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", srv.URL)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", meta)
	t.Setenv("HOME", t.TempDir())
	get := func(src protocol.Source) (string, error) {
		src.Type = "s3"
		dest := filepath.Join(t.TempDir(), "d")
		_, err := source.Fetcher{}.Fetch(t.Context(), src, dest, io.Discard)
		return dest, err
	}
	for _, src := range []protocol.Source{
		{URL: "s3://apps/v 1+2/äpp.tgz", Username: "AKIAGOOD", Password: password},
		{URL: "https://s3.amazonaws.com/apps/v%201+2/%C3%A4pp.tgz", Username: "AKIAGOOD", Password: password},
		{URL: "https://apps.s3.eu-west-1.amazonaws.com/v%201+2/äpp.tgz", Username: "AKIAGOOD", Password: password},
		{URL: "https://apps.s3-eu-west-1.amazonaws.com/v%201+2/äpp.tgz", Username: "AKIAGOOD", Password: password},
		{URL: srv.URL + "/apps/v%201+2/äpp.tgz", Username: "AKIAGOOD", Password: password},
		{URL: "s3://apps/v 1+2/äpp.tgz"}, // as the instance's role
	} {
		dest, err := get(src)
		if err != nil {
			t.Errorf("%s: %v", src.URL, err)
			continue
		}
		if read(t, dest, "index.html") != "hello" {
			t.Errorf("%s: other files", src.URL)
		}
	}
	for want, src := range map[string]protocol.Source{
		"has no object of this key":                   {URL: "s3://apps/gone.tgz", Username: "AKIAGOOD", Password: password},
		"there is no bucket none":                     {URL: "s3://none/app.tgz", Username: "AKIAGOOD", Password: password},
		"does not know the access key id":             {URL: "s3://apps/x", Username: "AKIABAD", Password: password},
		"does not belong to the access key id":        {URL: "s3://apps/x", Username: "AKIAGOOD", Password: "another-secret"},
		"its address is none of https://s3.amazonaws": {URL: "ftp://apps/x"},
	} {
		if dest, err := get(src); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: got %v, want %q", src.URL, err, want)
		} else {
			leaveNothing(t, filepath.Dir(dest))
		}
	}
}

// signed computes the signature anew, as S3's documentation describes it.
func signed(r *http.Request, region, secret string) bool {
	m := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[A-Z]+/(\d{8})/` + region + `/s3/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`).FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return false
	}
	canonical := r.Method + "\n" + r.URL.EscapedPath() + "\n" + r.URL.RawQuery + "\n"
	for name := range strings.SplitSeq(m[2], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical += name + ":" + value + "\n"
	}
	canonical += "\n" + m[2] + "\n" + r.Header.Get("X-Amz-Content-Sha256")
	toSign := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%x", r.Header.Get("X-Amz-Date"), m[1], region, sha256.Sum256([]byte(canonical)))
	key := []byte("AWS4" + secret)
	for _, part := range []string{m[1], region, "s3", "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return fmt.Sprintf("%x", key) == m[3]
}

// fakeMetadata hands out the role's credentials, to whoever has a token only.
func fakeMetadata(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const token = "the-session-token"
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			io.WriteString(w, token)
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != token:
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			io.WriteString(w, "opsyard-role")
		case strings.HasSuffix(r.URL.Path, "/security-credentials/opsyard-role"):
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"AKIAROLE","SecretAccessKey":%q,"Token":"role-token","Expiration":%q}`,
				password, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// A server that others wrote and that speaks as S3 does.
func TestS3CompatibleServer(t *testing.T) {
	moto := program(t, "moto_server")
	port := agenttest.FreePort(t)
	start(t, port, moto, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	address := "http://127.0.0.1:" + strconv.Itoa(port)
	put := func(path string, data []byte) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address+path, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("PUT %s: %v %v", path, resp, err)
		}
		resp.Body.Close()
	}
	put("/apps", nil)
	put("/apps/shop/v1.tgz", tarOf(t, entry{name: "index.html", text: "hello"}))
	t.Setenv("AWS_ENDPOINT_URL_S3", address)
	f := source.Fetcher{Data: t.TempDir()}
	get := func(url string) (string, string, error) {
		dest, out := filepath.Join(t.TempDir(), "d"), new(bytes.Buffer)
		_, err := f.Fetch(t.Context(), protocol.Source{Type: "s3", URL: url, Username: "AKIAIOSFODNN7EXAMPLE", Password: password}, dest, out)
		return dest, out.String(), err
	}
	for n := range 2 {
		dest, out, err := get("s3://apps/shop/v1.tgz")
		if err != nil {
			t.Fatal(err)
		}
		if read(t, dest, "index.html") != "hello" || strings.Contains(out, "the same as in the cache") != (n == 1) {
			t.Errorf("round %d: %s", n, out)
		}
	}
	if _, _, err := get("s3://apps/gone.tgz"); err == nil || !strings.Contains(err.Error(), "no object of this key") {
		t.Errorf("a missing key: %v", err)
	}
	if _, _, err := get("s3://nothing/gone.tgz"); err == nil || !strings.Contains(err.Error(), "no bucket nothing") {
		t.Errorf("a missing bucket: %v", err)
	}
}
