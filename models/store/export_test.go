package store

import (
	"opsyard/models"

	"gorm.io/gorm"
)

// Models are all that have a table.
func Models() []any {
	return []any{
		&models.Stack{}, &models.Layer{}, &models.Instance{}, &models.InstanceLayer{}, &models.ServiceError{}, &models.App{},
		&models.Deployment{}, &models.Command{}, &models.MembershipChange{}, &models.Content{}, &models.LogChunk{}, &models.LogBlob{}, &models.LogStep{},
		&models.User{}, &models.Session{}, &models.AccessKey{}, &models.EnrollToken{}, &models.SetupToken{}, &models.Permission{},
		&models.AuditEntry{}, &models.StackEvent{}, &models.LoadBasedAutoScaling{}, &models.ElasticIP{}, &models.Volume{}, &models.RaidArray{},
		&models.RdsDbInstance{}, &models.ElasticLoadBalancer{}, &models.EcsCluster{}, &models.RemoteAccess{}, &counter{}, &setting{},
	}
}

// HotPaths are the statements that must not read what lies long behind.
var HotPaths = []string{supersede, leaseNext}

// Gorm is the handle that writes.
func (s *Store) Gorm() *gorm.DB { return s.h.write }
