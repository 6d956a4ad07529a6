package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"opsyard/models"

	"gorm.io/gorm"
)

// Instances keeps models.Instance. Columns have owners, so that two writers do
// not undo each other: Move writes the status and what hangs on it, Seen the
// sign of life, SetMachine and SetAgent what the machine tells, Save the rest.
type Instances struct{ *handle }

const kindInstance = "instance"

var (
	moveColumns  = []string{"status", "status_since", "status_cause", "status_reason", "status_deadline", "force_stop", "was_online", "setup_at", "last_service_error_id"}
	ownedColumns = append([]string{
		"agent_seen_at", "agent_server", "agent_key", "boot_id", "reported_agent_version", "reported_os", "ssh_host_rsa_key_fingerprint",
		"ec2_instance_id", "private_ip", "public_ip", "private_dns", "public_dns", "schedule", "schedule_zone", "schedule_revision",
	}, moveColumns...)
)

// Get reads one instance.
func (s Instances) Get(ctx context.Context, id models.InstanceID) (*models.Instance, error) {
	return get[models.Instance](s.r(ctx), kindInstance, id)
}

// GetForUpdate reads one instance and keeps other transactions from changing it.
func (s Instances) GetForUpdate(ctx context.Context, id models.InstanceID) (*models.Instance, error) {
	return get[models.Instance](forUpdate(s.w(ctx)), kindInstance, id)
}

// ByIDs reads instances in the order of ids; a missing one is a NotFound.
func (s Instances) ByIDs(ctx context.Context, ids []models.InstanceID) ([]models.Instance, error) {
	return byIDs(s.r(ctx), kindInstance, ids, func(i *models.Instance) models.InstanceID { return i.ID })
}

// Some reads those of the instances that are there.
func (s Instances) Some(ctx context.Context, ids []models.InstanceID) ([]models.Instance, error) {
	return findBy[models.Instance](s.r(ctx), "id", ids, "read instances by id")
}

// InStack reads a stack's instances by hostname.
func (s Instances) InStack(ctx context.Context, stack models.StackID) ([]models.Instance, error) {
	return find[models.Instance](s.r(ctx).Where("stack_id = ?", stack).Order("hostname"), "list instances of stack %s", stack)
}

// InLayer reads a layer's instances by hostname.
func (s Instances) InLayer(ctx context.Context, layer models.LayerID) ([]models.Instance, error) {
	return find[models.Instance](s.r(ctx).Where(inLayer, layer).Order("hostname"), "list instances of layer %s", layer)
}

const inLayer = "id IN (SELECT instance_id FROM instance_layers WHERE layer_id = ?)"

// WithStatus reads the instances of all stacks that are in one of the states.
func (s Instances) WithStatus(ctx context.Context, statuses ...models.InstanceStatus) ([]models.Instance, error) {
	return find[models.Instance](s.r(ctx).Where("status IN ?", statuses).Order("stack_id, hostname"), "list instances by status")
}

// LostSince reads of the lost instances of all stacks only where they are, since
// when they are lost and when their agents were last heard. A page asks this
// when thousands may be lost.
func (s Instances) LostSince(ctx context.Context) ([]models.Instance, error) {
	return find[models.Instance](s.r(ctx).Select("id", "stack_id", "status_since", "agent_seen_at", "infrastructure_class", "registered_by").Where("status = ?", models.InstanceConnectionLost), "list lost instances")
}

