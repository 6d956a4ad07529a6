package supervise

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"opsyard/agent/atomicfile"
	"opsyard/agent/content"
	"opsyard/agent/protocol"
	"opsyard/agent/recipe"
	"opsyard/agent/source"
	"opsyard/agent/spool"
)

// run is one command on its way through the phases.
type run struct {
	*spool.Command
	Config
	data string // the agent's data directory
	out  *reporter
	job  recipe.Job
}

// phases are what a command goes through, in order. The first that fails ends
// it; cleaning up always happens.
func (r *run) phases(ctx context.Context) error {
	defer r.cleanUp()
	if len(r.Run.RunList) == 0 && !r.Run.RefreshCookbooks {
		_, err := fmt.Fprintf(r.out, "There is nothing to do: no layer of this instance has a recipe for %s.\n", r.Run.Type)
		return err
	}
	for _, phase := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"workspace", r.workspace},
		{"cookbooks", r.cookbooks},
		{"attributes", r.attributes},
		{"recipes", r.recipes},
	} {
		end := r.out.Begin("phase", phase.name)
		err := phase.do(ctx)
		end(recipe.Result{Err: err})
		if err != nil {
			return err
		}
	}
	return nil
}

// workspace makes the run's own directory.
func (r *run) workspace(context.Context) error {
	dir := filepath.Join(r.Dir, "workspace")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the workspace: %w", err)
	}
	private, err := r.private()
	if err != nil {
		return fmt.Errorf("make the workspace: %w", err)
	}
	r.job = recipe.Job{
		CommandID:  r.Run.CommandID,
		Type:       r.Run.Type,
		Dir:        dir,
		Attributes: filepath.Join(r.Dir, "attributes.json"),
		Private:    filepath.Join(r.Dir, "private.json"),
		Agent:      r.AgentPath,
		DryRun:     r.Run.DryRun,
		Env:        environment(r.Run, r.data),
	}
	if err := os.WriteFile(r.job.Private, private, 0o600); err != nil {
		return fmt.Errorf("make the workspace: %w", err)
	}
	for _, item := range r.Run.RunList {
		name, err := recipe.ParseName(item.Recipe)
		if err != nil {
			return err
		}
		r.job.Items = append(r.job.Items, recipe.Item{Recipe: name, BuiltIn: item.BuiltIn, Layer: item.Layer})
	}
	return nil
}

// environment is what recipes see of the agent's own: the way out to the
// network, what a provider says about the machine, and what AWS' clients go by,
// as the agent's own fetching from S3 does.
func environment(run protocol.Run, data string) []string {
	env := []string{
		"OPSYARD_COMMAND_ID=" + run.CommandID,
		"OPSYARD_DEPLOYMENT_ID=" + run.DeploymentID,
		"OPSYARD_DATA=" + data,
		"OPSYARD_TIMEOUT=" + strconv.Itoa(run.TimeoutSeconds),
	}
	for _, kv := range os.Environ() {
		key, _, _ := strings.Cut(kv, "=")
		own := strings.HasPrefix(key, "OPSYARD_") && key != "OPSYARD_TOKEN" && key != "OPSYARD_DATA"
		if own || strings.HasPrefix(key, "AWS_") || slices.Contains([]string{"http_proxy", "https_proxy", "no_proxy"}, strings.ToLower(key)) {
			env = append(env, kv)
		}
	}
	return env
}

// cookbooks unpacks what the server sent and fetches the stack's own.
func (r *run) cookbooks(ctx context.Context) error {
	store, err := content.Open(filepath.Join(r.data, "content"))
	if err != nil {
		return err
	}
	for _, digest := range r.Run.Cookbooks {
		dir, err := store.Unpacked(ctx, digest)
		if err != nil {
			return err
		}
		r.job.Cookbooks = append(r.job.Cookbooks, dir)
	}
	custom := slices.ContainsFunc(r.Run.RunList, func(i protocol.RunItem) bool { return !i.BuiltIn })
	if custom && r.Local() {
		return r.cachedCookbooks()
	}
	if r.Run.CustomCookbooks == nil || !custom && !r.Run.RefreshCookbooks {
		return nil
	}
	dir, err := r.customCookbooks(ctx, *r.Run.CustomCookbooks)
	if err != nil {
		return err
	}
	r.job.Cookbooks = append(r.job.Cookbooks, dir)
	return nil
}

