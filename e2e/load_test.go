package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"opsyard/engine"
	"opsyard/models"
)

// burner says who answers, after some work.
const burner = `<?php
$x = "";
for ($n = 0; $n < 150000; $n++) { $x = md5($x . $n); }
header("Connection: close");
echo "answered by ", gethostname();
`

// What counts as busy and as quiet, in per cent of the machines' processors. A
// host that others use gives a machine less than its share, so busy is low; an
// idle machine needs less than one per cent.
const (
	busy  = 12.0
	quiet = 6.0
)

// A layer behind the balancer grows while its processors are busy, the new
// instance serves, and the layer shrinks again when they are not.
func TestLoadBasedScaling(t *testing.T) {
	t.Parallel()
	s := newSite(t, engine.Times{Reminder: 250 * time.Millisecond, Minute: 2 * time.Second, Stop: 5 * time.Second})
	lb, php := s.builtIn(models.LayerLB, "Balancer"), s.builtIn(models.LayerPHPApp, "App")
	s.mux.HandleFunc("GET /burner.tar.gz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive(t, "index.php", burner)) })
	_, err := s.engine.CreateApp(s.ctx, models.App{
		StackID: s.stack.ID, Name: "Burner", Shortname: "burner", Type: models.AppPHP, AppSource: models.Source{Type: models.SourceArchive, URL: s.reached + "/burner.tar.gz"},
	})
	check(t, err)
	extra, err := s.engine.CreateInstance(s.ctx, models.Instance{StackID: s.stack.ID, LayerIDs: []models.LayerID{php}, Hostname: "extra", AutoScalingType: models.ScalingLoad, InstanceType: "local.micro"})
	check(t, err)
	balancer := s.start(lb)
	always := s.start(php)
	s.become(models.InstanceOnline, 6*time.Minute, balancer, always)
	address := "http://" + s.instance(balancer).PrivateIP + "/"
	wait(t, "the app answers", time.Minute, func() bool { return answers(t, address) == s.instance(always).Hostname })

	wait(t, "it is quiet", time.Minute, func() bool {
		sample, _, ok := s.engine.NewestMetrics(always)
		return ok && sample.Values.CPU() < quiet
	})
	check(t, s.engine.SetLoadBasedAutoScaling(s.ctx, php, func(c *models.LoadBasedAutoScaling) error {
		up, down := busy, quiet
		c.Enable, c.UpScaling.CPUThreshold, c.DownScaling.CPUThreshold = true, &up, &down
		c.UpScaling.ThresholdsWaitTime, c.UpScaling.IgnoreMetricsTime = 2, 3
		c.DownScaling.ThresholdsWaitTime, c.DownScaling.IgnoreMetricsTime = 3, 3
		return nil
	}))
	calm := press(address)
	defer calm()
	s.become(models.InstanceOnline, 6*time.Minute, extra.ID)
	served := map[string]bool{}
	wait(t, "both answer", time.Minute, func() bool { served[answers(t, address)] = true; return served["extra"] && len(served) > 1 })
	calm()
	s.become(models.InstanceStopped, 2*time.Minute, extra.ID)
	if i := s.instance(always); i.Status != models.InstanceOnline {
		t.Errorf("the one that is always on is %s", i.Status)
	}
	wait(t, "the other one answers", time.Minute, func() bool { return answers(t, address) == s.instance(always).Hostname })

	events, err := s.store.ScalingEvents.Newest(s.ctx, php, 10)
	check(t, err)
	for _, e := range events {
		t.Logf("%s %s %v: %s", e.At.Format("15:04:05"), e.Direction, e.Hostnames, e.Sentence)
	}
	if len(events) != 2 || events[0].Direction != models.ScaleDown || *events[0].CPU >= quiet || events[1].Direction != models.ScaleUp || *events[1].CPU <= busy {
		t.Errorf("the history is %+v", events)
	}
	now, err := s.engine.LoadNow(s.ctx, php)
	check(t, err)
	t.Log(now.Decision.Sentence)
}

// builtIn adds a layer of a built-in type.
func (s *site) builtIn(kind models.LayerType, name string) models.LayerID {
	s.t.Helper()
	l := models.NewLayer(s.stack.ID, kind)
	l.Name = name
	made, err := s.engine.CreateLayer(s.ctx, l)
	check(s.t, err)
	return made.ID
}

// press keeps the processors behind an address busy for half of the time, until
// the end is asked for: the other half is for the new instance's Setup.
func press(address string) (calm func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		client := &http.Client{Timeout: 20 * time.Second}
		for {
			began := time.Now()
			if r, err := client.Get(address); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
			select {
			case <-end:
				return
			case <-time.After(time.Since(began)):
			}
		}
	}()
	return sync.OnceFunc(func() { close(end); <-ended })
}

// answers names who answered, or is empty.
func answers(t *testing.T, address string) string {
	t.Helper()
	client := &http.Client{Timeout: 20 * time.Second}
	r, err := client.Get(address)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	name, _ := strings.CutPrefix(strings.TrimSpace(string(body)), "answered by ")
	if r.StatusCode != http.StatusOK {
		return ""
	}
	return name
}

// archive is a tar.gz with one file.
func archive(t *testing.T, name, content string) []byte {
	out := &bytes.Buffer{}
	zipped := gzip.NewWriter(out)
	files := tar.NewWriter(zipped)
	err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = files.Write([]byte(content))
	}
	if err != nil || files.Close() != nil || zipped.Close() != nil {
		t.Errorf("pack %s: %v", name, err)
	}
	return out.Bytes()
}
