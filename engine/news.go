package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"opsyard/engine/notify"
	"opsyard/models"
	"opsyard/models/store"
)

// What happens is told to those who asked for it (OpsWorks: events on the
// bus). A verb notes its events as it goes; they are written in its own
// transaction, all at once, and delivered from there.

// news is one event that a transaction has noted.
type news struct {
	stack     models.StackID
	kind      models.NotificationType
	trouble   bool
	text      string
	path      string
	resources []models.InstanceID
	detail    any
	except    models.NotificationChannelID // what it is about, which does not hear of it
}

// heardBy tells whether a channel is to hear of it.
func (n *news) heardBy(c *models.NotificationChannel) bool {
	return c.ID != n.except && c.Wants(n.stack, n.kind, n.trouble)
}

// subscriptions is who hears of events. Most installations tell nobody, and
// every move asks, so the answer is kept for a moment; another server's change
// is seen when the moment is over.
type subscriptions struct {
	mu      sync.Mutex
	list    []models.NotificationChannel
	until   time.Time
	changes int
}

const subscriptionsKept = 2 * time.Second

func (s *subscriptions) kept(now time.Time) (list []models.NotificationChannel, ok bool, changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list, now.Before(s.until), s.changes
}

// keep keeps what was read, unless somebody has changed it since.
func (s *subscriptions) keep(list []models.NotificationChannel, until time.Time, changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes {
		s.list, s.until = list, until
	}
}

func (s *subscriptions) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	s.until = time.Time{}
}

func (t *tx) subscribers(ctx context.Context) ([]models.NotificationChannel, error) {
	now := t.e.Clock()
	list, fresh, changes := t.e.hearers.kept(now)
	if fresh {
		return list, nil
	}
	list, err := t.Notifications.Subscribed(ctx)
	if err != nil {
		return nil, err
	}
	t.e.hearers.keep(list, now.Add(subscriptionsKept), changes)
	return list, nil
}

// heard tells whether anybody hears of such events. Without anybody, nothing
// more is read, made or written.
func (t *tx) heard(ctx context.Context, stack models.StackID, kind models.NotificationType, trouble bool) (bool, error) {
	return t.anyHears(ctx, &news{stack: stack, kind: kind, trouble: trouble})
}

func (t *tx) anyHears(ctx context.Context, n *news) (bool, error) {
	list, err := t.subscribers(ctx)
	for c := range list {
		if n.heardBy(&list[c]) {
			return true, err
		}
	}
	return false, err
}

// notifyInstance notes that an instance has entered its state.
func (t *tx) notifyInstance(ctx context.Context, i *models.Instance, cause models.Cause) error {
	tone := Tone(i.Status)
	trouble := tone == "bad" || tone == "lost"
	if ok, err := t.heard(ctx, i.StackID, models.NotifyInstance, trouble); !ok {
		return err
	}
	text := fmt.Sprintf("%s is %s", i.Hostname, i.Status)
	if i.StatusReason != "" {
		text += ": " + i.StatusReason
	}
	t.outbox = append(t.outbox, news{
		stack: i.StackID, kind: models.NotifyInstance, trouble: trouble, text: text,
		path: "/instances/" + string(i.ID), resources: []models.InstanceID{i.ID},
		detail: notify.InstanceDetail{
			InitiatedBy: initiatedBy(i.Status, cause.Kind), Hostname: i.Hostname, StackID: i.StackID, LayerIDs: notNull(i.LayerIDs),
			InstanceID: i.ID, Ec2InstanceID: i.Ec2InstanceID, Status: i.Status,
		},
	})
	return nil
}

// initiatedBy is who began it, where OpsWorks says so.
func initiatedBy(s models.InstanceStatus, k models.CauseKind) string {
	switch s {
	case models.InstanceRequested, models.InstanceTerminating, models.InstanceStopping:
	default:
		return ""
	}
	switch k {
	case models.CauseUser:
		return "user"
	case models.CauseHealing:
		return "auto-healing"
	case models.CauseSchedule, models.CauseLoad:
		return "auto-scaling"
	}
	return ""
}

// notifyCommands notes that commands have ended. Those of dry runs have
// changed nothing, so nobody is told of them.
func (t *tx) notifyCommands(ctx context.Context, to models.CommandStatus, commands ...models.Command) error {
	trouble := to == models.CommandFailed || to == models.CommandExpired
	for n := range commands {
		c := &commands[n]
		if ok, err := t.heard(ctx, c.StackID, models.NotifyCommand, trouble); !ok {
			return err
		}
		if dry, err := t.isDry(ctx, c.DeploymentID); dry || err != nil {
			return err
		}
		text := fmt.Sprintf("%s on %s: %s", c.Type, c.Hostname, to)
		if c.Message != "" {
			text += ": " + c.Message
		}
		t.outbox = append(t.outbox, news{
			stack: c.StackID, kind: models.NotifyCommand, trouble: trouble, text: text,
			path: "/deployments/" + string(c.DeploymentID), resources: []models.InstanceID{c.InstanceID},
			detail: notify.CommandDetail{CommandID: c.ID, InstanceID: c.InstanceID, Type: c.Type, Status: to},
		})
	}
	return nil
}

func (t *tx) isDry(ctx context.Context, id models.DeploymentID) (bool, error) {
	if dry, known := t.dry[id]; known {
		return dry, nil
	}
	dry, err := t.Deployments.IsDryRun(ctx, id)
	if t.dry == nil {
		t.dry = map[models.DeploymentID]bool{}
	}
	t.dry[id] = dry
	return dry, err
}

