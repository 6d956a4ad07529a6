package local

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// refreshMemory keeps each machine's /proc/meminfo true: the kernel's own shows
// the host's memory, and free, Puppet and the agent read it.
func (p *Provider) refreshMemory() {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		for _, m := range p.all() {
			m.mu.Lock()
			rec, running := m.rec, m.run != nil
			m.mu.Unlock()
			if size, ok := sizeOf(rec.Size); ok && running {
				used, cache := p.cgroups.memory(rec.ID)
				_ = writeMeminfo(p.dirOf(rec.ID), size.Memory, used, cache)
			}
		}
	}
}

// writeMeminfo overwrites in place, as the file is bound into the machine, and
// always with as many bytes, so that no reader sees it half written.
func writeMeminfo(dir string, total, used, cache int64) error {
	free := max(total-used, 0)
	cache = min(cache, used)
	f, err := os.OpenFile(filepath.Join(dir, "meminfo"), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "MemTotal:       %12d kB\nMemFree:        %12d kB\nMemAvailable:   %12d kB\n"+
		"Buffers:        %12d kB\nCached:         %12d kB\nSwapCached:     %12d kB\nSwapTotal:      %12d kB\nSwapFree:       %12d kB\n",
		total>>10, free>>10, (free+cache)>>10, 0, cache>>10, 0, 0, 0)
	return err
}
