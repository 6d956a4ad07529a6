package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/compute"
	"opsyard/models"
	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// each runs a story on both databases.
func each(t *testing.T, story func(t *testing.T, w *world)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) { story(t, setup(t, st)) })
}

func TestStartRunsSetupThenConfiguresEverybody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.online(w.lb)
		second := w.instance(w.web)
		if err := w.engine.StartInstance(w.ctx, second.ID); err != nil {
			t.Fatal(err)
		}
		if got := w.status(second); got == models.InstanceStopped {
			t.Fatalf("after StartInstance the status is still %s", got)
		}
		w.becomes(second, models.InstanceBooting)
		w.connect(second)
		w.becomes(second, models.InstanceRunningSetup)
		run := w.finish(second, models.CommandSetup, protocol.Successful)
		var recipes []string
		for _, item := range run.RunList {
			recipes = append(recipes, item.Recipe)
		}
		want := []string{"opsyard_initial_setup::default", "nginx::default", "deploy::default", "deploy::web"}
		if !slices.Equal(recipes, want) {
			t.Errorf("setup runs %v, want %v", recipes, want)
		}
		w.becomes(second, models.InstanceOnline)
		w.finish(first, models.CommandConfigure, protocol.Successful)
		w.finish(second, models.CommandConfigure, protocol.Successful)
		if got, want := kinds(w.commands(second)), []models.CommandName{models.CommandSetup, models.CommandConfigure}; !slices.Equal(got, want) {
			t.Errorf("the newcomer ran %v, want %v", got, want)
		}
		d := must(w.store.Deployments.Get(w.ctx, w.commands(first)[len(w.commands(first))-1].DeploymentID))(t)
		if d.Status != models.DeploymentSuccessful || d.Cause.Text != second.Hostname+" entered online" {
			t.Errorf("the configure is %s because %q", d.Status, d.Cause.Text)
		}
	})
}

func TestStopRunsShutdownThenConfiguresTheOthers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		stays, goes := w.online(w.lb), w.online(w.web)
		if err := w.engine.StopInstance(w.ctx, goes.ID, false); err != nil {
			t.Fatal(err)
		}
		if got := w.status(goes); got == models.InstanceOnline {
			t.Fatal("after StopInstance the status is still online")
		}
		w.becomes(goes, models.InstanceShuttingDown)
		before := len(w.commands(stays))
		w.finish(goes, models.CommandShutdown, protocol.Successful)
		w.becomes(goes, models.InstanceStopped)
		w.finish(stays, models.CommandConfigure, protocol.Successful)
		if got := len(w.commands(stays)); got != before+1 {
			t.Errorf("the one that stays has %d commands, want %d", got, before+1)
		}
		if last := w.commands(goes)[len(w.commands(goes))-1]; last.Type != models.CommandShutdown {
			t.Errorf("the last command of the one that goes is %s", last.Type)
		}
		if !w.provider.did("stop", goes.ID) {
			t.Error("the provider was not asked to stop the machine")
		}
	})
}

func TestShutdownThatHangsIsAbandoned(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		must(w.engine.UpdateLayer(w.ctx, w.web.ID, func(l *models.Layer) error { l.Shutdown.ExecutionTimeout = 1; return nil }))(t)
		if err := w.engine.StopInstance(w.ctx, i.ID, false); err != nil {
			t.Fatal(err)
		}
		w.sent(i, models.CommandShutdown)
		if err := w.engine.StopInstance(w.ctx, i.ID, true); err != nil { // by force: do not wait for the recipes
			t.Fatal(err)
		}
		w.becomes(i, models.InstanceStopped)
		last := w.commands(i)[len(w.commands(i))-1]
		if last.Type != models.CommandShutdown || !last.Status.Finished() || last.Status == models.CommandSuccessful {
			t.Errorf("the shutdown command is %s", last.Status)
		}
	})
}

