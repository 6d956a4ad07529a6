package simulated

import (
	"hash/fnv"
	"math"
	"time"

	"opsyard/agent/protocol"
)

// figures are the metrics of the time up to now.
func (a *Agent) figures() protocol.Figures {
	measure := a.cfg.Script.Metrics
	if measure == nil {
		measure = rhythm
	}
	return measure(a.cfg.Host, time.Now())
}

// rhythm is a small web server: quiet at night, each host a little different,
// with short peaks. It is the same for the same host and time.
func rhythm(host string, at time.Time) protocol.Figures {
	h := fnv.New32a()
	h.Write([]byte(host))
	own := float64(h.Sum32()%1000) / 1000
	hours := float64(at.Unix()%(24*3600)) / 3600
	day := 0.5 - 0.5*math.Cos((hours-3)/12*math.Pi) // least at 3 o'clock
	wave := 0.5 + 0.5*math.Sin(hours*math.Pi*7+own*2*math.Pi)
	busy := 4 + 30*day + 12*own + 10*wave*day
	kb := float64(smallDebian.MemoryBytes >> 10)
	used, cached := kb*(0.22+0.1*own+0.12*day), kb*(0.25+0.05*wave)
	load := busy / 100 * float64(smallDebian.CPUs)
	return withCPU(busy, protocol.Figures{
		0, 0, 0, 0, 0, 0,
		float32(kb), whole(used), whole(kb - used - cached - kb*0.02), whole(kb * 0.02), whole(cached), 0,
		short(load * (0.9 + 0.2*wave)), short(load), short(load), whole(84 + 20*own + 30*day),
	})
}

// withCPU puts processors that are so busy, in percent, into figures.
func withCPU(busy float64, f protocol.Figures) protocol.Figures {
	f[0], f[2], f[3], f[4] = short(100-busy), short(busy*0.22), short(busy*0.75), short(busy*0.03)
	return f
}

// Busy are the figures of a machine whose processors are so busy, in percent.
func Busy(cpu float64) protocol.Figures {
	f := rhythm("", time.Unix(0, 0))
	f[12], f[13], f[14] = short(cpu/50), short(cpu/50), short(cpu/50)
	return withCPU(cpu, f)
}

func short(v float64) float32 { return float32(math.Round(v*100) / 100) }
func whole(v float64) float32 { return float32(math.Round(v)) }
