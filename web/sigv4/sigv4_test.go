package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	awsv2 "github.com/aws/aws-sdk-go-v2/aws"
	signerv2 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	signerv1 "github.com/aws/aws-sdk-go/aws/signer/v4"
	"github.com/aws/aws-sdk-go/service/opsworks"
	"pgregory.net/rapid"
)

const (
	keyID  = "AKIAEXAMPLE12345678"
	secret = "s3cr3t/+key"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func lookup(id string) (string, bool, error) {
	if id == keyID {
		return secret, true, nil
	}
	return "", false, nil
}

// request is one that no client has signed yet.
func request(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://opsyard.example:8080/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "OpsWorks_20130218.DescribeStacks")
	return r
}

type how struct {
	key, secret, token, region, service string
	at                                  time.Time
}

func (h how) withDefaults() how {
	fill := func(p *string, d string) {
		if *p == "" {
			*p = d
		}
	}
	fill(&h.key, keyID)
	fill(&h.secret, secret)
	fill(&h.region, "us-east-1")
	fill(&h.service, "opsworks")
	if h.at.IsZero() {
		h.at = noon
	}
	return h
}

// signV2 signs as AWS' SDK for Go 2 does.
func signV2(r *http.Request, body string, h how) error {
	h = h.withDefaults()
	sum := sha256.Sum256([]byte(body))
	return signerv2.NewSigner().SignHTTP(context.Background(), awsv2.Credentials{AccessKeyID: h.key, SecretAccessKey: h.secret, SessionToken: h.token},
		r, hex.EncodeToString(sum[:]), h.service, h.region, h.at)
}

// signV1 signs as AWS' SDK for Go 1 does.
func signV1(r *http.Request, body string, h how) error {
	h = h.withDefaults()
	_, err := signerv1.NewSigner(credentials.NewStaticCredentials(h.key, h.secret, h.token)).Sign(r, strings.NewReader(body), h.service, h.region, h.at)
	return err
}

var signers = map[string]func(*http.Request, string, how) error{"v1": signV1, "v2": signV2}

func TestVerify(t *testing.T) {
	t.Parallel()
	const body = `{"StackIds":["a"]}`
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	authorization := func(change func(string) string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", change(r.Header.Get("Authorization"))) }
	}
	replace := func(from, to string) func(*http.Request) {
		return authorization(func(a string) string { return strings.Replace(a, from, to, 1) })
	}
	for _, tc := range []struct {
		name   string
		sign   how
		before func(*http.Request) // … it is signed
		after  func(*http.Request) // … it has been signed
		body   string
		want   Type
	}{
		{name: "OK"},
		{name: "OK any region", sign: how{region: "local_1"}},
		{name: "OK session token", sign: how{token: "a-token"}},
		{name: "OK blanks in a header", before: header("X-Amz-Meta", "  a   b  c ")},
		{name: "OK repeated header", before: func(r *http.Request) { r.Header.Add("X-Amz-Meta", "b"); r.Header.Add("X-Amz-Meta", "a") }},
		{name: "OK unsigned headers are free", after: header("User-Agent", "another")},
		{name: "OK body hash", before: func(r *http.Request) {
			sum := sha256.Sum256([]byte(body))
			r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		}},
		{name: "OK almost expired", sign: how{at: noon.Add(-Skew)}},
		{name: "OK a little early", sign: how{at: noon.Add(Skew)}},

		{name: "ErrMissing", after: func(r *http.Request) { r.Header.Del("Authorization") }, want: Missing},
		{name: "ErrOtherScheme", after: header("Authorization", "Basic Zm9v"), want: Incomplete},
		{name: "ErrAsymmetric", after: replace(algorithm, "AWS4-ECDSA-P256-SHA256"), want: Incomplete},
		{name: "ErrTwice", after: func(r *http.Request) { r.Header.Add("Authorization", "x") }, want: Incomplete},
		{name: "ErrNoSignature", after: replace("Signature=", "Sign="), want: Incomplete},
		{name: "ErrSignatureTwice", after: authorization(func(a string) string { return a + ",Signature=00" }), want: Incomplete},
		{name: "ErrShortSignature", after: authorization(func(a string) string { return a[:len(a)-2] }), want: Incomplete},
		{name: "ErrNoHex", after: authorization(func(a string) string { return a[:len(a)-1] + "g" }), want: Incomplete},
		{name: "ErrScope", after: replace("/aws4_request", ""), want: Incomplete},
		{name: "ErrScopeEnd", after: replace("/aws4_request", "/aws3_request"), want: Incomplete},
		{name: "ErrKeyID", after: replace(keyID, "AKIA'--"), want: Incomplete},
		{name: "ErrRegion", sign: how{region: "a b"}, want: Incomplete},
		{name: "ErrUnsortedHeaders", after: replace("SignedHeaders=", "SignedHeaders=z;"), want: Incomplete},
		{name: "ErrHeaderTwice", after: replace(";host;", ";host;host;"), want: Incomplete},
		{name: "ErrUpperCase", after: replace("SignedHeaders=", "SignedHeaders=Accept;"), want: Incomplete},
		{name: "ErrHeaderAbsent", after: replace("SignedHeaders=", "SignedHeaders=a;"), want: Invalid},
		{name: "ErrNoDate", after: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, want: Incomplete},
		{name: "ErrDateForm", after: header("X-Amz-Date", "2026-11-21T12:00:00Z"), want: Incomplete},
		{name: "ErrDateFraction", after: header("X-Amz-Date", "20261121T120000.5Z"), want: Incomplete},
		{name: "ErrHostUnsigned", after: replace(";host", ""), want: Invalid},
		{name: "ErrTargetUnsigned", before: func(r *http.Request) { r.Header.Del("X-Amz-Target") }, after: header("X-Amz-Target", "x"), want: Invalid},

		{name: "ErrExpired", sign: how{at: noon.Add(-Skew - time.Second)}, want: Invalid},
		{name: "ErrEarly", sign: how{at: noon.Add(Skew + time.Second)}, want: Invalid},
		{name: "ErrDateMoved", sign: how{at: noon.Add(-Skew - time.Second)}, after: header("X-Amz-Date", noon.Format(timeFormat)), want: Invalid},
		{name: "ErrScopeDate", after: replace("/20261121/", "/20261120/"), want: Invalid},
		{name: "ErrService", sign: how{service: "opsworks-cm"}, want: Invalid},
		{name: "ErrSecret", sign: how{secret: "another"}, want: Invalid},
		{name: "ErrUnknownKey", sign: how{key: "AKIAUNKNOWN"}, want: Unrecognized},
		{name: "ErrBody", body: `{"StackIds":["b"]}`, want: Invalid},
		{name: "ErrBodyHash", before: header("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), want: Invalid},
		{name: "ErrTarget", after: header("X-Amz-Target", "OpsWorks_20130218.DeleteStack"), want: Invalid},
		{name: "ErrHost", after: func(r *http.Request) { r.Host = "elsewhere.example" }, want: Invalid},
		{name: "ErrMethod", after: func(r *http.Request) { r.Method = http.MethodPut }, want: Invalid},
		{name: "ErrPath", after: func(r *http.Request) { r.URL.Path = "/x" }, want: Invalid},
		{name: "ErrQuery", after: func(r *http.Request) { r.URL.RawQuery = "x=1" }, want: Invalid},
		{name: "ErrHeaderAdded", before: header("X-Amz-Meta", "a"), after: func(r *http.Request) { r.Header.Add("X-Amz-Meta", "b") }, want: Invalid},
	} {
		for version, sign := range signers {
			t.Run(tc.name+" "+version, func(t *testing.T) {
				t.Parallel()
				r := request(body)
				if tc.before != nil {
					tc.before(r)
				}
				if err := sign(r, body, tc.sign); err != nil {
					t.Fatal(err)
				}
				if tc.after != nil {
					tc.after(r)
				}
				arrived := body
				if tc.body != "" {
					arrived = tc.body
				}
				got, err := Verify(r, []byte(arrived), noon, "opsworks", lookup)
				if typeOf(t, err) != tc.want {
					t.Fatalf("got %v, want %q", err, tc.want)
				}
				if tc.want == "" && (got.KeyID != keyID || got.Region != tc.sign.withDefaults().region) {
					t.Errorf("got %+v", got)
				}
				if tc.want != "" && got != (Identity{}) {
					t.Errorf("a refusal proves nothing, but got %+v", got)
				}
			})
		}
	}
}

func typeOf(t testing.TB, err error) Type {
	t.Helper()
	var refusal *Error
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if refusal == nil {
		return ""
	}
	return refusal.Type
}

// An unknown key is found out after the comparison only, and a lookup that
// fails is nobody's wrong signature.
func TestLookup(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is away")
	r := request("{}")
	if err := signV2(r, "{}", how{}); err != nil {
		t.Fatal(err)
	}
	_, err := Verify(r, []byte("{}"), noon, "opsworks", func(string) (string, bool, error) { return "", false, broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the lookup's error", err)
	}
	// The secret that stands for "none" must open nothing.
	if err := signV2(r, "{}", how{key: "AKIAUNKNOWN", secret: "x"}); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(r, []byte("{}"), noon, "opsworks", func(string) (string, bool, error) { return "x", false, nil })
	if typeOf(t, err) != Unrecognized {
		t.Errorf("got %v, want %s", err, Unrecognized)
	}
}

// The SDK for Java 1 signs User-Agent, which the signers for Go cannot.
// The signature was computed by hand, as AWS' documentation describes it.
func TestSignedUserAgent(t *testing.T) {
	t.Parallel()
	r := request("{}")
	r.Header.Set("User-Agent", "aws-sdk-java/1.12.1  Linux")
	r.Header.Set("X-Amz-Date", noon.Format(timeFormat))
	a := &authorization{
		keyID: keyID, date: "20261121", region: "us-east-1", service: "opsworks",
		signedHeaders: []string{"content-length", "host", "user-agent", "x-amz-date", "x-amz-target"},
	}
	canonical := "POST\n/\n\ncontent-length:2\nhost:opsyard.example:8080\nuser-agent:aws-sdk-java/1.12.1 Linux\nx-amz-date:20261121T120000Z\n" +
		"x-amz-target:OpsWorks_20130218.DescribeStacks\n\ncontent-length;host;user-agent;x-amz-date;x-amz-target\n" +
		"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	r.Header.Set("Authorization", algorithm+" Credential="+keyID+"/20261121/us-east-1/opsworks/aws4_request, "+
		"SignedHeaders="+strings.Join(a.signedHeaders, ";")+", Signature="+hex.EncodeToString(a.sign(secret, canonical, noon)))
	if _, err := Verify(r, []byte("{}"), noon, "opsworks", lookup); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "curl")
	if _, err := Verify(r, []byte("{}"), noon, "opsworks", lookup); typeOf(t, err) != Invalid {
		t.Fatalf("got %v, want %s", err, Invalid)
	}
}

// Whatever headers and bodies there are: what an SDK signs is accepted, and
// any other byte of the body is not.
func TestVerifyWhatSDKsSign(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.String().Draw(t, "body")
		version := rapid.SampledFrom([]string{"v1", "v2"}).Draw(t, "signer")
		r := request(body)
		for range rapid.IntRange(0, 4).Draw(t, "headers") {
			name := rapid.StringMatching(`X-[A-Z][a-z0-9]{0,8}(-[A-Z][a-z]{1,4})?`).Draw(t, "name")
			r.Header.Add(name, rapid.StringMatching(`[ -~]{0,30}`).Draw(t, "value"))
		}
		if err := signers[version](r, body, how{}); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(r, []byte(body), noon, "opsworks", lookup); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(r, []byte(body+" "), noon, "opsworks", lookup); err == nil {
			t.Fatal("another body was accepted")
		}
	})
}

