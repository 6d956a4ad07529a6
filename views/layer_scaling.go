package views

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// ScalingShow is the load-based scaling of a layer.
type ScalingShow struct {
	Config    models.LoadBasedAutoScaling
	LoadBased int // its load-based instances
	Running   int // its instances of all types that are online
	// Now says how the layer stands to its rules at this moment.
	Now     string
	Blocked bool // the rules cannot be looked at
	Events  []models.ScalingEvent
	Alarms  []models.Alarm // of the stack
	// Test is what the rules of the form would have done; nil where the page
	// does not show it.
	Test *ScalingTest
	// Draft: the rules of the form are not those that are stored.
	Draft bool
}

// ScalingTest is a back-test of rules.
type ScalingTest struct {
	Span           ChartSpan
	Charts         []Chart // with the id of their figure: cpu, memory, load
	Thresholds     map[string][]ScalingThreshold
	Steps          []ScalingStep
	Added, Removed int
	Flaps, Short   int
	Prepared       int           // load-based instances
	Measured       time.Duration // of how much time there are figures
	FlapTime       time.Duration
	// Problem says why the rules could not be tried.
	Problem string
}

// ScalingThreshold is a level on a chart, and the field that it belongs to.
type ScalingThreshold struct {
	Value float64 `json:"value"`
	Label string  `json:"label"`
	Tone  string  `json:"tone"`
	Field string  `json:"field"`
	Drag  bool    `json:"drag"`
}

// ScalingStep is one thing that rules would have done.
type ScalingStep struct {
	At       time.Time
	Up       bool
	Count    int
	Sentence string
}

// Text is the step in words.
func (s ScalingStep) Text() string {
	if s.Up {
		return "+" + Count(s.Count, "instance")
	}
	return "−" + Count(s.Count, "instance")
}

func (s ScalingStep) tone() ui.Tone {
	if s.Up {
		return ui.Run
	}
	return ui.Off
}

// scalingData is what the script draws.
type scalingData struct {
	ChartData
	Thresholds map[string][]ScalingThreshold `json:"thresholds"`
}

func (t *ScalingTest) data() scalingData {
	marks := make([]ChartMark, len(t.Steps))
	for n, s := range t.Steps {
		marks[n] = ChartMark{At: s.At, State: State{Tone: s.tone()}, Text: s.Text() + ". " + s.Sentence}
	}
	return scalingData{NewChartData(t.Span, t.Charts, marks), t.Thresholds}
}

// Sentence says what the rules would have done.
func (t *ScalingTest) Sentence() Sentence {
	switch {
	case t.Problem != "":
		return Sentence{Lead: "These rules cannot be tried.", Rest: []Phrase{{Text: t.Problem}}}
	case t.Measured == 0:
		return Sentence{Lead: "Nothing was measured in the last 7 days.", Rest: []Phrase{{Text: "The rules can be tried when instances of the layer have run for a while."}}}
	case t.Prepared == 0:
		return Sentence{Lead: "These rules would have done nothing:", Rest: []Phrase{{Text: "the layer has no load-based instance."}}}
	}
	s := Sentence{Lead: fmt.Sprintf("These rules would have added %d and removed %d, %s.", t.Added, t.Removed, ui.Plural(t.Flaps, "flap"))}
	if t.Short > 0 {
		s.Rest = append(s.Rest, Phrase{Text: fmt.Sprintf("%s more was wanted than the %s that are prepared.", times(t.Short), Count(t.Prepared, "load-based instance"))})
	}
	return s
}

func times(n int) string {
	if n == 1 {
		return "Once"
	}
	return fmt.Sprintf("%d times", n)
}

// note tells how much the test is worth.
func (t *ScalingTest) note() string {
	text := fmt.Sprintf("A flap is a change that the next one undoes within %s. ", Span(t.FlapTime))
	text += "What was measured does not change by what the rules would have done, so in truth they act less often. "
	return text + fmt.Sprintf("There are figures for %s of the 7 days.", days(t.Measured))
}

func days(d time.Duration) string {
	if d >= 24*time.Hour {
		return strconv.FormatFloat(float64(d.Round(2*time.Hour+24*time.Minute))/float64(24*time.Hour), 'f', 1, 64)
	}
	return Span(d.Round(time.Minute))
}

