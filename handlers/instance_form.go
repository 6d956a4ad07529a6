package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"opsyard/models"
	"opsyard/views"

	"github.com/a-h/templ"
)

// showNewInstance is the form for a new instance; ?layer= ticks a layer.
func (h *Handlers) showNewInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := views.Form{Values: url.Values{
		"LayerIds": r.URL.Query()["layer"], "Os": {stack.DefaultOs}, "Architecture": {"x86_64"},
		"RootDeviceType": {stack.DefaultRootDeviceType}, "AgentVersion": {"INHERIT"}, "InstallUpdatesOnBoot": {"on"},
		"SshKeyName": {stack.DefaultSSHKeyName}, "Tenancy": {"default"}, "Start": {"on"},
	}}
	form.Values.Set("InstanceType", middle(h.Engine.InstanceTypes(stack)))
	h.showInstanceForm(w, r, stack, nil, form, http.StatusOK)
}

// showEditInstance is the form for a stopped instance.
func (h *Handlers) showEditInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	if err := i.CanUpdate(); err != nil {
		h.refused(w, r, err, views.InstanceHref(i.ID))
		return
	}
	form := views.Form{Values: url.Values{
		"Hostname": {i.Hostname}, "InstanceType": {i.InstanceType}, "Os": {i.Os}, "Architecture": {i.Architecture},
		"SshKeyName": {i.SSHKeyName}, "AgentVersion": {i.AgentVersion},
	}}
	for _, id := range i.LayerIDs {
		form.Values.Add("LayerIds", string(id))
	}
	tick(form.Values, "InstallUpdatesOnBoot", i.InstallUpdatesOnBoot)
	h.showInstanceForm(w, r, stack, i, form, http.StatusOK)
}

func tick(v url.Values, name string, on bool) {
	if on {
		v.Set(name, "on")
	}
}

func (h *Handlers) showInstanceForm(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, form views.Form, status int) {
	page, err := h.instanceForm(w, r, stack, i, form)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.render(w, r, status, views.InstanceFormPage(page))
}

func (h *Handlers) instanceForm(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, form views.Form) (views.InstanceForm, error) {
	ctx := r.Context()
	p := views.InstanceForm{Instance: i, Form: form, Sizes: h.Engine.InstanceTypes(stack), Systems: systems(stack), Disks: diskRows(form.Values)}
	frame, _, err := h.frame(ctx, stack)
	if err != nil {
		return p, err
	}
	if p.Layers, err = h.Store.Layers.InStack(ctx, stack.ID); err != nil {
		return p, err
	}
	if len(p.Layers) == 1 && r.Method == http.MethodGet && i == nil {
		form.Values.Set("LayerIds", string(p.Layers[0].ID)) // there is nothing to choose
	}
	if p.Suggested, err = h.suggestion(ctx, form, p.Layers); err != nil {
		return p, err
	}
	title := "New instance"
	if i != nil {
		title = "Edit " + i.Hostname
	}
	p.Frame = h.framed(w, r, frame, "instances", title, "", crumb("Instances", frame.Href("/instances")), crumb(title, ""))
	p.Frame.Page.Scripts = []string{"js/fields.js"}
	return p, nil
}

// middle is the size in the middle of what is usual.
func middle(sizes []string) string {
	for _, name := range sizes {
		if strings.HasSuffix(name, ".small") {
			return name
		}
	}
	return ""
}

// systems are the operating systems that a stack's instances can have.
func systems(stack *models.Stack) []string {
	var names []string
	for _, o := range models.OperatingSystems {
		fits := func(m models.ConfigurationManager) bool {
			return m.Name == stack.ConfigurationManager.Name && (m.Version == "" || m.Version == stack.ConfigurationManager.Version)
		}
		if !o.Closed && slices.ContainsFunc(o.Managers, fits) {
			names = append(names, o.Name)
		}
	}
	return names
}

// suggestion is the hostname that the first ticked layer's next instance gets.
func (h *Handlers) suggestion(ctx context.Context, form views.Form, layers []models.Layer) (string, error) {
	for _, l := range layers {
		if form.Ticked("LayerIds", string(l.ID)) {
			return h.Engine.SuggestHostname(ctx, l.ID)
		}
	}
	return "", nil
}

// createInstance makes an instance, and starts it if that was ticked.
func (h *Handlers) createInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack) {
	form := r.PostForm
	if form.Get("do") == "more" {
		h.showInstanceForm(w, r, stack, nil, views.Form{Values: form}, http.StatusOK)
		return
	}
	i := models.Instance{
		StackID: stack.ID, AutoScalingType: form.Get("AutoScalingType"), RootDeviceType: form.Get("RootDeviceType"),
		AvailabilityZone: trimmed(form, "AvailabilityZone"), SubnetID: trimmed(form, "SubnetId"), EbsOptimized: form.Get("EbsOptimized") != "",
		AmiID: trimmed(form, "AmiId"), VirtualizationType: form.Get("VirtualizationType"), Tenancy: form.Get("Tenancy"),
	}
	fillInstance(&i, form)
	disks, err := disksOf(form)
	if err != nil {
		h.refusedInstance(w, r, stack, nil, err)
		return
	}
	i.BlockDeviceMappings = disks
	made, err := h.Engine.CreateInstance(r.Context(), i)
	if err != nil {
		h.refusedInstance(w, r, stack, nil, err)
		return
	}
	sentence := made.Hostname + " was added. It costs nothing until it is started."
	if form.Get("Start") != "" && made.Is247() {
		if err := h.Engine.StartInstance(r.Context(), made.ID); err != nil {
			h.refused(w, r, err, views.InstanceHref(made.ID))
			return
		}
		sentence = made.Hostname + " was added and is being started."
	}
	h.done(w, r, views.InstanceHref(made.ID), sentence)
}

