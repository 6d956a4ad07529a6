package models

import (
	"slices"
	"strings"
)

// Configuration managers. OpsWorks has Chef; the others are ours.
const (
	ManagerChef    = "Chef"
	ManagerShell   = "Shell"
	ManagerPuppet  = "Puppet"
	ManagerAnsible = "Ansible"
)

// Managers is every configuration manager, in the order the console offers them.
var Managers = []string{ManagerShell, ManagerChef, ManagerPuppet, ManagerAnsible}

// Versions of Chef that a stack can ask for (OpsWorks: "Chef Versions").
const (
	Chef09   = "0.9"
	Chef114  = "11.4"
	Chef1110 = "11.10"
	Chef12   = "12"
	Chef122  = "12.2" // on Windows
)

// ChefVersions is every version, newest first.
var ChefVersions = []string{Chef12, Chef122, Chef1110, Chef114, Chef09}

// IsChef tells whether the stack asks for Chef, so that the rules of OpsWorks
// hold in it.
func (m ConfigurationManager) IsChef() bool { return m.Name == ManagerChef }

// IsChef12 tells whether the stack has no built-in cookbooks (OpsWorks: "Chef 12
// Linux", "Chef 12.2 Windows").
func (m ConfigurationManager) IsChef12() bool {
	return m.IsChef() && (m.Version == Chef12 || m.Version == Chef122)
}

// String is how messages name it.
func (m ConfigurationManager) String() string { return strings.TrimSpace(m.Name + " " + m.Version) }

// Families of operating systems; a stack is all of one.
const (
	FamilyLinux   = "Linux"
	FamilyWindows = "Windows"
)

// OperatingSystem is one that a stack or an instance can ask for (OpsWorks
// OperatingSystem).
type OperatingSystem struct {
	ID, Name        string
	Type            string // FamilyLinux or FamilyWindows
	Managers        []ConfigurationManager
	ReportedName    string
	ReportedVersion string
	// Closed to new stacks and instances (OpsWorks: Supported is false).
	Closed bool
}

// OperatingSystems is every operating system: those of OpsWorks, and those that
// machines of today have. What a machine really runs, its ReportedOs says.
var OperatingSystems = operatingSystems()

func operatingSystems() []OperatingSystem {
	since11 := []string{Chef12, Chef1110, Chef114, Chef09}
	list := []OperatingSystem{
		linux("Debian 13", "debian", "13", Chef12),
		linux("Debian 12", "debian", "12", Chef12),
		linux("Ubuntu 24.04 LTS", "ubuntu", "24.04", Chef12),
		linux("Ubuntu 22.04 LTS", "ubuntu", "22.04", Chef12),
		linux("Amazon Linux 2", "amazon", "2", Chef12),
		linux("Amazon Linux 2018.03", "amazon", "2018.03", Chef12, Chef1110),
		linux("Amazon Linux 2017.09", "amazon", "2017.09", since11...),
		linux("Amazon Linux 2017.03", "amazon", "2017.03", since11...),
		linux("Amazon Linux 2016.09", "amazon", "2016.09", since11...),
		linux("Amazon Linux 2016.03", "amazon", "2016.03", since11...),
		closed(linux("Amazon Linux 2015.09", "amazon", "2015.09", since11...)),
		closed(linux("Amazon Linux 2015.03", "amazon", "2015.03", since11...)),
		closed(linux("Amazon Linux 2014.09", "amazon", "2014.09", Chef1110, Chef114, Chef09)),
		closed(linux("Amazon Linux", "amazon", "2014.03", Chef1110, Chef114, Chef09)),
		linux("Ubuntu 18.04 LTS", "ubuntu", "18.04", Chef12),
		linux("Ubuntu 16.04 LTS", "ubuntu", "16.04", Chef12),
		linux("Ubuntu 14.04 LTS", "ubuntu", "14.04", Chef12, Chef1110),
		closed(linux("Ubuntu 12.04 LTS", "ubuntu", "12.04", since11...)),
		linux("CentOS Linux 7", "centos", "7", Chef12),
		linux("Red Hat Enterprise Linux 7", "redhat", "7", Chef12, Chef1110),
		linux(OSCustom, "", "", since11...),
	}
	for _, edition := range []string{"Base", "with SQL Server Express", "with SQL Server Standard", "with SQL Server Web"} {
		list = append(list, windows("Microsoft Windows Server 2012 R2 "+edition, "microsoft windows server", "2012 R2"))
	}
	return append(list, windows(OSCustomWindows, "", ""))
}

// Names of the operating systems that an image of the user's brings along.
const (
	OSCustom        = "Custom"
	OSCustomWindows = "CustomWindows"
)

func linux(name, reported, version string, chef ...string) OperatingSystem {
	o := OperatingSystem{ID: name, Name: name, Type: FamilyLinux, ReportedName: reported, ReportedVersion: version}
	for _, v := range chef {
		o.Managers = append(o.Managers, ConfigurationManager{ManagerChef, v})
	}
	for _, ours := range []string{ManagerShell, ManagerPuppet, ManagerAnsible} {
		o.Managers = append(o.Managers, ConfigurationManager{Name: ours})
	}
	return o
}

func windows(name, reported, version string) OperatingSystem {
	return OperatingSystem{
		ID: name, Name: name, Type: FamilyWindows, ReportedName: reported, ReportedVersion: version,
		Managers: []ConfigurationManager{{ManagerChef, Chef122}},
	}
}

func closed(o OperatingSystem) OperatingSystem { o.Closed = true; return o }

// Runs tells whether the operating system can be had with a configuration
// manager; the version counts for Chef only.
func (o OperatingSystem) Runs(m ConfigurationManager) bool {
	return slices.ContainsFunc(o.Managers, func(have ConfigurationManager) bool {
		return have.Name == m.Name && (have.Version == m.Version || !m.IsChef())
	})
}

// FindOperatingSystem finds an operating system by its id.
func FindOperatingSystem(id string) (OperatingSystem, bool) {
	for _, o := range OperatingSystems {
		if o.ID == id {
			return o, true
		}
	}
	return OperatingSystem{}, false
}

// OSFamily is the family of an operating system; one that nobody knows is Linux.
func OSFamily(id string) string {
	if o, ok := FindOperatingSystem(id); ok {
		return o.Type
	}
	return FamilyLinux
}

// DefaultOS is the operating system of a stack that names none (OpsWorks:
// CreateStack); managers of ours leave it to the provider.
func DefaultOS(m ConfigurationManager) string {
	if !m.IsChef() {
		return ""
	}
	switch m.Version {
	case Chef122:
		return "Microsoft Windows Server 2012 R2 Base"
	case Chef1110:
		return "Amazon Linux 2018.03"
	case Chef114, Chef09:
		return "Amazon Linux 2017.09"
	}
	return "Amazon Linux 2"
}

// AgentLatest is the agent version that follows the server's.
const AgentLatest = "LATEST"

// AgentVersion is a version of the agent that a stack can ask for (OpsWorks
// AgentVersion).
type AgentVersion struct {
	Version string
	Manager ConfigurationManager
}
