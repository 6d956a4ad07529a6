package models

import (
	"regexp"
	"strings"
	"time"
)

// EcsCluster is a container cluster that is registered with a stack: one per
// stack, and one stack per cluster. OpsWorks: EcsCluster.
type EcsCluster struct {
	Arn          string    `gorm:"primaryKey;size:512"`
	StackID      StackID   `gorm:"size:36;not null;uniqueIndex:ecs_cluster_stack"`
	Name         string    `gorm:"size:255;not null"`
	RegisteredAt time.Time `gorm:"not null"`
}

var ecsArnPattern = regexp.MustCompile(`\Aarn:aws[a-z-]*:ecs:[a-z0-9-]{1,64}:\d{12}:cluster/([A-Za-z0-9_-]{1,255})\z`)

// Normalize fills the name, which the ARN tells.
func (c *EcsCluster) Normalize() {
	c.Arn = strings.TrimSpace(c.Arn)
	if parts := ecsArnPattern.FindStringSubmatch(c.Arn); parts != nil {
		c.Name = parts[1]
	}
}

// Validate refuses what is not the ARN of a cluster.
func (c *EcsCluster) Validate() error {
	if !ecsArnPattern.MatchString(c.Arn) {
		return InvalidField("EcsClusterArn", "Ecs cluster arn: %q is not the ARN of a cluster, such as arn:aws:ecs:us-east-1:123456789012:cluster/jobs.", clipped(c.Arn))
	}
	return nil
}
