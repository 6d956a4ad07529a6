package cookbooks_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"opsyard/agent/agenttest"
	"opsyard/agent/protocol"
)

// The recipes proper start services, which belong to a machine. Here the same
// templates are filled in a directory, and the servers are started by the test.
const (
	renderBalancer = `cd ../haproxy
mkdir -p "$OPSYARD_ROOT/run"
opsyard-agent template haproxy.cfg.tmpl /etc/haproxy/haproxy.cfg --verify 'haproxy -c -f {}'`
	renderWeb = `cd ../nginx
mkdir -p "$OPSYARD_ROOT"/{run,var/log/nginx,etc/nginx/conf.d,etc/nginx/sites-enabled}
cp /etc/nginx/mime.types "$OPSYARD_ROOT/etc/nginx/"
opsyard-agent template health.conf.tmpl /etc/nginx/opsyard-health.conf
opsyard-agent template default-site.conf.tmpl /etc/nginx/opsyard-default-site.conf
cd ../deploy
for app in $(opsyard-agent app list --type static); do
  opsyard-agent release create "$app"
  opsyard-agent release activate "$app"
  opsyard-agent template web-site.conf.tmpl "/etc/nginx/sites-enabled/$app.conf" --set "app=$app"
done
cd ../nginx
opsyard-agent template nginx.conf.tmpl /etc/nginx/nginx.conf --verify 'nginx -t -q -c {}'`
)

func (i *instance) script(t *testing.T, name, script string) {
	t.Helper()
	dir := filepath.Join(i.job.Cookbooks[0], "check", "recipes")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".sh"), []byte(script+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the servers change their user")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
}

func TestBalancerFile(t *testing.T) {
	need(t, "haproxy")
	i := setup(t)
	i.script(t, "balancer", renderBalancer)
	for name, test := range map[string]struct {
		online map[string][]string
		want   []string
		lacks  []string
	}{
		"Nobody": {nil, []string{"default_backend none"}, []string{"https-in"}},
		"Web": {map[string][]string{"lb": {"lb1"}, "web": {"web1", "web2"}}, []string{
			"default_backend web\n", "server web1 10.1.0.11:80 maxconn 150", "server web2 10.1.0.12:443 track web/web2",
			"http-check send meth OPTIONS uri '/'", `stats auth 'boss:it'\''s $ecret'`,
			"use_backend web if { req.hdr(host),host_only -i 'www.example.com' }", "retries 3", "timeout queue 120s",
		}, []string{"backend none"}},
		"TwoLayers": {map[string][]string{"web": {"web1"}, "php-app": {"php1"}}, []string{
			"default_backend php-app\n", "server php1 10.1.0.11:80 maxconn 100", "use_backend web if",
		}, nil},
	} {
		i.attributes(t, stack(test.online))
		out, _ := i.run(t, "check::balancer")
		if strings.Contains(out, "$ecret") {
			t.Errorf("%s: the password is in the log:\n%s", name, out)
		}
		got := i.read(t, "etc/haproxy/haproxy.cfg")
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, got)
			}
		}
		for _, lacks := range test.lacks {
			if strings.Contains(got, lacks) {
				t.Errorf("%s: %q is in\n%s", name, lacks, got)
			}
		}
		if _, changed := i.run(t, "check::balancer"); changed != 0 {
			t.Errorf("%s: the second run changed something", name)
		}
	}
}

// server is a program of the test, ended with it.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func start(t *testing.T, name string, args ...string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.ended) }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		// HAProxy may miss what it is told while it reloads.
		if !s.endsWithin(10 * time.Second) {
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			<-s.ended
		}
		if t.Failed() {
			t.Logf("%s said: %s", name, out.String())
		}
	})
	return s
}

