package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
	"opsyard/web/sigv4"
)

// signed is a request of an AWS client for the instances of a layer.
func (f *fleet) signed(tb testing.TB, key *models.AccessKey, layer models.LayerID) *http.Request {
	tb.Helper()
	body := `{"LayerId":"` + string(layer) + `"}`
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, f.url+"/", strings.NewReader(body))
	check(tb, err)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "OpsWorks_20130218.DescribeInstances")
	sum := sha256.Sum256([]byte(body))
	check(tb, signer.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret},
		r, hex.EncodeToString(sum[:]), "opsworks", "local", time.Now()))
	return r
}

// accessKeys are some of an administrator, and layers are the stack's.
func (f *fleet) accessKeys(tb testing.TB, n int) ([]*models.AccessKey, []models.Layer) {
	tb.Helper()
	ana, err := f.store.Users.ByName(f.ctx, "ana")
	check(tb, err)
	var keys []*models.AccessKey
	for range n {
		key, err := f.engine.CreateAccessKey(f.ctx, models.AccessKey{UserID: ana.ID})
		check(tb, err)
		keys = append(keys, key)
	}
	layers, err := f.store.Layers.InStack(f.ctx, f.stack.ID)
	check(tb, err)
	return keys, layers
}

// BenchmarkAPI asks for the 40 instances of a layer over and over, beside
// nothing but checking the same signature and encoding the same answer.
func BenchmarkAPI(b *testing.B) {
	f := shared(b)
	keys, layers := f.accessKeys(b, 1)
	key := keys[0]
	request := f.signed(b, key, layers[0].ID)
	body, err := io.ReadAll(request.Body)
	check(b, err)
	ask := func() []byte {
		r := request.Clone(request.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		w := httptest.NewRecorder()
		f.aws.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("got %d %s", w.Code, w.Body)
		}
		return w.Body.Bytes()
	}
	answer := ask()
	var result wire.DescribeInstancesResult
	check(b, json.Unmarshal(answer, &result))
	if len(result.Instances) != min(perLayer, f.size) {
		b.Fatalf("got %d instances", len(result.Instances))
	}
	alone := func() {
		if _, err := sigv4.Verify(request, body, time.Now(), "opsworks", func(string) (string, bool, error) { return key.Secret, true, nil }); err != nil {
			b.Fatal(err)
		}
		if err := json.NewEncoder(io.Discard).Encode(&result); err != nil {
			b.Fatal(err)
		}
	}
	const repeat = 50
	for b.Loop() {
		var ours, theirs []time.Duration
		for range 10 {
			cpu := cpuTime()
			for range repeat {
				ask()
			}
			ours = append(ours, (cpuTime()-cpu)/repeat)
			cpu = cpuTime()
			for range repeat {
				alone()
			}
			theirs = append(theirs, (cpuTime()-cpu)/repeat)
		}
		if testing.Verbose() {
			fmt.Fprintln(os.Stderr, "DescribeInstances", ours, "alone", theirs)
		}
		b.ReportMetric(float64(time.Second)/float64(median(ours)), "requests/s/core")
		b.ReportMetric(ratio(theirs, ours), "x-verify-encode")
		b.ReportMetric(float64(len(answer))/1000, "KB/answer")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkAPILatency asks at a steady rate, whether or not the answers before
// have come: a slow answer does not make the next ones look better.
func BenchmarkAPILatency(b *testing.B) {
	const (
		rate  = 200
		while = 10 * time.Second
	)
	f := shared(b)
	keys, layers := f.accessKeys(b, 10)
	var requests []*http.Request // signed before: the client's work is not the server's
	for n := range int(rate * while.Seconds()) {
		requests = append(requests, f.signed(b, keys[n%len(keys)], layers[n%len(layers)].ID))
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	defer client.CloseIdleConnections()
	for b.Loop() {
		took := make([]time.Duration, len(requests))
		errs := make([]error, len(requests))
		var asking sync.WaitGroup
		begin := time.Now()
		for n, r := range requests {
			due := begin.Add(time.Duration(n) * time.Second / rate)
			time.Sleep(time.Until(due))
			asking.Go(func() {
				errs[n] = send(client, r.Clone(r.Context()))
				took[n] = time.Since(due)
			})
		}
		asking.Wait()
		for _, err := range errs {
			check(b, err)
		}
		b.ReportMetric(milliseconds(median(took)), "ms-p50")
		b.ReportMetric(milliseconds(quantile(took, 0.99)), "ms-p99")
		b.ReportMetric(float64(f.size), "instances")
		b.ReportMetric(0, "ns/op")
	}
}

func send(client *http.Client, r *http.Request) error {
	body, err := r.GetBody()
	if err != nil {
		return err
	}
	r.Body = body
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("got %s: %s", resp.Status, answer)
	}
	return nil
}
