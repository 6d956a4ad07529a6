package main

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"opsyard/models"
	"opsyard/models/store"
)

// Limits of one collection: a fleet of many thousands would make an answer of
// tens of megabytes, which a metrics system near the machines serves better.
const (
	scrapedInstances = 2000
	scrapeLimit      = 10 * time.Second
)

// registry has the figures of this process and of the instances.
func (s *server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewDBStatsCollector(s.store.SQL(), s.store.Dialect()),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "opsyard_agents_connected", Help: "Agents with an open session to this process."},
			func() float64 { return float64(s.engine.Dispatcher().ConnectedCount()) }),
		fleetCollector{s},
	)
	return r
}

// fleetCollector reads the instances when it is asked: their number by status,
// and what their agents measured last.
type fleetCollector struct{ s *server }

var (
	labelsOfInstance = []string{"stack", "layer", "hostname"}

	descBuild     = prometheus.NewDesc("opsyard_build_info", "The version that runs; always 1.", []string{"version"}, nil)
	descInstances = prometheus.NewDesc("opsyard_instances", "Instances of the installation by status.", []string{"status"}, nil)
	descSamples   = prometheus.NewDesc("opsyard_metrics_received_total", "Measurements of agents that this process has taken.", nil, nil)
	descHidden    = prometheus.NewDesc("opsyard_instances_not_exported", "Instances whose figures are left out here because they are too many.", nil, nil)
	descCPU       = prometheus.NewDesc("opsyard_instance_cpu_ratio", "Share of the instance's processor time, by what it was used for.", withLabel("mode"), nil)
	descMemory    = prometheus.NewDesc("opsyard_instance_memory_bytes", "Memory of the instance, by kind; used is without buffers and cache.", withLabel("kind"), nil)
	descLoad      = prometheus.NewDesc("opsyard_instance_load", "Load average of the instance.", withLabel("minutes"), nil)
	descProcs     = prometheus.NewDesc("opsyard_instance_processes", "Processes of the instance.", labelsOfInstance, nil)
)

func withLabel(name string) []string { return append(slices.Clone(labelsOfInstance), name) }

// Describe says which figures there can be.
func (fleetCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descBuild, descInstances, descSamples, descHidden, descCPU, descMemory, descLoad, descProcs} {
		out <- d
	}
}

// Collect makes the figures of now.
func (c fleetCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(descBuild, 1, version)
	out <- prometheus.MustNewConstMetric(descSamples, prometheus.CounterValue, float64(c.s.engine.MetricsReceived()))
	counts, err := c.s.store.Instances.CountByStatus(ctx)
	if err != nil {
		c.failed(ctx, out, descInstances, err)
	}
	for status, n := range counts {
		gauge(descInstances, float64(n), string(status))
	}
	newest := c.s.engine.AllNewestMetrics()
	slices.SortFunc(newest, func(a, b models.MetricSample) int { return cmp.Compare(a.InstanceID, b.InstanceID) })
	shown := newest[:min(len(newest), scrapedInstances)]
	gauge(descHidden, float64(len(newest)-len(shown)))
	if err := c.instances(ctx, shown, gauge); err != nil {
		c.failed(ctx, out, descCPU, err)
	}
}

func (c fleetCollector) failed(ctx context.Context, out chan<- prometheus.Metric, d *prometheus.Desc, err error) {
	c.s.log.ErrorContext(ctx, "collect metrics", slog.Any("error", err))
	out <- prometheus.NewInvalidMetric(d, err)
}

func (c fleetCollector) instances(ctx context.Context, samples []models.MetricSample, gauge func(*prometheus.Desc, float64, ...string)) error {
	ids := make([]models.InstanceID, len(samples))
	for n := range samples {
		ids[n] = samples[n].InstanceID
	}
	names, err := c.s.store.Metrics.Labels(ctx, ids)
	if err != nil {
		return err
	}
	for n := range samples {
		if labels, ok := names[ids[n]]; ok {
			exportSample(&samples[n].Values, labels, gauge)
		}
	}
	return nil
}

// exportSample says the figures that are known, in Prometheus' base units.
func exportSample(v *models.MetricValues, l store.MetricLabels, gauge func(*prometheus.Desc, float64, ...string)) {
	for _, f := range exported {
		value := v.Get(f.metric)
		if math.IsNaN(value) {
			continue
		}
		labels := []string{l.Stack, l.Layers, l.Hostname}
		if f.label != "" {
			labels = append(labels, f.label)
		}
		gauge(f.desc, value*f.unit, labels...)
	}
}

// exported is what each metric is for Prometheus.
var exported = []struct {
	metric models.Metric
	desc   *prometheus.Desc
	label  string
	unit   float64
}{
	{models.MetricCPUIdle, descCPU, "idle", 0.01},
	{models.MetricCPUNice, descCPU, "nice", 0.01},
	{models.MetricCPUSystem, descCPU, "system", 0.01},
	{models.MetricCPUUser, descCPU, "user", 0.01},
	{models.MetricCPUWaitIO, descCPU, "waitio", 0.01},
	{models.MetricCPUSteal, descCPU, "steal", 0.01},
	{models.MetricMemoryTotal, descMemory, "total", 1024},
	{models.MetricMemoryUsed, descMemory, "used", 1024},
	{models.MetricMemoryFree, descMemory, "free", 1024},
	{models.MetricMemoryBuffers, descMemory, "buffers", 1024},
	{models.MetricMemoryCached, descMemory, "cached", 1024},
	{models.MetricMemorySwap, descMemory, "swap", 1024},
	{models.MetricLoad1, descLoad, "1", 1},
	{models.MetricLoad5, descLoad, "5", 1},
	{models.MetricLoad15, descLoad, "15", 1},
	{models.MetricProcs, descProcs, "", 1},
}
