package models

import (
	"regexp"
	"strings"
	"time"
)

// ElasticLoadBalancer is a classic load balancer that is attached to a layer:
// one per layer, and one layer per balancer. OpsWorks: ElasticLoadBalancer.
type ElasticLoadBalancer struct {
	LayerID LayerID `gorm:"primaryKey;size:36"`
	StackID StackID `gorm:"size:36;not null;index"`
	Region  string  `gorm:"size:64;not null;uniqueIndex:elastic_load_balancer_name,priority:1"`
	Name    string  `gorm:"size:32;not null;uniqueIndex:elastic_load_balancer_name,priority:2"`
	VpcID   string  `gorm:"size:64"`
	// What only the cloud could tell; people may, where no cloud does.
	DNSName           string    `gorm:"size:255"`
	AvailabilityZones []string  `gorm:"serializer:json"`
	SubnetIDs         []string  `gorm:"serializer:json"`
	CreatedAt         time.Time `gorm:"not null"`
}

var balancerNamePattern = regexp.MustCompile(`\A[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\z`)

// Normalize trims what people type.
func (b *ElasticLoadBalancer) Normalize() {
	b.Name, b.DNSName = strings.TrimSpace(b.Name), strings.ToLower(strings.TrimSpace(b.DNSName))
}

// Validate refuses what cannot be a load balancer.
func (b *ElasticLoadBalancer) Validate() error {
	if !balancerNamePattern.MatchString(b.Name) {
		return InvalidField("ElasticLoadBalancerName", "Elastic load balancer name: must be 1 to 32 letters, digits and hyphens.")
	}
	if b.DNSName != "" && (len(b.DNSName) > 253 || !domainPattern.MatchString(b.DNSName)) {
		return InvalidField("DnsName", "Dns name: %q is not the name of a host.", clipped(b.DNSName))
	}
	for field, list := range map[string][]string{"AvailabilityZones": b.AvailabilityZones, "SubnetIds": b.SubnetIDs} {
		for _, name := range list {
			if err := checkName(field, name, 64); err != nil {
				return err
			}
		}
	}
	return nil
}
