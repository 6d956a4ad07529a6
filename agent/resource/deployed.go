package resource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// deployed is an app's place on this host.
type deployed struct {
	name string
	dir  string // as the instance names it
	root string // the same, as the host names it
}

func findDeployed(h *host, name string) (*deployed, error) {
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		return nil, fmt.Errorf("%q is not an app's short name", name)
	}
	d := &deployed{name: name, dir: filepath.Join("/srv/www", name)}
	to, err := d.setting("deploy_to")
	if err != nil {
		return nil, err
	}
	if to := text(to); filepath.IsAbs(to) {
		d.dir = filepath.Clean(to)
	}
	d.root = h.path(d.dir)
	return d, nil
}

// setting is what the attributes say of the app, nil for nothing.
func (d *deployed) setting(key string) (any, error) {
	attrs, err := attributes()
	if err != nil {
		return nil, err
	}
	v, _ := lookup(attrs, "deploy."+d.name+"."+key)
	return v, nil
}

// list names the releases, oldest first.
func (d *deployed) list() (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(d.root, "releases"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if _, perr := time.Parse(releaseFormat, e.Name()); perr == nil && e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// current is the release in use, "" for none.
func (d *deployed) current() string {
	target, err := os.Readlink(filepath.Join(d.root, "current"))
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

func (d *deployed) release(name string) string { return filepath.Join(d.root, "releases", name) }

func (d *deployed) use(name string) error {
	return relink(filepath.Join("releases", name), filepath.Join(d.root, "current"))
}

const releaseFile = ".opsyard-release"

// release as it is written into its own directory.
type releaseInfo struct {
	Revision  string    `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	CommandID string    `json:"command_id,omitempty"`
	Hooks     []string  `json:"hooks,omitempty"` // that have run
}

func (d *deployed) info(name string) (info releaseInfo) {
	file, err := readFile(filepath.Join(d.release(name), releaseFile))
	if err == nil {
		_ = json.Unmarshal(file.content, &info) // an old or foreign release has no revision
	}
	info.Revision = strings.Map(func(r rune) rune { // the app's user may have written it
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, info.Revision)
	return info
}

// remember records that a hook has run. The directory is the app user's, whose
// links must not lead us out of it.
func (d *deployed) remember(name, hook string) error {
	info := d.info(name)
	info.Hooks = append(info.Hooks, hook)
	root, err := os.OpenRoot(d.release(name))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return info.write(root)
}

func (i releaseInfo) write(root *os.Root) error {
	data, err := json.Marshal(i)
	if err != nil {
		return err
	}
	if err := root.RemoveAll(releaseFile); err != nil {
		return err
	}
	return root.WriteFile(releaseFile, append(data, '\n'), 0o644)
}

// people are the user that an app runs as and the group that may read it:
// "deploy" and the web server's, or as the custom JSON says. It cannot say
// root: who may deploy may not thereby run anything as root.
func (d *deployed) people() (name, group string, err error) {
	as := func(key, fallback string) string {
		v, verr := d.setting(key)
		err = errors.Join(err, verr)
		return cmp.Or(text(v), fallback)
	}
	name, group = as("user", appUser), as("group", webGroup())
	if err != nil {
		return "", "", err
	}
	if mayRule(name) {
		return "", "", fmt.Errorf("app %s cannot belong to %s", d.name, name)
	}
	if slices.Contains(ruling, group) {
		return "", "", fmt.Errorf("app %s cannot belong to the group %s", d.name, group)
	}
	return name, group, nil
}

// ruling are groups whose members can become root.
var ruling = []string{"root", "sudo", "wheel", "admin", "adm", "docker", "lxd", "incus", "libvirt", "disk", "shadow", "kmem", "systemd-journal"}

// mayRule tells whether a user is root, can become root, or is one of the
// system's services. A user that is still to be made is none of these.
func mayRule(name string) bool {
	u, err := user.Lookup(name)
	if err != nil {
		return false
	}
	if u.Uid == "0" {
		return true
	}
	if id, err := userID(name); err != nil || id < firstPerson && name != appUser && u.HomeDir != filepath.Join("/home", name) {
		return true
	}
	groups, err := u.GroupIds()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(groups, func(id string) bool {
		g, err := user.LookupGroupId(id)
		return err == nil && slices.Contains(ruling, g.Name)
	})
}

// appUser is whom apps belong to unless custom JSON says otherwise.
const appUser = "deploy"

// firstPerson is the least number of users that are no services of the system.
const firstPerson = 1000

// owner is the app's people; a host that has no such user gets one.
func (d *deployed) owner(ctx context.Context, h *host) (*owner, error) {
	name, group, err := d.people()
	if err != nil {
		return nil, err
	}
	o := ownership{Owner: name, Group: group}
	if h.owned() {
		u := userCmd{Name: o.Owner, Home: filepath.Join("/home", o.Owner), Shell: "/bin/bash", System: true}
		if _, err := groupID(o.Group); err == nil {
			u.Group = o.Group
		}
		if _, err := userID(o.Owner); err != nil {
			if err := u.Run(ctx, h); err != nil {
				return nil, err
			}
		}
	}
	r, err := o.resolve(h, 0o755, nil)
	if err == nil && r.note != "" {
		h.say("%s: %s", d.dir, r.note)
	}
	return r, err
}

// webGroup is the group of the web server on this family of hosts.
func webGroup() string {
	for _, name := range []string{"www-data", "nginx", "apache"} {
		if _, err := groupID(name); err == nil {
			return name
		}
	}
	return "deploy"
}

var sharedDirs = []string{"log", "config", "system", "pids", "scripts", "sockets"}

// layOut makes the directories around the releases.
func (d *deployed) layOut(h *host, owner *owner) error {
	made, err := d.makePlace()
	if err != nil {
		return err
	}
	// Where releases come and go is ours: the app's code must not put something
	// else in the place of what we are about to make ready.
	changed, err := ours(h).directory(filepath.Join(d.root, "releases"), 0o755)
	if err != nil {
		return err
	}
	made = made || changed
	dirs := map[string]fs.FileMode{"shared": 0o755}
	for _, name := range sharedDirs {
		dirs[filepath.Join("shared", name)] = 0o770
	}
	for _, name := range slices.Sorted(maps.Keys(dirs)) { // a parent sorts before its children
		changed, err := owner.directory(filepath.Join(d.root, name), dirs[name])
		if err != nil {
			return err
		}
		made = made || changed
	}
	if !made {
		h.ok(d.dir)
		return nil
	}
	return h.change(d.dir, "laid out", func() error { return nil })
}

// makePlace makes the app's own directory. One that is there stays as it is:
// custom JSON can name any directory.
func (d *deployed) makePlace() (made bool, err error) {
	if _, err := os.Stat(d.root); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, os.MkdirAll(d.root, 0o755)
}

// ours is the owner of what is the agent's.
func ours(h *host) *owner {
	if h.owned() {
		return &owner{uid: 0, gid: 0}
	}
	return &owner{uid: -1, gid: -1}
}

// directory brings a directory to the owner and the mode. A link stays:
// somebody has put the directory on another disk.
func (o *owner) directory(path string, mode fs.FileMode) (changed bool, err error) {
	at, err := find(path, walking{})
	if err != nil {
		return false, err
	}
	defer at.close()
	if err := at.enter(); err != nil || at.isLink() {
		return false, err
	}
	wanted := &owner{uid: o.uid, gid: o.gid, mode: mode}
	if wanted.has(at) {
		return false, nil
	}
	return true, wanted.take(at.it)
}

// giveIn gives everything below dir to the owner, links themselves and not what
// they name.
func (o *owner) giveIn(root *os.Root, dir string) error {
	if o.uid < 0 && o.gid < 0 {
		return nil
	}
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if err := root.Lchown(path, o.uid, o.gid); err != nil {
			return err
		}
		if e.IsDir() {
			if err := o.giveIn(root, path); err != nil {
				return err
			}
		}
	}
	return nil
}
