package models

import (
	"net/netip"
	"strings"
	"time"
)

// ElasticIP is a fixed address that is registered with a stack and can be moved
// from instance to instance. OpsWorks: ElasticIp.
type ElasticIP struct {
	IP         string     `gorm:"column:ip;primaryKey;size:45"` // one stack at a time
	StackID    StackID    `gorm:"size:36;not null;index"`
	Name       string     `gorm:"size:32"`
	Domain     string     `gorm:"size:16"` // standard, or vpc
	Region     string     `gorm:"size:64"`
	InstanceID InstanceID `gorm:"size:36;index"` // empty: associated with none
	CreatedAt  time.Time  `gorm:"not null"`
}

// Domains of Elastic IPs.
const (
	DomainStandard = "standard"
	DomainVPC      = "vpc"
)

// MaxElasticIPName is the longest name of an Elastic IP, in characters.
const MaxElasticIPName = 32

// Normalize writes the address the one way it is kept.
func (e *ElasticIP) Normalize() {
	e.Name = strings.TrimSpace(e.Name)
	e.IP = NormalIP(e.IP)
}

// NormalIP writes an address the one way it is kept; what is none stays as it is.
func NormalIP(ip string) string {
	ip = strings.TrimSpace(ip)
	if addr, err := netip.ParseAddr(ip); err == nil {
		return addr.Unmap().String()
	}
	return ip
}

// Validate refuses what is no address that an instance could have.
func (e *ElasticIP) Validate() error {
	addr, err := netip.ParseAddr(e.IP)
	if err != nil || addr.Zone() != "" || addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() {
		return InvalidField("ElasticIp", "Elastic ip: %q is not an address that an instance can have.", e.IP)
	}
	return checkOptionalName("Name", e.Name, MaxElasticIPName)
}

func checkOptionalName(field, name string, most int) error {
	if name == "" {
		return nil
	}
	return checkName(field, name, most)
}