// Awaited reads the instance of a hostname whose agent has not enrolled yet
// since RegisterInstance made it, nil if there is none.
func (s Instances) Awaited(ctx context.Context, stack models.StackID, hostname string) (*models.Instance, error) {
	list, err := find[models.Instance](forUpdate(s.w(ctx)).Where(
		"stack_id = ? AND hostname = ? AND status = ? AND agent_key IS NULL", stack, strings.ToLower(hostname), models.InstanceRegistering),
		"look for the registered host %s", hostname)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// Among reads those of the instances that are in a state.
func (s Instances) Among(ctx context.Context, ids []models.InstanceID, status models.InstanceStatus) ([]models.Instance, error) {
	return find[models.Instance](s.w(ctx).Where("id IN ? AND status = ?", ids, status), "list instances in state %s", status)
}

// Hostnames lists the hostnames that a stack uses.
func (s Instances) Hostnames(ctx context.Context, stack models.StackID) ([]string, error) {
	var names []string
	err := s.r(ctx).Model(&models.Instance{}).Where("stack_id = ?", stack).Order("hostname").Pluck("hostname", &names).Error
	return names, wrap(err, "list hostnames of stack %s", stack)
}

// InstanceFilter narrows Page; zero members do not.
type InstanceFilter struct {
	LayerID  models.LayerID
	Statuses []models.InstanceStatus
	Search   string // part of the hostname or an address
	// Sort is "hostname" (as is anything unknown), "status", "since" or "seen".
	Sort       string
	Descending bool
}

// order is the ORDER BY of the filter; the hostname decides between equals.
// Numbers at the end of hostnames count as numbers: web2 before web10.
func (f InstanceFilter) order() string {
	direction := ""
	if f.Descending {
		direction = " DESC"
	}
	column, ok := map[string]string{"status": "status", "since": "status_since", "seen": "coalesce(agent_seen_at, created_at)"}[f.Sort]
	if !ok {
		return "rtrim(hostname, '0123456789')" + direction + ", length(hostname)" + direction + ", hostname" + direction
	}
	return column + direction + ", hostname"
}

// Page reads a part of a stack's instances in the filter's order, and how many the
// filter lets through in all.
func (s Instances) Page(ctx context.Context, stack models.StackID, f InstanceFilter, limit, offset int) ([]models.Instance, int, error) {
	query := s.r(ctx).Model(&models.Instance{}).Where("stack_id = ?", stack)
	if f.LayerID != "" {
		query = query.Where(inLayer, f.LayerID)
	}
	if len(f.Statuses) > 0 {
		query = query.Where("status IN ?", f.Statuses)
	}
	if f.Search != "" {
		part := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(clip(f.Search, 64))) + "%"
		query = query.Where(`hostname LIKE ? ESCAPE '\' OR private_ip LIKE ? ESCAPE '\' OR public_ip LIKE ? ESCAPE '\'`, part, part, part)
	}
	var total int64
	if err := query.Session(&gorm.Session{}).Count(&total).Error; err != nil {
		return nil, 0, wrap(err, "count instances of stack %s", stack)
	}
	list, err := find[models.Instance](query.Session(&gorm.Session{}).Order(f.order()).Limit(limit).Offset(offset), "list instances of stack %s", stack)
	return list, int(total), err
}

// Create stores a new instance and its place in its layers.
func (s Instances) Create(ctx context.Context, i *models.Instance) error {
	return s.inTx(ctx, func(h *handle) error {
		if i.StatusSince.IsZero() {
			i.StatusSince = h.clock()
		}
		if err := keep(ctx, h, "stacks", kindStack, i.StackID); err != nil {
			return err
		}
		if err := h.w(ctx).Create(i).Error; err != nil {
			return hostnameTaken(err, i)
		}
		return h.joinLayers(ctx, i)
	})
}

// Save writes an instance but for the columns that Move, Seen, SetMachine and
// SetAgent own.
func (s Instances) Save(ctx context.Context, i *models.Instance) error {
	return s.inTx(ctx, func(h *handle) error {
		if err := save(h.w(ctx), i, kindInstance, i.ID, ownedColumns...); err != nil {
			return hostnameTaken(err, i)
		}
		if err := h.w(ctx).Exec("DELETE FROM instance_layers WHERE instance_id = ?", i.ID).Error; err != nil {
			return wrap(err, "take instance %s out of its layers", i.ID)
		}
		return h.joinLayers(ctx, i)
	})
}