// scalingState says whether the layer follows its load, and how it stands.
func (p LayerShow) scalingState() Sentence {
	s := p.Scaling
	if !s.Config.Enable {
		return Sentence{Lead: "Load-based scaling is off.", Rest: []Phrase{{Text: "No instance is started or stopped by load; those that run keep running."}}}
	}
	lead := "Load-based scaling is on."
	if s.Blocked {
		lead = "Load-based scaling is on, and waits."
	}
	return Sentence{Lead: lead, Rest: []Phrase{{Text: s.Now}}}
}

func scalingDeed(e models.ScalingEvent) State {
	if e.Direction == models.ScaleUp {
		return State{ui.Run, "started " + strings.Join(e.Hostnames, ", ")}
	}
	return State{ui.Off, "stopped " + strings.Join(e.Hostnames, ", ")}
}

func percent(v *float64) string {
	if v == nil {
		return "–"
	}
	return strconv.FormatFloat(*v, 'f', 0, 64) + " %"
}

func plainFigure(v *float64) string {
	if v == nil {
		return "–"
	}
	return strconv.FormatFloat(*v, 'f', 2, 64)
}

// AlarmsHref is the page of a stack's alarms.
func AlarmsHref(id models.StackID) string { return StackHref(id) + "/alarms" }

// unknownAlarms are names in the rules that no alarm of the stack has: while
// they are there, nothing is scaled.
func (s ScalingShow) unknownAlarms() []string {
	known := map[string]bool{}
	for _, a := range s.Alarms {
		known[a.Name] = true
	}
	var missing []string
	for _, list := range [][]string{s.Config.UpScaling.Alarms, s.Config.DownScaling.Alarms} {
		for _, name := range list {
			if !known[name] {
				known[name] = true
				missing = append(missing, name)
			}
		}
	}
	return missing
}

func (s ScalingShow) alarmHint() string {
	names := make([]string, len(s.Alarms))
	for n, a := range s.Alarms {
		names[n] = a.Name
	}
	text := "Names of alarms, one a line, at most 5. Upper and lower case differ."
	if len(names) > 0 {
		text += " The stack has " + strings.Join(names, ", ") + "."
	}
	return text
}

// testHref is where the script has rules tried.
func (p LayerShow) testHref() templ.SafeURL { return templ.SafeURL(p.href("/scaling/test")) }

// scalingDirection is one of the two halves of the form.
type scalingDirection struct {
	Key, Title, Note, Count string
}

var scalingDirections = []scalingDirection{
	{"UpScaling", "Scale up", "Starts instances when any threshold is exceeded for all of the time.", "Start, instances"},
	{"DownScaling", "Scale down", "Stops instances when every threshold is undercut for all of the time.", "Stop, instances"},
}

// ScalingValue is a threshold as the form shows it: -1 and unset are off, an
// empty field.
func ScalingValue(v *float64) string {
	if v == nil || *v == models.Disabled {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}

// facts are the rules for those who may only look.
func (s ScalingShow) facts() []Fact {
	return []Fact{
		{Name: "Rules", Value: onOff(s.Config.Enable)},
		{Name: "Load-based instances", Value: Thousands(s.LoadBased)},
		{Name: "Scale up", Value: thresholdsText(s.Config.UpScaling, "above", "start", " or ")},
		{Name: "Scale down", Value: thresholdsText(s.Config.DownScaling, "below", "stop", " and ")},
	}
}

func thresholdsText(t models.AutoScalingThresholds, side, deed, or string) string {
	var parts []string
	for _, m := range []struct {
		name, unit string
		value      *float64
	}{{"CPU", "%", t.CPUThreshold}, {"memory", "%", t.MemoryThreshold}, {"load", "", t.LoadThreshold}} {
		if v := ScalingValue(m.value); v != "" {
			parts = append(parts, fmt.Sprintf("%s %s %s%s", m.name, side, v, m.unit))
		}
	}
	if len(t.Alarms) > 0 {
		parts = append(parts, "alarm "+strings.Join(t.Alarms, or))
	}
	if len(parts) == 0 {
		return "off: no threshold"
	}
	return fmt.Sprintf("%s for %d min: %s %d, then ignore metrics for %d min", strings.Join(parts, or), t.ThresholdsWaitTime, deed, t.InstanceCount, t.IgnoreMetricsTime)
}