func TestBurstOfConfiguresCollapses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		watcher := w.online(w.lb)
		busy := must(w.engine.Deploy(w.ctx, DeploymentRequest{
			StackID: w.stack.ID, InstanceIDs: []models.InstanceID{watcher.ID},
			Command: models.DeploymentCommand{Name: models.CommandExecuteRecipes, Args: map[string][]string{"recipes": {"a::b"}}},
		}))(t)
		w.sent(watcher, models.CommandExecuteRecipes)
		for range 3 {
			i := w.instance(w.web)
			w.start(i)
			w.finish(i, models.CommandSetup, protocol.Successful)
			w.becomes(i, models.InstanceOnline)
		}
		w.eventually("all changes are told of", func() bool { return len(must(w.store.Membership.Waiting(w.ctx))(t)) == 0 })
		count := map[models.CommandStatus]int{}
		for _, c := range w.commands(watcher) {
			if c.Type == models.CommandConfigure {
				count[c.Status]++
			}
		}
		if count[models.CommandPending] != 1 || count[models.CommandSuperseded] > 2 {
			t.Errorf("configures of the busy instance: %v, want one pending and the others superseded", count)
		}
		w.finish(watcher, models.CommandExecuteRecipes, protocol.Successful)
		w.drain()
		if d := must(w.store.Deployments.Get(w.ctx, busy.ID))(t); d.Status != models.DeploymentSuccessful {
			t.Errorf("the deployment is %s", d.Status)
		}
		for _, d := range must(w.store.Deployments.InStack(w.ctx, w.stack.ID, 100, 0))(t) {
			if d.Status == models.DeploymentRunning {
				t.Errorf("deployment %d (%s) never ended", d.Number, d.CommandName)
			}
		}
	})
}

func TestFailures(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		broken := w.instance(w.web)
		w.start(broken)
		w.finish(broken, models.CommandSetup, protocol.Failed)
		w.becomes(broken, models.InstanceSetupFailed)
		if i := must(w.store.Instances.Get(w.ctx, broken.ID))(t); i.StatusReason != "it was failed" {
			t.Errorf("the reason is %q", i.StatusReason)
		}
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: models.DeploymentCommand{Name: models.CommandSetup}, InstanceIDs: []models.InstanceID{broken.ID}}))(t)
		w.becomes(broken, models.InstanceRunningSetup)
		w.finish(broken, models.CommandSetup, protocol.Successful)
		w.becomes(broken, models.InstanceOnline)

		w.provider.refuse(fmt.Errorf("%w: there is no size %q", compute.ErrBadSpec, "huge"))
		never := w.instance(w.web)
		if err := w.engine.StartInstance(w.ctx, never.ID); err != nil {
			t.Fatal(err)
		}
		w.becomes(never, models.InstanceStartFailed)
		if i := must(w.store.Instances.Get(w.ctx, never.ID))(t); i.StatusReason == "" {
			t.Error("no reason is given for the failed start")
		}
		w.provider.refuse(nil)
		if err := w.engine.StartInstance(w.ctx, never.ID); err != nil {
			t.Errorf("a failed start cannot be tried again: %v", err)
		}
		w.becomes(never, models.InstanceBooting)
	})
}

func TestMachineThatEndsIsLostAndComesBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		stays, dies := w.online(w.lb), w.online(w.web)
		w.engine.DisconnectAgent(dies.ID, w.links[dies.ID])
		w.provider.events <- compute.Event{ID: string(dies.ID), State: compute.Stopped, Reason: "killed", At: time.Now()}
		w.becomes(dies, models.InstanceConnectionLost)
		w.finish(stays, models.CommandConfigure, protocol.Successful)
		if err := w.engine.StopInstance(w.ctx, dies.ID, false); err != nil {
			t.Fatal(err)
		}
		w.becomes(dies, models.InstanceStopped)
		w.start(dies)
		w.finish(dies, models.CommandSetup, protocol.Successful)
		w.becomes(dies, models.InstanceOnline)
	})
}