func hostnameTaken(err error, i *models.Instance) error {
	if brokenIndex(err) == "instance_hostname" {
		return models.InvalidField("Hostname", "Hostname: there is already an instance with hostname %q in this stack", i.Hostname).Because(err)
	}
	return wrap(err, "store instance %s", i.ID)
}

func (h *handle) joinLayers(ctx context.Context, i *models.Instance) error {
	if len(i.LayerIDs) == 0 {
		return nil
	}
	if err := keep(ctx, h, "layers", kindLayer, i.LayerIDs...); err != nil {
		return err
	}
	rows := make([]models.InstanceLayer, len(i.LayerIDs))
	for n, layer := range i.LayerIDs {
		rows[n] = models.InstanceLayer{InstanceID: i.ID, LayerID: layer, StackID: i.StackID, Position: n}
	}
	return wrap(h.w(ctx).Create(&rows).Error, "put instance %s into its layers", i.ID)
}

// Delete removes an instance; its commands stay as history.
func (s Instances) Delete(ctx context.Context, id models.InstanceID) error {
	return s.inTx(ctx, func(h *handle) error {
		for _, table := range []string{"instance_layers", "service_errors", "enroll_tokens", "remote_accesses", "applied_accounts", "intents", "intent_pauses", "schedule_firings"} {
			if err := h.w(ctx).Exec("DELETE FROM "+table+" WHERE instance_id = ?", id).Error; err != nil {
				return wrap(err, "delete %s of instance %s", table, id)
			}
		}
		if err := (Alarms{h}).forget(ctx, "instance_id", string(id)); err != nil {
			return err
		}
		return affected(h.w(ctx).Exec("DELETE FROM instances WHERE id = ?", id), "delete", kindInstance, id)
	})
}

// InstanceChange is what Move writes along with the state. Cause, Reason and
// Deadline belong to the new state and are always written; of the rest, nil
// members stay as they are.
type InstanceChange struct {
	At            time.Time
	Cause         models.Cause
	Reason        string
	Deadline      *time.Time
	ForceStop     *bool
	WasOnline     *bool
	SetupAt       *time.Time
	ClearSetup    bool // Setup has to run again
	Ec2InstanceID *string
	PrivateIP     *string
	PublicIP      *string
	BootID        *string
	AgentKey      *[]byte // of an empty one: the agent must enrol again
	// LastServiceErrorID names the service error that goes with the change.
	LastServiceErrorID *models.ServiceErrorID
}

// Move changes the state of an instance that is still in one of the states
// from. If it is not, Move returns a Conflict and changes nothing.
func (s Instances) Move(ctx context.Context, id models.InstanceID, from []models.InstanceStatus, to models.InstanceStatus, c InstanceChange) error {
	for _, f := range from {
		if !f.CanBecome(to) {
			return fmt.Errorf("move instance %s: the state chart has no way from %s to %s", id, f, to)
		}
	}
	var row models.Instance
	columns := append(c.apply(&row, to), "updated_at")
	result := s.w(ctx).Model(&models.Instance{}).Where("id = ? AND status IN ?", id, from).Select(columns).Updates(row)
	if result.Error != nil {
		return wrap(result.Error, "move instance %s to %s", id, to)
	}
	if result.RowsAffected == 0 {
		return s.missedMove(ctx, id, to)
	}
	return nil
}

// Patch writes the optional members of a change and leaves the state alone.
func (s Instances) Patch(ctx context.Context, id models.InstanceID, c InstanceChange) error {
	var row models.Instance
	columns := append(c.patch(&row), "updated_at")
	return affected(s.w(ctx).Model(&models.Instance{}).Where("id = ?", id).Select(columns).Updates(row), "change", kindInstance, id)
}

// Apply makes the same change to an instance that was read before.
func (c *InstanceChange) Apply(i *models.Instance, to models.InstanceStatus) { c.apply(i, to) }

// apply names the columns it has set.
func (c *InstanceChange) apply(i *models.Instance, to models.InstanceStatus) []string {
	i.Status, i.StatusSince, i.StatusCause = to, stamp(c.At), c.Cause
	i.StatusReason, i.StatusDeadline = clip(c.Reason, maxText), stampPtr(c.Deadline)
	return append(c.patch(i), "status", "status_since", "status_cause", "status_reason", "status_deadline")
}