// notifyBegun notes that a deployment has begun.
func (t *tx) notifyBegun(ctx context.Context, d *models.Deployment, members []store.Member) error {
	if d.DryRun {
		return nil
	}
	if ok, err := t.heard(ctx, d.StackID, models.NotifyDeployment, false); !ok {
		return err
	}
	t.deploymentNews(d, fmt.Sprintf("%s #%d runs on %s", d.CommandName, d.Number, where(members)), models.DeploymentRunning, nil, idsOf(members))
	return nil
}

// notifyEnded notes that a deployment has ended.
func (t *tx) notifyEnded(ctx context.Context, d *models.Deployment, status models.DeploymentStatus, what string) error {
	if d.DryRun {
		return nil
	}
	trouble := status == models.DeploymentFailed
	if ok, err := t.heard(ctx, d.StackID, models.NotifyDeployment, trouble); !ok {
		return err
	}
	whole, err := t.Deployments.Get(ctx, d.ID)
	if err != nil {
		return err
	}
	ran, err := t.Deployments.InstancesOf(ctx, []models.DeploymentID{d.ID})
	if err != nil {
		return err
	}
	ids := ran[d.ID]
	seconds := int(t.e.Clock().Sub(whole.CreatedAt).Round(time.Second) / time.Second)
	took := inWords(seconds)
	text := fmt.Sprintf("%s #%d was successful on %s after %s", d.CommandName, d.Number, count(len(ids), "instance"), took)
	if trouble {
		text = fmt.Sprintf("%s (#%d) after %s", what, d.Number, took)
	}
	t.deploymentNews(d, text, status, &seconds, ids)
	return nil
}

// inWords is a time as people read it: "2 min 5 s".
func inWords(seconds int) string {
	if seconds < 60 {
		return fmt.Sprintf("%d s", seconds)
	}
	return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
}

func (t *tx) deploymentNews(d *models.Deployment, text string, status models.DeploymentStatus, seconds *int, ids []models.InstanceID) {
	t.outbox = append(t.outbox, news{
		stack: d.StackID, kind: models.NotifyDeployment, trouble: status == models.DeploymentFailed, text: text,
		path: "/deployments/" + string(d.ID), resources: ids,
		detail: notify.DeploymentDetail{
			Duration: seconds, StackID: d.StackID, InstanceIDs: notNull(ids), DeploymentID: d.ID, Command: d.CommandName, Status: status,
		},
	})
}

// alert notes that a person should look at an instance (OpsWorks: OpsWorks
// Alert, whose types are those of service errors).
func (t *tx) alert(ctx context.Context, i *models.Instance, kind, message string) error {
	return t.alertOf(ctx, &news{
		stack: i.StackID, trouble: true, text: fmt.Sprintf("%s, %s: %s", kind, i.Hostname, message), path: "/instances/" + string(i.ID),
	}, notify.AlertDetail{StackID: i.StackID, InstanceID: i.ID, Type: kind, Message: message})
}

// alertOf notes an alert about whatever it is.
func (t *tx) alertOf(ctx context.Context, n *news, detail notify.AlertDetail) error {
	n.kind, n.detail = models.NotifyAlert, detail
	if ok, err := t.anyHears(ctx, n); !ok {
		return err
	}
	t.outbox = append(t.outbox, *n)
	return nil
}

// notNull is an empty list in JSON instead of none.
func notNull[T any](ids []T) []T {
	if ids == nil {
		return []T{}
	}
	return ids
}

// writeNews stores the transaction's events with a delivery for each who hears
// of them.
func (t *tx) writeNews(ctx context.Context) error {
	if len(t.outbox) == 0 {
		return nil
	}
	channels, err := t.subscribers(ctx)
	if err != nil {
		return err
	}
	stacks, now := map[models.StackID]*models.Stack{}, t.e.Clock()
	var events []models.Notification
	var deliveries []models.NotificationDelivery
	for n := range t.outbox {
		this := &t.outbox[n]
		stack := stacks[this.stack]
		if stack == nil {
			if stack, err = this.of(ctx, t.Store); models.CodeOf(err) == models.CodeNotFound && err != nil {
				continue // it was deleted with all that it had
			} else if err != nil {
				return err
			}
			stacks[this.stack] = stack
		}
		event, err := eventOf(this, stack, now)
		if err != nil {
			return err
		}
		events = append(events, *event)
		for c := range channels {
			if this.heardBy(&channels[c]) {
				deliveries = append(deliveries, models.NotificationDelivery{
					ChannelID: channels[c].ID, NotificationID: event.ID, Status: models.DeliveryPending, NextAt: now, CreatedAt: now,
				})
			}
		}
	}
	t.AfterCommit(t.e.courier.wake)
	return t.Notifications.Append(ctx, events, deliveries)
}

// of is the stack that it is about; one that stands for all when it is about
// none.
func (n *news) of(ctx context.Context, st *store.Store) (*models.Stack, error) {
	if n.stack == "" {
		return &models.Stack{Name: "All stacks"}, nil
	}
	return st.Stacks.Get(ctx, n.stack)
}

func eventOf(n *news, stack *models.Stack, at time.Time) (*models.Notification, error) {
	id := models.NewID[models.NotificationID]()
	var resources []string
	for _, i := range n.resources {
		resources = append(resources, instanceArn(stack, i))
	}
	body, err := notify.Event{
		ID: string(id), DetailType: n.kind, Account: accountOf(stack.Arn), Time: at, Region: stack.Region, Resources: resources, Detail: n.detail,
	}.Encode()
	return &models.Notification{
		ID: id, StackID: stack.ID, Type: n.kind, At: at, Trouble: n.trouble, Stack: stack.Name, Text: n.text, Path: n.path, Body: body,
	}, err
}

// accountOf is the account in an ARN.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}