func TestRebootFiresNoEvent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		before := len(w.commands(i))
		if err := w.engine.RebootInstance(w.ctx, i.ID); err != nil {
			t.Fatal(err)
		}
		w.eventually("the provider reboots", func() bool { return w.provider.did("reboot", i.ID) })
		w.connect(i)
		w.becomes(i, models.InstanceOnline)
		if got := len(w.commands(i)); got != before {
			t.Errorf("the reboot made %d commands", got-before)
		}
	})
}

func TestRestartOfTheServerLosesNoCommand(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		recipes := models.DeploymentCommand{Name: models.CommandExecuteRecipes, Args: map[string][]string{"recipes": {"a::b"}}}
		var asked []*models.Deployment
		for range 3 {
			asked = append(asked, must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: recipes}))(t))
		}
		first := w.sent(i, models.CommandExecuteRecipes)
		w.reboot()
		link := w.connect(i, first.CommandID) // the agent holds the first, and says so
		w.finishNamed(i, first.CommandID)
		w.drain()
		for _, d := range asked {
			if got := must(w.store.Deployments.Get(w.ctx, d.ID))(t).Status; got != models.DeploymentSuccessful {
				t.Errorf("deployment %d is %s", d.Number, got)
			}
		}
		for _, run := range link.runs() {
			if run.CommandID == first.CommandID {
				t.Error("a command that the agent held was sent again")
			}
		}
	})
}

func (w *world) finishNamed(i *models.Instance, id string) {
	w.t.Helper()
	for range 2 { // a repeat is answered alike
		if err := w.engine.FinishCommand(w.ctx, i.ID, protocol.Done{CommandID: id, Outcome: protocol.Successful}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestCommandLostByItsAgentFails(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure}}))(t)
		run := w.sent(i, models.CommandConfigure)
		w.engine.AcknowledgeCommand(i.ID, models.CommandID(run.CommandID))
		w.eventually("the command runs", func() bool {
			return must(w.store.Commands.Get(w.ctx, models.CommandID(run.CommandID)))(t).Status == models.CommandRunning
		})
		w.connect(i) // with empty hands
		w.eventually("the deployment failed", func() bool {
			return must(w.store.Deployments.Get(w.ctx, d.ID))(t).Status == models.DeploymentFailed
		})
	})
}

func TestAgentsMayOnlyFinishTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b := w.online(w.lb), w.online(w.web)
		must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure}}))(t)
		run := w.sent(a, models.CommandConfigure)
		err := w.engine.FinishCommand(w.ctx, b.ID, protocol.Done{CommandID: run.CommandID, Outcome: protocol.Successful})
		if models.CodeOf(err) != models.CodeNotFound {
			t.Errorf("got %v, want not found", err)
		}
		w.engine.AcknowledgeCommand(b.ID, models.CommandID(run.CommandID))
		w.drain()
	})
}

