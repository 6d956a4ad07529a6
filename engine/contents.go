package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"opsyard/engine/lifecycle"
	"opsyard/models"
	"opsyard/models/store"
)

// contents are the documents that agents fetch by digest: made once, kept in
// the database, so that a restart between sending a command and fetching what
// it needs does no harm.
type contents struct {
	store *store.Store
	now   func() time.Time

	mu        sync.Mutex
	gzipped   map[string][]byte // the most recent ones
	order     []string
	states    map[models.StackID]stateOf
	cookbooks string // digest of the built-in ones
}

// stateOf is what has been made of a stack at one version.
type stateOf struct {
	version  int64
	digest   string   // of the state document
	dataBags []string // digests, of Chef 12 stacks only

	online    map[models.InstanceID]bool // who is in the document
	memcached string                     // address of the first one
}

const (
	keepInMemory = 128
	keepInStore  = 48 * time.Hour
)

func newContents(s *store.Store, now func() time.Time) *contents {
	return &contents{store: s, now: now, gzipped: map[string][]byte{}, states: map[models.StackID]stateOf{}}
}

// put keeps a document and returns its digest.
func (c *contents) put(ctx context.Context, plain []byte) (string, error) {
	sum := sha256.Sum256(plain)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if c.cached(digest) != nil {
		return digest, nil
	}
	var packed bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level is a valid one
	if _, err := zip.Write(plain); err != nil {
		return "", fmt.Errorf("pack content: %w", err)
	}
	if err := zip.Close(); err != nil {
		return "", fmt.Errorf("pack content: %w", err)
	}
	if err := c.store.Contents.Put(ctx, &models.Content{Digest: digest, Data: packed.Bytes(), CreatedAt: c.now()}); err != nil {
		return "", err
	}
	c.keep(digest, packed.Bytes())
	return digest, nil
}

func (c *contents) cached(digest string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gzipped[digest]
}

func (c *contents) keep(digest string, packed []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.gzipped[digest]; ok {
		return
	}
	c.gzipped[digest] = packed
	c.order = append(c.order, digest)
	if len(c.order) > keepInMemory {
		delete(c.gzipped, c.order[0])
		c.order = c.order[1:]
	}
}

// Content is a document in gzip form. The digest is the right to read it:
// nobody finds one by trying.
func (e *Engine) Content(ctx context.Context, digest string) ([]byte, error) {
	if packed := e.contents.cached(digest); packed != nil {
		return packed, nil
	}
	row, err := e.store.Contents.Get(ctx, digest)
	if err != nil {
		return nil, err
	}
	e.contents.keep(digest, row.Data)
	return row.Data, nil
}

// state is the stack's state document, made anew when the stack has a new
// version.
func (c *contents) state(ctx context.Context, stack *models.Stack, layers []models.Layer) (stateOf, error) {
	c.mu.Lock()
	have, ok := c.states[stack.ID]
	c.mu.Unlock()
	if ok && have.version == stack.Version {
		return have, nil
	}
	made, err := c.makeState(ctx, stack, layers)
	if err != nil {
		return stateOf{}, err
	}
	c.mu.Lock()
	c.states[stack.ID] = made
	c.mu.Unlock()
	return made, nil
}

func (c *contents) makeState(ctx context.Context, stack *models.Stack, layers []models.Layer) (made stateOf, err error) {
	online, err := c.store.Instances.Online(ctx, stack.ID)
	if err != nil {
		return made, err
	}
	apps, err := c.store.Apps.InStack(ctx, stack.ID)
	if err != nil {
		return made, err
	}
	resources, err := c.resources(ctx, stack.ID)
	if err != nil {
		return made, err
	}
	doc, err := lifecycle.State(*stack, layers, online, apps, resources)
	if err != nil {
		return made, fmt.Errorf("describe stack %s: %w", stack.Name, err)
	}
	made = stateOf{version: stack.Version, online: make(map[models.InstanceID]bool, len(online)), memcached: lifecycle.MemcachedHost(layers, online)}
	for _, i := range online {
		made.online[i.ID] = true
	}
	if made.digest, err = c.put(ctx, doc); err != nil || !stack.ConfigurationManager.IsChef12() {
		return made, err
	}
	instances, err := c.store.Instances.InStack(ctx, stack.ID)
	if err != nil {
		return made, err
	}
	doc, err = json.Marshal(lifecycle.SharedDataBags(*stack, layers, instances, apps, resources))
	if err != nil {
		return made, fmt.Errorf("make the data bags of stack %s: %w", stack.Name, err)
	}
	digest, err := c.put(ctx, doc)
	made.dataBags = []string{digest}
	return made, err
}