// server verifies what real clients send over a real connection.
func server(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if _, err := Verify(r, body, time.Now(), "opsworks", lookup); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"`+string(typeOf(t, err))+`","message":"refused"}`)
			return
		}
		_, _ = io.WriteString(w, `{"Stacks":[{"Name":"Shop"}]}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestSDK(t *testing.T) {
	t.Parallel()
	url := server(t)
	client := func(id, secret string) *opsworks.OpsWorks {
		return opsworks.New(session.Must(session.NewSession(&aws.Config{
			Region: aws.String("somewhere"), Endpoint: aws.String(url), MaxRetries: aws.Int(0), HTTPClient: &http.Client{},
			Credentials: credentials.NewStaticCredentials(id, secret, ""),
		})))
	}
	got, err := client(keyID, secret).DescribeStacks(&opsworks.DescribeStacksInput{StackIds: aws.StringSlice([]string{"a"})})
	if err != nil || *got.Stacks[0].Name != "Shop" {
		t.Fatalf("got %v, %v", got, err)
	}
	for want, c := range map[string]*opsworks.OpsWorks{"InvalidSignatureException": client(keyID, "x"), "UnrecognizedClientException": client("AKIAOTHER", secret)} {
		if _, err := c.DescribeStacks(&opsworks.DescribeStacksInput{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// cli is Debian's AWS CLI, which still knows OpsWorks; newer ones do not.
const cli = "/usr/bin/aws"

func TestCLI(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(cli); err != nil {
		t.Skip("Debian's awscli is not installed")
	}
	run := func(secret string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := exec.CommandContext(ctx, cli, "opsworks", "describe-stacks", "--region", "eu-west-9", "--endpoint-url", server(t), "--output", "text", "--query", "Stacks[0].Name")
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=" + keyID, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_MAX_ATTEMPTS=1"}
		out, err := c.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := run(secret); err != nil || out != "Shop" {
		t.Fatalf("got %q, %v", out, err)
	}
	if out, err := run("wrong"); err == nil || !strings.Contains(out, "InvalidSignatureException") {
		t.Fatalf("got %q, %v", out, err)
	}
}

// FuzzVerify: whatever is in the headers, the answer is a refusal of a known
// type, unless the request was signed.
func FuzzVerify(f *testing.F) {
	r := request("{}")
	if err := signV2(r, "{}", how{}); err != nil {
		f.Fatal(err)
	}
	good := r.Header.Get("Authorization")
	f.Add(good, r.Header.Get("X-Amz-Date"), "", r.Host, "User-Agent", "x", "{}")
	f.Add(good+",Signature=", "20261121T120000.1Z", "UNSIGNED-PAYLOAD", "", "Content-Length", "3", "")
	f.Add("AWS4-HMAC-SHA256 Credential=A/20261121/r/opsworks/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=00", "20261121T120000Z", "", "h", "", "", "")
	f.Fuzz(func(t *testing.T, authorization, date, hash, host, name, value, body string) {
		r := request(body)
		r.Header[http.CanonicalHeaderKey(name)] = []string{value}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		r.Host = host
		if hash != "" {
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		asked := ""
		_, err := Verify(r, []byte(body), noon, "opsworks", func(id string) (string, bool, error) { asked = id; return lookup(id) })
		if len(asked) > maxKeyID || strings.ContainsAny(asked, "/,= '\"") {
			t.Errorf("looked up %q", asked)
		}
		switch typeOf(t, err) {
		case "":
			if asked != keyID || body != "{}" {
				t.Errorf("accepted %q for %q", authorization, body)
			}
		case Missing, Incomplete, Invalid, Unrecognized:
		default:
			t.Errorf("got %v", err)
		}
	})
}