func TestPermissions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		u := must(w.engine.CreateUser(w.ctx, models.User{Name: "dora"}, "correct horse battery"))(t)
		as := models.WithActor(w.ctx, models.Actor{Kind: models.ActorUser, UserID: u.ID, Name: u.Name})
		configure := DeploymentRequest{StackID: w.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure}}
		for _, test := range []struct {
			level        models.Level
			see, run, do models.Code // "" for allowed
		}{
			{models.LevelIAMOnly, models.CodeNotFound, models.CodeNotFound, models.CodeNotFound},
			{models.LevelDeny, models.CodeNotFound, models.CodeNotFound, models.CodeNotFound},
			{models.LevelShow, "", models.CodeForbidden, models.CodeForbidden},
			{models.LevelDeploy, "", "", models.CodeForbidden},
			{models.LevelManage, "", "", ""},
		} {
			if err := w.engine.Permit(w.ctx, models.Permission{StackID: w.stack.ID, UserID: u.ID, Level: test.level}); err != nil {
				t.Fatal(err)
			}
			_, see := w.engine.Authorize(as, w.stack.ID, models.ActionShow)
			_, run := w.engine.Deploy(as, configure)
			_, do := w.engine.UpdateStack(as, w.stack.ID, func(*models.Stack) error { return nil })
			for what, got := range map[string]struct {
				err  error
				want models.Code
			}{"see": {see, test.see}, "deploy": {run, test.run}, "manage": {do, test.do}} {
				if got.want == "" && got.err != nil || got.want != "" && models.CodeOf(got.err) != got.want {
					t.Errorf("%s, %s: got %v, want code %q", test.level, what, got.err, got.want)
				}
			}
		}
		if _, err := w.engine.CreateStack(as, models.Stack{Name: "Mine"}); models.CodeOf(err) != models.CodeForbidden {
			t.Errorf("a manager of one stack makes another: %v", err)
		}
		w.drain()
		_ = i
		if _, err := w.store.Audit.Verify(w.ctx, ""); err != nil {
			t.Errorf("the audit does not verify: %v", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		deploy := func(r DeploymentRequest) error {
			r.StackID = w.stack.ID
			_, err := w.engine.Deploy(w.ctx, r)
			return err
		}
		for name, err := range map[string]error{
			"start an online instance":    w.engine.StartInstance(w.ctx, i.ID),
			"delete an online instance":   w.engine.DeleteInstance(w.ctx, i.ID, DeleteOptions{}),
			"delete a layer with members": w.engine.DeleteLayer(w.ctx, w.web.ID),
			"delete a full stack":         w.engine.DeleteStack(w.ctx, w.stack.ID),
			"an unknown command":          deploy(DeploymentRequest{Command: models.DeploymentCommand{Name: "shutdown"}}),
			"an app command without app":  deploy(DeploymentRequest{Command: models.DeploymentCommand{Name: models.CommandDeploy}}),
			"recipes without names":       deploy(DeploymentRequest{Command: models.DeploymentCommand{Name: models.CommandExecuteRecipes}}),
			"no running target":           deploy(DeploymentRequest{Command: models.DeploymentCommand{Name: models.CommandSetup}, LayerIDs: []models.LayerID{w.lb.ID}}),
			"custom JSON that is none":    deploy(DeploymentRequest{Command: models.DeploymentCommand{Name: models.CommandSetup}, CustomJSON: "[]"}),
		} {
			var refusal *models.Error
			if !errors.As(err, &refusal) || refusal.Code != models.CodeInvalid || refusal.Message == "" {
				t.Errorf("%s: got %v, want a refusal", name, err)
			}
		}
		if _, err := w.engine.CreateInstance(w.ctx, models.Instance{StackID: w.stack.ID, LayerIDs: []models.LayerID{w.web.ID}, Hostname: i.Hostname}); err == nil {
			t.Error("two instances have the same hostname")
		}
	})
}

