package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"
	"opsyard/web"
)

// resourceEngine is what may be done with a stack's resources.
type resourceEngine interface {
	RegisterElasticIP(ctx context.Context, stack models.StackID, ip string) error
	DeregisterElasticIP(ctx context.Context, ip string) error
	AssociateElasticIP(ctx context.Context, ip string, id models.InstanceID) error
	DisassociateElasticIP(ctx context.Context, ip string) error
	UpdateElasticIP(ctx context.Context, ip, name string) error

	RegisterVolume(ctx context.Context, stack models.StackID, ec2VolumeID string) (*models.Volume, error)
	DeregisterVolume(ctx context.Context, id models.VolumeID) error
	AssignVolume(ctx context.Context, id models.VolumeID, instance models.InstanceID) error
	UnassignVolume(ctx context.Context, id models.VolumeID) error
	UpdateVolume(ctx context.Context, id models.VolumeID, change func(*models.Volume) error) error

	RegisterRdsDbInstance(ctx context.Context, r models.RdsDbInstance) error
	UpdateRdsDbInstance(ctx context.Context, arn string, change func(*models.RdsDbInstance) error) error
	DeregisterRdsDbInstance(ctx context.Context, arn string) error

	AttachElasticLoadBalancer(ctx context.Context, name string, layer models.LayerID) error
	DetachElasticLoadBalancer(ctx context.Context, name string, layer models.LayerID) error
	UpdateElasticLoadBalancer(ctx context.Context, name string, layer models.LayerID, change func(*models.ElasticLoadBalancer) error) error

	RegisterEcsCluster(ctx context.Context, stack models.StackID, arn string) error
	DeregisterEcsCluster(ctx context.Context, arn string) error
}

// resourceRoutes are the deeds on resources. Those on one of them find it in
// the form, by the key "edit".
func (h *Handlers) resourceRoutes(mux *http.ServeMux) {
	do := func(action models.Action, tab string, deed resourceDeed) http.HandlerFunc {
		return h.withStack(action, h.resource(tab, deed))
	}

	mux.HandleFunc("GET /stacks/{stack}/resources", h.withStack(models.ActionShow, h.showResources))

	mux.HandleFunc("POST /stacks/{stack}/resources/elastic-ips/register", do("RegisterElasticIp", views.TabElasticIPs, h.registerElasticIP))
	mux.HandleFunc("POST /stacks/{stack}/resources/elastic-ips/save", do("UpdateElasticIp", views.TabElasticIPs, h.onElasticIP(h.saveElasticIP)))
	mux.HandleFunc("POST /stacks/{stack}/resources/elastic-ips/associate", do("AssociateElasticIp", views.TabElasticIPs, h.onElasticIP(h.associateElasticIP)))
	mux.HandleFunc("POST /stacks/{stack}/resources/elastic-ips/disassociate", do("DisassociateElasticIp", views.TabElasticIPs, h.onElasticIP(h.disassociateElasticIP)))
	mux.HandleFunc("POST /stacks/{stack}/resources/elastic-ips/deregister", do("DeregisterElasticIp", views.TabElasticIPs, h.onElasticIP(h.deregisterElasticIP)))

	mux.HandleFunc("POST /stacks/{stack}/resources/volumes/register", do("RegisterVolume", views.TabVolumes, h.registerVolume))
	mux.HandleFunc("POST /stacks/{stack}/resources/volumes/save", do("UpdateVolume", views.TabVolumes, h.onVolume(h.saveVolume)))
	mux.HandleFunc("POST /stacks/{stack}/resources/volumes/assign", do("AssignVolume", views.TabVolumes, h.onVolume(h.assignVolume)))
	mux.HandleFunc("POST /stacks/{stack}/resources/volumes/unassign", do("UnassignVolume", views.TabVolumes, h.onVolume(h.unassignVolume)))
	mux.HandleFunc("POST /stacks/{stack}/resources/volumes/deregister", do("DeregisterVolume", views.TabVolumes, h.onVolume(h.deregisterVolume)))

	mux.HandleFunc("POST /stacks/{stack}/resources/rds/register", do("RegisterRdsDbInstance", views.TabRds, h.registerDatabase))
	mux.HandleFunc("POST /stacks/{stack}/resources/rds/save", do("UpdateRdsDbInstance", views.TabRds, h.onDatabase(h.saveDatabase)))
	mux.HandleFunc("POST /stacks/{stack}/resources/rds/deregister", do("DeregisterRdsDbInstance", views.TabRds, h.onDatabase(h.deregisterDatabase)))

	mux.HandleFunc("POST /stacks/{stack}/resources/load-balancers/attach", do("AttachElasticLoadBalancer", views.TabLoadBalancers, h.attachBalancer))
	mux.HandleFunc("POST /stacks/{stack}/resources/load-balancers/save", do("UpdateElasticLoadBalancer", views.TabLoadBalancers, h.onBalancer(h.saveBalancer)))
	mux.HandleFunc("POST /stacks/{stack}/resources/load-balancers/detach", do("DetachElasticLoadBalancer", views.TabLoadBalancers, h.onBalancer(h.detachBalancer)))

	mux.HandleFunc("POST /stacks/{stack}/resources/ecs-clusters/register", do("RegisterEcsCluster", views.TabEcsClusters, h.registerCluster))
	mux.HandleFunc("POST /stacks/{stack}/resources/ecs-clusters/deregister", do("DeregisterEcsCluster", views.TabEcsClusters, h.deregisterCluster))
}

