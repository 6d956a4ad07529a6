package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"opsyard/models"
	"opsyard/models/store"
	"opsyard/views"
)

// offeredHosts is how many hostnames a form offers; others may be typed.
const offeredHosts = 100

// showResources lists one kind of a stack's resources; ?edit= opens the form of
// one of them.
func (h *Handlers) showResources(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	q := r.URL.Query()
	h.drawResources(w, r, stack, q.Get("tab"), q.Get("edit"), views.Form{}, http.StatusOK)
}

func (h *Handlers) drawResources(w http.ResponseWriter, r *http.Request, stack *models.Stack, tab, chosen string, form views.Form, status int) {
	page, err := h.resourcesPage(r.Context(), stack, tab, chosen, r.URL.Query())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	page.Form = form
	page.Frame = h.framed(w, r, page.Frame, "resources", "Resources of "+stack.Name, "", crumb("Resources", ""))
	h.render(w, r, status, views.Resources(page))
}

func (h *Handlers) resourcesPage(ctx context.Context, stack *models.Stack, tab, chosen string, q url.Values) (views.ResourcesPage, error) {
	p := views.ResourcesPage{Now: h.Now(), Tab: tab, Chosen: chosen}
	var err error
	if p.Frame, _, err = h.frame(ctx, stack); err != nil {
		return p, err
	}
	n, err := h.Store.Stacks.ResourceCounts(ctx, stack.ID)
	if err != nil {
		return p, err
	}
	p.Tabs = resourceTabs(n)
	current := slices.IndexFunc(p.Tabs, func(t views.ResourceTab) bool { return t.Key == tab })
	if current < 0 {
		current, p.Tab = 0, p.Tabs[0].Key
	}
	p.Pager = views.Pager{
		Path: p.Frame.Href("/resources"), Query: url.Values{"tab": {p.Tab}}, Offset: offsetOf(q), Limit: perPage, Total: p.Tabs[current].N, Overall: p.Tabs[current].N,
	}
	if !p.Frame.CanManage {
		p.Chosen = ""
	}
	if err := h.fillResources(ctx, stack.ID, &p); err != nil {
		return p, err
	}
	return p, h.chooseResource(ctx, stack.ID, &p)
}

func resourceTabs(n store.ResourceCounts) []views.ResourceTab {
	return []views.ResourceTab{
		{Key: views.TabElasticIPs, Label: "Elastic IPs", N: n.ElasticIPs}, {Key: views.TabVolumes, Label: "Volumes", N: n.Volumes},
		{Key: views.TabRaidArrays, Label: "RAID arrays", N: n.RaidArrays}, {Key: views.TabRds, Label: "RDS", N: n.RdsDbInstances},
		{Key: views.TabLoadBalancers, Label: "Load balancers", N: n.ElasticLoadBalancers}, {Key: views.TabEcsClusters, Label: "ECS clusters", N: n.EcsClusters},
	}
}

// fillResources reads the list of the tab.
func (h *Handlers) fillResources(ctx context.Context, stack models.StackID, p *views.ResourcesPage) error {
	switch p.Tab {
	case views.TabElasticIPs:
		return h.fillElasticIPs(ctx, stack, p)
	case views.TabVolumes:
		return h.fillVolumes(ctx, stack, p)
	case views.TabRaidArrays:
		return h.fillRaidArrays(ctx, stack, p)
	case views.TabRds:
		return h.fillDatabases(ctx, stack, p)
	case views.TabLoadBalancers:
		return h.fillBalancers(ctx, stack, p)
	}
	var err error
	p.Clusters, err = h.Store.EcsClusters.InStack(ctx, stack)
	return err
}

func (h *Handlers) fillElasticIPs(ctx context.Context, stack models.StackID, p *views.ResourcesPage) error {
	list, _, err := h.Store.ElasticIPs.Page(ctx, stack, p.Pager.Limit, p.Pager.Offset)
	if err != nil {
		return err
	}
	names, err := hostnamesOf(ctx, h.Store, list, func(e models.ElasticIP) models.InstanceID { return e.InstanceID })
	for _, e := range list {
		p.ElasticIPs = append(p.ElasticIPs, views.ElasticIPRow{ElasticIP: e, Hostname: names[e.InstanceID]})
	}
	return err
}

func (h *Handlers) fillVolumes(ctx context.Context, stack models.StackID, p *views.ResourcesPage) error {
	list, _, err := h.Store.Volumes.Page(ctx, stack, p.Pager.Limit, p.Pager.Offset)
	if err != nil {
		return err
	}
	names, err := hostnamesOf(ctx, h.Store, list, func(v models.Volume) models.InstanceID { return v.InstanceID })
	for _, v := range list {
		p.Volumes = append(p.Volumes, views.VolumeRow{Volume: v, Hostname: names[v.InstanceID]})
	}
	return err
}

func (h *Handlers) fillRaidArrays(ctx context.Context, stack models.StackID, p *views.ResourcesPage) error {
	list, _, err := h.Store.RaidArrays.Page(ctx, stack, p.Pager.Limit, p.Pager.Offset)
	if err != nil {
		return err
	}
	names, err := hostnamesOf(ctx, h.Store, list, func(a models.RaidArray) models.InstanceID { return a.InstanceID })
	for _, a := range list {
		p.RaidArrays = append(p.RaidArrays, views.RaidArrayRow{RaidArray: a, Hostname: names[a.InstanceID]})
	}
	return err
}

