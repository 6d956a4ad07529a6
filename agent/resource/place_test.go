package resource

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An app's user may put a link in the place of a directory of his at any moment
// while root works there.
func TestSwappedLinksLeadNowhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	b := setup(t)
	b.write(t, "etc/keep", "root's\n")
	b.write(t, "etc/sub/keep", "root's\n")
	b.write(t, "srv/app/shared/config/keep", "app's\n")
	b.write(t, "files/archive/f", "x\n")
	shared := b.path("srv/app/shared")
	if err := os.Symlink(b.path("etc"), filepath.Join(shared, "link")); err != nil {
		t.Fatal(err)
	}
	const user = 12345
	b.giveAll(t, "srv/app/shared", user)
	before := b.tree(t, "etc")

	stop, swapping := make(chan struct{}), sync.WaitGroup{}
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(shared, "config"), unix.AT_FDCWD, filepath.Join(shared, "link"), unix.RENAME_EXCHANGE)
			}
		}
	})
	for n := range 150 {
		name := strconv.Itoa(n)
		for _, args := range [][]string{
			{"file", "/srv/app/shared/config/f" + name, "--content", "x"},
			{"file", "/srv/app/shared/config/keep", "--mode", "0666"},
			{"directory", "/srv/app/shared/config/d" + name, "--mode", "0777"},
			{"directory", "/srv/app/shared/config/sub", "--state", "absent"},
			{"link", "x", "/srv/app/shared/config/l" + name},
			{"file", "/srv/app/shared/config/keep", "--state", "absent"},
		} {
			b.run(t, args...) // refused when the link is there
		}
	}
	close(stop)
	swapping.Wait()
	if after := b.tree(t, "etc"); len(after) != len(before) {
		t.Errorf("it was %v and is %v", before, after)
	} else {
		for name, mode := range before {
			if after[name] != mode {
				t.Errorf("%s was %v and is %v", name, mode, after[name])
			}
		}
	}
}

// A tree that was fetched for a place below a user's directory is not made ready
// where the user could change it.
func TestTreesAreMadeReadyWhereNobodyElseIs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	b := setup(t)
	b.write(t, "srv/app/shared/vendor/x", "")
	b.giveAll(t, "srv/app/shared", 12345)
	if got := staging(b.path("srv/app/shared/vendor")); got != b.path("srv/app") {
		t.Errorf("it is made ready in %s", got)
	}
	if got := staging(b.path("srv/app")); got != b.path("srv/app") {
		t.Errorf("root's own is made ready in %s", got)
	}
}

// A second name in a user's directory is as good as a link.
func TestSecondNamesAreLeftAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	b := setup(t)
	b.write(t, "etc/secret", "root's\n")
	b.write(t, "srv/app/shared/x", "")
	b.giveAll(t, "srv/app/shared", 12345)
	if err := os.Link(b.path("etc/secret"), b.path("srv/app/shared/secret")); err != nil {
		t.Fatal(err)
	}
	b.fails(t, 1, "another name", "file", "/srv/app/shared/secret", "--mode", "0666")
	b.fails(t, 1, "another name", "file", "/srv/app/shared/secret", "--content", "x")
	b.holds(t, "etc/secret", "root's\n")
}

func (b *bundle) giveAll(t *testing.T, path string, uid int) {
	t.Helper()
	err := filepath.WalkDir(b.path(path), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tree is what lies below a path, with who owns it and may do what.
func (b *bundle) tree(t *testing.T, path string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(b.path(path), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		stat, _ := info.Sys().(*syscall.Stat_t)
		all[path] = info.Mode().String() + " " + strconv.Itoa(int(stat.Uid)) + " " + strconv.FormatInt(info.Size(), 10)
		if info.IsDir() {
			all[path] = info.Mode().String() + " " + strconv.Itoa(int(stat.Uid))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
