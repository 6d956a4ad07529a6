package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// count prints numbered lines for about two seconds, writes the same to a file
// of its instance, and notes that it ran.
const count = `
dir=$OPSYARD_INSTANCE_DIR
echo "$OPSYARD_COMMAND_ID" >>"$dir/ran"
for n in $(seq 1 50); do
  printf 'line %d of %s\n' "$n" "$OPSYARD_COMMAND_ID" | tee -a "$dir/out-$OPSYARD_COMMAND_ID"
  sleep 0.04
done
`

// patience is until all commands have ended after a restart, as is promised.
const patience = 2 * time.Minute

// The server is killed at 20 moments around a deployment. Whatever moment it
// was: each command ends once and truly, its recipe ran once, and its log is
// byte for byte what the recipe wrote.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	moments := 20
	if testing.Short() {
		moments = 3
	}
	s, c := serve(t, "--provider", "process")
	stack := c.newStack("Killed", "process")
	c.useCookbooks(stack, "Killed", repository(t, filepath.Join(s.dir, "cookbooks"), map[string]string{"e2e/recipes/count.sh": count}))
	layer := c.newLayer(stack, "Work", nil)
	ids := c.newInstances(stack, layer, 4)
	s.becomes(models.InstanceOnline, 2*time.Minute, ids...)
	for seed := range moments {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { killAt(t, s.in(t), c.in(t), stack, uint64(seed)) })
		if t.Failed() {
			return
		}
	}
}

// killAt asks for a deployment and kills the server a moment after.
func killAt(t *testing.T, s *server, c *console, stack models.StackID, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	moment := time.Duration(random.Int64N(int64(3500 * time.Millisecond)))
	if seed%4 == 0 {
		moment /= 20 // while it is being asked for and handed out
	}
	before := lastNumber(t, s, stack)
	accepted := make(chan bool, 1)
	go func() {
		defer close(accepted)
		response, err := c.http.PostForm(c.url+"/stacks/"+string(stack)+"/run", executeForm("e2e::count"))
		if err == nil {
			response.Body.Close()
			accepted <- response.StatusCode == http.StatusSeeOther
		}
	}()
	<-time.After(moment)
	s.kill()
	yes, answered := <-accepted
	if seed%5 == 3 { // and again, while it takes up what it finds
		s.launch()
		<-time.After(time.Duration(random.Int64N(int64(500 * time.Millisecond))))
		s.kill()
	}
	s.start()
	began := time.Now()
	list := deploymentsAfter(t, s, stack, before)
	if answered && (!yes || len(list) == 0) {
		t.Errorf("a deployment was accepted: %t; %d are known after the restart", yes, len(list))
	}
	for _, d := range list {
		for _, command := range s.successful(d.ID, patience) {
			checkCommand(t, s, c, command)
		}
	}
	t.Logf("killed after %s: %d deployment(s) ended %s after the restart", moment.Round(time.Millisecond), len(list), time.Since(began).Round(10*time.Millisecond))
}

func lastNumber(t *testing.T, s *server, stack models.StackID) int64 {
	t.Helper()
	list, err := s.store().Deployments.InStack(context.Background(), stack, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return 0
	}
	return list[0].Number
}

func deploymentsAfter(t *testing.T, s *server, stack models.StackID, number int64) (found []models.Deployment) {
	t.Helper()
	list, err := s.store().Deployments.InStack(context.Background(), stack, 20, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Number > number {
			found = append(found, d)
		}
	}
	return found
}

// checkCommand compares what the server tells of a command with what the
// instance knows.
func checkCommand(t *testing.T, s *server, c *console, command models.Command) {
	t.Helper()
	if command.Type != models.CommandExecuteRecipes {
		return // a Configure that fell into this time
	}
	dir := filepath.Join(s.data, "process", string(command.InstanceID))
	ran, _ := os.ReadFile(filepath.Join(dir, "ran"))
	if n := strings.Count(string(ran), string(command.ID)); n != 1 {
		t.Errorf("the recipe of %s ran %d times, want once", command.ID, n)
	}
	wrote, _ := os.ReadFile(filepath.Join(dir, "out-"+string(command.ID)))
	wait(t, "the log is complete", time.Minute, func() bool { return c.complete(command.ID) })
	if got := c.logOf(command.ID); got != string(wrote) {
		t.Errorf("the log of %s has %d bytes, the recipe wrote %d:\n%s", command.ID, len(got), len(wrote), lastLines(got, 5))
	}
	again, err := s.store().Commands.Get(context.Background(), command.ID)
	if err != nil || again.Status != command.Status || !again.CompletedAt.Equal(*command.CompletedAt) {
		t.Errorf("the command ended again: %+v, %v", again, err)
	}
}

// complete tells whether all of a command's log is stored.
func (c *console) complete(id models.CommandID) bool {
	c.t.Helper()
	response, err := c.http.Get(c.url + "/commands/" + string(id) + "/log")
	if err != nil {
		c.t.Fatal(err)
	}
	response.Body.Close()
	return response.Header.Get("Opsyard-Log-Complete") == "true"
}
