package views

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// ChartRange is how far back charts look, in words.
type ChartRange struct {
	Key          models.MetricRange
	Label, Words string
}

// ChartRanges are those of OpsWorks; the first is the usual one.
var ChartRanges = []ChartRange{
	{models.Range1Hour, "1 h", "hour"}, {models.Range8Hours, "8 h", "8 hours"}, {models.Range24Hours, "24 h", "24 hours"},
	{models.Range1Week, "1 week", "week"}, {models.Range2Weeks, "2 weeks", "2 weeks"},
}

// RangeOf is the range of that key; the usual one for any other.
func RangeOf(key string) ChartRange {
	for _, r := range ChartRanges {
		if string(r.Key) == key {
			return r
		}
	}
	return ChartRanges[0]
}

// Monitoring is a page of charts: of a stack by layer, of a layer by instance,
// or of one instance.
type Monitoring struct {
	Frame    StackFrame
	Now      time.Time
	Title    string
	Layer    *LayerShow       // its tabs, on the page of a layer
	Instance *models.Instance // on the page of an instance
	Sentence Sentence
	Path     string // of the page, without its query
	Range    ChartRange
	Span     ChartSpan
	Rows     []ChartRow
	Silent   string // which instances have no figures, and why
	Marks    []ChartMark
	Empty    MonitoringEmpty
}

// MonitoringEmpty is what a page without any figures leads to.
type MonitoringEmpty struct{ Title, Text, Href, Do string }

// NothingMeasured is that there are things to measure, but no figures.
func NothingMeasured(text, href, do string) MonitoringEmpty {
	return MonitoringEmpty{Title: "Nothing was measured in this time", Text: text, Href: href, Do: do}
}

// ChartRow is the charts of one layer or instance.
type ChartRow struct {
	ID     string
	Name   string
	Href   string
	Note   string
	Status models.InstanceStatus
	Charts []Chart
}

// mostMarks is how many marks are listed below the charts.
const mostMarks = 20

// Listed are the newest marks, newest first.
func (p Monitoring) Listed() []ChartMark {
	var out []ChartMark
	for n := len(p.Marks) - 1; n >= 0 && len(out) < mostMarks; n-- {
		out = append(out, p.Marks[n])
	}
	return out
}

// Data is what the script draws.
func (p Monitoring) Data() ChartData {
	var all []Chart
	for _, r := range p.Rows {
		all = append(all, r.Charts...)
	}
	return NewChartData(p.Span, all, p.Marks)
}

// Known says that there is anything to draw.
func (p Monitoring) Known() bool { return slices.ContainsFunc(p.Rows, ChartRow.known) }

func (p Monitoring) rangeHref(r ChartRange) templ.SafeURL {
	if r.Key == ChartRanges[0].Key {
		return templ.SafeURL(p.Path)
	}
	return templ.SafeURL(p.Path + "?range=" + string(r.Key))
}

// dataHref is where the script reads the figures again.
func (p Monitoring) dataHref() string { return p.Path + "/data?range=" + string(p.Range.Key) }

// MonitoringHref is the page of an instance's charts.
func MonitoringHref(id models.InstanceID) string { return InstanceHref(id) + "/monitoring" }

// instanceTabs lead from an instance's overview to its charts.
func instanceTabs(i models.Instance, current string) []ui.TabProps {
	return []ui.TabProps{
		{Href: templ.SafeURL(InstanceHref(i.ID)), Label: "Overview", Current: current == "overview"},
		{Href: templ.SafeURL(MonitoringHref(i.ID)), Label: "Monitoring", Current: current == "monitoring"},
		{Href: templ.SafeURL(ShellHref(i.ID)), Label: "Shell", Current: current == "shell"},
	}
}

// Compare makes the charts of a column end at the same value, so that the eye
// can compare rows.
func Compare(rows []ChartRow) {
	highest := map[string]float64{}
	for _, r := range rows {
		for _, c := range r.Charts {
			highest[c.Title] = max(highest[c.Title], c.High())
		}
	}
	for _, r := range rows {
		for n := range r.Charts {
			r.Charts[n].Least = highest[r.Charts[n].Title]
		}
	}
}

// LivePoint is the newest values of a chart, by line.
type LivePoint struct {
	At     int64       `json:"at"` // seconds since 1970
	Values ChartValues `json:"values"`
}

// BusiestSentence says which layer or instance works hardest.
func BusiestSentence(rows []ChartRow, noun string, r ChartRange) Sentence {
	var busiest *ChartRow
	most := -1.0
	known := 0
	for n, row := range rows {
		v := row.Charts[0].Lines[0].Last()
		if math.IsNaN(v) {
			continue
		}
		known++
		if v > most {
			most, busiest = v, &rows[n]
		}
	}
	if busiest == nil {
		return Sentence{Lead: "No figures in the last " + r.Words + "."}
	}
	c := busiest.Charts
	now := fmt.Sprintf("%s CPU and %s memory", c[0].Value(most), c[1].Value(c[1].Lines[0].Last()))
	if known == 1 {
		return Sentence{Lead: "Now " + now + ".", Rest: []Phrase{{Text: "Only "}, {busiest.Name, busiest.Href}, {Text: " has figures in the last " + r.Words + "."}}}
	}
	return Sentence{Lead: busiest.Name + " is the busiest of " + Count(known, noun) + ".", Rest: []Phrase{{Text: "Now " + now + "."}}}
}

// NowSentence says what an instance does now: charts are its CPU, memory, load
// and processes.
func NowSentence(charts []Chart, r ChartRange) Sentence {
	cpu, memory, load := charts[0].Lines[0].Last(), charts[1].Lines[0].Last(), charts[2].Lines[0].Last()
	if math.IsNaN(cpu) {
		return Sentence{Lead: "No figures in the last " + r.Words + "."}
	}
	average, _, high := charts[0].Lines[0].Extent()
	return Sentence{
		Lead: fmt.Sprintf("%s CPU, %s memory, load %s.", charts[0].Value(cpu), charts[1].Value(memory), charts[2].Value(load)),
		Rest: []Phrase{{Text: fmt.Sprintf("In the last %s CPU was %s on average and %s at most.", r.Words, charts[0].Value(average), charts[0].Value(high))}},
	}
}

// SilentSentence says which instances have no charts.
func SilentSentence(silent []models.Instance, left int) string {
	var parts []string
	if left > 0 {
		parts = append(parts, Count(left, "more instance")+" in the average only; their own pages have their charts.")
	}
	switch n := len(silent); {
	case n > 3:
		parts = append(parts, Count(n, "instance")+" without figures in this time.")
	case n > 0:
		var names []string
		for _, i := range silent {
			names = append(names, i.Hostname+" ("+string(i.Status)+")")
		}
		parts = append(parts, "Without figures in this time: "+list(names)+".")
	}
	return strings.Join(parts, " ")
}

// RuleState is how the deed of a rule is marked.
func RuleState(k models.CauseKind) State {
	switch k {
	case models.CauseHealing:
		return State{ui.Warn, "auto healing"}
	case models.CauseLoad:
		return State{ui.Wait, "by load"}
	}
	return State{ui.Wait, "by schedule"}
}
