package models

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxCustomJSON is the limit of custom JSON on any level, in bytes.
const MaxCustomJSON = 120 << 10

// HostnameTheme says how hostnames are suggested.
type HostnameTheme string

// HostnameThemes are the twelve themes of OpsWorks.
var HostnameThemes = []HostnameTheme{
	"Layer_Dependent", "Baked_Goods", "Clouds", "Europe_Cities", "Fruits",
	"Greek_Deities_and_Titans", "Legendary_creatures_from_Japan", "Planets_and_Moons",
	"Roman_Deities", "Scottish_Islands", "US_Cities", "Wild_Cats",
}

// ConfigurationManager says what runs a stack's recipes. OpsWorks knows only
// Chef; "Shell", "Puppet" and "Ansible" are ours.
type ConfigurationManager struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// ChefConfiguration is about Berkshelf, on Chef 11.10 only.
type ChefConfiguration struct {
	ManageBerkshelf  bool   `json:"manage_berkshelf"`
	BerkshelfVersion string `json:"berkshelf_version,omitempty"`
}

// Stack is a set of layers, instances and apps that are managed together.
// OpsWorks: Stack (API reference, "Stack" data type).
type Stack struct {
	ID                        StackID `gorm:"primaryKey;size:36"`
	Name                      string  `gorm:"size:64;not null"`
	Arn                       string  `gorm:"size:255"`
	Region                    string  `gorm:"size:64"`
	VpcID                     string  `gorm:"size:64"`
	ServiceRoleArn            string
	DefaultInstanceProfileArn string
	DefaultOs                 string               `gorm:"size:128"`
	HostnameTheme             HostnameTheme        `gorm:"size:64"`
	DefaultAvailabilityZone   string               `gorm:"size:64"`
	DefaultSubnetID           string               `gorm:"size:64"`
	CustomJSON                string               `gorm:"serializer:secret"` // byte-exact; it often holds passwords
	ConfigurationManager      ConfigurationManager `gorm:"serializer:json"`
	ChefConfiguration         ChefConfiguration    `gorm:"serializer:json"`
	UseCustomCookbooks        bool
	CustomCookbooksSource     Source `gorm:"serializer:secret"`
	UseOpsworksSecurityGroups bool
	DefaultSSHKeyName         string            `gorm:"size:128"`
	DefaultRootDeviceType     string            `gorm:"size:32"`
	AgentVersion              string            `gorm:"size:64"`
	Attributes                map[string]string `gorm:"serializer:json"` // Color
	Tags                      map[string]string `gorm:"serializer:json"`
	// Provider makes the stack's machines ("local", "process", "sim", "aws");
	// fixed at creation. Ours, not OpsWorks'.
	Provider string `gorm:"size:32"`
	// Version counts changes to anything that recipes see of the stack.
	Version   int64     `gorm:"not null;default:0"`
	CreatedAt time.Time `gorm:"not null"`
	UpdatedAt time.Time `gorm:"not null"`
}

// NewStack is a stack with OpsWorks' defaults (CreateStack).
func NewStack(name string) Stack {
	return Stack{
		Name: name, UseOpsworksSecurityGroups: true,
		ConfigurationManager: ConfigurationManager{ManagerChef, Chef12}, DefaultOs: DefaultOS(ConfigurationManager{ManagerChef, Chef12}),
	}
}

// Normalize fills what a new stack leaves out (OpsWorks: CreateStack).
func (s *Stack) Normalize() {
	s.Name = strings.TrimSpace(s.Name)
	s.CustomCookbooksSource = s.CustomCookbooksSource.Normalize()
	setDefault(&s.HostnameTheme, "Layer_Dependent")
	setDefault(&s.ConfigurationManager.Name, ManagerShell)
	windows := OSFamily(s.DefaultOs) == FamilyWindows
	if s.ConfigurationManager.IsChef() {
		setDefault(&s.ConfigurationManager.Version, map[bool]string{true: Chef122, false: Chef12}[windows])
		setDefault(&s.ChefConfiguration.BerkshelfVersion, "3.2.0")
	}
	setDefault(&s.AgentVersion, AgentLatest)
	setDefault(&s.DefaultRootDeviceType, map[bool]string{true: RootDeviceEBS, false: RootDeviceInstanceStore}[windows])
	setDefault(&s.Region, "local")
	for key, value := range s.Attributes {
		if value == "" {
			s.Attributes = maps.Clone(s.Attributes)
			delete(s.Attributes, key)
		}
	}
}

