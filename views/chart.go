package views

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Chart is a figure of values over time. The server draws it; js/chart.js draws
// it again where scripts run.
type Chart struct {
	ID    string // on its page
	Title string // "CPU"
	Unit  string // "%", "GiB", or nothing for a plain number
	Of    string // whose values: "PHP app"
	Lines []ChartLine
	// Max is where the value axis ends; 0: it follows the data, but ends at
	// Least at the lowest, so that charts in a column can be compared.
	Max, Least float64
	Large      bool // with a legend of its lines
	// Span is the time shown, written below the server's drawing if it is given.
	Span ChartSpan
}

// ChartLine is one series of a chart; NaN is not known.
type ChartLine struct {
	Label  string
	Kind   string // "line", "area" or "stack"
	Shade  int    // 1 is the strongest
	Dash   bool
	Values []float64
}

// ChartSpan is the time that charts show: a value for each Step of [From, To).
type ChartSpan struct {
	From, To time.Time
	Step     time.Duration
}

// Len is the number of values.
func (s ChartSpan) Len() int { return int((s.To.Sub(s.From) + s.Step - 1) / s.Step) }

// moment writes one end of the time: the day too when it is longer than one.
func (s ChartSpan) moment(t time.Time) string {
	if s.To.Sub(s.From) > 25*time.Hour {
		return t.UTC().Format("2 Jan")
	}
	return t.UTC().Format("15:04")
}

// Last is the newest known value.
func (l ChartLine) Last() float64 {
	for n := len(l.Values) - 1; n >= 0; n-- {
		if !math.IsNaN(l.Values[n]) {
			return l.Values[n]
		}
	}
	return math.NaN()
}

// Extent is the average, the lowest and the highest of the known values.
func (l ChartLine) Extent() (average, low, high float64) {
	n := 0
	average, low, high = 0, math.NaN(), math.NaN()
	for _, v := range l.Values {
		if math.IsNaN(v) {
			continue
		}
		n++
		average += v
		if !(v >= low) { // the first one too
			low = v
		}
		if !(v <= high) {
			high = v
		}
	}
	return average / float64(n), low, high
}

// Known says that there is at least one value.
func (c Chart) Known() bool {
	for _, l := range c.Lines {
		if !math.IsNaN(l.Last()) {
			return true
		}
	}
	return false
}

// High is the highest value that is drawn: of stacked lines their sum.
func (c Chart) High() float64 {
	high := 0.0
	for _, values := range c.drawn() {
		for _, v := range values {
			high = max(high, zeroNaN(v))
		}
	}
	return high
}

// drawn are the values as they are drawn: stacked lines on top of each other.
func (c Chart) drawn() [][]float64 {
	var out [][]float64
	var below []float64
	for _, l := range c.Lines {
		values := l.Values
		if l.Kind == "stack" {
			values = make([]float64, len(l.Values))
			for n, v := range l.Values {
				values[n] = v
				if below != nil {
					values[n] += below[n]
				}
			}
			below = values
		}
		out = append(out, values)
	}
	return out
}

func zeroNaN(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// The server's drawing is a hundred high and as wide as it has points; the
// style sheet stretches it. It has no more points than can be told apart.
const (
	plotHeight = 100
	plotPoints = 120
)

// plotLine is one line of the server's drawing.
type plotLine struct{ Line, Area string }

func (c Chart) over(s ChartSpan) Chart {
	c.Span = s
	return c
}

// top is where the value axis ends.
func (c Chart) top() float64 {
	top := c.Max
	if top == 0 {
		top = max(c.High(), c.Least) * 1.08
	}
	if top == 0 {
		top = 1
	}
	return top
}

// plot draws the lines into a box of plotHeight.
func (c Chart) plot() (width int, lines []plotLine) {
	top := c.top()
	for n, values := range c.drawn() {
		every := (len(values) + plotPoints - 1) / plotPoints
		width = max(width, (len(values)-1)/max(every, 1))
		p := plotLine{}
		p.Line, p.Area = outline(values, max(every, 1), top)
		if c.Lines[n].Kind == "line" {
			p.Area = ""
		}
		lines = append(lines, p)
	}
	return max(width, 1), lines
}

// outline is the path of a line, and that of the ground under it. A value that
// is not known breaks it.
func outline(values []float64, every int, top float64) (line, area string) {
	var l, a strings.Builder
	start, last := -1, -1
	end := func() {
		if start >= 0 {
			fmt.Fprintf(&a, "V%dH%dZ", plotHeight, start)
		}
		start = -1
	}
	for n := 0; n < len(values); n += every {
		x, v := n/every, values[n]
		if math.IsNaN(v) {
			end()
			continue
		}
		y := strconv.FormatFloat(plotHeight-min(v/top, 1)*plotHeight, 'f', 1, 64)
		if start < 0 {
			start = x
			fmt.Fprintf(&l, "M%d %s", x, y)
			fmt.Fprintf(&a, "M%d %s", x, y)
		} else {
			fmt.Fprintf(&l, "L%d %s", x, y)
			fmt.Fprintf(&a, "L%d %s", x, y)
		}
		last = x
	}
	if last >= 0 {
		end()
	}
	return l.String(), a.String()
}

// Value writes a value in the chart's unit; one that is not known is a dash.
func (c Chart) Value(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case c.Unit == "%" && v >= 10:
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64) + " %"
	case c.Unit == "":
		return figure(v)
	}
	return figure(v) + " " + c.Unit
}