// resources reads what the stack has besides layers, instances and apps.
func (c *contents) resources(ctx context.Context, id models.StackID) (r lifecycle.Resources, err error) {
	if r.LoadBalancers, err = c.store.ElasticLoadBalancers.InStack(ctx, id); err != nil {
		return r, err
	}
	if r.Databases, err = c.store.RdsDbInstances.InStack(ctx, id); err != nil {
		return r, err
	}
	if r.EcsClusters, err = c.store.EcsClusters.InStack(ctx, id); err != nil {
		return r, err
	}
	if r.Volumes, err = c.store.Volumes.InStack(ctx, id); err != nil {
		return r, err
	}
	if r.RaidArrays, err = c.store.RaidArrays.InStack(ctx, id); err != nil {
		return r, err
	}
	r.Users, err = c.sshUsers(ctx, id)
	return r, err
}

// sshUsers are who may log in to the stack's instances.
func (c *contents) sshUsers(ctx context.Context, id models.StackID) ([]lifecycle.SSHUser, error) {
	logins, err := c.store.Logins(ctx, id)
	if err != nil || len(logins) == 0 {
		return nil, err
	}
	sudo := map[models.UserID]bool{}
	for _, l := range logins {
		sudo[l.UserID] = l.Sudo
	}
	all, err := c.store.Users.List(ctx)
	var users []lifecycle.SSHUser
	for _, u := range all {
		if s, may := sudo[u.ID]; may {
			users = append(users, lifecycle.SSHUser{User: u, Sudo: s})
		}
	}
	return users, err
}

// document keeps a JSON object; an empty one has no digest.
func (c *contents) document(ctx context.Context, object map[string]any) (string, error) {
	if len(object) == 0 {
		return "", nil
	}
	doc, err := json.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("encode attributes: %w", err)
	}
	return c.put(ctx, doc)
}

// inUse are the documents that this process may name to an agent without
// putting them again.
func (c *contents) inUse() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	digests := append([]string{c.cookbooks}, c.order...)
	for _, s := range c.states {
		digests = append(append(digests, s.digest), s.dataBags...)
	}
	slices.Sort(digests)
	return slices.Compact(digests)
}

// prune forgets documents that no command can still ask for.
func (e *Engine) prune(ctx context.Context) error {
	e.contents.mu.Lock()
	due := e.Clock().Sub(e.lastPrune) > time.Hour
	if due {
		e.lastPrune = e.Clock()
	}
	e.contents.mu.Unlock()
	if !due {
		return nil
	}
	for _, digest := range e.contents.inUse() {
		if err := e.store.Contents.Touch(ctx, digest, e.Clock()); err != nil {
			return err
		}
	}
	if err := e.store.Contents.Prune(ctx, e.Clock().Add(-keepInStore)); err != nil {
		return err
	}
	if err := e.store.Plans.Prune(ctx, e.Clock().Add(-keepPlans)); err != nil {
		return err
	}
	if err := e.store.ScheduleFirings.Prune(ctx, e.Clock().Add(-keepFirings)); err != nil {
		return err
	}
	if err := e.pruneScaling(ctx); err != nil {
		return err
	}
	if err := e.store.Intents.Prune(ctx, e.Clock().Add(-keepIntents)); err != nil {
		return err
	}
	if err := e.pruneNotifications(ctx); err != nil {
		return err
	}
	if err := e.store.Healings.Prune(ctx, e.Clock().Add(-keepHealings)); err != nil {
		return err
	}
	if err := e.pruneSignIns(ctx); err != nil {
		return err
	}
	return e.store.EnrollTokens.DeleteExpired(ctx, e.Clock().Add(-keepInStore))
}