// outcome is what a deed says, and the resource to look at afterwards.
type outcome struct{ sentence, next string }

// resourceDeed does one thing with a resource of a stack.
type resourceDeed func(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error)

// resource runs a deed and leads back to the list; what was refused shows the
// form again.
func (h *Handlers) resource(tab string, do resourceDeed) func(http.ResponseWriter, *http.Request, *models.Stack) {
	return func(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
		out, err := do(r.Context(), stack, r.PostForm)
		if err == nil {
			path := views.ResourcesHref(stack.ID, tab)
			if out.next != "" {
				path += "&edit=" + url.QueryEscape(out.next)
			}
			h.done(w, r, path, out.sentence)
			return
		}
		switch models.CodeOf(err) {
		case models.CodeInvalid, models.CodeConflict, models.CodeThrottled:
			form := refusedForm(r.PostForm, err)
			h.drawResources(w, r, stack, tab, r.PostForm.Get("edit"), form, web.StatusOf(err))
		default:
			h.fail(w, r, err)
		}
	}
}

// Elastic IPs.

func (h *Handlers) registerElasticIP(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
	ip := models.NormalIP(form.Get("ElasticIp"))
	return outcome{ip + " is registered. Attach it to an instance now or later.", ip}, h.Engine.RegisterElasticIP(ctx, stack.ID, ip)
}

// onElasticIP finds the address of a deed in its stack.
func (h *Handlers) onElasticIP(do func(context.Context, *models.ElasticIP, url.Values) (outcome, error)) resourceDeed {
	return func(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
		e, err := h.elasticIP(ctx, stack.ID, form.Get("edit"))
		if err != nil {
			return outcome{}, err
		}
		return do(ctx, e, form)
	}
}

func (h *Handlers) saveElasticIP(ctx context.Context, e *models.ElasticIP, form url.Values) (outcome, error) {
	return outcome{"The name of " + e.IP + " is saved.", e.IP}, h.Engine.UpdateElasticIP(ctx, e.IP, trimmed(form, "Name"))
}

func (h *Handlers) associateElasticIP(ctx context.Context, e *models.ElasticIP, form url.Values) (outcome, error) {
	i, err := h.hostOf(ctx, e.StackID, form)
	if err != nil {
		return outcome{}, err
	}
	return outcome{e.IP + " is attached to " + i.Hostname + ".", e.IP}, h.Engine.AssociateElasticIP(ctx, e.IP, i.ID)
}

