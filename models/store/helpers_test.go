package store_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"opsyard/models"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	pending = []models.CommandStatus{models.CommandPending}
	sent    = []models.CommandStatus{models.CommandSent}
	running = []models.CommandStatus{models.CommandRunning}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, got, want any) {
	t.Helper()
	if reflect.TypeOf(got) != reflect.TypeOf(want) { // untyped constants
		want = reflect.ValueOf(want).Convert(reflect.TypeOf(got)).Interface()
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// refused checks the code of an error and, if given, its sentence.
func refused(t testing.TB, err error, code models.Code, sentence string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
	} else if models.CodeOf(err) != code || sentence != "" && models.Sentence(err) != sentence {
		t.Errorf("got %s %q (%v), want %s %q", models.CodeOf(err), models.Sentence(err), err, code, sentence)
	}
}

func holds(t testing.TB, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q does not hold %q", text, part)
	}
}

func lacks(t testing.TB, text, part string) {
	t.Helper()
	if strings.Contains(text, part) {
		t.Errorf("%q holds %q", text, part)
	}
}

var errUnwanted = errors.New("unwanted")

// together runs n workers and waits for them.
func together(n int, work func(n int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { work(i) })
	}
	all.Wait()
}
