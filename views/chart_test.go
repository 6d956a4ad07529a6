package views

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

var nan = math.NaN()

func TestChartOutline(t *testing.T) {
	t.Parallel()
	line, area := outline([]float64{nan, 0, 50, nan, 100, nan}, 1, 100)
	if want := "M1 100.0L2 50.0M4 0.0"; line != want {
		t.Errorf("line: got %s, want %s", line, want)
	}
	if want := "M1 100.0L2 50.0V100H1ZM4 0.0V100H4Z"; area != want {
		t.Errorf("area: got %s, want %s", area, want)
	}
	if line, area := outline([]float64{nan, nan}, 1, 100); line+area != "" {
		t.Errorf("nothing known: got %q, %q", line, area)
	}
}

func TestChartStacks(t *testing.T) {
	t.Parallel()
	c := Chart{Lines: []ChartLine{{Kind: "stack", Values: []float64{1, nan}}, {Kind: "stack", Values: []float64{2, 3}}, {Kind: "line", Values: []float64{5, 2}}}}
	if got := c.drawn()[1]; got[0] != 3 || !math.IsNaN(got[1]) {
		t.Errorf("got %v, want 3 and unknown", got)
	}
	if c.High() != 5 {
		t.Errorf("got %v, want 5", c.High())
	}
}

func TestChartFigures(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		unit string
		v    float64
	}{
		"–": {"%", nan}, "42 %": {"%", 41.6}, "1.25 %": {"%", 1.25}, "0": {"", 0}, "0.82": {"", .8249}, "12.3": {"", 12.34},
		"124": {"", 123.6}, "12.3k": {"", 12345}, "1.5 GiB": {"GiB", 1.5}, "9999": {"", 9999}, "2M": {"", 2e6},
	} {
		if got := (Chart{Unit: c.unit}).Value(c.v); got != want {
			t.Errorf("%v %s: got %q, want %q", c.v, c.unit, got, want)
		}
	}
	l := ChartLine{Values: []float64{nan, 2, 6, nan, 1, nan}}
	average, low, high := l.Extent()
	if average != 3 || low != 1 || high != 6 || l.Last() != 1 {
		t.Errorf("got %v, %v, %v, %v; want 3, 1, 6, 1", average, low, high, l.Last())
	}
	c := Chart{Title: "CPU", Of: "web", Unit: "%", Lines: []ChartLine{l}}
	if got, want := c.Summary(), "CPU of web: last 1 %, on average 3 %, from 1 % to 6 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChartData(t *testing.T) {
	t.Parallel()
	span := ChartSpan{From: noon.Add(-time.Hour), To: noon.Add(20 * time.Second), Step: time.Minute}
	if span.Len() != 61 {
		t.Errorf("an hour and a bit has %d minutes, want 61", span.Len())
	}
	text, err := json.Marshal(NewChartData(span, []Chart{{ID: "cpu", Max: 100, Lines: []ChartLine{{Label: "CPU", Kind: "area", Shade: 1, Values: []float64{1, nan, 2.3456, math.Inf(1)}}}}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"values":[1,null,2.35,null]`, `"points":61`, `"marks":[]`, `"max":100`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

// Rows are compared on the same scale.
func TestCompare(t *testing.T) {
	t.Parallel()
	row := func(v float64) ChartRow {
		return ChartRow{Charts: []Chart{{Title: "Load", Lines: []ChartLine{{Values: []float64{v, nan}}}}}}
	}
	rows := []ChartRow{row(1), row(7), row(nan)}
	Compare(rows)
	for n, r := range rows {
		if r.Charts[0].Least != 7 {
			t.Errorf("row %d ends at %v, want 7", n, r.Charts[0].Least)
		}
	}
}