var (
	regionPattern = regexp.MustCompile(`\A[a-z0-9][a-z0-9-]{0,62}\z`)
	colorPattern  = regexp.MustCompile(`\A(rgb\( ?[0-9]{1,3} ?, ?[0-9]{1,3} ?, ?[0-9]{1,3} ?\)|#[0-9A-Fa-f]{3,8}|[A-Za-z]{1,32})\z`)
)

// Validate refuses a stack that OpsWorks would refuse. It looks at this stack
// alone.
func (s *Stack) Validate() error {
	if err := checkName("Name", s.Name, 64); err != nil {
		return err
	}
	if !regionPattern.MatchString(s.Region) {
		return InvalidField("Region", "Region: must be 1 to 63 of a-z, 0-9 and -.")
	}
	if !contains(HostnameThemes, s.HostnameTheme) {
		return InvalidField("HostnameTheme", "Hostname theme: %q is not one of the twelve themes.", s.HostnameTheme)
	}
	if err := CheckCustomJSON(s.CustomJSON); err != nil {
		return err
	}
	for key, value := range s.Attributes {
		if key != "Color" {
			return InvalidField("Attributes", "Attributes: %q is not an attribute of stacks.", key)
		}
		if !colorPattern.MatchString(value) {
			return InvalidField("Color", "Color: write it like rgb(45, 114, 184).")
		}
	}
	if err := s.CustomCookbooksSource.Validate("Custom cookbooks source"); err != nil {
		return err
	}
	for _, check := range []func() error{s.validateManager, s.validateOS, s.validateNetwork, s.validateRoles} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// validateManager checks what depends on the version of Chef (OpsWorks: "Chef
// Versions").
func (s *Stack) validateManager() error {
	m := s.ConfigurationManager
	if !contains(Managers, m.Name) {
		return InvalidField("ConfigurationManager", "Configuration manager: must be Chef, Puppet, Ansible or Shell.")
	}
	if m.IsChef() && !contains(ChefVersions, m.Version) {
		return InvalidField("ConfigurationManager", "Configuration manager: Chef must be of version %s.", strings.Join(ChefVersions, ", "))
	}
	switch {
	case s.ChefConfiguration.ManageBerkshelf && m.IsChef() && m.Version != Chef1110:
		return InvalidField("ChefConfiguration", "Chef configuration: Berkshelf is for Chef 11.10 only.")
	case m.IsChef12() && s.CustomCookbooksSource.Type == SourceSvn:
		return InvalidField("CustomCookbooksSource", "Custom cookbooks source: Subversion is not supported on %s stacks.", m)
	case m.IsChef() && m.Version == Chef122 && s.AgentVersion != AgentLatest:
		return InvalidField("AgentVersion", "Agent version: cannot be set on Chef 12.2 stacks.")
	}
	return nil
}

// validateOS checks that the operating system goes with the configuration
// manager. Stacks of our own managers may name any Linux.
func (s *Stack) validateOS() error {
	if s.DefaultRootDeviceType != RootDeviceEBS && s.DefaultRootDeviceType != RootDeviceInstanceStore {
		return InvalidField("DefaultRootDeviceType", "Default root device type: must be ebs or instance-store.")
	}
	m := s.ConfigurationManager
	if o, known := FindOperatingSystem(s.DefaultOs); known && !o.Runs(m) || !known && s.DefaultOs != "" && m.IsChef() {
		return InvalidField("DefaultOs", "Default os: %q is not supported with %s.", s.DefaultOs, m)
	}
	if OSFamily(s.DefaultOs) == FamilyWindows && s.DefaultRootDeviceType != RootDeviceEBS {
		return InvalidField("DefaultRootDeviceType", "Default root device type: must be ebs for Windows.")
	}
	return nil
}

// validateNetwork checks that what names a place names one place. A stack in a
// VPC of its own has to say in which subnet.
func (s *Stack) validateNetwork() error {
	if s.VpcID != "" && s.DefaultSubnetID == "" {
		return InvalidField("DefaultSubnetId", "Default subnet id: is needed for a stack in a VPC.")
	}
	if z := s.DefaultAvailabilityZone; z != "" && !strings.HasPrefix(z, s.Region) {
		return InvalidField("DefaultAvailabilityZone", "Default availability zone: %s is not in region %s.", z, s.Region)
	}
	return nil
}

var (
	rolePattern    = regexp.MustCompile(`\Aarn:[a-z-]+:iam::[0-9]*:role/\S{1,512}\z`)
	profilePattern = regexp.MustCompile(`\Aarn:[a-z-]+:iam::[0-9]*:instance-profile/\S{1,512}\z`)
)

func (s *Stack) validateRoles() error {
	if s.ServiceRoleArn != "" && !rolePattern.MatchString(s.ServiceRoleArn) {
		return InvalidField("ServiceRoleArn", "Service Role Arn: %q is not the ARN of a role.", s.ServiceRoleArn)
	}
	return checkProfile("DefaultInstanceProfileArn", "Default instance profile arn", s.DefaultInstanceProfileArn)
}

func checkProfile(field, name, arn string) error {
	if arn != "" && !profilePattern.MatchString(arn) {
		return InvalidField(field, "%s: %q is not the ARN of an instance profile.", name, arn)
	}
	return nil
}

// CheckChange refuses what cannot change after creation, or only step by step
// (OpsWorks: UpdateStack, "Chef Versions"). A clone obeys it too.
func (s *Stack) CheckChange(before *Stack) error {
	from, to := before.ConfigurationManager, s.ConfigurationManager
	if from.IsChef() && to.IsChef() && from.Version != to.Version && !contains(chefSteps[from.Version], to.Version) {
		return InvalidField("ConfigurationManager", "Configuration manager: a stack cannot change from %s to %s.", from, to)
	}
	if before.DefaultOs != "" && OSFamily(before.DefaultOs) != OSFamily(s.DefaultOs) {
		return InvalidField("DefaultOs", "Default os: a stack cannot change between Linux and Windows.")
	}
	if o, _ := FindOperatingSystem(s.DefaultOs); o.Closed && s.DefaultOs != before.DefaultOs {
		return InvalidField("DefaultOs", "Default os: %s is no longer supported.", s.DefaultOs)
	}
	return nil
}

// chefSteps are the changes of the Chef version that a stack can make.
var chefSteps = map[string][]string{Chef09: {Chef114}, Chef114: {Chef1110}, Chef1110: {Chef114}}

// CheckCustomJSON refuses custom JSON that is not an object or too large; an
// empty string is fine (OpsWorks: "Using Custom JSON").
func CheckCustomJSON(text string) error {
	if text == "" {
		return nil
	}
	if len(text) > MaxCustomJSON {
		return InvalidField("CustomJson", "Custom json: is too large (maximum is 120 KB).")
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return InvalidField("CustomJson", "Custom json: is not a JSON object: %v.", err)
	}
	return nil
}

func checkName(field, name string, most int) error {
	switch {
	case name == "":
		return InvalidField(field, "%s: is missing.", field)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unshowable):
		return InvalidField(field, "%s: contains characters that cannot be shown.", field)
	case utf8.RuneCountInString(name) > most:
		return InvalidField(field, "%s: is too long (maximum is %d characters).", field, most)
	}
	return nil
}

// unshowable are control characters, and those that turn the text around them:
// with one, a name could pass for another.
func unshowable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

func contains[T comparable](list []T, x T) bool {
	for _, e := range list {
		if e == x {
			return true
		}
	}
	return false
}
