package handlers

import (
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"opsyard/models"
	"opsyard/models/store"
)

// record writes entries into the audit as verbs do.
func (c *console) record(n int, change func(k int, e *models.AuditEntry)) {
	c.t.Helper()
	for k := range n {
		e := models.AuditEntry{
			At: c.h.Now(), ActorKind: models.ActorUser, ActorName: "ana", SourceAddr: "192.0.2.7", Surface: "console", RequestID: fmt.Sprint("r", k),
			Action: "UpdateLayer", TargetKind: "layer", TargetID: "l", TargetName: "Web",
		}
		change(k, &e)
		if err := c.store.Audit.Append(c.t.Context(), &e); err != nil {
			c.t.Fatal(err)
		}
	}
}

// entryLinks are the entries that a page lists.
var entryLinks = regexp.MustCompile(`<tr id="audit-(\d+)"`)

func listed(a answer) []string {
	var ids []string
	for _, m := range entryLinks.FindAllStringSubmatch(a.body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestAuditPagesThroughALongLog(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	c.record(2*perPage+30, func(int, *models.AuditEntry) {})
	head, err := c.store.Audit.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := c.as("root")
	head.ID++ // root has signed in
	path, seen := "/audit", []string{}
	for path != "" {
		a := b.get(path)
		a.want(t, http.StatusOK, "Audit entries, newest first")
		ids := listed(a)
		if len(ids) > perPage {
			t.Fatalf("%d entries on one page", len(ids))
		}
		seen = append(seen, ids...)
		path = ""
		if m := regexp.MustCompile(`href="([^"]*before=\d+)"[^>]*rel="next"`).FindStringSubmatch(a.body); m != nil {
			path = html.UnescapeString(m[1])
		}
	}
	if len(seen) != int(head.ID) {
		t.Errorf("the pages list %d entries of %d", len(seen), head.ID)
	}
	// and back again
	a := b.get("/audit?after=" + seen[perPage])
	if ids := listed(a); !slices.Equal(ids, seen[:perPage]) {
		t.Errorf("the page before begins with %s, want %s", ids[:3], seen[:3])
	}
}

func TestAuditFiltersAndDrawer(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	ana, err := c.store.Users.ByName(t.Context(), "ana")
	if err != nil {
		t.Fatal(err)
	}
	c.record(6, func(k int, e *models.AuditEntry) {
		e.ActorID = string(ana.ID)
		if k == 3 {
			e.ActorID, e.ActorName, e.Refused, e.Action = "gone", "mal<b>lory", true, "DeleteStack"
			e.StackID, e.TargetName = c.fleet.stack.ID, "<script>alert(1)</script>"
			e.Before, e.After = `{"Name":"<i>old</i>","Same":{"a":1,"b":2}}`, `{"Name":"new\nline","Same":{"a":1,"b":3}}`
			e.Cause = models.Cause{Kind: models.CauseUser, Text: "it was <u>asked</u> for"}
		}
	})
	head, err := c.store.Audit.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bad := fmt.Sprint(head.ID - 2)
	b := c.as("root")
	for _, query := range []string{"refused=true", "actor=mal%3Cb%3Elory", "target=%3Cscript%3Ealert(1)%3C/script%3E", "request=r3&action=DeleteStack", "stack=" + string(c.fleet.stack.ID) + "&refused=1"} {
		if ids := listed(b.get("/audit?" + query)); !slices.Equal(ids, []string{bad}) {
			t.Errorf("%s lists %s, want %s", query, ids, bad)
		}
	}
	a := b.get("/audit?refused=true&entry=" + bad)
	a.want(t, http.StatusOK, "Entry "+bad, "<del>  &lt;i&gt;old&lt;/i&gt;</del>", "<ins>  line</ins>", "<del>    &#34;b&#34;: 2</del>", "192.0.2.7",
		"it was &lt;u&gt;asked&lt;/u&gt; for", "sha256 ")
	for _, raw := range []string{"<script>alert", "<b>lory", "<i>old", "<u>"} {
		if strings.Contains(a.body, raw) {
			t.Errorf("the page has %s", raw)
		}
	}
	b.get("/audit?actor=ana").want(t, http.StatusOK, `href="/team/users/`+string(ana.ID)+`"`)
	b.get("/audit?from=tomorrow").want(t, http.StatusUnprocessableEntity, "From: write a day")
	b.get("/audit?actor="+strings.Repeat("x", 300)).want(t, http.StatusUnprocessableEntity, "too long")
	b.get("/audit?entry=999999").want(t, http.StatusNotFound)
	b.get("/audit?before=999999").want(t, http.StatusNotFound)
	b.get("/audit?before=x&after=-3&entry=1e9&refused=").want(t, http.StatusOK)
	b.get("/audit?until=2001-01-01").want(t, http.StatusOK, "Nothing matches")
	b.get("/stacks/"+string(c.fleet.stack.ID)+"/audit").want(t, http.StatusOK, "DeleteStack", "mal&lt;b&gt;lory")
}

// The whole audit is for administrators, a stack's for those who manage it, and
// nothing of another stack is shown by either's page.
func TestAuditIsForThoseInCharge(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	mine, theirs := c.fleet.stack.ID, c.other.stack.ID
	c.record(1, func(_ int, e *models.AuditEntry) { e.StackID, e.TargetName = theirs, "not-for-you" })
	head, err := c.store.Audit.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := c.as("manage")
	live := func(of models.StackID, more string) string {
		return "/ws/live?view=" + url.QueryEscape("audit/"+url.Values{"of": {string(of)}}.Encode()+more)
	}
	for path, want := range map[string]string{
		"/audit": "forbidden", "/audit/export": "forbidden", "/audit/export?stack=" + string(mine): "forbidden", "/stacks/" + string(mine) + "/audit": "yes",
		"/stacks/" + string(theirs) + "/audit": "not found", "/stacks/" + string(theirs) + "/audit/export": "not found",
		"/stacks/" + string(mine) + "/audit?entry=" + fmt.Sprint(head.ID): "not found",
		live("", ""): "forbidden", live(mine, ""): "yes", live(theirs, ""): "not found",
	} {
		if got := may(b.get(path)); got != want {
			t.Errorf("%s as manage: %s, want %s", path, got, want)
		}
	}
	for _, path := range []string{"/stacks/" + string(mine) + "/audit?stack=" + string(theirs), "/stacks/" + string(mine) + "/audit/export?stack=" + string(theirs)} {
		if a := b.get(path); strings.Contains(a.body, "not-for-you") {
			t.Errorf("%s shows another stack's entries", path)
		}
	}
	if got := may(c.as("show").get(live(mine, ""))); got != "forbidden" {
		t.Errorf("the live audit as show: %s", got)
	}
}

func TestAuditExport(t *testing.T) {
	t.Parallel()
	c := setupReal(t, slog.New(slog.DiscardHandler))
	c.record(700, func(k int, e *models.AuditEntry) {
		e.TargetName = "ü\u2028\u009b31m " + fmt.Sprint(k)
		e.Refused = k%7 == 0
	})
	b := c.as("root")
	a := b.get("/audit/export?actor=ana")
	a.want(t, http.StatusOK)
	if kind := a.header.Get("Content-Type"); kind != "application/x-ndjson" {
		t.Errorf("the type is %s", kind)
	}
	lines := strings.Split(strings.TrimSuffix(a.body, "\n"), "\n")
	if len(lines) != 700 {
		t.Fatalf("%d lines for 700 entries", len(lines))
	}
	last := int64(0)
	for _, line := range lines {
		var e struct {
			ID     int64
			Actor  struct{ Name string }
			Target struct{ Name string }
			Hash   string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Actor.Name != "ana" || !strings.HasPrefix(e.Target.Name, "ü\u2028\u009b31m ") || len(e.Hash) != 64 {
			t.Fatalf("line %q: %v", line, err)
		}
		if e.ID <= last {
			t.Fatal("the lines are not in the order of the chain")
		}
		last = e.ID
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q has characters that a terminal obeys", line)
		}
	}
	entries, err := c.store.Audit.Page(t.Context(), models.AuditFilter{Action: "ExportAudit"}, store.AuditCursor{})
	if err != nil || len(entries) != 1 || !strings.Contains(entries[0].After, `"actor":"ana"`) || entries[0].ActorName != "root" || entries[0].RequestID == "" {
		t.Errorf("the export is audited as %+v, %v", entries, err)
	}
	b.get("/audit/export?from=never").want(t, http.StatusUnprocessableEntity)
	if a := b.get("/audit/export?actor=nobody-at-all"); a.status != http.StatusOK || a.body != "" {
		t.Errorf("an empty export is %d %q", a.status, a.body)
	}
}
