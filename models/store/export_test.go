package store

import (
	"context"
	"strings"

	"opsyard/models"

	"gorm.io/gorm"
)

// Models are all that have a table.
func Models() []any {
	return []any{
		&models.Stack{}, &models.Layer{}, &models.Instance{}, &models.InstanceLayer{}, &models.ServiceError{}, &models.App{},
		&models.Deployment{}, &models.Command{}, &models.MembershipChange{}, &models.Content{}, &models.LogChunk{}, &models.LogBlob{}, &models.LogStep{},
		&models.User{}, &models.Session{}, &models.AccessKey{}, &models.EnrollToken{}, &models.SetupToken{}, &models.Permission{}, &models.AppliedAccounts{},
		&models.Group{}, &models.GroupMember{}, &models.GroupPermission{}, &models.Policy{}, &models.PolicyAttachment{}, &models.Token{},
		&models.AuditEntry{}, &models.AuditFeed{}, &models.StackEvent{}, &models.LoadBasedAutoScaling{}, &models.Alarm{}, &models.AlarmChange{}, &models.ScalingEvent{}, &models.ElasticIP{}, &models.Volume{}, &models.RaidArray{},
		&models.RdsDbInstance{}, &models.ElasticLoadBalancer{}, &models.EcsCluster{}, &models.RemoteAccess{}, &models.Plan{},
		&models.Intent{}, &models.IntentPause{}, &models.Healing{}, &models.HealingLift{}, &models.ScheduleFiring{}, &metricMinute{}, &metricHour{}, &counter{}, &setting{},
		&models.ShellSession{}, &models.ShellChunk{},
		&models.NotificationChannel{}, &models.Notification{}, &models.NotificationDelivery{},
		&models.Challenge{}, &models.RecoveryCode{}, &models.Passkey{}, &models.Identity{}, &models.SignInAddress{}, &models.Invitation{},
	}
}

// HotPaths are the statements that must not read what lies long behind.
var HotPaths = []string{supersede, leaseNext}

// SeriesQuery reads the figures of a chart.
func SeriesQuery() string { return seriesQuery(minutesTable, models.Metrics) }

// Gorm is the handle that writes.
func (s *Store) Gorm() *gorm.DB { return s.h.write }

// Limits of what is remembered.
const (
	MemoAnswers = memoAnswers
	MemoBytes   = memoBytes
)

// Remember is remember for a number.
func (s *Store) Remember(ctx context.Context, name string, read func() (int, error)) (int, error) {
	return remember(ctx, s.h, question{what: name}, read)
}

// RememberText remembers a text of a size.
func (s *Store) RememberText(ctx context.Context, name string, size int) (string, error) {
	return remember(ctx, s.h, question{what: name}, func() (string, error) { return strings.Repeat("x", size), nil })
}

// Remembered is how many answers are kept, and RememberedBytes their size.
func (s *Store) Remembered() int {
	s.h.memo.mu.Lock()
	defer s.h.memo.mu.Unlock()
	return len(s.h.memo.kept)
}

// RememberedBytes is the size of what is kept.
func (s *Store) RememberedBytes() int {
	s.h.memo.mu.Lock()
	defer s.h.memo.mu.Unlock()
	return s.h.memo.bytes
}

// FirstAuditHash is how entries were hashed before ids were counted, and
// AuditHash is how they are since.
var (
	FirstAuditHash = firstAuditHash
	AuditHash      = auditHash
)
