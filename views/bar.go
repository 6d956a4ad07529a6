package views

type segment struct {
	tone string
	x, w int
}

// segments lays counts out on 1000 units. Each gets at least 8, so that one
// failure among thousands is seen; the largest gives what the small ones lack.
func segments(counts []StateCount) []segment {
	const whole, least, gap = 1000, 8, 2
	total, largest := 0, 0
	for n, c := range counts {
		total += c.N
		if c.N > counts[largest].N {
			largest = n
		}
	}
	if total == 0 {
		return nil
	}
	out := make([]segment, 0, len(counts))
	used := 0
	for _, c := range counts {
		w := max(c.N*whole/total, least)
		out = append(out, segment{tone: c.State.Tone, w: w})
		used += w
	}
	out[largest].w += whole - used
	x := 0
	for n := range out {
		out[n].x = x
		x += out[n].w
		if n < len(out)-1 {
			out[n].w -= gap
		}
	}
	return out
}