// patch sets the members that are optional.
func (c *InstanceChange) patch(i *models.Instance) (columns []string) {
	columns = setIf(columns, "force_stop", &i.ForceStop, c.ForceStop)
	columns = setIf(columns, "was_online", &i.WasOnline, c.WasOnline)
	columns = setIf(columns, "ec2_instance_id", &i.Ec2InstanceID, c.Ec2InstanceID)
	columns = setIf(columns, "private_ip", &i.PrivateIP, c.PrivateIP)
	columns = setIf(columns, "public_ip", &i.PublicIP, c.PublicIP)
	columns = setIf(columns, "boot_id", &i.BootID, c.BootID)
	columns = setIf(columns, "agent_key", &i.AgentKey, c.AgentKey)
	columns = setIf(columns, "last_service_error_id", &i.LastServiceErrorID, c.LastServiceErrorID)
	if c.SetupAt != nil || c.ClearSetup {
		i.SetupAt, columns = stampPtr(c.SetupAt), append(columns, "setup_at")
	}
	return columns
}

func setIf[T any](columns []string, name string, field, value *T) []string {
	if value == nil {
		return columns
	}
	*field = *value
	return append(columns, name)
}

// missedMove tells a missing instance from one that has moved on.
func (s Instances) missedMove(ctx context.Context, id models.InstanceID, to models.InstanceStatus) error {
	i, err := get[models.Instance](s.w(ctx), kindInstance, id)
	if err != nil {
		return err
	}
	return models.Conflict("Instance %s is %s now, so it cannot become %s.", i.Hostname, i.Status, to)
}

// Machine is what a provider says of an instance's machine.
type Machine struct {
	Ec2InstanceID         string
	PrivateIP, PublicIP   string
	PrivateDNS, PublicDNS string
}

// SetMachine writes what the provider says of an instance's machine.
func (s Instances) SetMachine(ctx context.Context, id models.InstanceID, m Machine) error {
	row := models.Instance{Ec2InstanceID: m.Ec2InstanceID, PrivateIP: m.PrivateIP, PublicIP: m.PublicIP, PrivateDNS: m.PrivateDNS, PublicDNS: m.PublicDNS}
	columns := []string{"ec2_instance_id", "private_ip", "public_ip", "private_dns", "public_dns", "updated_at"}
	return affected(s.w(ctx).Model(&models.Instance{}).Where("id = ?", id).Select(columns).Updates(row), "store the machine of", kindInstance, id)
}

// AgentFacts is what an agent says of itself and its host. Nil and empty
// members stay as they are.
type AgentFacts struct {
	Key                   []byte // Ed25519, at enrolment
	BootID                string
	AgentVersion          string
	Os                    *models.ReportedOs
	PrivateIP, PublicIP   string
	SSHHostRSAFingerprint string
	SeenAt                *time.Time
}

// SetAgent writes what an agent says.
func (s Instances) SetAgent(ctx context.Context, id models.InstanceID, f AgentFacts) error {
	row := models.Instance{
		AgentKey: f.Key, BootID: clip(f.BootID, 64), ReportedAgentVersion: clip(f.AgentVersion, 64), PrivateIP: clip(f.PrivateIP, 45),
		PublicIP: clip(f.PublicIP, 45), SSHHostRsaKeyFingerprint: clip(f.SSHHostRSAFingerprint, 128), AgentSeenAt: stampPtr(f.SeenAt),
	}
	if f.Os != nil {
		row.ReportedOs = *f.Os
	}
	// Updates skips zero values, which is what is wanted here.
	return affected(s.w(ctx).Model(&models.Instance{}).Where("id = ?", id).Updates(row), "store the agent of", kindInstance, id)
}

