package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"opsyard/models"
	"opsyard/models/store"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Prove that no entry of the audit was changed, removed or put in."`
	Export auditExportCmd `cmd:"" help:"Print the audit as JSON lines."`
}

type auditVerifyCmd struct {
	dataFlags
	Expect string `help:"A hash that the audit ended with before; it must still be there."`
	Head   string `help:"File that keeps the last hash: it is read, and written when all is well. Keep it on another machine." type:"path"`
}

// Run proves the chain. It needs no server and no secret key, and changes
// nothing but the head file.
func (c *auditVerifyCmd) Run(ctx context.Context) error {
	if err := c.present(); err != nil {
		return err
	}
	address, err := c.url()
	if err != nil {
		return err
	}
	expect, err := c.expected()
	if err != nil {
		return err
	}
	var proof store.AuditProof
	for n, hash := range expect {
		if proof, err = store.VerifyAudit(ctx, address, hash); err != nil {
			return err
		}
		if hash != "" && !proof.Known {
			return fmt.Errorf("no audit entry has the hash %s: what was written up to it was cut off or replaced; %s", hash, ending(proof))
		}
		if n == len(expect)-1 {
			fmt.Println("the audit is whole:", ending(proof))
		}
	}
	if c.Head == "" || proof.Entries == 0 {
		return nil
	}
	return keepHead(c.Head, proof.Head.Hash)
}

// present refuses a database that is not there: reading would say so in words
// of its own.
func (c *auditVerifyCmd) present() error {
	if address, err := c.url(); err == nil && strings.HasPrefix(address, "sqlite:") {
		path := strings.TrimPrefix(address, "sqlite:")
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("there is no database %s: name its directory with --data", path)
		}
	}
	return nil
}

// expected are the hashes that must be met; an empty one expects none.
func (c *auditVerifyCmd) expected() ([]string, error) {
	var list []string
	if c.Expect != "" {
		list = append(list, c.Expect)
	}
	if c.Head != "" {
		text, err := os.ReadFile(c.Head)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the head file: %w", err)
		}
		if hash := strings.TrimSpace(string(text)); hash != "" {
			list = append(list, hash)
		}
	}
	if len(list) == 0 {
		list = []string{""}
	}
	return list, nil
}

func ending(p store.AuditProof) string {
	if p.Entries == 0 {
		return "it has no entry"
	}
	return fmt.Sprintf("%d entries, the last of them %s of %s", p.Entries, p.Head.Hash, p.Head.At.UTC().Format(time.RFC3339))
}

// keepHead writes the head file in one step.
func keepHead(path, hash string) error {
	part := path + ".part"
	if err := os.WriteFile(part, []byte(hash+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the head file: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("write the head file: %w", err)
	}
	return nil
}

type auditExportCmd struct {
	dataFlags
	Actor   string `help:"Only what this person or program did, by name or id."`
	Action  string `help:"Only this action, as UpdateLayer."`
	Stack   string `help:"Only this stack, by name or id."`
	Target  string `help:"Only what is about this, by name or id."`
	Request string `help:"Only what this request did."`
	Refused bool   `help:"Only refused attempts."`
	From    string `help:"Only from this moment on, as 2026-11-21 or 2026-11-21T13:05, UTC."`
	Until   string `help:"Only before this moment."`
}

// Run prints the entries, oldest first. That somebody did is an entry, too.
func (c *auditExportCmd) Run(ctx context.Context) error {
	f, err := models.ParseAuditFilter(c.values())
	if err != nil {
		return err
	}
	ctx, b, err := c.openBeside(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if c.Stack != "" && !models.LooksLikeID(c.Stack) {
		s, err := b.stackNamed(ctx, c.Stack)
		if err != nil {
			return err
		}
		f.StackID = s.ID
	}
	out := bufio.NewWriter(os.Stdout)
	err = b.ExportAudit(ctx, "", f, func(list []models.AuditEntry) error {
		for n := range list {
			line, err := list[n].Line(0)
			if err != nil {
				return err
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, out.Flush())
}

func (c *auditExportCmd) values() url.Values {
	q := url.Values{
		"actor": {c.Actor}, "action": {c.Action}, "stack": {c.Stack}, "target": {c.Target}, "request": {c.Request}, "from": {c.From}, "until": {c.Until},
	}
	if c.Refused {
		q.Set("refused", "true")
	}
	return q
}
