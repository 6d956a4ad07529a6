package models

import (
	"math"
	"slices"
	"time"
)

// Metric is one of the figures that agents measure on their machines, by
// OpsWorks' name (CloudWatch namespace AWS/OpsWorks).
type Metric string

// The metrics. Shares of the processors are in percent of all that the machine
// has, memory is in KB.
const (
	MetricCPUIdle       Metric = "cpu_idle"
	MetricCPUNice       Metric = "cpu_nice"
	MetricCPUSystem     Metric = "cpu_system"
	MetricCPUUser       Metric = "cpu_user"
	MetricCPUWaitIO     Metric = "cpu_waitio"
	MetricCPUSteal      Metric = "cpu_steal"
	MetricMemoryTotal   Metric = "memory_total"
	MetricMemoryUsed    Metric = "memory_used" // without buffers and cache
	MetricMemoryFree    Metric = "memory_free"
	MetricMemoryBuffers Metric = "memory_buffers"
	MetricMemoryCached  Metric = "memory_cached"
	MetricMemorySwap    Metric = "memory_swap" // in use
	MetricLoad1         Metric = "load_1"
	MetricLoad5         Metric = "load_5"
	MetricLoad15        Metric = "load_15"
	MetricProcs         Metric = "procs"
)

// Metrics is every metric, in the order of MetricValues.
var Metrics = []Metric{
	MetricCPUIdle, MetricCPUNice, MetricCPUSystem, MetricCPUUser, MetricCPUWaitIO, MetricCPUSteal,
	MetricMemoryTotal, MetricMemoryUsed, MetricMemoryFree, MetricMemoryBuffers, MetricMemoryCached, MetricMemorySwap,
	MetricLoad1, MetricLoad5, MetricLoad15, MetricProcs,
}

// MetricCount is how many metrics there are.
const MetricCount = 16

// Index is the metric's place in Metrics and MetricValues; -1 for what is none.
func (m Metric) Index() int { return slices.Index(Metrics, m) }

// MetricValues has a figure of each metric, by Metric.Index. One that is not
// known is NaN.
type MetricValues [MetricCount]float32

// UnknownMetrics are values of which none is known.
func UnknownMetrics() MetricValues {
	var v MetricValues
	for n := range v {
		v[n] = float32(math.NaN())
	}
	return v
}

// Get is one figure; NaN when it is not known, or no metric at all.
func (v *MetricValues) Get(m Metric) float64 {
	n := m.Index()
	if n < 0 {
		return math.NaN()
	}
	return float64(v[n])
}

// Set stores one figure.
func (v *MetricValues) Set(m Metric, value float64) {
	if n := m.Index(); n >= 0 {
		v[n] = float32(value)
	}
}

// CPU is how busy the processors are, in percent: what a CPU threshold is
// compared with.
func (v *MetricValues) CPU() float64 { return 100 - v.Get(MetricCPUIdle) }

// Memory is how much of the memory is in use, in percent, without buffers and
// cache: what a memory threshold is compared with.
func (v *MetricValues) Memory() float64 {
	total := v.Get(MetricMemoryTotal)
	if total == 0 {
		return math.NaN()
	}
	return v.Get(MetricMemoryUsed) / total * 100
}

// Load is the load average of a minute: what a load threshold is compared with.
func (v *MetricValues) Load() float64 { return v.Get(MetricLoad1) }

// Plausible is the values without what no machine has: an agent is believed
// about its own machine, but not everything.
func (v MetricValues) Plausible() MetricValues {
	for n, m := range Metrics {
		value := v[n]
		share := n <= MetricCPUSteal.Index()
		if value < 0 || math.IsInf(float64(value), 0) || share && value > 100.5 {
			v.Set(m, math.NaN())
		}
	}
	return v
}

// MetricSample is the figures of a minute, of an instance or averaged over the
// instances of a layer. At is when the minute began.
type MetricSample struct {
	InstanceID InstanceID // empty for an average
	At         time.Time
	Values     MetricValues
}

// MetricPoint is a figure in time: of what began at At. Figures that are not
// known have no point.
type MetricPoint struct {
	At    time.Time
	Value float64
}

// MetricRange is how far back a chart goes.
type MetricRange string

// The ranges of OpsWorks' Monitoring pages.
const (
	Range1Hour   MetricRange = "1h"
	Range8Hours  MetricRange = "8h"
	Range24Hours MetricRange = "24h"
	Range1Week   MetricRange = "1w"
	Range2Weeks  MetricRange = "2w"
)

// MetricRanges is every range, the shortest first.
var MetricRanges = []MetricRange{Range1Hour, Range8Hours, Range24Hours, Range1Week, Range2Weeks}

// Length is how long the range is; 0 for what is none.
func (r MetricRange) Length() time.Duration {
	const day = 24 * time.Hour
	return map[MetricRange]time.Duration{
		Range1Hour: time.Hour, Range8Hours: 8 * time.Hour, Range24Hours: day, Range1Week: 7 * day, Range2Weeks: 14 * day,
	}[r]
}

// Step is the time from a point of such a chart to the next: some 60 to 340
// points are as many as a chart can show.
func (r MetricRange) Step(minute time.Duration) time.Duration {
	switch r {
	case Range1Hour:
		return minute
	case Range8Hours:
		return max(minute, 2*time.Minute)
	case Range24Hours:
		return max(minute, 5*time.Minute)
	}
	return time.Hour
}

// MetricQuery asks for the figures of a chart: of the layers of a stack, of the
// instances of a layer, or of one instance. One of the three ids is given.
type MetricQuery struct {
	Stack    StackID
	Layer    LayerID
	Instance InstanceID
	Metrics  []Metric // none: all
	Range    MetricRange
}

// MetricLine is one line of a chart: a metric of an instance, or averaged over
// a layer's instances. The other id is empty.
type MetricLine struct {
	LayerID    LayerID
	InstanceID InstanceID
	Name       string // of the layer, or the hostname
	Metric     Metric
	Points     []MetricPoint
}

// MetricSeries answers a MetricQuery.
type MetricSeries struct {
	From, To time.Time
	// Step is the time between two points; where it is more, figures are missing.
	Step  time.Duration
	Lines []MetricLine
	// Left is how many instances have no line, because they are too many.
	Left int
}
