// Package sigv4 verifies AWS Signature Version 4 in its header form, as AWS
// clients sign requests of the JSON protocol: POST to / with a body.
//
// It builds the canonical request itself, because the signers of AWS' SDKs for
// Go leave out headers that other SDKs sign (the one for Java 1 signs
// User-Agent). The tests hold it against those signers.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Skew is how far a request's time may be from ours.
const Skew = 5 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"

	maxKeyID  = 128
	maxRegion = 128
)

// Type is the AWS error type of a refusal.
type Type string

// Types of refusals.
const (
	Missing      Type = "MissingAuthenticationTokenException"
	Incomplete   Type = "IncompleteSignatureException"
	Invalid      Type = "InvalidSignatureException"
	Unrecognized Type = "UnrecognizedClientException"
)

// Error is a refusal. Its message is for the client and holds no secret.
type Error struct {
	Type    Type
	Message string
}

// Error is the message with its type.
func (e *Error) Error() string { return string(e.Type) + ": " + e.Message }

func refuse(t Type, format string, args ...any) error {
	return &Error{t, fmt.Sprintf(format, args...)}
}

// Identity is what a good signature proves, and what it was made for.
type Identity struct {
	KeyID  string
	Region string // any name; signed, but nobody checks it
}

// Lookup finds the secret of an access key. An unknown key is not an error:
// known is false, and the signature is computed and compared all the same, so
// that it takes the time of a wrong secret.
type Lookup func(keyID string) (secret string, known bool, err error)

// Verify checks that the owner of an access key signed the request with this
// body, for the service, within Skew of now. A refusal is an *Error; any other
// error is the lookup's.
func Verify(r *http.Request, body []byte, now time.Time, service string, lookup Lookup) (Identity, error) {
	a, err := parse(r.Header.Values("Authorization"))
	if err != nil {
		return Identity{}, err
	}
	at, err := a.check(r, now, service)
	if err != nil {
		return Identity{}, err
	}
	hash := sha256.Sum256(body)
	payload := hex.EncodeToString(hash[:])
	if claimed := r.Header.Values("X-Amz-Content-Sha256"); len(claimed) > 0 && (len(claimed) > 1 || claimed[0] != payload) {
		return Identity{}, refuse(Invalid, "The value of x-amz-content-sha256 is not the hash of the request's body.")
	}
	canonical, err := canonicalRequest(r, a.signedHeaders, payload, len(body))
	if err != nil {
		return Identity{}, err
	}
	secret, known, err := lookup(a.keyID)
	if err != nil {
		return Identity{}, err
	}
	want := a.sign(secret, canonical, at)
	equal := subtle.ConstantTimeCompare(want, a.signature) == 1
	switch {
	case !known:
		return Identity{}, refuse(Unrecognized, "The security token included in the request is invalid.")
	case !equal:
		return Identity{}, refuse(Invalid, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return Identity{KeyID: a.keyID, Region: a.region}, nil
}

// authorization is what the header of that name says.
type authorization struct {
	keyID, date, region, service string
	signedHeaders                []string
	signature                    []byte // decoded
}

// parse reads AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
func parse(headers []string) (*authorization, error) {
	if len(headers) == 0 || headers[0] == "" {
		return nil, refuse(Missing, "Missing Authentication Token")
	}
	rest, ok := strings.CutPrefix(headers[0], algorithm+" ")
	if !ok || len(headers) > 1 {
		return nil, refuse(Incomplete, "The Authorization header must be one, and begin with %s.", algorithm)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.Trim(part, " "), "=")
		if _, twice := parts[name]; !ok || twice {
			return nil, refuse(Incomplete, "The Authorization header is not a list of NAME=VALUE, each name once.")
		}
		parts[name] = value
	}
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if parts[name] == "" {
			return nil, refuse(Incomplete, "Authorization header requires '%s' parameter.", name)
		}
	}
	a := &authorization{signedHeaders: strings.Split(parts["SignedHeaders"], ";")}
	if err := a.parseScope(parts["Credential"]); err != nil {
		return nil, err
	}
	var err error
	if a.signature, err = hex.DecodeString(parts["Signature"]); err != nil || len(a.signature) != sha256.Size {
		return nil, refuse(Incomplete, "Signature must be %d hexadecimal digits.", 2*sha256.Size)
	}
	return a, nil
}

