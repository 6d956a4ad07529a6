package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opsyard/models/store"
)

// The commands' own road: make users, prove the record, keep its end, change
// it, and be told.
func TestAuditCommands(t *testing.T) { // not parallel: it reads standard output
	dir := t.TempDir()
	flags := dataFlags{Data: dir, Database: "sqlite"}
	if code, _ := said(t, "audit", "verify", "--data", dir); code != 1 {
		t.Errorf("without a database verify ends with %d", code)
	}
	st, err := flags.open(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, name := range []string{"ana", "ben", "cid"} {
		if code, text := said(t, "user", "create", "--name", name, "--admin", "--data", dir); code != 0 {
			t.Fatalf("user create: %d %s", code, text)
		}
	}
	head := filepath.Join(dir, "head")
	code, text := said(t, "audit", "verify", "--data", dir, "--head", head)
	kept, err := os.ReadFile(head)
	if code != 0 || err != nil || !strings.Contains(text, strings.TrimSpace(string(kept))) || !strings.Contains(text, "the audit is whole: 3 entries") {
		t.Errorf("verify ends with %d, %q; the head file has %q, %v", code, text, kept, err)
	}
	code, text = said(t, "audit", "export", "--data", dir, "--target", "ben")
	if lines := strings.Split(strings.TrimSpace(text), "\n"); code != 0 || len(lines) != 1 || !strings.Contains(lines[0], `"name":"ben"`) {
		t.Errorf("export ends with %d: %s", code, text)
	}
	if code, _ := said(t, "audit", "export", "--data", dir, "--from", "soon"); code != 1 {
		t.Error("a wrong time is taken")
	}
	if code, text := said(t, "audit", "verify", "--data", dir, "--expect", strings.TrimSpace(string(kept)), "--head", head); code != 0 {
		t.Errorf("a grown record: %d %s", code, text)
	}
	change := func(statement string) {
		t.Helper()
		if _, err := st.SQL().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	change("DELETE FROM audit_entries WHERE id = 4") // the export's
	if code, _ := said(t, "audit", "verify", "--data", dir, "--head", head); code != 1 {
		t.Error("a cut end was not found")
	}
	if code, _ := said(t, "audit", "verify", "--data", dir); code != 0 {
		t.Error("what is left is not whole")
	}
	change("UPDATE audit_entries SET source_addr = '1' WHERE id = 2")
	if code, _ := said(t, "audit", "verify", "--data", dir); code != 1 {
		t.Error("a changed entry was not found")
	}
	_, err = store.VerifyAudit(t.Context(), "sqlite:"+filepath.Join(dir, "opsyard.db"), "")
	if err == nil || !strings.Contains(err.Error(), "audit entry 2 (CreateUserProfile, ") {
		t.Errorf("the broken entry is named as %v", err)
	}
}

// said runs the program and gives its exit code and what it printed.
func said(t *testing.T, args ...string) (int, string) {
	t.Helper()
	code := 0
	text := printedBy(t, func() { code = run(args) })
	return code, text
}

// printedBy is what do prints.
func printedBy(t *testing.T, do func()) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stdout
	os.Stdout = write
	printed := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(read)
		printed <- string(text)
	}()
	func() {
		defer func() { // also when the test fails in there
			os.Stdout = was
			write.Close()
		}()
		do()
	}()
	return <-printed
}