func (h *Handlers) fillDatabases(ctx context.Context, stack models.StackID, p *views.ResourcesPage) error {
	list, err := h.Store.RdsDbInstances.InStack(ctx, stack)
	if err != nil {
		return err
	}
	apps, err := h.Store.Apps.InStack(ctx, stack)
	if err != nil {
		return err
	}
	for _, d := range list {
		d.DbPassword = "" // no page needs it
		row := views.DatabaseRow{RdsDbInstance: d}
		for _, a := range apps {
			if slices.ContainsFunc(a.DataSources, func(s models.DataSource) bool { return s.Arn == d.Arn }) {
				row.Apps = append(row.Apps, a.Name)
			}
		}
		p.Databases = append(p.Databases, row)
	}
	return nil
}

func (h *Handlers) fillBalancers(ctx context.Context, stack models.StackID, p *views.ResourcesPage) error {
	list, err := h.Store.ElasticLoadBalancers.InStack(ctx, stack)
	if err != nil {
		return err
	}
	layers, err := h.Store.Layers.InStack(ctx, stack)
	if err != nil {
		return err
	}
	for _, l := range layers {
		n := slices.IndexFunc(list, func(b models.ElasticLoadBalancer) bool { return b.LayerID == l.ID })
		if n < 0 {
			p.Layers = append(p.Layers, l)
			continue
		}
		p.Balancers = append(p.Balancers, views.BalancerRow{ElasticLoadBalancer: list[n], Layer: l.Name})
	}
	return nil
}

// hostnamesOf names the instances that a page of resources belongs to.
func hostnamesOf[T any](ctx context.Context, st *store.Store, list []T, owner func(T) models.InstanceID) (map[models.InstanceID]string, error) {
	var ids []models.InstanceID
	for _, row := range list {
		if id := owner(row); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	instances, err := st.Instances.ByIDs(ctx, ids)
	names := make(map[models.InstanceID]string, len(instances))
	for _, i := range instances {
		names[i.ID] = i.Hostname
	}
	return names, err
}

// chooseResource opens the form of one resource. It need not be on this page
// of the list, but it must be of this stack.
func (h *Handlers) chooseResource(ctx context.Context, stack models.StackID, p *views.ResourcesPage) error {
	if p.Chosen == "" {
		return nil
	}
	found := false
	switch p.Tab {
	case views.TabElasticIPs:
		e, err := h.elasticIP(ctx, stack, p.Chosen)
		if err != nil {
			return err
		}
		names, err := hostnamesOf(ctx, h.Store, []models.ElasticIP{*e}, func(e models.ElasticIP) models.InstanceID { return e.InstanceID })
		if err != nil {
			return err
		}
		p.Address, found = &views.ElasticIPRow{ElasticIP: *e, Hostname: names[e.InstanceID]}, true
		p.Hostnames, err = h.hostnames(ctx, stack)
		if err != nil {
			return err
		}
	case views.TabVolumes:
		v, err := h.volume(ctx, stack, p.Chosen)
		if err != nil {
			return err
		}
		names, err := hostnamesOf(ctx, h.Store, []models.Volume{*v}, func(v models.Volume) models.InstanceID { return v.InstanceID })
		if err != nil {
			return err
		}
		p.Volume, found = &views.VolumeRow{Volume: *v, Hostname: names[v.InstanceID]}, true
		p.Hostnames, err = h.hostnames(ctx, stack, models.InstanceStopped)
		if err != nil {
			return err
		}
	case views.TabRds:
		p.Database, found = pick(p.Databases, func(d views.DatabaseRow) bool { return d.Arn == p.Chosen })
	case views.TabLoadBalancers:
		p.Balancer, found = pick(p.Balancers, func(b views.BalancerRow) bool { return string(b.LayerID) == p.Chosen })
	case views.TabEcsClusters:
		p.Cluster, found = pick(p.Clusters, func(c models.EcsCluster) bool { return c.Arn == p.Chosen })
	}
	if !found {
		return models.NotFound("resource", p.Chosen)
	}
	return nil
}

func pick[T any](list []T, is func(T) bool) (*T, bool) {
	if n := slices.IndexFunc(list, is); n >= 0 {
		return &list[n], true
	}
	return nil, false
}

// elasticIP is an address of this stack.
func (h *Handlers) elasticIP(ctx context.Context, stack models.StackID, ip string) (*models.ElasticIP, error) {
	e, err := h.Store.ElasticIPs.Get(ctx, ip)
	if err == nil && e.StackID != stack {
		err = models.NotFound("elastic IP", ip)
	}
	return e, err
}

// volume is a volume of this stack.
func (h *Handlers) volume(ctx context.Context, stack models.StackID, id string) (*models.Volume, error) {
	v, err := h.Store.Volumes.Get(ctx, models.VolumeID(id))
	if err == nil && v.StackID != stack {
		err = models.NotFound("volume", id)
	}
	return v, err
}

// hostnames are some of the stack's instances, to choose from.
func (h *Handlers) hostnames(ctx context.Context, stack models.StackID, in ...models.InstanceStatus) ([]string, error) {
	list, _, err := h.Store.Instances.Page(ctx, stack, store.InstanceFilter{Statuses: in}, offeredHosts, 0)
	names := make([]string, len(list))
	for n, i := range list {
		names[n] = i.Hostname
	}
	return names, err
}

// hostOf finds the instance that a form names.
func (h *Handlers) hostOf(ctx context.Context, stack models.StackID, form url.Values) (*models.Instance, error) {
	name := trimmed(form, "Instance")
	i, err := h.Store.Instances.ByHostname(ctx, stack, name)
	if err != nil && models.CodeOf(err) == models.CodeNotFound {
		return nil, models.InvalidField("Instance", "Instance: this stack has none that is named %q.", name)
	}
	return i, err
}
