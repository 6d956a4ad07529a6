package migrations

import (
	"time"

	"gorm.io/gorm"
)

// resources makes the tables of addresses, disks, databases, load balancers and
// container clusters that are registered with stacks.
func resources(db *gorm.DB) error {
	type ElasticIP struct {
		IP         string    `gorm:"column:ip;primaryKey;size:45"`
		StackID    string    `gorm:"size:36;not null;index"`
		Name       string    `gorm:"size:32"`
		Domain     string    `gorm:"size:16"`
		Region     string    `gorm:"size:64"`
		InstanceID string    `gorm:"size:36;index"`
		CreatedAt  time.Time `gorm:"not null"`
	}
	type Volume struct {
		ID               string `gorm:"primaryKey;size:36"`
		StackID          string `gorm:"size:36;not null;index"`
		Ec2VolumeID      string `gorm:"size:64;not null;uniqueIndex:volume_ec2_id"`
		Name             string `gorm:"size:128"`
		RaidArrayID      string `gorm:"size:36;index"`
		InstanceID       string `gorm:"size:36;index"`
		Status           string `gorm:"size:16;not null"`
		Size             int
		Device           string `gorm:"size:64"`
		MountPoint       string `gorm:"size:255"`
		Region           string `gorm:"size:64"`
		AvailabilityZone string `gorm:"size:64"`
		VolumeType       string `gorm:"size:16"`
		Iops             *int
		Encrypted        bool
		CreatedAt        time.Time `gorm:"not null"`
	}
	type RaidArray struct {
		ID               string `gorm:"primaryKey;size:36"`
		StackID          string `gorm:"size:36;not null;index"`
		InstanceID       string `gorm:"size:36;index"`
		Name             string `gorm:"size:128"`
		RaidLevel        int
		NumberOfDisks    int
		Size             int
		Device           string `gorm:"size:64"`
		MountPoint       string `gorm:"size:255"`
		AvailabilityZone string `gorm:"size:64"`
		VolumeType       string `gorm:"size:16"`
		Iops             *int
		CreatedAt        time.Time `gorm:"not null"`
	}
	type RdsDbInstance struct {
		Arn                  string `gorm:"primaryKey;size:255"`
		StackID              string `gorm:"size:36;not null;index"`
		DbInstanceIdentifier string `gorm:"size:64;not null"`
		Region               string `gorm:"size:64"`
		DbUser               string `gorm:"size:255"`
		DbPassword           string
		Address              string `gorm:"size:255"`
		Port                 int
		Engine               string    `gorm:"size:64"`
		CreatedAt            time.Time `gorm:"not null"`
		UpdatedAt            time.Time `gorm:"not null"`
	}
	type ElasticLoadBalancer struct {
		LayerID           string `gorm:"primaryKey;size:36"`
		StackID           string `gorm:"size:36;not null;index"`
		Region            string `gorm:"size:64;not null;uniqueIndex:elastic_load_balancer_name,priority:1"`
		Name              string `gorm:"size:32;not null;uniqueIndex:elastic_load_balancer_name,priority:2"`
		VpcID             string `gorm:"size:64"`
		DNSName           string `gorm:"size:255"`
		AvailabilityZones string
		SubnetIDs         string
		CreatedAt         time.Time `gorm:"not null"`
	}
	type EcsCluster struct {
		Arn          string    `gorm:"primaryKey;size:512"`
		StackID      string    `gorm:"size:36;not null;uniqueIndex:ecs_cluster_stack"`
		Name         string    `gorm:"size:255;not null"`
		RegisteredAt time.Time `gorm:"not null"`
	}
	return db.Migrator().CreateTable(&ElasticIP{}, &Volume{}, &RaidArray{}, &RdsDbInstance{}, &ElasticLoadBalancer{}, &EcsCluster{})
}
