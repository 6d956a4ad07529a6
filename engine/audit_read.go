package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"opsyard/models"
)

// TopicAudit is where the news of the whole audit arrive.
const TopicAudit = "audit"

// TopicAuditOf is where the news of a stack's audit arrive.
func TopicAuditOf(id models.StackID) string { return TopicAudit + ":" + string(id) }

// AuthorizeAudit refuses who may not read a stack's audit, or without a stack
// that of the whole installation.
func (e *Engine) AuthorizeAudit(ctx context.Context, stack models.StackID) error {
	if stack == "" {
		return e.administer(ctx, models.ActionReadAudit, target{kind: "audit"})
	}
	_, err := e.Authorize(ctx, stack, models.ActionReadStackAudit)
	return err
}

// exportBatch is how many entries are read at a time.
const exportBatch = 500

// ExportAudit writes the entries of a filter in the order of the chain, up to
// its own: that the audit was copied is in it, too. scope is the stack whose
// audit the asker may read; empty for everything, which a filter may narrow to
// a stack that is gone.
func (e *Engine) ExportAudit(ctx context.Context, scope models.StackID, f models.AuditFilter, write func([]models.AuditEntry) error) error {
	if err := e.AuthorizeAudit(ctx, scope); err != nil {
		return err
	}
	if scope != "" {
		f.StackID = scope
	}
	own, err := e.auditExport(ctx, scope, f)
	if err != nil {
		return err
	}
	after := int64(0)
	for {
		list, err := e.store.Audit.Since(ctx, f, after, own, exportBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := write(list); err != nil {
			return fmt.Errorf("export the audit: %w", err)
		}
		after = list[len(list)-1].ID
	}
}

func (e *Engine) auditExport(ctx context.Context, scope models.StackID, f models.AuditFilter) (id int64, err error) {
	on := target{kind: "audit"}
	if scope != "" {
		stack, err := e.store.Stacks.Get(ctx, scope)
		if err != nil {
			return 0, err
		}
		on = onStack(stack)
	}
	filter := map[string]string{}
	for name, values := range f.Values() {
		filter[name] = values[0]
	}
	after, err := json.Marshal(map[string]any{"Filter": filter})
	if err != nil {
		return 0, err
	}
	err = e.tx(ctx, func(t *tx) error {
		entry := auditEntry(ctx, "ExportAudit", on)
		entry.At, entry.After = e.Clock(), string(after)
		err := t.record(ctx, &entry)
		id = entry.ID
		return err
	})
	return id, err
}

// AuditCopy says where the audit is copied to, and how far; empty and nil when
// no syslog receiver is set.
func (e *Engine) AuditCopy(ctx context.Context) (receiver string, feed *models.AuditFeed, err error) {
	if e.auditFeed.receiver == nil {
		return "", nil, nil
	}
	receiver = e.auditFeed.receiver.String()
	feed, err = e.store.AuditFeeds.Get(ctx, receiver)
	return receiver, feed, err
}