// Without names those of the instances whose agents have said which
// configuration managers are installed, and that the given one is not.
func (s Instances) Without(ctx context.Context, manager string, ids []models.InstanceID) (hostnames []string, err error) {
	for part := range chunks(ids, batch) {
		rows, err := find[models.Instance](s.r(ctx).Select("hostname", "reported_os").Where("id IN ?", part).Order("hostname"), "look for instances without %s", manager)
		if err != nil {
			return nil, err
		}
		for _, i := range rows {
			if has := i.ReportedOs.Managers; has != nil && !slices.Contains(has, manager) {
				hostnames = append(hostnames, i.Hostname)
			}
		}
	}
	return hostnames, nil
}

// Seen notes when agents were last heard, and by which server; an older time
// never replaces a newer.
func (s Instances) Seen(ctx context.Context, server string, seen map[models.InstanceID]time.Time) error {
	ids := slices.Sorted(maps.Keys(seen)) // replicas lock rows in the same order
	return s.inTx(ctx, func(h *handle) error {
		left := ids
		for _, size := range seenAtOnce {
			for ; len(left) >= size; left = left[size:] {
				args := make([]any, 0, 2*size+1)
				for _, id := range left[:size] {
					args = append(args, string(id), stamp(seen[id]))
				}
				args = append(args, clip(server, 255))
				if _, err := pool(h.write).ExecContext(ctx, h.seenText(size), args...); err != nil {
					return wrap(err, "note when agents were heard")
				}
			}
		}
		return nil
	})
}

// seenAtOnce are how many agents one statement is about: few different
// statements, so that the connections keep them parsed.
var seenAtOnce = []int{100, 10, 1}

func (h *handle) seenText(size int) string {
	var b strings.Builder
	b.WriteString("WITH heard (id, at) AS (VALUES ")
	for n := range size {
		switch {
		case h.dialect != Postgres:
			b.WriteString("(?, ?)")
		case n == 0:
			b.WriteString("(CAST($1 AS text), CAST($2 AS timestamptz))") // the first row types the others
		default:
			fmt.Fprintf(&b, "($%d, $%d)", 2*n+1, 2*n+2)
		}
		if n < size-1 {
			b.WriteString(", ")
		}
	}
	server := "?"
	if h.dialect == Postgres {
		server = fmt.Sprintf("$%d", 2*size+1)
	}
	b.WriteString(`) UPDATE instances SET agent_seen_at = heard.at, agent_server = ` + server + ` FROM heard
		WHERE instances.id = heard.id AND (agent_seen_at IS NULL OR agent_seen_at < heard.at)`)
	return b.String()
}

// Silent reads the instances in the given states whose agents were last heard
// before the time, or never since they entered their state.
func (s Instances) Silent(ctx context.Context, before time.Time, statuses ...models.InstanceStatus) ([]models.Instance, error) {
	return find[models.Instance](s.r(ctx).Where(
		"status IN ? AND status_since < ? AND (agent_seen_at IS NULL OR agent_seen_at < ?)", statuses, stamp(before), stamp(before)),
		"list silent instances")
}

// LayerIDs reads the layers of instances, in each instance's order.
func (s Instances) LayerIDs(ctx context.Context, ids []models.InstanceID) (map[models.InstanceID][]models.LayerID, error) {
	layers := make(map[models.InstanceID][]models.LayerID, len(ids))
	for part := range chunks(ids, batch) {
		rows, err := find[models.InstanceLayer](s.r(ctx).Where("instance_id IN ?", part).Order("instance_id, position"), "read layers of instances")
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			layers[row.InstanceID] = append(layers[row.InstanceID], row.LayerID)
		}
	}
	return layers, nil
}

// Await sets until when the engine waits in the instance's state; if it has
// left the state meanwhile, nothing changes.
func (s Instances) Await(ctx context.Context, id models.InstanceID, in models.InstanceStatus, until time.Time) error {
	err := s.w(ctx).Exec("UPDATE instances SET status_deadline = ? WHERE id = ? AND status = ?", stamp(until), id, in).Error
	return wrap(err, "wait for instance %s", id)
}
