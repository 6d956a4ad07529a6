package source

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// fetchS3 reads an archive from S3, or from a server that speaks like it, with
// the source's key pair or as the instance itself.
func fetchS3(ctx context.Context, j *job) (string, error) {
	o, err := newS3Object(ctx, j)
	if err != nil {
		return "", fmt.Errorf("Archive %s could not be read: %w", j.show, err)
	}
	return j.fetchObject(ctx, o)
}

// s3Place is where an object is.
type s3Place struct {
	bucket, key, region string
	host                string // other than AWS' own, with its scheme
	version             string
	suffix              string // of AWS' host names
}

var (
	// s3.amazonaws.com, s3.eu-west-1.…, s3-eu-west-1.…, s3.dualstack.eu-west-1.…
	s3Host       = regexp.MustCompile(`^(?:(.+)\.)?s3(?:[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d))?\.(amazonaws\.com(?:\.cn)?)$`)
	bucketLabels = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`) // fits a host name and its certificate
)

func parseS3(address, endpoint string) (s3Place, error) {
	wrong := errors.New("its address is none of https://s3.amazonaws.com/BUCKET/KEY, https://BUCKET.s3.REGION.amazonaws.com/KEY and s3://BUCKET/KEY")
	p := s3Place{host: endpoint, suffix: "amazonaws.com"}
	if rest, ok := strings.CutPrefix(address, "s3://"); ok {
		p.bucket, p.key, _ = strings.Cut(rest, "/")
	} else {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			return p, wrong
		}
		p.version = u.Query().Get("versionId")
		path := strings.TrimPrefix(u.Path, "/")
		if m := s3Host.FindStringSubmatch(strings.ToLower(u.Host)); m == nil {
			p.host = u.Scheme + "://" + u.Host // names its server itself
		} else {
			p.bucket, p.region, p.suffix = m[1], m[2], m[3]
		}
		if p.key = path; p.bucket == "" {
			p.bucket, p.key, _ = strings.Cut(path, "/")
		}
	}
	if p.bucket == "" || p.key == "" || strings.ContainsAny(p.bucket, "/?#@:\\") {
		return p, wrong
	}
	return p, nil
}

// url is the address to ask.
func (p s3Place) url() (*url.URL, error) {
	host, path := p.host, "/"+p.bucket+"/"+p.key
	if host == "" {
		host = "https://s3." + p.region + "." + p.suffix
		if bucketLabels.MatchString(p.bucket) {
			host, path = "https://"+p.bucket+".s3."+p.region+"."+p.suffix, "/"+p.key
		}
	}
	u, err := url.Parse(host)
	if err != nil || u.Host == "" {
		return nil, errors.New("the address of the S3 server is not valid")
	}
	u.User, u.Path, u.RawPath = nil, u.Path+path, u.Path+escapeS3(path)
	if p.version != "" {
		u.RawQuery = url.Values{"versionId": {p.version}}.Encode()
	}
	return u, nil
}

// escapeS3 escapes as the signature wants it, which is more than URLs need.
func escapeS3(path string) string {
	b := new(strings.Builder)
	for i := range len(path) {
		c := path[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
	return b.String()
}

// s3Object signs each request for the object.
type s3Object struct {
	place       s3Place
	credentials aws.CredentialsProvider // nil: ask without
	why         error                   // there are none
	moved       bool
}

func newS3Object(ctx context.Context, j *job) (*s3Object, error) {
	endpoint := strings.TrimRight(firstOf(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")), "/")
	place, err := parseS3(j.src.URL, endpoint)
	if err != nil {
		return nil, err
	}
	o := &s3Object{place: place}
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("the AWS settings of the instance cannot be used: %w", err)
	}
	o.place.region = firstOf(place.region, settings.Region, "us-east-1")
	switch {
	case j.src.Username != "" && j.src.Password != "":
		o.credentials = credentials.NewStaticCredentialsProvider(j.src.Username, j.src.Password, "")
	case j.src.Username != "" || j.src.Password != "":
		return nil, errors.New("an access key id and a secret access key belong together, one of them is missing")
	case place.host == endpoint: // what the instance may is shown to AWS and to nobody else
		o.credentials = settings.Credentials
	}
	return o, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

const (
	noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
	// roleWithin bounds asking for the instance's role where there is nobody to ask.
	roleWithin = 15 * time.Second
)

func (o *s3Object) request(ctx context.Context) (*http.Request, error) {
	u, err := o.place.url()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("the address is not valid")
	}
	req.URL = u // with the path as it is signed
	if o.credentials == nil {
		return req, nil
	}
	asking, cancel := context.WithTimeout(ctx, roleWithin)
	defer cancel()
	keys, err := o.credentials.Retrieve(asking)
	if err != nil {
		o.credentials, o.why = nil, err // a public object needs none
		return req, nil
	}
	req.Header.Set("X-Amz-Content-Sha256", noBody)
	signer := v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(ctx, keys, req, noBody, "s3", o.place.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	return req, nil
}

// judge understands S3's errors, and asks in the bucket's own region if that
// was the trouble.
func (o *s3Object) judge(resp *http.Response) (bool, error) {
	if region := resp.Header.Get("X-Amz-Bucket-Region"); region != "" && region != o.place.region && !o.moved && awsRegion.MatchString(region) {
		o.place.region, o.moved = region, true
		return true, nil
	}
	var said struct {
		Code    string
		Message string
	}
	_ = xml.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said) // without it the status has to do
	switch said.Code {
	case "NoSuchKey", "NoSuchVersion":
		return false, fmt.Errorf("the bucket %s has no object of this key", o.place.bucket)
	case "NoSuchBucket":
		return false, fmt.Errorf("there is no bucket %s", o.place.bucket)
	case "InvalidAccessKeyId":
		return false, errors.New("S3 does not know the access key id")
	case "SignatureDoesNotMatch":
		return false, errors.New("the secret access key does not belong to the access key id")
	case "RequestTimeTooSkewed":
		return false, errors.New("the clock of the instance is too far from S3's")
	case "ExpiredToken":
		return false, errors.New("the credentials of the instance have expired")
	}
	switch {
	case resp.StatusCode == http.StatusForbidden && o.why != nil:
		return false, errors.New("S3 refuses access (403 Forbidden): the source has no key pair and the instance has no role or keys of its own")
	case resp.StatusCode == http.StatusForbidden:
		return false, fmt.Errorf("S3 refuses access (%s): the credentials may not read this object, or it does not exist", resp.Status)
	case resp.StatusCode == http.StatusNotFound:
		return false, fmt.Errorf("the server has nothing at this address (%s)", resp.Status)
	case said.Code != "" && len(said.Code) < 60:
		return false, fmt.Errorf("S3 answered %q (%s)", resp.Status, strings.Trim(fmt.Sprintf("%q", said.Code), `"`))
	}
	return false, fmt.Errorf("the server answered %q", resp.Status)
}

var awsRegion = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d$`)
