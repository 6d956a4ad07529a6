package facts

import (
	"os"
	"path/filepath"
)

// programs are those of the configuration managers: what runs recipes takes one
// of these names, from the PATH or where installers put things.
var programs = []struct {
	manager     string
	names, dirs []string
}{
	{"ansible", []string{"ansible-playbook"}, nil},
	{"chef", []string{"cinc-client", "chef-client", "cinc-solo", "chef-solo"},
		[]string{"/opt/cinc/bin", "/opt/chef/bin", "/opt/cinc-workstation/bin", "/opt/chef-workstation/bin", "/opt/chefdk/bin"}},
	{"puppet", []string{"puppet"}, []string{"/opt/puppetlabs/bin", "/opt/puppetlabs/puppet/bin"}},
}

// Managers are the configuration managers that are installed; not nil, so that
// none is told from an agent that does not say.
func Managers() []string {
	found := []string{}
	search := append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/bin", "/usr/bin")
	for _, p := range programs {
		if anyProgram(append(search, p.dirs...), p.names) {
			found = append(found, p.manager)
		}
	}
	return found
}

func anyProgram(dirs, names []string) bool {
	for _, dir := range dirs {
		for _, name := range names {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return true
			}
		}
	}
	return false
}
