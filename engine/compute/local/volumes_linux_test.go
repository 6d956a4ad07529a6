package local

import (
	"context"
	"os"
	"testing"
	"time"

	"opsyard/engine/compute"
	"opsyard/engine/compute/computetest"
)

// TestVolumesOutliveTheirMachine: what was written below a mount point is in
// the next machine that has the volume, and not on the machine's own disk.
func TestVolumesOutliveTheirMachine(t *testing.T) {
	t.Parallel()
	server := computetest.NewServer(t)
	p := ephemeral(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	start := func(id string, volumes ...compute.Volume) error {
		_, err := p.Start(ctx, compute.Spec{ID: id, Hostname: id, Size: "local.small", Volumes: volumes,
			Enroll: compute.Enrollment{ServerURL: server.URL, Token: "token-" + id}})
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	outer, inner := compute.Volume{ID: "vol-1", MountPoint: "/vol"}, compute.Volume{ID: "vol-2", MountPoint: "/vol/db data"}
	must(start("one", inner, outer))
	server.Await(t, "token-one", func(h computetest.Hello) bool { return h.Boots == 1 })
	mustExec(t, p, "one", `mountpoint -q /vol && mountpoint -q "/vol/db data" && echo kept > "/vol/db data/file" && ls -ld /vol | grep -q drwxr-xr-x`)
	if err := start("two", outer); err == nil {
		t.Error("a volume is in two running machines")
	}
	must(p.Reboot(ctx, "one", true))
	server.Await(t, "token-one", func(h computetest.Hello) bool { return h.Boots == 2 })
	mustExec(t, p, "one", `grep kept "/vol/db data/file"`)
	// A link in the machine does not lead out of it.
	mustExec(t, p, "one", `ln -s /../../../../tmp /escape`)
	must(p.Stop(ctx, "one", time.Minute))
	if err := start("one", compute.Volume{ID: "vol-1", MountPoint: "/escape/here"}); err == nil {
		t.Error("a volume was mounted through a link")
	}
	must(p.Terminate(ctx, "one"))
	must(start("two", compute.Volume{ID: "vol-2", MountPoint: "/mnt/disk"}))
	mustExec(t, p, "two", `grep kept /mnt/disk/file`)
	must(p.Terminate(ctx, "two"))
	must(p.DeleteVolume(ctx, "vol-2"))
	if _, err := os.Stat(p.volumeDir("vol-2")); !os.IsNotExist(err) {
		t.Errorf("the deleted volume: %v", err)
	}
}
