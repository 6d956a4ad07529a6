package views

import (
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func text(t *testing.T, s Sentence) string {
	t.Helper()
	out := s.Lead
	if len(s.Rest) > 0 {
		out += " "
	}
	for _, p := range s.Rest {
		out += p.Text
	}
	return out
}

func TestStackSentence(t *testing.T) {
	t.Parallel()
	lost := InstanceRef{ID: "1", Hostname: "worker-7", Status: models.InstanceConnectionLost, Since: noon.Add(-6 * time.Minute)}
	bad := InstanceRef{ID: "2", Hostname: "worker-9", Status: models.InstanceSetupFailed}
	for name, c := range map[string]struct {
		counts  StatusCounts
		trouble []InstanceRef
		want    string
	}{
		"Empty":      {StatusCounts{}, nil, "There is no instance yet. Add one to a layer, then start it."},
		"AllOnline":  {StatusCounts{models.InstanceOnline: 40}, nil, "All 40 instances are online."},
		"OneOnline":  {StatusCounts{models.InstanceOnline: 1}, nil, "The one instance is online."},
		"AllStopped": {StatusCounts{models.InstanceStopped: 3}, nil, "All 3 instances are stopped. Nothing runs and nothing serves."},
		"Mixed": {
			StatusCounts{models.InstanceOnline: 34, models.InstanceConnectionLost: 1, models.InstanceSetupFailed: 1, models.InstanceRunningSetup: 1, models.InstanceStopped: 3},
			[]InstanceRef{lost, bad},
			"34 of 40 instances are online. worker-7 has been silent for 6 min, worker-9 failed setup, 1 is running_setup and 3 are stopped.",
		},
		"Many": {
			StatusCounts{models.InstanceOnline: 1570, models.InstanceSetupFailed: 30}, []InstanceRef{bad, bad, bad, bad, bad},
			"1\u00a0570 of 1\u00a0600 instances are online. worker-9 failed setup, worker-9 failed setup, worker-9 failed setup and 27 more need attention.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := text(t, StackSentence(c.counts, c.trouble, noon)); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestInstanceSentence(t *testing.T) {
	t.Parallel()
	began := noon.Add(-time.Minute)
	ended := began.Add(400 * time.Millisecond)
	configure := &models.Command{ID: "c", DeploymentID: "d", Type: models.CommandConfigure, Status: models.CommandSuccessful, StartedAt: &began, CompletedAt: &ended}
	i := models.Instance{Status: models.InstanceOnline, StatusSince: noon.Add(-12 * time.Minute)}
	want := "Online for 12 min. Last command: configure, 0.4 s, because web2 entered online."
	if got := text(t, InstanceSentence(i, configure, "web2 entered online", noon)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	failed := *configure
	failed.Status = models.CommandFailed
	i = models.Instance{Status: models.InstanceSetupFailed, StatusSince: noon.Add(-2 * time.Hour), StatusReason: "shop::queue exited 1"}
	want = "Setup failed 2 h ago; the machine still runs. shop::queue exited 1. Last command: configure, 0.4 s, failed."
	if got := text(t, InstanceSentence(i, &failed, "", noon)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Every state has a sentence of its own words, so that no page says less than
// the state's name.
func TestEveryStateHasALead(t *testing.T) {
	t.Parallel()
	for _, s := range models.InstanceStatuses {
		got := instanceLead(models.Instance{Status: s, StatusSince: noon.Add(-time.Hour), Ec2InstanceID: "m"}, noon)
		if !strings.HasSuffix(got, ".") || !strings.Contains(got, "1 h") {
			t.Errorf("%s: %q", s, got)
		}
	}
}

func TestSentenceIsEscaped(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := Sentence{Lead: "<script>", Rest: []Phrase{{`<b>"x"`, `/a"b`}, {Text: "."}}}
	if err := s.Render(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if want := `<b>&lt;script&gt;</b> <a href="/a&#34;b">&lt;b&gt;&#34;x&#34;</a>.`; out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", time.Millisecond: "< 0.1 s", 400 * time.Millisecond: "0.4 s", 2 * time.Second: "2 s", 41 * time.Second: "41 s", 131 * time.Second: "2 min 11 s",
		12 * time.Minute: "12 min", 2 * time.Hour: "2 h", 292 * time.Hour: "12 d 4 h",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%s): got %q, want %q", d, got, want)
		}
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1600: "1\u00a0600", 1234567: "1\u00a0234\u00a0567", -1600: "-1\u00a0600"} {
		if got := Thousands(n); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestChainFollowsCauses(t *testing.T) {
	t.Parallel()
	asked := models.StackEvent{ID: 1, Text: "php-3 was asked to start", Cause: models.Cause{Kind: models.CauseUser, Actor: "mira", Text: "the sale begins"}}
	booting := models.StackEvent{ID: 2, Kind: "instance", Tone: "wait", Cause: models.Cause{Kind: models.CauseStart, Text: "its machine runs", EventID: 1}}
	online := models.StackEvent{ID: 3, Kind: "instance", Tone: "ok", Cause: models.Cause{Text: "setup succeeded", EventID: 2}}
	configure := models.StackEvent{ID: 4, Cause: models.Cause{Text: "php-3 entered online", EventID: 3}}
	loop := models.StackEvent{ID: 5, Cause: models.Cause{Text: "itself", EventID: 5}}
	all := map[int64]models.StackEvent{1: asked, 2: booting, 3: online, 4: configure, 5: loop}
	if got, want := strings.Join(Chain(booting, all), " | "), "its machine runs | mira asked: the sale begins"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := strings.Join(Chain(configure, all), " | "), "php-3 entered online | setup succeeded | mira asked: the sale begins"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Chain(loop, all); len(got) != 1 {
		t.Errorf("a loop gives %d causes", len(got))
	}
}

func TestProgressPartsFillTheBar(t *testing.T) {
	t.Parallel()
	p := Progress{models.CommandSuccessful: 1590, models.CommandFailed: 1, models.CommandRunning: 2, models.CommandSent: 3, models.CommandPending: 4}
	parts := p.parts()
	if len(parts) != 4 || parts[3].x == "0" {
		t.Fatalf("got %+v", parts)
	}
	for _, part := range parts {
		if part.width == "0" || strings.HasPrefix(part.width, "-") {
			t.Errorf("%s cannot be seen: width %s", part.tone, part.width)
		}
	}
	if got, want := p.Text(), "1\u00a0590 ok · 2 running · 1 failed · 7 waiting"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStopImpact(t *testing.T) {
	t.Parallel()
	web := models.Layer{Shortname: "web"}
	for want, counts := range map[string]StatusCounts{
		"web: no instance stays online; nothing of this layer keeps working.": {models.InstanceOnline: 1, models.InstanceStopped: 1},
		"web: 1 of 2 instances stays online and keeps working.":               {models.InstanceOnline: 2},
		"web: 3 of 5 instances stay online and keep working.":                 {models.InstanceOnline: 4, models.InstanceStopped: 1},
	} {
		if got := StopImpact(web, counts, models.InstanceOnline); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBuildStrip(t *testing.T) {
	t.Parallel()
	list := []models.RunItem{{Recipe: "a::x"}, {Recipe: "b::y"}, {Recipe: "c::z"}}
	commands := []models.Command{
		{ID: "1", InstanceID: "i1", Hostname: "web1", Status: models.CommandFailed, RunList: list},
		{ID: "2", InstanceID: "i2", Hostname: "web2", Status: models.CommandRunning, RunList: list},
		{ID: "3", InstanceID: "i3", Hostname: "lb1", Status: models.CommandPending, RunList: list[:1]},
	}
	steps := []models.LogStep{
		{CommandID: "1", Index: 0, Kind: "phase", Name: "fetch", Result: "successful", EndedAt: &noon},
		{CommandID: "1", Index: 1, Kind: "recipe", Name: "a::x", Result: "failed", EndedAt: &noon},
		{CommandID: "1", Index: 2, Kind: "resource", Name: "file[x]", Result: "failed", EndedAt: &noon},
		{CommandID: "2", Index: 0, Kind: "recipe", Name: "a::x"},
	}
	s := BuildStrip(commands, map[models.InstanceID]string{"i1": "web", "i2": "web", "i3": "lb"}, steps)
	want := map[string][]string{
		"fetch": {"successful", "", ""},
		"a::x":  {"failed", "running", "pending"},
		"b::y":  {"skipped", "pending", ""},
		"c::z":  {"skipped", "pending", ""},
	}
	if len(s.Steps) != len(want) || s.Columns[0].Short != "1" || !s.gap(2) || s.gap(1) {
		t.Fatalf("got %+v", s)
	}
	for _, row := range s.Steps {
		for n, cell := range row.Cells {
			if cell.State.Word != want[row.Name][n] {
				t.Errorf("%s on %s: got %q, want %q", row.Name, commands[n].Hostname, cell.State.Word, want[row.Name][n])
			}
		}
	}
}

func TestPagerKeepsTheFilter(t *testing.T) {
	t.Parallel()
	p := Pager{Path: "/x", Query: map[string][]string{"state": {"online"}, "offset": {"50"}, "q": {""}}, Offset: 50, Limit: 50, Total: 120, Overall: 200}
	if got, want := p.Previous()+" "+p.Next()+" "+p.Text(), "/x?state=online /x?offset=100&state=online 51 to 100 of 120, 80 hidden by the filter"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