// updateInstance changes a stopped instance.
func (h *Handlers) updateInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance) {
	_, err := h.Engine.UpdateInstance(r.Context(), i.ID, func(i *models.Instance) error {
		fillInstance(i, r.PostForm)
		return nil
	})
	if err != nil {
		h.refusedInstance(w, r, stack, i, err)
		return
	}
	h.done(w, r, views.InstanceHref(i.ID), "The changes take effect when "+i.Hostname+" is started.")
}

// refusedInstance shows the form again with what was typed.
func (h *Handlers) refusedInstance(w http.ResponseWriter, r *http.Request, stack *models.Stack, i *models.Instance, err error) {
	h.again(w, r, err, func(sentence, field string) templ.Component {
		page, err := h.instanceForm(w, r, stack, i, views.Form{Values: r.PostForm, Problem: sentence, Field: field})
		if err != nil {
			return failed{err}
		}
		return views.InstanceFormPage(page)
	})
}

func fillInstance(i *models.Instance, form url.Values) {
	i.LayerIDs = layerIDs(form)
	i.Hostname, i.InstanceType = trimmed(form, "Hostname"), trimmed(form, "InstanceType")
	i.Os, i.Architecture = trimmed(form, "Os"), form.Get("Architecture")
	i.SSHKeyName, i.AgentVersion = trimmed(form, "SshKeyName"), trimmed(form, "AgentVersion")
	i.InstallUpdatesOnBoot = form.Get("InstallUpdatesOnBoot") != ""
}

func layerIDs(form url.Values) []models.LayerID {
	var ids []models.LayerID
	for _, id := range form["LayerIds"] {
		ids = append(ids, models.LayerID(id))
	}
	return ids
}

func trimmed(form url.Values, name string) string { return strings.TrimSpace(form.Get(name)) }

// spareDisks is how many empty rows the form of block devices offers.
const spareDisks = 2

// diskRows are the rows of the form: what is there, and some empty ones.
func diskRows(v url.Values) []views.DiskRow {
	var rows []views.DiskRow
	for n := range v["DiskDevice"] {
		row := views.DiskRow{
			Device: nth(v, "DiskDevice", n), Virtual: nth(v, "DiskVirtual", n), Snapshot: nth(v, "DiskSnapshot", n),
			Size: nth(v, "DiskSize", n), Type: nth(v, "DiskType", n), Iops: nth(v, "DiskIops", n),
			None: slices.Contains(v["DiskNone"], strconv.Itoa(n)), Keep: slices.Contains(v["DiskKeep"], strconv.Itoa(n)),
		}
		if row != (views.DiskRow{}) {
			rows = append(rows, row)
		}
	}
	return append(rows, make([]views.DiskRow, spareDisks)...)
}

// nth is the value of the nth field of a name, without the spaces around it.
func nth(v url.Values, name string, n int) string {
	if n < len(v[name]) {
		return strings.TrimSpace(v[name][n])
	}
	return ""
}

// disksOf reads the block devices out of a form.
func disksOf(form url.Values) ([]models.BlockDeviceMapping, error) {
	var disks []models.BlockDeviceMapping
	for _, row := range diskRows(form) {
		if row == (views.DiskRow{}) {
			continue
		}
		d := models.BlockDeviceMapping{DeviceName: row.Device, VirtualName: row.Virtual}
		if row.Device == "" {
			return nil, models.InvalidField("BlockDeviceMappings", "Block device mappings: name the device, for instance /dev/sdf.")
		}
		if row.None {
			d.NoDevice = "true"
			disks = append(disks, d)
			continue
		}
		if row.Virtual == "" {
			size, err := wholeNumber("BlockDeviceMappings", "Block device mappings: the size", row.Size)
			if err != nil {
				return nil, err
			}
			iops, err := wholeNumber("BlockDeviceMappings", "Block device mappings: the IOPS", row.Iops)
			if err != nil {
				return nil, err
			}
			ends := !row.Keep
			d.Ebs = &models.EbsBlockDevice{SnapshotID: row.Snapshot, VolumeSize: size, VolumeType: row.Type, Iops: iops, DeleteOnTermination: &ends}
		}
		disks = append(disks, d)
	}
	return disks, nil
}

// wholeNumber reads a field that may stay empty.
func wholeNumber(field, name, text string) (*int, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return nil, models.InvalidField(field, "%s must be a whole number.", name)
	}
	return &n, nil
}