func (a *authorization) parseScope(credential string) error {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[4] != terminator {
		return refuse(Incomplete, "Credential must have the form KEY/DATE/REGION/SERVICE/%s.", terminator)
	}
	a.keyID, a.date, a.region, a.service = scope[0], scope[1], scope[2], scope[3]
	if !word(a.keyID, maxKeyID) {
		return refuse(Incomplete, "Credential does not begin with an access key id.")
	}
	if !word(a.region, maxRegion) {
		return refuse(Incomplete, "Credential does not name a region.")
	}
	return nil
}

// word tells whether the text is one of the letters, digits, - and _ that key
// ids and regions are made of.
func word(text string, longest int) bool {
	return text != "" && len(text) <= longest && !strings.ContainsFunc(text, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_'
	})
}

// check looks at everything that needs no secret, and reads the request's time.
func (a *authorization) check(r *http.Request, now time.Time, service string) (time.Time, error) {
	if a.service != service {
		return time.Time{}, refuse(Invalid, "Credential should be scoped to correct service: '%s'.", service)
	}
	if !slices.IsSorted(a.signedHeaders) || len(slices.Compact(slices.Clone(a.signedHeaders))) != len(a.signedHeaders) {
		return time.Time{}, refuse(Incomplete, "SignedHeaders must be sorted, each name once.")
	}
	for _, name := range []string{"host", "x-amz-date", "x-amz-target"} {
		if _, found := slices.BinarySearch(a.signedHeaders, name); !found {
			return time.Time{}, refuse(Invalid, "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	dates := r.Header.Values("X-Amz-Date")
	if len(dates) != 1 {
		return time.Time{}, refuse(Incomplete, "The request needs one X-Amz-Date header.")
	}
	at, err := time.Parse(timeFormat, dates[0])
	// Parse takes a fraction of a second that the format has not.
	if err != nil || at.Format(timeFormat) != dates[0] {
		return time.Time{}, refuse(Incomplete, "X-Amz-Date must be in ISO-8601 'basic format': YYYYMMDDTHHMMSSZ.")
	}
	ours := now.UTC().Format(timeFormat)
	switch {
	case at.Format(dateFormat) != a.date:
		return time.Time{}, refuse(Invalid, "Date in Credential scope does not match YYYYMMDD from X-Amz-Date.")
	case now.Sub(at) > Skew:
		return time.Time{}, refuse(Invalid, "Signature expired: %s is more than 5 minutes before %s.", dates[0], ours)
	case at.Sub(now) > Skew:
		return time.Time{}, refuse(Invalid, "Signature not yet current: %s is more than 5 minutes after %s.", dates[0], ours)
	}
	return at, nil
}

// canonicalRequest is what the client hashed and signed.
func canonicalRequest(r *http.Request, signed []string, payload string, size int) (string, error) {
	if path := r.URL.EscapedPath(); path != "/" && path != "" || r.URL.RawQuery != "" {
		return "", refuse(Invalid, "Requests are sent to / and have no query.")
	}
	var b strings.Builder
	b.Grow(1024)
	b.WriteString(r.Method + "\n/\n\n")
	for _, name := range signed {
		values, err := headerValues(r, name, size)
		if err != nil {
			return "", err
		}
		b.WriteString(name + ":")
		for n, value := range values {
			if n > 0 {
				b.WriteByte(',')
			}
			writeCollapsed(&b, value)
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + payload)
	return b.String(), nil
}

// headerValues are the values of a signed header, including those that the
// server has moved out of the header.
func headerValues(r *http.Request, name string, size int) ([]string, error) {
	if name == "host" {
		return []string{r.Host}, nil
	}
	values := r.Header.Values(name)
	switch {
	case name != strings.ToLower(name) || name == "authorization":
		return nil, refuse(Incomplete, "SignedHeaders has a name that cannot be signed, or is not in lower case.")
	case len(values) == 0 && name == "content-length":
		return []string{strconv.Itoa(size)}, nil
	case len(values) == 0:
		return nil, refuse(Invalid, "SignedHeaders names a header that the request does not have.")
	}
	return values, nil
}

// writeCollapsed writes the value without outer blanks, and with single inner ones.
func writeCollapsed(b *strings.Builder, value string) {
	value = strings.Trim(value, " \t")
	for {
		before, after, found := strings.Cut(value, "  ")
		b.WriteString(before)
		if !found {
			return
		}
		b.WriteByte(' ')
		value = strings.TrimLeft(after, " ")
	}
}

// sign computes the signature of the canonical request.
func (a *authorization) sign(secret, canonical string, at time.Time) []byte {
	hash := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{a.date, a.region, a.service, terminator}, "/")
	text := strings.Join([]string{algorithm, at.Format(timeFormat), scope, hex.EncodeToString(hash[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{a.date, a.region, a.service, terminator, text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return key
}
