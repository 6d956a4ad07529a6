package intent_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"opsyard/engine/intent"
	"opsyard/models"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// a wish, in few words.
func wish(author models.IntentAuthor, want models.IntentWant) models.Intent {
	return models.Intent{ID: models.IntentID(author), Author: author, Want: want, State: models.IntentOpen, CreatedAt: noon}
}

func in(status models.InstanceStatus, scaling string) *models.Instance {
	return &models.Instance{Hostname: "web1", Status: status, AutoScalingType: scaling, RootDeviceType: models.RootDeviceEBS, InfrastructureClass: models.InfrastructureEC2, StatusSince: noon.Add(-time.Hour)}
}

// told is a decision as text: the act, then how each intent stands.
func told(d intent.Decision) string {
	text := "nothing"
	if d.Act != "" {
		text = fmt.Sprintf("%s for %s", d.Act, d.For.Author)
	}
	for _, e := range d.End {
		text += fmt.Sprintf("; %s %s", e.Intent.Author, e.State)
	}
	for _, w := range d.Wait {
		text += fmt.Sprintf("; %s waits", w.Intent.Author)
	}
	return text
}

func TestArbitrate(t *testing.T) {
	t.Parallel()
	const timer, load = models.ScalingTimer, models.ScalingLoad
	acted, half := noon.Add(-2*time.Hour), noon
	heal := wish(models.ByHealing, models.WantRestarted)
	healing := heal
	healing.ActedAt, healing.StoppedAt = &acted, &half
	tried := wish(models.BySchedule, models.WantOnline)
	tried.ActedAt = &acted
	for name, c := range map[string]struct {
		i     *models.Instance
		open  []models.Intent
		pause models.IntentAuthor
		want  string
	}{
		"a heal stops it first":            {in("connection_lost", ""), []models.Intent{heal}, "", "stop for healing"},
		"a heal goes on":                   {in("stopped", ""), []models.Intent{healing}, "", "start for healing"},
		"a heal that is not needed":        {in("online", ""), []models.Intent{heal}, "", "nothing; healing withdrawn"},
		"a heal that helped":               {in("online", ""), []models.Intent{healing}, "", "nothing; healing done"},
		"a heal that did not":              {in("connection_lost", ""), []models.Intent{healing}, "", "nothing; healing failed"},
		"a stopped one is started at once": {in("stopped", ""), []models.Intent{heal}, "", "start for healing"},
		"the schedule ends a heal":         {in("connection_lost", timer), []models.Intent{heal, wish(models.BySchedule, models.WantStopped)}, "", "stop for schedule; healing withdrawn"},
		"the schedule waits for a heal":    {in("connection_lost", timer), []models.Intent{heal, wish(models.BySchedule, models.WantOnline)}, "", "stop for healing; schedule waits"},
		"a person's stop ends all":         {in("online", timer), []models.Intent{wish(models.ByUser, models.WantStopped), heal, wish(models.BySchedule, models.WantOnline)}, "", "stop for user; healing withdrawn; schedule done"},
		"a person's start ends a heal":     {in("stopped", ""), []models.Intent{wish(models.ByUser, models.WantOnline), heal}, "", "start for user; healing withdrawn"},
		"the load takes what nobody wants": {in("stopped", load), []models.Intent{wish(models.ByLoad, models.WantOnline)}, "", "start for load"},
		"the load leaves others alone":     {in("connection_lost", load), []models.Intent{heal, wish(models.ByLoad, models.WantStopped)}, "", "stop for healing; load refused"},
		"the load leaves 24/7 alone":       {in("online", ""), []models.Intent{wish(models.ByLoad, models.WantStopped)}, "", "nothing; load refused"},
		"no longer time-based":             {in("online", ""), []models.Intent{wish(models.BySchedule, models.WantStopped)}, "", "nothing; schedule withdrawn"},
		"it is on its way":                 {in("shutting_down", timer), []models.Intent{wish(models.BySchedule, models.WantOnline)}, "", "nothing; schedule waits"},
		"the schedule tries again":         {in("start_failed", timer), []models.Intent{tried}, "", "start for schedule"},
		"a paused heal waits":              {in("connection_lost", ""), []models.Intent{heal}, models.ByHealing, "nothing; healing waits"},
		"a pause lets the schedule stop":   {in("connection_lost", timer), []models.Intent{heal, wish(models.BySchedule, models.WantStopped)}, models.ByHealing, "stop for schedule; healing withdrawn"},
		"there already":                    {in("online", timer), []models.Intent{wish(models.BySchedule, models.WantOnline)}, "", "nothing; schedule done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pauses []models.IntentPause
			if c.pause != "" {
				pauses = append(pauses, models.IntentPause{Author: c.pause, Reason: "It came again and again."})
			}
			if got := told(intent.Arbitrate(c.i, c.open, pauses, noon)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A start that failed is tried again after a rest, by the schedule alone.
func TestTriesAgainAfterARest(t *testing.T) {
	t.Parallel()
	i := in(models.InstanceStartFailed, models.ScalingTimer)
	i.StatusSince = noon
	for author, want := range map[models.IntentAuthor]string{models.BySchedule: "nothing; schedule waits", models.ByUser: "nothing; user failed", models.ByHealing: "nothing; healing failed"} {
		n := wish(author, models.WantOnline)
		n.ActedAt = &i.StatusSince
		if got := told(intent.Arbitrate(i, []models.Intent{n}, nil, noon.Add(intent.RetryAfter-1))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// sim carries out what is decided, against the state chart.
type sim struct {
	i      *models.Instance
	open   []models.Intent
	ended  []intent.Ending
	pauses []models.IntentPause
	now    time.Time
	serial int
}

func (s *sim) move(to models.InstanceStatus) {
	s.i.Status, s.i.StatusSince = to, s.now
}

func (s *sim) settle(t *rapid.T) intent.Decision {
	d := intent.Arbitrate(s.i, s.open, s.pauses, s.now)
	s.check(t, &d)
	for _, e := range d.End {
		s.open = slices.DeleteFunc(s.open, func(n models.Intent) bool { return n.ID == e.Intent.ID })
	}
	s.ended = append(s.ended, d.End...)
	at := s.now
	for k := range s.open {
		n := &s.open[k]
		if d.HalfDone != nil && d.HalfDone.ID == n.ID {
			n.StoppedAt = &at
		}
		if d.Act != intent.Nothing && d.For.ID == n.ID {
			n.ActedAt = &at
		}
	}
	switch d.Act {
	case intent.Start:
		s.move(models.InstanceRequested)
	case intent.Stop:
		s.move(models.InstanceStopping)
	}
	return d
}

// check is what holds of every decision.
func (s *sim) check(t *rapid.T, d *intent.Decision) {
	if len(d.End)+len(d.Wait)+min(1, len(d.Act)) != len(s.open) {
		t.Fatalf("of %d intents %d ended, %d wait, and %q is done", len(s.open), len(d.End), len(d.Wait), d.Act)
	}
	var stop *models.Intent
	for k, n := range s.open {
		if n.Author == models.ByUser && n.Want == models.WantStopped {
			stop = &s.open[k]
		}
	}
	if d.Act == intent.Nothing {
		return
	}
	switch {
	case d.Act == intent.Start && s.i.CanStart() != nil, d.Act == intent.Stop && s.i.CanStop(false) != nil:
		t.Fatalf("%s of an instance that is %s", d.Act, s.i.Status)
	case d.Act == intent.Start && stop != nil:
		t.Fatalf("it is started for %s, though a person wants it stopped", d.For.Author)
	case d.For.Author == models.ByLoad && (len(s.open)-len(d.End) > 1 || s.i.AutoScalingType != models.ScalingLoad):
		t.Fatal("the load takes what another owns")
	case d.For.Author != models.ByUser && slices.ContainsFunc(s.pauses, func(p models.IntentPause) bool { return p.Author == d.For.Author }):
		t.Fatalf("%s acts though it is paused", d.For.Author)
	case d.Act == intent.Stop && d.For.Want == models.WantOnline:
		t.Fatalf("%s wants it online, and it is stopped", d.For.Author)
	}
	for _, w := range d.Wait {
		held := slices.ContainsFunc(s.pauses, func(p models.IntentPause) bool { return p.Author == w.Intent.Author })
		if !held && slices.Index(models.IntentAuthors, w.Intent.Author) < slices.Index(models.IntentAuthors, d.For.Author) {
			t.Fatalf("%s acts before %s", d.For.Author, w.Intent.Author)
		}
	}
}

// world lets time pass: what moves by itself goes one step on, well or badly.
func (s *sim) world(t *rapid.T, kind bool) {
	s.now = s.now.Add(time.Minute)
	bad := !kind && rapid.IntRange(0, 5).Draw(t, "luck") == 0
	next := map[models.InstanceStatus][2]models.InstanceStatus{
		"requested": {"pending", "start_failed"}, "pending": {"booting", "start_failed"}, "booting": {"running_setup", "start_failed"},
		"running_setup": {"online", "setup_failed"}, "stopping": {"shutting_down", "stop_failed"}, "shutting_down": {"stopped", "stop_failed"},
		"rebooting": {"online", "connection_lost"},
	}
	if to, ok := next[s.i.Status]; ok {
		if bad {
			s.move(to[1])
		} else {
			s.move(to[0])
		}
	} else if bad && s.i.Status == models.InstanceOnline {
		s.move(models.InstanceConnectionLost)
	}
}

// Whatever is wanted by whom, in whatever state and with whatever luck: the
// strongest is obeyed, nobody is left without an answer, and once the world is
// kind everything settles, with a person's last word fulfilled.
func TestTheyCannotFight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &sim{now: noon, i: in(
			rapid.SampledFrom([]models.InstanceStatus{"stopped", "online", "connection_lost", "booting", "start_failed", "shutting_down", "setup_failed", "stop_failed", "rebooting"}).Draw(t, "status"),
			rapid.SampledFrom([]string{"", models.ScalingTimer, models.ScalingLoad}).Draw(t, "scaling"))}
		var word *models.Intent // a person's last
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				s.world(t, false)
			case 1:
				author := rapid.SampledFrom(models.IntentAuthors).Draw(t, "author")
				n := wish(author, rapid.SampledFrom([]models.IntentWant{models.WantOnline, models.WantStopped, models.WantRestarted}).Draw(t, "want"))
				s.serial++
				n.ID, n.CreatedAt = models.IntentID(fmt.Sprintf("%03d", s.serial)), s.now
				s.open = append(slices.DeleteFunc(s.open, func(o models.Intent) bool { return o.Author == author }), n)
				if author == models.ByUser {
					word = &n
				}
			case 2:
				author := rapid.SampledFrom(models.IntentAuthors[1:]).Draw(t, "paused")
				s.pauses = append(s.pauses, models.IntentPause{Author: author})
			case 3:
				s.pauses = nil
			}
			s.settle(t)
		}
		s.pauses = nil
		for range 100 {
			s.world(t, true)
			s.settle(t)
		}
		d := s.settle(t)
		if d.Act != intent.Nothing || len(d.End) > 0 {
			t.Fatalf("it does not settle: %s", told(d))
		}
		for _, w := range d.Wait {
			if s.i.Status != models.InstanceConnectionLost || w.Intent.Author != models.BySchedule { // which healing will end
				t.Fatalf("%s waits for ever for %s: %s", w.Intent.Author, w.Intent.Want, w.Why)
			}
		}
		s.lastWord(t, word)
	})
}

// lastWord checks that what a person wanted last has come about or failed.
func (s *sim) lastWord(t *rapid.T, word *models.Intent) {
	if word == nil {
		return
	}
	n := slices.IndexFunc(s.ended, func(e intent.Ending) bool { return e.Intent.ID == word.ID })
	if n < 0 {
		t.Fatalf("a person's wish for %s has no end", word.Want)
	}
	if got := s.ended[n].State; got != models.IntentDone && got != models.IntentFailed {
		t.Fatalf("a person's wish for %s is %s", word.Want, got)
	}
}
