package views

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/views/ui"

	"github.com/a-h/templ"
)

// AlarmsPage is the alarms of a stack; beside the list stands the one that is
// looked at, or the form of a new one.
type AlarmsPage struct {
	Frame  StackFrame
	Now    time.Time
	Rows   []AlarmRow
	Chosen *AlarmRow
	// History is what the chosen one did, newest first.
	History    []models.AlarmChange
	Form       Form
	Layers     []models.Layer
	Hostnames  []string // to choose from; others may be typed
	Prometheus bool     // alarms can have a query
}

// AlarmRow is an alarm and what it is about.
type AlarmRow struct {
	models.Alarm
	Scope string // "layer Web"
	Href  string // of the scope
	// UsedBy are the layers whose scaling looks at it.
	UsedBy []string
}

// AlarmTone is the colour of an alarm's state.
func AlarmTone(s models.AlarmState) ui.Tone {
	switch s {
	case models.AlarmOn:
		return ui.Bad
	case models.AlarmOK:
		return ui.OK
	}
	return ui.Off
}

// AlarmHref is the page of one alarm.
func AlarmHref(stack models.StackID, id models.AlarmID) string {
	return AlarmsHref(stack) + "?alarm=" + string(id)
}

// Sentence says how the alarms stand.
func (p AlarmsPage) Sentence() Sentence {
	n := map[models.AlarmState]int{}
	for _, r := range p.Rows {
		n[r.State]++
	}
	s := Sentence{}
	switch {
	case len(p.Rows) == 0:
		s.Lead = "No alarm."
		return s
	case n[models.AlarmOn] > 0:
		s.Lead = fmt.Sprintf("%d of %s on.", n[models.AlarmOn], alarmsBe(len(p.Rows), n[models.AlarmOn]))
	case n[models.AlarmInsufficient] == len(p.Rows):
		s.Lead = "No alarm has data."
		return s
	default:
		s.Lead = "No alarm is on."
	}
	if n := n[models.AlarmInsufficient]; n > 0 {
		s.Rest = append(s.Rest, Phrase{Text: Count(n, "alarm") + " without enough data."})
	}
	return s
}

func alarmsBe(all, on int) string {
	if on == 1 {
		return Count(all, "alarm") + " is"
	}
	return Count(all, "alarm") + " are"
}

// Sort puts what needs attention first.
func (p AlarmsPage) Sort() {
	rank := map[models.AlarmState]int{models.AlarmOn: 0, models.AlarmInsufficient: 1, models.AlarmOK: 2}
	slices.SortStableFunc(p.Rows, func(a, b AlarmRow) int {
		return cmp.Or(cmp.Compare(rank[a.State], rank[b.State]), strings.Compare(a.Name, b.Name))
	})
}

func (r AlarmRow) value() string {
	if r.Value == nil {
		return "–"
	}
	return r.Show(*r.Value)
}

func (p AlarmsPage) isChosen(r AlarmRow) bool { return p.Chosen != nil && p.Chosen.ID == r.ID }

// action is where the form goes.
func (p AlarmsPage) action(path string) templ.SafeURL {
	if p.Chosen == nil {
		return templ.SafeURL(AlarmsHref(p.Frame.ID))
	}
	return templ.SafeURL(AlarmsHref(p.Frame.ID) + "/" + string(p.Chosen.ID) + path)
}

var metricLabels = map[models.Metric]string{
	models.MetricCPU: "CPU in use, %", models.MetricMemory: "Memory in use, %",
}

func (p AlarmsPage) metricOptions() []ui.Option {
	var options []ui.Option
	for _, m := range models.AlarmMetrics() {
		label := string(m)
		if l, ok := metricLabels[m]; ok {
			label = l
		}
		options = append(options, ui.Option{Value: string(m), Label: label, Selected: p.Form.Value("Metric") == string(m)})
	}
	return options
}

func (p AlarmsPage) comparisonOptions() []ui.Option {
	var options []ui.Option
	for _, c := range models.AlarmComparisons {
		options = append(options, ui.Option{Value: string(c), Label: c.Words(), Selected: p.Form.Value("Comparison") == string(c)})
	}
	return options
}

func (p AlarmsPage) layerOptions() []ui.Option {
	options := []ui.Option{{Label: "All of the stack", Selected: p.Form.Value("LayerId") == ""}}
	for _, l := range p.Layers {
		options = append(options, ui.Option{Value: string(l.ID), Label: "Layer " + l.Name, Selected: p.Form.Value("LayerId") == string(l.ID)})
	}
	return options
}

func (p AlarmsPage) statistics() []string {
	list := make([]string, len(models.AlarmStatistics))
	for n, s := range models.AlarmStatistics {
		list[n] = string(s)
	}
	return list
}