func (s *server) endsWithin(limit time.Duration) bool {
	select {
	case <-s.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

func (s *server) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func get(client *http.Client, url string) (status int, body string) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(data)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestNoRequestIsLost balances over two real web servers while one drains and
// stops, and while the balancer reloads its file without it.
func TestNoRequestIsLost(t *testing.T) {
	need(t, "haproxy", "nginx", "git")
	balancer, webs := setup(t), [2]*instance{}
	// It drops its privileges, and must still come to where it works.
	opened(t, balancer.dir)
	port, webPort := agenttest.FreePort(t), agenttest.FreePort(t)
	online := map[string]any{}
	settings := func() map[string]any {
		doc := stack(nil)
		layers := doc["opsworks"].(map[string]any)["layers"].(map[string]any)
		layers["web"].(map[string]any)["instances"] = online
		doc["haproxy"] = map[string]any{"port": port, "ssl_port": agenttest.FreePort(t), "server_port": webPort}
		return doc
	}
	var servers [2]*server
	for n := range webs {
		w := inside(t, balancer, fmt.Sprintf("web%d", n+1))
		address := fmt.Sprintf("127.0.0.%d", n+2)
		online[fmt.Sprintf("web%d", n+1)] = map[string]any{"private_ip": address, "backends": 10}
		w.attributes(t, map[string]any{"nginx": map[string]any{"port": fmt.Sprintf("%s:%d", address, webPort), "worker_processes": 1}})
		w.apps(t, protocol.App{Shortname: "hello", Type: "static", Source: protocol.Source{Type: "git", URL: gitRepository(t, "index.html", address)}})
		w.script(t, "web", renderWeb)
		w.run(t, "check::web")
		servers[n] = start(t, "nginx", "-c", filepath.Join(w.root, "etc/nginx/nginx.conf"), "-g", "daemon off;")
		webs[n] = w
	}
	balancer.script(t, "balancer", renderBalancer)
	balancer.attributes(t, settings())
	balancer.run(t, "check::balancer")
	proxy := start(t, "haproxy", "-W", "-f", filepath.Join(balancer.root, "etc/haproxy/haproxy.cfg"))
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	eventually(t, "both web servers answer", func() bool {
		seen := map[string]bool{}
		for range 4 {
			_, body := get(client, url)
			seen[body] = true
		}
		return seen["127.0.0.2"] && seen["127.0.0.3"]
	})

	lost := hammer(t, client, url)
	if err := os.MkdirAll(filepath.Join(webs[0].root, "run/opsyard"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(webs[0].root, "run/opsyard/draining"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the draining server gets no requests", func() bool {
		for range 40 {
			if _, body := get(client, url); body == "127.0.0.2" {
				return false
			}
		}
		return true
	})
	servers[0].signal(t, syscall.SIGQUIT)
	if !servers[0].endsWithin(time.Minute) {
		t.Fatal("the drained web server did not end")
	}
	delete(online, "web1")
	balancer.attributes(t, settings())
	for range 5 { // a burst of Configure
		balancer.run(t, "check::balancer")
		proxy.signal(t, syscall.SIGUSR2)
	}
	requests := lost()
	if requests < 200 {
		t.Errorf("only %d requests were made", requests)
	}
	if strings.Contains(balancer.read(t, "etc/haproxy/haproxy.cfg"), "web1") {
		t.Error("the balancer still knows web1")
	}
}

// hammer asks again and again until the returned function is called, which
// fails the test if an answer was missing or wrong and tells how many came.
func hammer(t *testing.T, client *http.Client, url string) func() int64 {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var requests atomic.Int64
	var failures sync.Map
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if status, body := get(client, url); status != http.StatusOK {
					failures.Store(fmt.Sprintf("%d %s", status, body), true)
				}
				requests.Add(1)
			}
		})
	}
	finish := sync.OnceValue(func() int64 {
		stop()
		wg.Wait()
		failures.Range(func(what, _ any) bool { t.Errorf("a request failed: %s", what); return true })
		return requests.Load()
	})
	t.Cleanup(func() { finish() })
	return finish
}

// inside makes a further instance in the directory of another one's test.
func inside(t *testing.T, other *instance, name string) *instance {
	t.Helper()
	i := *other
	i.dir = filepath.Join(other.dir, name)
	i.root = filepath.Join(i.dir, "root")
	i.job.Dir = filepath.Join(i.dir, "run")
	i.job.Attributes, i.job.Private = filepath.Join(i.dir, "attributes.json"), filepath.Join(i.dir, "private.json")
	i.job.Env = []string{"OPSYARD_ROOT=" + i.root}
	for _, path := range []string{i.dir, i.root, i.job.Dir} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &i
}