func (h *Handlers) disassociateElasticIP(ctx context.Context, e *models.ElasticIP, _ url.Values) (outcome, error) {
	return outcome{e.IP + " is attached to no instance any more.", e.IP}, h.Engine.DisassociateElasticIP(ctx, e.IP)
}

func (h *Handlers) deregisterElasticIP(ctx context.Context, e *models.ElasticIP, _ url.Values) (outcome, error) {
	return outcome{e.IP + " is not registered here any more.", ""}, h.Engine.DeregisterElasticIP(ctx, e.IP)
}

// Volumes.

func (h *Handlers) registerVolume(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
	v, err := h.Engine.RegisterVolume(ctx, stack.ID, trimmed(form, "Ec2VolumeId"))
	if err != nil {
		return outcome{}, err
	}
	return outcome{v.Ec2VolumeID + " is registered. Write its mount point, then assign it.", string(v.ID)}, nil
}

// onVolume finds the volume of a deed in its stack.
func (h *Handlers) onVolume(do func(context.Context, *models.Volume, url.Values) (outcome, error)) resourceDeed {
	return func(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
		v, err := h.volume(ctx, stack.ID, form.Get("edit"))
		if err != nil {
			return outcome{}, err
		}
		return do(ctx, v, form)
	}
}

func (h *Handlers) saveVolume(ctx context.Context, v *models.Volume, form url.Values) (outcome, error) {
	return outcome{"The changes to " + v.Ec2VolumeID + " are saved.", string(v.ID)}, h.Engine.UpdateVolume(ctx, v.ID, func(v *models.Volume) error {
		v.Name, v.MountPoint = trimmed(form, "Name"), trimmed(form, "MountPoint")
		return nil
	})
}

func (h *Handlers) assignVolume(ctx context.Context, v *models.Volume, form url.Values) (outcome, error) {
	i, err := h.hostOf(ctx, v.StackID, form)
	if err != nil {
		return outcome{}, err
	}
	return outcome{v.Ec2VolumeID + " is assigned to " + i.Hostname + ", which finds it at its next start.", string(v.ID)}, h.Engine.AssignVolume(ctx, v.ID, i.ID)
}

func (h *Handlers) unassignVolume(ctx context.Context, v *models.Volume, _ url.Values) (outcome, error) {
	return outcome{v.Ec2VolumeID + " is assigned to no instance any more.", string(v.ID)}, h.Engine.UnassignVolume(ctx, v.ID)
}

func (h *Handlers) deregisterVolume(ctx context.Context, v *models.Volume, _ url.Values) (outcome, error) {
	return outcome{v.Ec2VolumeID + " is not registered here any more.", ""}, h.Engine.DeregisterVolume(ctx, v.ID)
}

// Databases.

func (h *Handlers) registerDatabase(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
	d := models.RdsDbInstance{StackID: stack.ID, Arn: trimmed(form, "RdsDbInstanceArn")}
	if err := fillDatabase(&d, form); err != nil {
		return outcome{}, err
	}
	return outcome{"The database is registered. Apps can choose it as their data source.", d.Arn}, h.Engine.RegisterRdsDbInstance(ctx, d)
}

// onDatabase finds the database of a deed in its stack.
func (h *Handlers) onDatabase(do func(context.Context, *models.RdsDbInstance, url.Values) (outcome, error)) resourceDeed {
	return func(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
		found, err := h.Store.RdsDbInstances.OfStack(ctx, stack.ID, form.Get("edit"))
		if err != nil {
			return outcome{}, err
		}
		return do(ctx, &found[0], form)
	}
}

func (h *Handlers) saveDatabase(ctx context.Context, d *models.RdsDbInstance, form url.Values) (outcome, error) {
	return outcome{"The changes to " + d.DbInstanceIdentifier + " are saved. Instances get them with the next command.", d.Arn},
		h.Engine.UpdateRdsDbInstance(ctx, d.Arn, func(d *models.RdsDbInstance) error { return fillDatabase(d, form) })
}

