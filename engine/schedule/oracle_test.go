package schedule_test

import (
	"math/rand/v2"

	"opsyard/models"
)

// The oracle knows nothing of package time: it has its own calendar and the
// rules of some zones as their laws state them, and looks at every minute.
// Times are minutes since 1970, UTC.

const day = 24 * 60

// civil is the number of days from 1970-01-01 to a date.
func civil(y, m, d int) int {
	days := 0
	for year := 1970; year < y; year++ {
		days += 365
		if leap(year) {
			days++
		}
	}
	for month := 1; month < m; month++ {
		days += monthLength(y, month)
	}
	return days + d - 1
}

func leap(y int) bool { return y%4 == 0 && y%100 != 0 || y%400 == 0 }

func monthLength(y, m int) int {
	if m == 2 && leap(y) {
		return 29
	}
	return [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m-1]
}

// weekday is 0 on Mondays; 1970-01-01 was a Thursday.
func weekday(days int) int { return (days + 3) % 7 }

// sunday is the nth Sunday of a month, the last one when n is 0.
func sunday(y, m, n int) int {
	if n == 0 {
		last := civil(y, m, monthLength(y, m))
		return last - (weekday(last)+1)%7
	}
	first := civil(y, m, 1)
	return first + (6-weekday(first)+7)%7 + 7*(n-1)
}

// zone is a time zone by its law: standard offset, how far summer is ahead,
// and when summer begins and ends in a year, in UTC.
type zone struct {
	name       string
	std, ahead int
	begin, end func(y int, z zone) int
	south      bool // summer lasts over New Year
}

// europe: 01:00 UTC on the last Sundays of March and October.
func europe(name string, std int) zone {
	return zone{name, std, 60,
		func(y int, _ zone) int { return sunday(y, 3, 0)*day + 60 },
		func(y int, _ zone) int { return sunday(y, 10, 0)*day + 60 }, false}
}

// america: 2:00 by the wall, second Sunday of March to the first of November.
func america(name string, std int) zone {
	return zone{name, std, 60,
		func(y int, z zone) int { return sunday(y, 3, 2)*day + 120 - z.std },
		func(y int, z zone) int { return sunday(y, 11, 1)*day + 120 - z.std - 60 }, false}
}

// australia: 2:00 standard time, first Sunday of October to the first of
// April; Lord Howe goes back at 2:00 of its summer, by half an hour.
func australia(name string, std, ahead int) zone {
	return zone{name, std, ahead,
		func(y int, z zone) int { return sunday(y, 10, 1)*day + 120 - z.std },
		func(y int, z zone) int {
			if z.ahead == 30 {
				return sunday(y, 4, 1)*day + 120 - z.std - 30
			}
			return sunday(y, 4, 1)*day + 120 - z.std
		}, true}
}

// zealand: 2:00 standard time of Auckland for both zones.
func zealand(name string, std int) zone {
	return zone{name, std, 60,
		func(y int, _ zone) int { return sunday(y, 9, 0)*day + 120 - 720 },
		func(y int, _ zone) int { return sunday(y, 4, 1)*day + 120 - 720 }, true}
}

var zones = []zone{
	{name: "UTC"}, {name: "Asia/Kolkata", std: 330}, {name: "Asia/Kathmandu", std: 345}, {name: "America/Phoenix", std: -420}, {name: "Pacific/Kiritimati", std: 840},
	europe("Europe/Berlin", 60), europe("Europe/Lisbon", 0), europe("Europe/Helsinki", 120), europe("Atlantic/Azores", -60),
	america("America/New_York", -300), america("America/Los_Angeles", -480), america("America/St_Johns", -210),
	australia("Australia/Sydney", 600, 60), australia("Australia/Adelaide", 570, 60), australia("Australia/Lord_Howe", 630, 30),
	zealand("Pacific/Auckland", 720), zealand("Pacific/Chatham", 765),
}

// law is a zone around a year, with its summers looked up once.
type law struct {
	zone
	summers [][2]int
}

func (z zone) around(y int) law {
	l := law{zone: z}
	for year := y - 2; z.begin != nil && year <= y+2; year++ {
		end := z.end(year, z)
		if z.south {
			end = z.end(year+1, z)
		}
		l.summers = append(l.summers, [2]int{z.begin(year, z), end})
	}
	return l
}

// wall is the weekday and the hour that the wall shows.
func (l law) wall(t int) (weekday, hour int) {
	t += l.std
	for _, s := range l.summers {
		if s[0] <= t-l.std && t-l.std < s[1] {
			t += l.ahead
			break
		}
	}
	return (t/day + 3) % 7, t % day / 60
}

func (l law) on(w models.WeeklySchedule, t int) bool {
	d, h := l.wall(t)
	return w[d]>>h&1 == 1
}

// someWeek is a week of one of the shapes that people paint, or of none.
func someWeek(r *rand.Rand) models.WeeklySchedule {
	var w models.WeeklySchedule
	switch r.IntN(6) {
	case 0: // office hours
		from, to := r.IntN(24), r.IntN(24)
		for d := range 5 {
			for h := from; h <= to; h++ {
				w[d] |= 1 << h
			}
		}
	case 1: // single hours, often those at which clocks move
		for range 1 + r.IntN(3) {
			w[r.IntN(7)] |= 1 << r.IntN(4)
		}
	case 2: // all but some
		for d := range w {
			w[d] = 1<<24 - 1
		}
		for range r.IntN(3) {
			w[r.IntN(7)] &^= 1 << r.IntN(24)
		}
	case 3: // every other hour
		for d := range w {
			w[d] = 0x555555
		}
	default:
		for d := range w {
			w[d] = r.Uint32() & (1<<24 - 1)
		}
	}
	return w
}

// someTime is a minute of 2012 to 2036: anywhere, around a move of the clock,
// or around the end of February.
func someTime(r *rand.Rand, z zone) (t, y int) {
	y = 2012 + r.IntN(25)
	switch n := r.IntN(4); {
	case n == 0 && z.begin != nil:
		t = z.begin(y, z)
	case n == 1 && z.begin != nil:
		t = z.end(y, z)
	case n == 2:
		t = civil(y, 3, 1) * day
	default:
		return civil(y, 1, 1)*day + r.IntN(365*day), y
	}
	return t - r.IntN(2*day), y
}