// customCookbooks keeps one copy, of the source that the stack has now.
func (r *run) customCookbooks(ctx context.Context, src protocol.Source) (string, error) {
	root := filepath.Join(r.data, "cookbooks")
	sum := sha256.Sum256([]byte(strings.Join([]string{src.Type, src.URL, src.Revision, src.Username}, "\x00")))
	dir := filepath.Join(root, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil && !r.Run.RefreshCookbooks {
		return dir, nil
	}
	fresh := dir + ".new"
	if r.Run.DryRun { // what later runs find must not change
		fresh = filepath.Join(r.job.Dir, "custom-cookbooks")
	}
	if err := os.RemoveAll(fresh); err != nil {
		return "", fmt.Errorf("fetch custom cookbooks: %w", err)
	}
	fetcher := source.Fetcher{Data: r.data, Notes: filepath.Join(r.Dir, spool.SourcesFile)}
	if _, err := fetcher.Fetch(ctx, src, fresh, r.out); err != nil {
		return "", err
	}
	if r.Run.DryRun {
		return fresh, nil
	}
	old, err := os.ReadDir(root)
	if err != nil {
		return "", fmt.Errorf("fetch custom cookbooks: %w", err)
	}
	for _, e := range old {
		if e.Name() != filepath.Base(fresh) {
			if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
				return "", fmt.Errorf("fetch custom cookbooks: %w", err)
			}
		}
	}
	if err := os.Rename(fresh, dir); err != nil {
		return "", fmt.Errorf("fetch custom cookbooks: %w", err)
	}
	return dir, nil
}

// attributes merges the documents. The copy in the data directory is there for
// people who log in to see what the last run knew.
func (r *run) attributes(context.Context) error {
	store, err := content.Open(filepath.Join(r.data, "content"))
	if err != nil {
		return err
	}
	docs := make([][]byte, max(1, len(r.Run.Attributes)))
	for n, digest := range r.Run.Attributes {
		if docs[n], err = os.ReadFile(store.Path(digest)); err != nil {
			return fmt.Errorf("read attributes: %w", err)
		}
	}
	merged, err := r.self(docs[0])
	if err != nil {
		return err
	}
	for _, doc := range docs[:len(r.Run.Attributes)] {
		if merged, err = mergeJSON(merged, doc); err != nil {
			return fmt.Errorf("read attributes: %w", err)
		}
	}
	if merged, err = r.migrateOnce(merged); err != nil {
		return fmt.Errorf("read attributes: %w", err)
	}
	if merged[0] != '{' {
		return errors.New("The attributes are not a JSON object.") //nolint:staticcheck // a sentence for people
	}
	if err := os.WriteFile(r.job.Attributes, merged, 0o600); err != nil {
		return fmt.Errorf("write attributes: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(r.data, "attributes.json"), merged); err != nil {
		return fmt.Errorf("write attributes: %w", err)
	}
	return nil
}

// recipes hands the run list over, in order, to whatever runs its items: the
// built-in recipes are shell on every stack, the others the stack's own kind.
func (r *run) recipes(ctx context.Context) error {
	items := r.job.Items
	for len(items) > 0 {
		n := 1
		for n < len(items) && r.manager(items[n]) == r.manager(items[0]) {
			n++
		}
		runner, ok := r.Runners[r.manager(items[0])]
		if !ok {
			return fmt.Errorf("This agent cannot run %q recipes.", r.Run.Manager) //nolint:staticcheck // a sentence for people
		}
		job := r.job
		job.Items, items = items[:n], items[n:]
		if err := runner.Run(ctx, job, r.out); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) manager(item recipe.Item) string {
	if item.BuiltIn {
		return "shell"
	}
	return r.Run.Manager
}

// cleanUp removes secrets; the rest stays to be looked at.
func (r *run) cleanUp() { os.Remove(filepath.Join(r.Dir, "private.json")) }
