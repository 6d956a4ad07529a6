package store

import (
	"context"
	"time"

	"opsyard/models"
)

// RemoteAccesses keeps models.RemoteAccess by instance and user name.
type RemoteAccesses struct{ *handle }

// Grant stores an access; an earlier one of the same name gives way.
func (s RemoteAccesses) Grant(ctx context.Context, a *models.RemoteAccess) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := (RemoteAccesses{h}).Delete(ctx, a.InstanceID, a.Username); err != nil {
			return err
		}
		return wrap(h.w(ctx).Create(a).Error, "store the access of %s to instance %s", a.Username, a.InstanceID)
	})
}

// OfGrant reads the access that a deployment gives; it is NotFound once
// another one has taken its place.
func (s RemoteAccesses) OfGrant(ctx context.Context, grant models.DeploymentID) (*models.RemoteAccess, error) {
	return s.take(ctx, "grant_id = ?", grant)
}

// OfRevocation reads the access that a deployment takes away.
func (s RemoteAccesses) OfRevocation(ctx context.Context, revoke models.DeploymentID) (*models.RemoteAccess, error) {
	return s.take(ctx, "revoke_id = ?", revoke)
}

func (s RemoteAccesses) take(ctx context.Context, where string, id models.DeploymentID) (*models.RemoteAccess, error) {
	var a models.RemoteAccess
	if err := s.r(ctx).Where(where, id).Take(&a).Error; err != nil {
		return nil, found(err, "remote access of deployment", id)
	}
	return &a, nil
}

// OfInstance reads the accesses to an instance by user name.
func (s RemoteAccesses) OfInstance(ctx context.Context, id models.InstanceID) ([]models.RemoteAccess, error) {
	return find[models.RemoteAccess](s.r(ctx).Where("instance_id = ?", id).Order("username"), "list the accesses to instance %s", id)
}

// Due reads the accesses that have expired by a time and are not being taken
// away yet, of instances that are online to hear of it.
func (s RemoteAccesses) Due(ctx context.Context, now time.Time) ([]models.RemoteAccess, error) {
	return find[models.RemoteAccess](s.r(ctx).Where(
		"expires_at <= ? AND revoke_id = '' AND EXISTS (SELECT 1 FROM instances i WHERE i.id = instance_id AND i.status = ?)",
		stamp(now), models.InstanceOnline).Order("expires_at"), "list expired accesses")
}

// Forget removes the password of a grant that the instance has been told.
func (s RemoteAccesses) Forget(ctx context.Context, grant models.DeploymentID) error {
	err := s.w(ctx).Model(&models.RemoteAccess{}).Where("grant_id = ?", grant).Select("password").Updates(models.RemoteAccess{}).Error
	return wrap(err, "forget the password of deployment %s", grant)
}

// Revoke notes which deployment takes the access away; with an empty one and
// another time it is tried again then.
func (s RemoteAccesses) Revoke(ctx context.Context, a *models.RemoteAccess, revoke models.DeploymentID, expires time.Time) error {
	err := s.w(ctx).Model(&models.RemoteAccess{}).Where("instance_id = ? AND username = ? AND grant_id = ?", a.InstanceID, a.Username, a.GrantID).
		Select("revoke_id", "expires_at").Updates(models.RemoteAccess{RevokeID: revoke, ExpiresAt: stamp(expires)}).Error
	return wrap(err, "revoke the access of %s to instance %s", a.Username, a.InstanceID)
}

// Delete removes an access, if there is one.
func (s RemoteAccesses) Delete(ctx context.Context, id models.InstanceID, username string) error {
	err := s.w(ctx).Exec("DELETE FROM remote_accesses WHERE instance_id = ? AND username = ?", id, username).Error
	return wrap(err, "remove the access of %s to instance %s", username, id)
}
