package spool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/agent/spool"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func open(t *testing.T, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func accept(t *testing.T, s *spool.Spool, id string) *spool.Command {
	t.Helper()
	c, err := s.Accept(protocol.Run{CommandID: id, Secrets: []protocol.Secret{{Value: "canary"}}}, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSpoolSurvivesItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, id := range []string{"z", "a", "m"} { // kept in the order they came
		accept(t, s, id)
	}
	done := protocol.Done{CommandID: "a", Outcome: protocol.Failed, ExitCode: 3, At: at, LastSeq: 7}
	if err := s.Confirm(s.Find("a"), done); err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(filepath.Join(dir, "commands", "half"), 0o700) // cut while it was being accepted
	s = open(t, dir)
	var held []string
	for _, c := range s.Held() {
		held = append(held, c.Run.CommandID)
	}
	if got := strings.Join(held, " "); got != "z m" {
		t.Errorf("held %s", got)
	}
	if got, ok := s.Finished("a"); !ok || !reflect.DeepEqual(got, done) {
		t.Errorf("got %+v", got)
	}
	if raw, _ := os.ReadFile(filepath.Join(dir, "commands/a/command.json")); strings.Contains(string(raw), "canary") {
		t.Error("a confirmed command still holds its secrets")
	}
	if _, err := os.Stat(filepath.Join(dir, "commands", "half")); err == nil {
		t.Error("a half accepted command was kept")
	}
	if _, err := s.Accept(protocol.Run{CommandID: "../x"}, at); !errors.Is(err, spool.ErrBadID) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Accept(protocol.Run{CommandID: "z"}, at); err == nil {
		t.Error("a held command was accepted again")
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	c := accept(t, open(t, t.TempDir()), "c")
	if _, ok := c.Process(); ok {
		t.Error("a process before the start")
	}
	if _, ok := c.Result(); ok {
		t.Error("a result before the end")
	}
	long := strings.Repeat("\x00<é", 1000)
	want := spool.Result{Outcome: protocol.Failed, ExitCode: 2, At: at}
	for _, message := range []string{"short", long, ""} {
		want.Message = message
		if err := c.SetResult(want); err != nil {
			t.Fatal(err)
		}
		got, ok := c.Result()
		if !ok || got.ExitCode != 2 || !strings.HasPrefix(message, strings.TrimSuffix(got.Message, " …")) {
			t.Errorf("got %+v", got)
		}
	}
	if err := c.SetCancel("enough"); err != nil {
		t.Fatal(err)
	}
	if reason, ok := c.CancelReason(); !ok || reason != "enough" {
		t.Errorf("got %q", reason)
	}
	unlock, err := c.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lock(); err == nil {
		t.Error("two supervisors")
	}
	unlock()
}

func TestPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	held := accept(t, s, "held")
	for i := range spool.KeepCommands + 10 {
		id := fmt.Sprintf("c%d", i)
		if err := s.Confirm(accept(t, s, id), protocol.Done{CommandID: id}); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(filepath.Join(dir, "commands"))
	if len(entries) != spool.KeepCommands+1 {
		t.Errorf("%d commands were kept", len(entries))
	}
	for name, want := range map[string]bool{held.Dir: true, filepath.Join(dir, "commands/c9"): false, filepath.Join(dir, "commands/c10"): true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := s.Finished("c0"); !ok {
		t.Error("a pruned command's id was forgotten")
	}
}