// figure writes a number in as few digits as tell it apart, as js/chart.js does.
func figure(v float64) string {
	digits, size := 1, math.Abs(v)
	switch {
	case size >= 1e9:
		return figure(v/1e9) + "G"
	case size >= 1e6:
		return figure(v/1e6) + "M"
	case size >= 1e4:
		return figure(v/1e3) + "k"
	case size >= 100:
		digits = 0
	case size < 10:
		digits = 2
	}
	scale := math.Pow(10, float64(digits))
	return strconv.FormatFloat(math.Round(v*scale)/scale, 'f', -1, 64)
}

// Summary says in words what the chart shows.
func (c Chart) Summary() string {
	if !c.Known() {
		return fmt.Sprintf("%s of %s: no figures", c.Title, c.Of)
	}
	var parts []string
	for _, l := range c.Lines {
		average, low, high := l.Extent()
		name := l.Label + " "
		if len(c.Lines) == 1 {
			name = ""
		}
		parts = append(parts, fmt.Sprintf("%slast %s, on average %s, from %s to %s", name, c.Value(l.Last()), c.Value(average), c.Value(low), c.Value(high)))
	}
	return fmt.Sprintf("%s of %s: %s", c.Title, c.Of, strings.Join(parts, "; "))
}

// ChartData is what js/chart.js draws, as JSON.
type ChartData struct {
	From   int64                `json:"from"` // seconds since 1970
	To     int64                `json:"to"`
	Step   int64                `json:"step"`
	Points int                  `json:"points"`
	Charts map[string]ChartJSON `json:"charts"`
	Marks  []ChartMarkJSON      `json:"marks"`
}

// ChartJSON is one chart for the script.
type ChartJSON struct {
	Unit   string          `json:"unit,omitempty"`
	Max    float64         `json:"max,omitempty"`
	Least  float64         `json:"least,omitempty"`
	Series []ChartLineJSON `json:"series"`
}

// ChartLineJSON is one series for the script.
type ChartLineJSON struct {
	Label  string      `json:"label"`
	Kind   string      `json:"kind"`
	Shade  int         `json:"shade"`
	Dash   bool        `json:"dash,omitempty"`
	Values ChartValues `json:"values"`
}

// ChartMarkJSON is something that happened, for the script.
type ChartMarkJSON struct {
	At   int64  `json:"at"`
	Tone string `json:"tone"`
	Text string `json:"text"`
}

// ChartValues are written with two decimals at most; one not known is null.
type ChartValues []float64

// MarshalJSON writes the values.
func (v ChartValues) MarshalJSON() ([]byte, error) {
	out := append(make([]byte, 0, 6*len(v)+2), '[')
	for n, value := range v {
		if n > 0 {
			out = append(out, ',')
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			out = append(out, "null"...)
			continue
		}
		out = strconv.AppendFloat(out, math.Round(value*100)/100, 'f', -1, 64)
	}
	return append(out, ']'), nil
}

// NewChartData is the data of a page's charts.
func NewChartData(span ChartSpan, charts []Chart, marks []ChartMark) ChartData {
	d := ChartData{
		From: span.From.Unix(), To: span.To.Unix(), Step: int64(span.Step / time.Second), Points: span.Len(),
		Charts: make(map[string]ChartJSON, len(charts)), Marks: make([]ChartMarkJSON, 0, len(marks)),
	}
	for _, c := range charts {
		j := ChartJSON{Unit: c.Unit, Max: c.Max, Least: c.Least}
		for _, l := range c.Lines {
			j.Series = append(j.Series, ChartLineJSON{Label: l.Label, Kind: l.Kind, Shade: l.Shade, Dash: l.Dash, Values: l.Values})
		}
		d.Charts[c.ID] = j
	}
	for _, m := range marks {
		d.Marks = append(d.Marks, ChartMarkJSON{At: m.At.Unix(), Tone: string(m.State.Tone), Text: m.Text})
	}
	return d
}

// ChartMark is something that happened, marked on the charts and listed below.
type ChartMark struct {
	ID    string
	At    time.Time
	State State
	Text  string // "deploy storefront", "php-3 was healed"
	Why   string
	Href  string
}
