package handlers

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// named are the columns in which people, hosts and programs write freely.
var named = []string{
	"name", "message", "hostname", "text", "comment", "what", "reason", "actor", "user_name", "actor_name", "target_name", "problem", "description", "inviter", "created_by",
}

// TestMarkupIsText writes markup over every name and message in the database,
// past all checks, and looks for it in every page.
func TestMarkupIsText(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	root := c.as("root")
	pages := map[string]string{}
	for pattern := range needs {
		method, path, ok := strings.Cut(pattern, " ")
		if ok && method == http.MethodGet && !strings.HasPrefix(path, "/ws/") {
			pages[pattern] = c.path(c.fleet, path)
		}
	}
	const markup = "<img src=x onerror=alert(1)>"
	rows, err := c.store.SQL().QueryContext(t.Context(), "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'")
	c.fleet.must(err)
	var updates []string
	for rows.Next() {
		var table, column string
		c.fleet.must(rows.Scan(&table, &column))
		if slices.Contains(named, column) {
			updates = append(updates, fmt.Sprintf("UPDATE %q SET %q = '%s' || rowid", table, column, markup))
		}
	}
	c.fleet.must(rows.Err())
	c.fleet.must(rows.Close())
	for _, update := range updates {
		if _, err := c.store.SQL().ExecContext(t.Context(), update); err != nil {
			t.Errorf("%s: %v", update, err)
		}
	}
	shown := 0
	for pattern, path := range pages {
		got := root.get(path)
		if got.status >= http.StatusInternalServerError {
			t.Errorf("%s: %d", pattern, got.status)
		}
		if !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			continue
		}
		if at := strings.Index(got.body, "<img src=x"); at >= 0 {
			t.Errorf("%s has it as markup: %.200s", pattern, got.body[max(at-100, 0):])
		}
		if strings.Contains(got.body, "&lt;img src=x onerror=alert(1)&gt;") {
			shown++
		}
	}
	if len(updates) < 30 || shown < 30 {
		t.Errorf("%d columns are written over, and %d pages show it", len(updates), shown)
	}
}