func TestRegisteredHostComesAndGoes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		peer := w.online(w.lb)
		token := must(w.engine.CreateEnrollToken(w.ctx, w.stack.ID, w.web.ID, time.Hour))(t)
		request := protocol.EnrollRequest{Token: token, PublicKey: make([]byte, 32), Facts: protocol.Facts{Hostname: "rack-7"}}
		first := must(w.engine.EnrollAgent(w.ctx, request))(t)
		if again := must(w.engine.EnrollAgent(w.ctx, request))(t); again.InstanceID != first.InstanceID {
			t.Errorf("the repeated enrolment made %s beside %s", again.InstanceID, first.InstanceID)
		}
		request.PublicKey = append(make([]byte, 31), 1)
		if _, err := w.engine.EnrollAgent(w.ctx, request); models.CodeOf(err) != models.CodeUnauthenticated {
			t.Errorf("a used token with another key: %v", err)
		}
		host := must(w.store.Instances.Get(w.ctx, models.InstanceID(first.InstanceID)))(t)
		w.connect(host)
		w.finish(host, models.CommandSetup, protocol.Successful)
		w.becomes(host, models.InstanceOnline)
		w.drain()
		if err := w.engine.StopInstance(w.ctx, host.ID, false); models.CodeOf(err) != models.CodeInvalid {
			t.Errorf("a registered host was stopped: %v", err)
		}
		if err := w.engine.DeleteInstance(w.ctx, host.ID, DeleteOptions{}); models.CodeOf(err) != models.CodeInvalid {
			t.Errorf("an on-premises host was deleted: %v", err)
		}
		if err := w.engine.DeregisterInstance(w.ctx, host.ID); err != nil {
			t.Fatal(err)
		}
		w.finish(host, models.CommandShutdown, protocol.Successful)
		w.gone(host)
		w.finish(peer, models.CommandConfigure, protocol.Successful)
	})
}

func TestManyCommandsEndAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var all []*models.Instance
		for range 8 {
			all = append(all, w.online(w.web))
		}
		for range 5 {
			d := must(w.engine.Deploy(w.ctx, DeploymentRequest{StackID: w.stack.ID, Command: models.DeploymentCommand{Name: models.CommandConfigure}}))(t)
			var wg sync.WaitGroup
			for _, i := range all {
				run := w.sent(i, models.CommandConfigure)
				wg.Go(func() {
					if err := w.engine.FinishCommand(w.ctx, i.ID, protocol.Done{CommandID: run.CommandID, Outcome: protocol.Successful}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if got := must(w.store.Deployments.Get(w.ctx, d.ID))(t).Status; got != models.DeploymentSuccessful {
				t.Fatalf("all commands have ended, and the deployment is %s", got)
			}
		}
	})
}

func TestMachineThatEndedUnwatchedIsFound(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.online(w.web)
		w.engine.Stop()
		w.provider.note("crash", string(i.ID), compute.Stopped)
		w.boot()
		w.becomes(i, models.InstanceConnectionLost)
	})
}

// A failed setup is left to people; a machine that ends by itself is lost.
func TestPitfall10OnlyContactWithTheAgentCounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.instance(w.web)
		w.start(i)
		w.finish(i, models.CommandSetup, protocol.Failed)
		w.becomes(i, models.InstanceSetupFailed)
		w.drain()
		before := len(w.commands(i))
		w.act("watch", w.engine.watchAgents(w.ctx))
		if got := w.status(i); got != models.InstanceSetupFailed || len(w.commands(i)) != before {
			t.Errorf("an instance whose agent is there became %s", got)
		}
		w.provider.events <- compute.Event{ID: string(i.ID), State: compute.Stopped, Reason: "powered off"}
		w.becomes(i, models.InstanceConnectionLost)
	})
}

func TestStartOfAMachineThatRunsAlready(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		i := w.instance(w.web)
		w.start(i)
		w.finish(i, models.CommandSetup, protocol.Successful)
		w.becomes(i, models.InstanceOnline)
		w.drain()
		// A stop of the record that the machine and its agent did not notice.
		err := w.store.Tx(w.ctx, func(tx *store.Store) error {
			return errors.Join(
				tx.Instances.Move(w.ctx, i.ID, []models.InstanceStatus{models.InstanceOnline}, models.InstanceStopping, store.InstanceChange{At: time.Now()}),
				tx.Instances.Move(w.ctx, i.ID, []models.InstanceStatus{models.InstanceStopping}, models.InstanceStopped, store.InstanceChange{At: time.Now()}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.engine.StartInstance(w.ctx, i.ID); err != nil {
			t.Fatal(err)
		}
		w.finish(i, models.CommandSetup, protocol.Successful)
		w.becomes(i, models.InstanceOnline)
	})
}
