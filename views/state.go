package views

import (
	"opsyard/models"
	"opsyard/views/ui"
)

// State is how a status is shown: its tone and the word the API uses.
type State struct {
	Tone ui.Tone
	Word string
}

// InstanceState is how the state of an instance is shown.
func InstanceState(s models.InstanceStatus) State { return State{ui.ToneOf(s), string(s)} }

// CommandState is how the state of a command is shown. That a pending command
// was handed to its agent is the engine's own business.
func CommandState(s models.CommandStatus) State {
	if s == models.CommandSent {
		s = models.CommandPending
	}
	return State{ui.ToneOf(s), string(s)}
}

// DeploymentState is how the state of a deployment is shown.
func DeploymentState(s models.DeploymentStatus) State { return State{ui.ToneOf(s), string(s)} }

// StepState is how the result of one step of a run is shown.
func StepState(result string, open bool) State {
	switch {
	case open && result == "":
		return State{ui.Run, "running"}
	case result == "successful" || result == "ok":
		return State{ui.OK, "successful"}
	case result == "skipped":
		return State{ui.Off, "skipped"}
	}
	return State{ui.Bad, "failed"}
}

// eventTone reads the tone of a timeline entry; unknown ones are quiet.
func eventTone(t string) ui.Tone {
	switch tone := ui.Tone(t); tone {
	case ui.OK, ui.Bad, ui.Wait, ui.Lost, ui.Off, ui.Warn, ui.Run:
		return tone
	}
	return ui.ToneOf(t)
}
