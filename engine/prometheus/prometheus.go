// Package prometheus asks a Prometheus server for the values of a query, by its
// HTTP API.
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// queryTime is how long a query may take. Prometheus says so itself before
	// our patience ends, which is how a slow query is known from a server that is
	// away.
	queryTime = 5 * time.Second
	patience  = 2 * queryTime
	maxAnswer = 4 << 20
)

// Client asks one server.
type Client struct {
	address string
	user    *url.Userinfo
	http    *http.Client
}

// New is a client of the server at an address, which may hold a user and a
// password, and a path in front of /api.
func New(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the address of Prometheus must be http://HOST:PORT or https://…")
	}
	c := &Client{user: u.User, http: &http.Client{Timeout: patience}}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	c.address = strings.TrimSuffix(u.String(), "/")
	return c, nil
}

// Point is the value of a series at a time.
type Point struct {
	At    time.Time
	Value float64
}

// Range evaluates a query at from and each step after, up to and with to, and
// gives the points of all series that come out.
func (c *Client) Range(ctx context.Context, query string, from, to time.Time, step time.Duration) ([]Point, error) {
	form := url.Values{
		"query": {query}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
		"timeout": {queryTime.String()},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address+"/api/v1/query_range", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("ask Prometheus: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.user != nil {
		password, _ := c.user.Password()
		r.SetBasicAuth(c.user.Username(), password)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask Prometheus: %w", err)
	}
	defer answer.Body.Close()
	return read(answer)
}

// Refused is why a query has no answer that can be used, though Prometheus is
// there.
type Refused struct{ Reason string }

// Error is the sentence.
func (r *Refused) Error() string { return "Prometheus refuses the query: " + r.Reason }

func read(answer *http.Response) ([]Point, error) {
	var body struct {
		Status, Error string
		Data          struct {
			Result []struct{ Values []pair }
		}
	}
	limited := &io.LimitedReader{R: answer.Body, N: maxAnswer}
	err := json.NewDecoder(limited).Decode(&body)
	switch {
	case err != nil && limited.N <= 0:
		return nil, &Refused{fmt.Sprintf("its answer is longer than %d MiB. Let it answer with fewer series, for example with sum().", maxAnswer>>20)}
	case err == nil && body.Status == "error":
		return nil, &Refused{body.Error}
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("ask Prometheus: it answers %s", answer.Status)
	case err != nil:
		return nil, fmt.Errorf("read the answer of Prometheus: %w", err)
	case body.Status != "success":
		return nil, errors.New("read the answer of Prometheus: it is none of its API")
	}
	var points []Point
	for _, series := range body.Data.Result {
		for _, p := range series.Values {
			points = append(points, Point(p))
		}
	}
	return points, nil
}

// pair is a point as the API writes it: [1700000000.5, "0.25"].
type pair Point

// UnmarshalJSON reads a pair.
func (p *pair) UnmarshalJSON(text []byte) error {
	var at float64
	var value string
	if err := json.Unmarshal(text, &[]any{&at, &value}); err != nil {
		return err
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return err
	}
	p.At, p.Value = time.UnixMilli(int64(at*1000)).UTC(), number
	return nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
