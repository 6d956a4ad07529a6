package store

import (
	"context"

	"opsyard/models"
)

// Volumes keeps models.Volume.
type Volumes struct{ *handle }

const kindVolume = "volume"

// Get reads one volume.
func (s Volumes) Get(ctx context.Context, id models.VolumeID) (*models.Volume, error) {
	return get[models.Volume](s.r(ctx), kindVolume, id)
}

// GetForUpdate reads one volume and keeps other transactions from changing it.
func (s Volumes) GetForUpdate(ctx context.Context, id models.VolumeID) (*models.Volume, error) {
	return get[models.Volume](forUpdate(s.w(ctx)), kindVolume, id)
}

// ByIDs reads volumes in the order of ids; a missing one is a NotFound.
func (s Volumes) ByIDs(ctx context.Context, ids []models.VolumeID) ([]models.Volume, error) {
	return byIDs(s.r(ctx), kindVolume, ids, func(v *models.Volume) models.VolumeID { return v.ID })
}

// InStack reads the volumes that are registered with one of the stacks.
func (s Volumes) InStack(ctx context.Context, stacks ...models.StackID) ([]models.Volume, error) {
	return find[models.Volume](s.r(ctx).Where("stack_id IN ?", stacks).Order("created_at, id"), "list volumes of stacks")
}

// OfInstance reads the volumes that are assigned to an instance.
func (s Volumes) OfInstance(ctx context.Context, id models.InstanceID) ([]models.Volume, error) {
	return find[models.Volume](s.r(ctx).Where("instance_id = ?", id).Order("device, id"), "list volumes of instance %s", id)
}

// OfRaidArray reads the volumes that make up a RAID array.
func (s Volumes) OfRaidArray(ctx context.Context, id models.RaidArrayID) ([]models.Volume, error) {
	return find[models.Volume](s.r(ctx).Where("raid_array_id = ?", id).Order("device, id"), "list volumes of RAID array %s", id)
}

// Create registers a volume.
func (s Volumes) Create(ctx context.Context, v *models.Volume) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, v.StackID); err != nil {
			return err
		}
		return registered(h.w(ctx).Create(v).Error, "Ec2VolumeId", "Volume "+v.Ec2VolumeID, "register")
	})
}

// Save writes all of a volume.
func (s Volumes) Save(ctx context.Context, v *models.Volume) error {
	return save(s.w(ctx), v, kindVolume, v.ID)
}

// Delete deregisters a volume.
func (s Volumes) Delete(ctx context.Context, id models.VolumeID) error {
	return deleteBy(s.w(ctx), "volumes", "id", kindVolume, id)
}

// RaidArrays keeps models.RaidArray.
type RaidArrays struct{ *handle }

const kindRaidArray = "RAID array"

// Get reads one array.
func (s RaidArrays) Get(ctx context.Context, id models.RaidArrayID) (*models.RaidArray, error) {
	return get[models.RaidArray](s.r(ctx), kindRaidArray, id)
}

// ByIDs reads arrays in the order of ids; a missing one is a NotFound.
func (s RaidArrays) ByIDs(ctx context.Context, ids []models.RaidArrayID) ([]models.RaidArray, error) {
	return byIDs(s.r(ctx), kindRaidArray, ids, func(a *models.RaidArray) models.RaidArrayID { return a.ID })
}

// InStack reads the arrays of stacks.
func (s RaidArrays) InStack(ctx context.Context, stacks ...models.StackID) ([]models.RaidArray, error) {
	return find[models.RaidArray](s.r(ctx).Where("stack_id IN ?", stacks).Order("created_at, id"), "list RAID arrays of stacks")
}

// OfInstance reads an instance's arrays.
func (s RaidArrays) OfInstance(ctx context.Context, id models.InstanceID) ([]models.RaidArray, error) {
	return find[models.RaidArray](s.r(ctx).Where("instance_id = ?", id).Order("device, id"), "list RAID arrays of instance %s", id)
}

// Create stores a new array.
func (s RaidArrays) Create(ctx context.Context, a *models.RaidArray) error {
	return wrap(s.w(ctx).Create(a).Error, "create RAID array %s", a.ID)
}

// Save writes all of an array.
func (s RaidArrays) Save(ctx context.Context, a *models.RaidArray) error {
	return save(s.w(ctx), a, kindRaidArray, a.ID)
}

// Delete removes an array; what becomes of its volumes is theirs.
func (s RaidArrays) Delete(ctx context.Context, id models.RaidArrayID) error {
	return deleteBy(s.w(ctx), "raid_arrays", "id", kindRaidArray, id)
}
