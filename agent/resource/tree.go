package resource

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// releaseTree is what is done to a fetched tree before it is a release
// (OpsWorks: the attributes of Chef's deploy resource).
type releaseTree struct {
	purge []string
	dirs  []string
	links map[string]string // shared path to path in the release
	late  map[string]bool   // shared paths of which the release may bring its own (symlink_before_migrate)
}

// tree is the defaults with what the custom JSON says: lists replace them,
// links are added to them, and an empty path takes a link away.
func (d *deployed) tree() (t releaseTree, err error) {
	t = releaseTree{
		purge: []string{"log", "tmp/pids", "public/system"},
		dirs:  []string{"tmp", "public", "config"},
		links: map[string]string{"system": "public/system", "pids": "tmp/pids", "log": "log"},
		late:  map[string]bool{},
	}
	for key, list := range map[string]*[]string{"purge_before_symlink": &t.purge, "create_dirs_before_symlink": &t.dirs} {
		v, err := d.setting(key)
		if err != nil {
			return t, err
		}
		if items, ok := v.([]any); ok {
			*list = nil
			for _, item := range items {
				*list = append(*list, text(item))
			}
		}
	}
	for _, key := range []string{"symlinks", "symlink_before_migrate"} {
		v, err := d.setting(key)
		if err != nil {
			return t, err
		}
		links, _ := v.(map[string]any)
		for shared, in := range links {
			t.links[shared] = text(in)
			t.late[shared] = key == "symlink_before_migrate"
		}
	}
	maps.DeleteFunc(t.links, func(_, in string) bool { return in == "" })
	return t, t.check()
}

// check refuses paths that lead out of the release or of the shared directory,
// or are these themselves.
func (t releaseTree) check() error {
	paths := slices.Concat(t.purge, t.dirs, slices.Collect(maps.Keys(t.links)), slices.Collect(maps.Values(t.links)))
	for _, path := range paths {
		if !filepath.IsLocal(path) || filepath.Clean(path) == "." {
			return fmt.Errorf("the attributes of the app name %q, which is not a path inside its release", path)
		}
	}
	return nil
}

// apply purges, makes directories and links to what is in the directory shared,
// in this order.
func (t releaseTree) apply(root *os.Root, shared string) error {
	for _, path := range t.purge {
		if err := root.RemoveAll(path); err != nil {
			return err
		}
	}
	for _, path := range t.dirs {
		if err := root.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	shortestFirst := slices.SortedFunc(maps.Keys(t.links), func(a, b string) int { return cmp.Compare(t.links[a], t.links[b]) })
	for _, from := range shortestFirst {
		in := filepath.Clean(t.links[from])
		if t.late[from] && stays(root, in, filepath.Join(shared, from)) {
			continue
		}
		if err := t.link(root, filepath.Clean(from), in); err != nil {
			return err
		}
	}
	return nil
}

// stays tells whether a file that the release brings is left where it is, for
// there is nothing to put in its place: an app without a database keeps its own
// config/database.yml.
func stays(release *os.Root, in, shared string) bool {
	_, none := release.Lstat(in)
	_, missing := os.Lstat(shared)
	return none == nil && missing != nil
}

func (t releaseTree) link(root *os.Root, shared, in string) error {
	if err := root.MkdirAll(filepath.Dir(in), 0o755); err != nil {
		return err
	}
	if err := root.RemoveAll(in); err != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(in, "/")+2)
	return root.Symlink(up+"shared/"+shared, in)
}

// prepare finishes a fetched tree: its shared links, what it is, its owner.
// The tree is of unknown origin, its links must not lead us out of it.
func (d *deployed) prepare(dir string, info releaseInfo, owner *owner) error {
	tree, err := d.tree()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := tree.apply(root, filepath.Join(d.root, "shared")); err != nil {
		return err
	}
	if err := info.write(root); err != nil {
		return err
	}
	if err := owner.giveIn(root, "."); err != nil {
		return err
	}
	return owner.chown(dir)
}
