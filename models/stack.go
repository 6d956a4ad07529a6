package models

import (
	"encoding/json"
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

// Normalize fills what a new stack leaves out (OpsWorks: CreateStack).
func (s *Stack) Normalize() {
	s.Name = strings.TrimSpace(s.Name)
	s.CustomCookbooksSource = s.CustomCookbooksSource.Normalize()
	setDefault(&s.HostnameTheme, "Layer_Dependent")
	setDefault(&s.ConfigurationManager.Name, "Shell")
	setDefault(&s.AgentVersion, "LATEST")
	setDefault(&s.DefaultRootDeviceType, RootDeviceInstanceStore)
	setDefault(&s.Region, "local")
}

// Validate refuses a stack that OpsWorks would refuse. It looks at this stack
// alone.
func (s *Stack) Validate() error {
	if err := checkName("Name", s.Name, 64); err != nil {
		return err
	}
	if !contains(HostnameThemes, s.HostnameTheme) {
		return InvalidField("HostnameTheme", "Hostname theme: %q is not one of the twelve themes.", s.HostnameTheme)
	}
	if err := CheckCustomJSON(s.CustomJSON); err != nil {
		return err
	}
	if s.DefaultRootDeviceType != RootDeviceEBS && s.DefaultRootDeviceType != RootDeviceInstanceStore {
		return InvalidField("DefaultRootDeviceType", "Default root device type: must be ebs or instance-store.")
	}
	switch s.ConfigurationManager.Name {
	case "Chef", "Shell", "Puppet", "Ansible":
	default:
		return InvalidField("ConfigurationManager", "Configuration manager: must be Chef, Puppet, Ansible or Shell.")
	}
	if err := s.CustomCookbooksSource.Validate("Custom cookbooks source"); err != nil {
		return err
	}
	return nil
}

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
