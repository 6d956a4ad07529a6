package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"opsyard/agent/archive"
)

// object is something to GET.
type object interface {
	// request makes the next request to send.
	request(ctx context.Context) (*http.Request, error)
	// judge looks at an answer that is not the object: either another request
	// is worth it, or the error says what is wrong.
	judge(resp *http.Response) (again bool, err error)
}

const maxRedirects = 10

// httpObject follows redirects by itself: credentials go to the origin that
// they are for, which Go's client takes for all ports and both schemes.
type httpObject struct {
	origin, at     *url.URL
	user, password string
	hops           int
}

func newHTTPObject(address, user, password string) (*httpObject, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("the address is not valid")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("an archive's address begins with http:// or https://")
	}
	return &httpObject{origin: u, at: u, user: user, password: password}, nil
}

func (o *httpObject) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.at.String(), nil)
	if err != nil {
		return nil, errors.New("the address is not valid")
	}
	if (o.user != "" || o.password != "") && o.at.Scheme == o.origin.Scheme && o.at.Host == o.origin.Host {
		req.SetBasicAuth(o.user, o.password)
	}
	return req, nil
}

func (o *httpObject) judge(resp *http.Response) (bool, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true, o.follow(resp)
	case http.StatusUnauthorized:
		if o.user == "" && o.password == "" {
			return false, fmt.Errorf("the server wants a user name and a password (%s)", resp.Status)
		}
		return false, fmt.Errorf("the server refused the user name or password (%s)", resp.Status)
	case http.StatusForbidden:
		return false, fmt.Errorf("the server refuses access (%s)", resp.Status)
	case http.StatusNotFound:
		return false, fmt.Errorf("the server has nothing at this address (%s)", resp.Status)
	}
	return false, fmt.Errorf("the server answered %q", resp.Status)
}

func (o *httpObject) follow(resp *http.Response) error {
	if o.hops++; o.hops > maxRedirects {
		return fmt.Errorf("the server redirects more than %d times", maxRedirects)
	}
	next, err := resp.Location()
	if err != nil || next.Host == "" || next.Scheme != "http" && next.Scheme != "https" {
		return errors.New("the server redirects to an address that is not valid")
	}
	if o.at.Scheme == "https" && next.Scheme == "http" {
		return errors.New("the server redirects from https to http, where anybody could change it on the way")
	}
	next.User = nil
	o.at = next
	return nil
}

// web is for all archives. Link-local addresses have nothing that can be
// deployed, but the cloud's service that hands out an instance's credentials.
var web = &http.Client{
	Transport: &http.Transport{
		Proxy:              http.ProxyFromEnvironment,
		DialContext:        (&net.Dialer{Timeout: 30 * time.Second, Control: refuseLinkLocal}).DialContext,
		ForceAttemptHTTP2:  true,
		DisableCompression: true, // what is pinned are the bytes that the server has
		DisableKeepAlives:  true,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func refuseLinkLocal(_, address string, _ syscall.RawConn) error {
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); ip != nil && ip.IsLinkLocalUnicast() || host == "fd00:ec2::254" {
		return fmt.Errorf("nothing is fetched from %s, an address of the machine's own network link", host)
	}
	return nil
}

// downloaded is what came.
type downloaded struct {
	same               bool // as in the cache
	digest             string
	bytes              int64
	etag, lastModified string
}

// download gets the object into the file.
func (j *job) download(ctx context.Context, o object, kept entry, file string) (downloaded, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := fmt.Errorf("no data came for %s", j.limits.Stall)
	stall := time.AfterFunc(j.limits.Stall, func() { cancel(stalled) })
	defer stall.Stop()
	for {
		resp, err := ask(ctx, o, kept)
		if err != nil {
			return downloaded{}, withoutAddress(ctx, err)
		}
		if resp.StatusCode == http.StatusOK {
			return j.save(ctx, resp, file, stall)
		}
		if resp.StatusCode == http.StatusNotModified && kept.Got != "" {
			return downloaded{same: true}, resp.Body.Close()
		}
		again, err := o.judge(resp)
		_ = resp.Body.Close()
		if err != nil || !again {
			return downloaded{}, err
		}
	}
}

func ask(ctx context.Context, o object, kept entry) (*http.Response, error) {
	req, err := o.request(ctx)
	if err != nil {
		return nil, err
	}
	if kept.ETag != "" {
		req.Header.Set("If-None-Match", kept.ETag)
	} else if kept.LastModified != "" {
		req.Header.Set("If-Modified-Since", kept.LastModified)
	}
	return web.Do(req)
}

func (j *job) save(ctx context.Context, resp *http.Response, file string, stall *time.Timer) (downloaded, error) {
	defer resp.Body.Close()
	d := downloaded{etag: resp.Header.Get("ETag"), lastModified: resp.Header.Get("Last-Modified")}
	if resp.ContentLength > j.limits.Bytes {
		return d, j.limits.TooManyBytes()
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return d, err
	}
	sum := sha256.New()
	body := &watched{io.LimitReader(resp.Body, j.limits.Bytes+1), func() { stall.Reset(j.limits.Stall) }}
	d.bytes, err = io.Copy(io.MultiWriter(f, sum), body)
	if err = errors.Join(err, f.Close()); err != nil {
		return d, withoutAddress(ctx, err)
	}
	if d.bytes > j.limits.Bytes {
		return d, j.limits.TooManyBytes()
	}
	d.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return d, nil
}

// withoutAddress takes the address, and a password in it, out of an error.
func withoutAddress(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the connection ended in the middle", archive.ErrTruncated)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// watched tells of every read that brought something.
type watched struct {
	r    io.Reader
	came func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.came()
	}
	return n, err
}
