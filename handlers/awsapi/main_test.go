package awsapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"opsyard/handlers/awsapi/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(suite{m}, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

// suite fails when the tests did not drive every operation. It has something
// to say only when all of them ran.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	code := s.m.Run()
	for _, name := range []string{"run", "skip", "list", "fuzz"} {
		if flag.Lookup("test."+name).Value.String() != "" {
			return code
		}
	}
	if missing := tried.missing(); code == 0 && len(missing) > 0 {
		fmt.Fprintln(os.Stderr, "FAIL: operations that no test has driven:\n"+strings.Join(missing, "\n"))
		return 1
	}
	return code
}

// tried is what the suite has driven, of what the world's counted clients did.
var tried = &tally{done: map[string]int{}, refused: map[string]int{}}

type tally struct {
	mu            sync.Mutex
	done, refused map[string]int
}

// refusals are the types that say something about an operation.
var refusals = []string{"ValidationException", "ResourceNotFoundException", "AccessDeniedException"}

func (y *tally) note(x exchange) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if x.status == http.StatusOK {
		y.done[x.operation]++
	} else if f, err := x.failure(); err == nil && slices.Contains(refusals, f.Type) {
		y.refused[x.operation]++
	}
}

func (y *tally) missing() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var missing []string
	for _, o := range wire.Operations() {
		if y.done[o.Name] == 0 {
			missing = append(missing, "\t"+o.Name+" never succeeded")
		}
		if y.refused[o.Name] == 0 && !slices.Contains(neverRefused, o.Name) {
			missing = append(missing, "\t"+o.Name+" was never refused")
		}
	}
	return missing
}

// neverRefused have no input and are for everybody who can sign.
var neverRefused = []string{"DescribeOperatingSystems"}

// check holds an answer against the model.
func (x exchange) check() error {
	if x.status == http.StatusOK {
		return wire.CheckResponse(x.operation, x.answer)
	}
	f, err := x.failure()
	if err != nil {
		return err
	}
	if f.Type == "" || f.Message == "" {
		return fmt.Errorf("an error needs a type and a message")
	}
	if x.status >= http.StatusInternalServerError {
		return fmt.Errorf("the server failed")
	}
	return nil
}

func (x exchange) failure() (failure, error) {
	var f failure
	d := json.NewDecoder(bytes.NewReader(x.answer))
	d.DisallowUnknownFields()
	err := d.Decode(&f)
	return f, err
}

// The API is the 74 operations of the model, no fewer and no others.
func TestOperationsAreTheModels(t *testing.T) {
	t.Parallel()
	have := New(Config{}).services[stacksTarget].operations
	for _, o := range wire.Operations() {
		if have[o.Name] == nil {
			t.Errorf("%s is missing", o.Name)
		}
		delete(have, o.Name)
	}
	for name := range have {
		t.Errorf("%s is not in the model", name)
	}
}
