package ui

import (
	"cmp"
	"slices"
	"strconv"
)

// ticks is the most instances that a health bar shows one by one.
const ticks = 60

const (
	barWidth = 360 // of a proportional bar, in its own units
	barLeast = 3   // so that one failure among thousands is seen
)

type segment struct {
	Tone     Tone
	N        int
	X, Width string
}

// segments sums the counts by tone, worst on the left, and lays them out.
func segments(counts []Count) (list []segment, total int) {
	sums := map[Tone]int{}
	for _, c := range counts {
		if c.N > 0 {
			sums[ToneOf(c.State)] += c.N
			total += c.N
		}
	}
	for tone, n := range sums {
		list = append(list, segment{Tone: tone, N: n})
	}
	slices.SortFunc(list, func(a, b segment) int { return cmp.Compare(a.Tone.Rank(), b.Tone.Rank()) })
	place(list, total)
	return list, total
}

// place gives each segment its least width and shares out the rest.
func place(list []segment, total int) {
	rest := float64(barWidth - barLeast*len(list))
	x := 0.0
	for i := range list {
		width := barLeast + rest*float64(list[i].N)/float64(total)
		list[i].X, list[i].Width = decimal(x), decimal(max(width-1, 1))
		x += width
	}
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// sorted puts the counts in the order of the bar, for its words.
func sorted(counts []Count) []Count {
	list := slices.Clone(counts)
	slices.SortStableFunc(list, func(a, b Count) int {
		return cmp.Compare(ToneOf(a.State).Rank(), ToneOf(b.State).Rank())
	})
	return list
}
