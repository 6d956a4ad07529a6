package store

import (
	"context"

	"opsyard/models"
)

// ElasticIPs keeps models.ElasticIP. Instance.ElasticIP mirrors the
// association; Save keeps the two in step.
type ElasticIPs struct{ *handle }

const kindElasticIP = "elastic IP"

// Get reads one address.
func (s ElasticIPs) Get(ctx context.Context, ip string) (*models.ElasticIP, error) {
	return getBy[models.ElasticIP](s.r(ctx), "ip", kindElasticIP, ip)
}

// GetForUpdate reads one address and keeps other transactions from changing it.
func (s ElasticIPs) GetForUpdate(ctx context.Context, ip string) (*models.ElasticIP, error) {
	return getBy[models.ElasticIP](forUpdate(s.w(ctx)), "ip", kindElasticIP, ip)
}

// ByIPs reads addresses in the order given; a missing one is a NotFound.
func (s ElasticIPs) ByIPs(ctx context.Context, ips []string) ([]models.ElasticIP, error) {
	rows, err := findBy[models.ElasticIP](s.r(ctx), "ip", ips, "read elastic IPs")
	if err != nil {
		return nil, err
	}
	return inOrder(rows, ips, func(e *models.ElasticIP) string { return e.IP }, func(missing string) error {
		return models.NotFound(kindElasticIP, missing)
	})
}

// InStack reads the addresses that are registered with one of the stacks.
func (s ElasticIPs) InStack(ctx context.Context, stacks ...models.StackID) ([]models.ElasticIP, error) {
	return find[models.ElasticIP](s.r(ctx).Where("stack_id IN ?", stacks).Order("created_at, ip"), "list elastic IPs of stacks")
}

// OfInstance reads the address that is associated with an instance: none or one.
func (s ElasticIPs) OfInstance(ctx context.Context, id models.InstanceID) ([]models.ElasticIP, error) {
	return find[models.ElasticIP](s.r(ctx).Where("instance_id = ?", id).Order("ip"), "list elastic IPs of instance %s", id)
}

// Create registers an address.
func (s ElasticIPs) Create(ctx context.Context, ip *models.ElasticIP) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := keep(ctx, h, "stacks", kindStack, ip.StackID); err != nil {
			return err
		}
		return registered(h.w(ctx).Create(ip).Error, "ElasticIp", "Elastic IP "+ip.IP, "register")
	})
}

// Save writes all of an address, and into the instances which one they have.
func (s ElasticIPs) Save(ctx context.Context, ip *models.ElasticIP) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := saveBy(h.w(ctx), ip, "ip", kindElasticIP, ip.IP); err != nil {
			return err
		}
		return h.showElasticIP(ctx, ip.IP, ip.InstanceID)
	})
}

func (h *handle) showElasticIP(ctx context.Context, ip string, on models.InstanceID) error {
	err := h.w(ctx).Exec("UPDATE instances SET elastic_ip = '' WHERE elastic_ip = ? AND id <> ?", ip, on).Error
	if err == nil && on != "" {
		err = h.w(ctx).Exec("UPDATE instances SET elastic_ip = ? WHERE id = ?", ip, on).Error
	}
	return wrap(err, "show elastic IP %s at its instance", ip)
}

// Delete deregisters an address.
func (s ElasticIPs) Delete(ctx context.Context, ip string) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := h.showElasticIP(ctx, ip, ""); err != nil {
			return err
		}
		return deleteBy(h.w(ctx), "elastic_ips", "ip", kindElasticIP, ip)
	})
}