// opened lets every user pass through the test's directories.
func opened(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWebSite(t *testing.T) {
	need(t, "nginx", "git")
	i := setup(t)
	opened(t, i.dir)
	port := agenttest.FreePort(t)
	doc := map[string]any{
		"nginx":  map[string]any{"port": fmt.Sprintf("127.0.0.1:%d", port), "worker_processes": 1},
		"deploy": map[string]any{"hello": map[string]any{"domains": []string{"hello", "www.example.com"}, "document_root": "", "ssl_support": false}},
	}
	i.attributes(t, doc)
	i.script(t, "web", renderWeb)
	i.run(t, "check::web")
	nginx := start(t, "nginx", "-c", filepath.Join(i.root, "etc/nginx/nginx.conf"), "-g", "daemon off;")
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, "the default page answers", func() bool {
		status, body := get(client, url+"/")
		return status == http.StatusOK && strings.Contains(body, "No app is deployed here yet")
	})
	i.apps(t, protocol.App{Shortname: "hello", Type: "static", Source: protocol.Source{Type: "git", URL: gitRepository(t, "index.html", "first")}})
	i.run(t, "check::web")
	nginx.signal(t, syscall.SIGHUP)
	eventually(t, "the app answers", func() bool { _, body := get(client, url+"/"); return body == "first" })
	for path, want := range map[string]int{"/": 200, "/nothing": 404, "/.opsyard-release": 404, "/log/": 404, "/tmp/pids": 404} {
		// The processes from before the reload may answer for a moment.
		eventually(t, fmt.Sprintf("%s is answered with %d", path, want), func() bool { status, _ := get(client, url+path); return status == want })
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := client.Do(req); err != nil || resp.StatusCode != http.StatusNoContent {
		t.Errorf("a health check gets %v, %v", resp, err)
	}
}

// TestTwoAppsWithDomains: each app answers its own domains, one of them by TLS
// with a certificate that only its chain leads to.
func TestTwoAppsWithDomains(t *testing.T) {
	need(t, "nginx", "git")
	i := setup(t)
	opened(t, i.dir)
	root, certificate, key, chain := chained(t, "www.example.com")
	port, sslPort := agenttest.FreePort(t), agenttest.FreePort(t)
	i.attributes(t, map[string]any{
		"nginx": map[string]any{"port": fmt.Sprintf("127.0.0.1:%d", port), "ssl_port": fmt.Sprintf("127.0.0.1:%d", sslPort), "worker_processes": 1},
		"deploy": map[string]any{
			"shop": map[string]any{"domains": []string{"shop", "www.example.com", "example.com"}, "document_root": "", "ssl_support": true},
			"blog": map[string]any{"domains": []string{"blog", "blog.example.com"}, "document_root": "", "ssl_support": false},
		},
	})
	i.apps(t,
		protocol.App{Shortname: "shop", Type: "static", Source: protocol.Source{Type: "git", URL: gitRepository(t, "index.html", "the shop")},
			EnableSSL: true, Certificate: certificate, PrivateKey: key, Chain: chain},
		protocol.App{Shortname: "blog", Type: "static", Source: protocol.Source{Type: "git", URL: gitRepository(t, "index.html", "the blog")}})
	i.script(t, "web", `cd ../deploy
opsyard-agent template certificate.pem.tmpl /etc/nginx/ssl/shop.pem --private --set app=shop --mode 0600
opsyard-agent file /etc/nginx/ssl/shop.key --private apps.shop.private_key --mode 0600
`+renderWeb)
	out, _ := i.run(t, "check::web")
	if strings.Contains(out, "PRIVATE KEY") {
		t.Error("the key is in the log")
	}
	start(t, "nginx", "-c", filepath.Join(i.root, "etc/nginx/nginx.conf"), "-g", "daemon off;")
	ask := func(scheme, host string, port int) string {
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: root, MinVersion: tls.VersionTLS12}}
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", port))
		}
		_, body := get(&http.Client{Timeout: 5 * time.Second, Transport: transport}, scheme+"://"+host+"/")
		return body
	}
	for host, want := range map[string]string{"www.example.com": "the shop", "example.com": "the shop", "blog.example.com": "the blog"} {
		eventually(t, host+" is answered by "+want, func() bool { return ask("http", host, port) == want })
	}
	if body := ask("https", "www.example.com", sslPort); body != "the shop" {
		t.Errorf("by TLS %q answers", body)
	}
}

// chained makes a certificate by an authority whose own was signed by the root.
func chained(t *testing.T, domain string) (root *x509.CertPool, certificate, key, chain string) {
	t.Helper()
	now := time.Now()
	sign := func(serial int64, name string, ca bool, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, string) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
		if !ca {
			c.DNSNames = []string{name}
		}
		if parent == nil {
			parent, by = c, own
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &own.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return signed, own, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	top, topKey, _ := sign(1, "Root", true, nil, nil)
	middle, middleKey, chain := sign(2, "Between", true, top, topKey)
	_, leafKey, certificate := sign(3, domain, false, middle, middleKey)
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	root = x509.NewCertPool()
	root.AddCert(top)
	return root, certificate, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), chain
}
