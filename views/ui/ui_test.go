package ui

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHealthBarShowsEveryTone(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := HealthBar([]Count{{"online", 4999}, {"setup_failed", 1}, {"stopped", 0}}).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`aria-label="1 setup_failed, 4999 online"`, `class="s-bad" x="0.0" y="0" width="2.1"`, `class="s-ok"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}

func TestSegmentsFillTheBar(t *testing.T) {
	t.Parallel()
	list, total := segments([]Count{{"online", 100}, {"booting", 20}, {"connection_lost", 3}, {"pending", 1}})
	if total != 124 || len(list) != 3 || list[0].Tone != Lost || list[1].Tone != Wait || list[1].N != 21 {
		t.Fatalf("got %+v of %d", list, total)
	}
	last := list[len(list)-1]
	x, _ := strconv.ParseFloat(last.X, 64)
	width, _ := strconv.ParseFloat(last.Width, 64)
	if end := x + width + 1; end < barWidth-0.5 || end > barWidth+0.5 {
		t.Errorf("the bar ends at %.1f, want %d", end, barWidth)
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s ago", 59 * time.Second: "59 s ago", 61 * time.Minute: "1 h ago", 49 * time.Hour: "2 d ago",
	} {
		if got := Ago(now.Add(-d), now); got != want {
			t.Errorf("Ago(%v): got %q, want %q", d, got, want)
		}
	}
}

func TestFieldTiesItsError(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	f := FieldProps{Name: "Shortname", Label: "Short name", Value: `<b>"x"`, Error: "Wrong.", Hint: "Hidden by the error."}
	if err := Field(f).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`aria-invalid="true"`, `aria-describedby="Shortname-error"`, `id="Shortname-error"`, `value="&lt;b&gt;&#34;x&#34;"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}
