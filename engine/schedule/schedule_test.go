package schedule_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"opsyard/engine/schedule"
	"opsyard/models"
)

func at(minute int) time.Time { return time.Unix(int64(minute)*60, 0) }

func load(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := models.ScheduleZone(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// 10,000 seeded weeks in zones of all kinds equal what the oracle sees minute
// by minute: over moves of the clock, half-hour zones and leap days.
func TestSchedulesEqualAnOracle(t *testing.T) {
	t.Parallel()
	const cases, span = 10_000, 3 * day
	moved := 0
	for seed := range uint64(cases) {
		r := rand.New(rand.NewPCG(seed, 12))
		z := zones[r.IntN(len(zones))]
		w := someWeek(r)
		from, year := someTime(r, z)
		loc, law := load(t, z.name), z.around(year)

		var want []int
		on := law.on(w, from)
		if schedule.OnAt(w, loc, at(from)) != on {
			t.Fatalf("seed %d, %s: at %s it is %t", seed, z.name, at(from).In(loc), !on)
		}
		for m := from + 1; m <= from+span; m++ {
			if now := law.on(w, m); now != on {
				on = now
				want = append(want, m)
			}
		}
		var got []int
		on = schedule.OnAt(w, loc, at(from))
		for _, turn := range schedule.Transitions(w, loc, at(from), at(from+span)) {
			if turn.On == on {
				t.Fatalf("seed %d, %s: turns %t twice", seed, z.name, on)
			}
			on = turn.On
			got = append(got, int(turn.At.Unix()/60))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %s from %s, week %x:\ngot  %v\nwant %v", seed, z.name, at(from).In(loc), w, got, want)
		}
		checkSlots(t, w, loc, got, from, from+span)
		_, before := at(from).In(loc).Zone()
		_, after := at(from + span).In(loc).Zone()
		if before != after {
			moved++
		}
	}
	if moved < 1000 {
		t.Errorf("only %d of %d cases saw the clock moved", moved, cases)
	}
}

// checkSlots compares slots and the next turn with the turns of the oracle.
func checkSlots(t *testing.T, w models.WeeklySchedule, loc *time.Location, turns []int, from, to int) {
	t.Helper()
	for n, turn := range turns {
		for _, m := range []int{turn, turn + 1, min(append(turns, to)[n+1]-1, to)} {
			if m < turn {
				continue
			}
			slot := schedule.SlotAt(w, loc, at(m))
			if slot.Start.Unix() != int64(turn)*60 || slot.On != schedule.OnAt(w, loc, at(m)) {
				t.Fatalf("%s: the slot at %s begins %s, want %s", loc, at(m).In(loc), slot.Start.In(loc), at(turn).In(loc))
			}
		}
	}
	if len(turns) > 0 {
		next, ok := schedule.Next(w, loc, at(from))
		if !ok || next.At.Unix() != int64(turns[0])*60 {
			t.Fatalf("%s: the next turn after %s is %v, want %s", loc, at(from).In(loc), next, at(turns[0]).In(loc))
		}
	}
}

// The days of the page add up to what happens, and follow each other without a
// gap, whatever the clocks do.
func TestDaysAddUp(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 34))
		z := zones[r.IntN(len(zones))]
		w := someWeek(r)
		from, year := someTime(r, z)
		loc, law := load(t, z.name), z.around(year)
		days := schedule.Days(w, loc, at(from), 4)
		var total time.Duration
		for n, d := range days {
			total += d.Total()
			if n > 0 && !days[n-1].Date.Add(days[n-1].Long).Equal(d.Date) {
				t.Fatalf("seed %d, %s: a gap before %s", seed, z.name, d.Date)
			}
			if long := 24*time.Hour - d.By; d.Long != long {
				t.Fatalf("seed %d, %s: %s has %s", seed, z.name, d.Date, d.Long)
			}
		}
		want := 0
		last := days[3]
		for m := int(days[0].Date.Unix() / 60); m < int(last.Date.Add(last.Long).Unix()/60); m++ {
			if law.on(w, m) {
				want++
			}
		}
		if total != time.Duration(want)*time.Minute {
			t.Fatalf("seed %d, %s from %s: got %s, want %d minutes", seed, z.name, at(from).In(loc), total, want)
		}
	}
}

func utc(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The missing hour has no effect, the double one counts twice.
func TestClocksThatMove(t *testing.T) {
	t.Parallel()
	berlin := load(t, "Europe/Berlin")
	var two models.WeeklySchedule
	if err := two.Set(time.Sunday, 2, true); err != nil {
		t.Fatal(err)
	}
	turns := func(from, to string) (list []string) {
		for _, turn := range schedule.Transitions(two, berlin, utc(t, from), utc(t, to)) {
			list = append(list, turn.At.UTC().Format("2 15:04"))
		}
		return list
	}
	if got := turns("2026-03-28 12:00", "2026-03-30 12:00"); got != nil {
		t.Errorf("in the spring: %v", got)
	}
	if got, want := turns("2026-10-24 12:00", "2026-10-26 12:00"), []string{"25 00:00", "25 02:00"}; !slices.Equal(got, want) {
		t.Errorf("in the autumn: got %v, want %v", got, want)
	}
	spring := schedule.Days(two, berlin, utc(t, "2026-03-29 12:00"), 1)[0]
	if spring.Long != 23*time.Hour || spring.By != time.Hour || spring.Moved.Format("15:04") != "03:00" || spring.Total() != 0 {
		t.Errorf("the day of the spring: %+v", spring)
	}
	if slot := schedule.SlotAt(two, berlin, utc(t, "2026-04-05 00:00")); slot.On != true || slot.Start != utc(t, "2026-04-05 00:00") {
		t.Errorf("the Sunday after it: %+v", slot)
	}
	// The only hour of the week is left out: the slot before is two weeks long.
	if slot := schedule.SlotAt(two, berlin, utc(t, "2026-04-04 23:59")); slot.On || slot.Start != utc(t, "2026-03-22 02:00") {
		t.Errorf("the two weeks before: %+v", slot)
	}
}

// Days begin at midnight, or where the clock jumps over it.
func TestDaysWithoutMidnight(t *testing.T) {
	t.Parallel()
	always := models.WeeklySchedule{1<<24 - 1, 1<<24 - 1, 1<<24 - 1, 1<<24 - 1, 1<<24 - 1, 1<<24 - 1, 1<<24 - 1}
	days := schedule.Days(always, load(t, "America/Santiago"), utc(t, "2025-09-06 15:00"), 3)
	if got := days[1].Date.Format("Mon 2 15:04"); got != "Sun 7 01:00" || days[1].Long != 23*time.Hour {
		t.Errorf("got %s of %s", got, days[1].Long)
	}
	for _, d := range days {
		if d.Total() != d.Long || d.On[0].Begins || d.On[0].Ends {
			t.Errorf("%s: %+v", d.Date, d.On)
		}
	}
	if slot := schedule.SlotAt(always, time.UTC, utc(t, "2026-01-01 00:00")); !slot.On || slot.Start.Unix() != 0 {
		t.Errorf("got %+v", slot)
	}
	if _, ok := schedule.Next(always, time.UTC, utc(t, "2026-01-01 00:00")); ok {
		t.Error("it turns")
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	names := schedule.Zones()
	if len(names) < 400 || !slices.IsSorted(names) {
		t.Errorf("%d zones", len(names))
	}
	for _, name := range names {
		load(t, name)
	}
	for _, name := range []string{"Local", "Europe/Nowhere", "../etc/passwd", "europe/berlin "} {
		if _, err := models.ScheduleZone(name); models.CodeOf(err) != models.CodeInvalid || err == nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
