package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"opsyard/models"
)

// toStart chooses up to n of the prepared instances: in the zone where the
// fewest run, the longest stopped first. One that failed to start is tried
// when no other is left.
func toStart(f Fleet, n int) []models.InstanceID {
	candidates := which(f, models.InstanceStopped, models.InstanceStartFailed)
	zones := maps.Clone(f.Zones)
	if zones == nil {
		zones = map[string]int{}
	}
	var ids []models.InstanceID
	for range min(n, len(candidates)) {
		next := slices.MinFunc(candidates, func(a, b Instance) int {
			return cmp.Or(
				cmp.Compare(rank(a.Status == models.InstanceStartFailed), rank(b.Status == models.InstanceStartFailed)),
				cmp.Compare(zones[a.Zone], zones[b.Zone]), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
		})
		ids = append(ids, next.ID)
		zones[next.Zone]++
		candidates = slices.DeleteFunc(candidates, func(i Instance) bool { return i.ID == next.ID })
	}
	return ids
}

// toStop chooses up to n of the running instances: what does not serve first,
// then the newest. A lost one belongs to healing, one that another layer needs
// stays.
func toStop(f Fleet, n int) []models.InstanceID {
	candidates := which(f, models.InstanceOnline, models.InstanceSetupFailed, models.InstanceRunningSetup,
		models.InstanceBooting, models.InstancePending, models.InstanceRequested)
	candidates = slices.DeleteFunc(candidates, func(i Instance) bool { return i.Needed })
	slices.SortFunc(candidates, func(a, b Instance) int {
		return cmp.Or(
			cmp.Compare(rank(b.Status == models.InstanceSetupFailed), rank(a.Status == models.InstanceSetupFailed)),
			b.Since.Compare(a.Since), cmp.Compare(a.ID, b.ID))
	})
	var ids []models.InstanceID
	for _, i := range candidates[:min(n, len(candidates))] {
		ids = append(ids, i.ID)
	}
	return ids
}

func which(f Fleet, statuses ...models.InstanceStatus) []Instance {
	var list []Instance
	for _, i := range f.LoadBased {
		if !i.Held && slices.Contains(statuses, i.Status) {
			list = append(list, i)
		}
	}
	return list
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func started(n, prepared int) string {
	switch {
	case n > 0:
		return fmt.Sprintf(" %s to start.", count(n))
	case prepared == 0:
		return " The layer has no load-based instance to start."
	}
	return " No load-based instance is left to start."
}

func stopped(n int) string {
	if n > 0 {
		return fmt.Sprintf(" %s to stop.", count(n))
	}
	return " No load-based instance is left to stop."
}

func count(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}