// fillDatabase reads a database out of a form; an empty password keeps the
// stored one.
func fillDatabase(d *models.RdsDbInstance, form url.Values) error {
	d.DbUser, d.Address, d.Engine = trimmed(form, "DbUser"), trimmed(form, "Address"), trimmed(form, "Engine")
	if password := form.Get("DbPassword"); password != "" {
		d.DbPassword = password
	}
	d.Port = 0
	if text := trimmed(form, "Port"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return models.InvalidField("Port", "Port: must be 1 to 65535.")
		}
		d.Port = n
	}
	return nil
}

func (h *Handlers) deregisterDatabase(ctx context.Context, d *models.RdsDbInstance, _ url.Values) (outcome, error) {
	return outcome{d.DbInstanceIdentifier + " is not registered here any more.", ""}, h.Engine.DeregisterRdsDbInstance(ctx, d.Arn)
}

// Load balancers.

func (h *Handlers) attachBalancer(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
	name, layer := trimmed(form, "ElasticLoadBalancerName"), models.LayerID(form.Get("LayerId"))
	l, err := h.Store.Layers.Get(ctx, layer)
	if err == nil && l.StackID != stack.ID || err != nil && models.CodeOf(err) == models.CodeNotFound {
		return outcome{}, models.InvalidField("LayerId", "Layer: choose one of this stack.")
	}
	if err != nil {
		return outcome{}, err
	}
	return outcome{name + " is attached to " + l.Name + ".", string(layer)}, h.Engine.AttachElasticLoadBalancer(ctx, name, layer)
}

// onBalancer finds the load balancer of a deed by its layer.
func (h *Handlers) onBalancer(do func(context.Context, *models.ElasticLoadBalancer, url.Values) (outcome, error)) resourceDeed {
	return func(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
		layer := models.LayerID(form.Get("edit"))
		b, err := h.Store.ElasticLoadBalancers.OfLayer(ctx, layer)
		if err == nil && b.StackID != stack.ID {
			err = models.NotFound("load balancer of layer", layer)
		}
		if err != nil {
			return outcome{}, err
		}
		return do(ctx, b, form)
	}
}

func (h *Handlers) saveBalancer(ctx context.Context, b *models.ElasticLoadBalancer, form url.Values) (outcome, error) {
	return outcome{"The changes to " + b.Name + " are saved.", string(b.LayerID)},
		h.Engine.UpdateElasticLoadBalancer(ctx, b.Name, b.LayerID, func(b *models.ElasticLoadBalancer) error {
			b.DNSName = trimmed(form, "DnsName")
			b.AvailabilityZones, b.SubnetIDs = namesIn(form, "AvailabilityZones"), namesIn(form, "SubnetIds")
			return nil
		})
}

// namesIn are names apart by spaces, commas or lines.
func namesIn(form url.Values, field string) []string {
	return strings.Fields(strings.ReplaceAll(form.Get(field), ",", " "))
}

func (h *Handlers) detachBalancer(ctx context.Context, b *models.ElasticLoadBalancer, _ url.Values) (outcome, error) {
	return outcome{b.Name + " is detached.", ""}, h.Engine.DetachElasticLoadBalancer(ctx, b.Name, b.LayerID)
}

// ECS clusters.

func (h *Handlers) registerCluster(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
	return outcome{"The cluster is registered.", ""}, h.Engine.RegisterEcsCluster(ctx, stack.ID, trimmed(form, "EcsClusterArn"))
}

func (h *Handlers) deregisterCluster(ctx context.Context, stack *models.Stack, form url.Values) (outcome, error) {
	c, err := h.Store.EcsClusters.Get(ctx, form.Get("edit"))
	if err == nil && c.StackID != stack.ID {
		err = models.NotFound("ECS cluster", c.Arn)
	}
	if err != nil {
		return outcome{}, err
	}
	return outcome{c.Name + " is not registered here any more.", ""}, h.Engine.DeregisterEcsCluster(ctx, c.Arn)
}
