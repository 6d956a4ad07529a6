package views

import "opsyard/models"

// The seven tones of the console; each state of anything maps to exactly one.
const (
	toneOK   = "ok"
	toneRun  = "run"
	toneBad  = "bad"
	toneWait = "wait"
	toneLost = "lost"
	toneOff  = "off"
	toneWarn = "warn"
)

// State is how a status is shown: its tone and the word the API uses.
type State struct{ Tone, Word string }

// InstanceState is how the state of an instance is shown.
func InstanceState(s models.InstanceStatus) State { return State{instanceTone(s), string(s)} }

func instanceTone(s models.InstanceStatus) string {
	switch s {
	case models.InstanceOnline, models.InstanceRegistered:
		return toneOK
	case models.InstanceRunningSetup, models.InstanceStopping, models.InstanceShuttingDown, models.InstanceTerminating,
		models.InstanceRebooting, models.InstanceRegistering, models.InstanceAssigning, models.InstanceUnassigning,
		models.InstanceDeregistering:
		return toneRun
	case models.InstanceRequested, models.InstancePending, models.InstanceBooting:
		return toneWait
	case models.InstanceSetupFailed, models.InstanceStartFailed, models.InstanceStopFailed:
		return toneBad
	case models.InstanceConnectionLost:
		return toneLost
	default:
		return toneOff
	}
}

// worstFirst orders tones for bars, lists and legends of trouble.
var worstFirst = map[string]int{toneBad: 0, toneLost: 1, toneWarn: 2, toneRun: 3, toneWait: 4, toneOK: 5, toneOff: 6}

// CommandState is how the state of a command is shown.
func CommandState(s models.CommandStatus) State {
	switch s {
	case models.CommandPending, models.CommandSent:
		return State{toneWait, "pending"} // that it was handed over is the engine's own business
	case models.CommandRunning:
		return State{toneRun, "running"}
	case models.CommandSuccessful:
		return State{toneOK, "successful"}
	case models.CommandFailed, models.CommandExpired:
		return State{toneBad, string(s)}
	default:
		return State{toneOff, string(s)}
	}
}

// DeploymentState is how the state of a deployment is shown.
func DeploymentState(s models.DeploymentStatus) State {
	switch s {
	case models.DeploymentSuccessful:
		return State{toneOK, string(s)}
	case models.DeploymentFailed:
		return State{toneBad, string(s)}
	default:
		return State{toneRun, string(s)}
	}
}

// StepState is how the result of one step of a run is shown.
func StepState(result string, open bool) State {
	switch {
	case open && result == "":
		return State{toneRun, "running"}
	case result == "successful" || result == "ok":
		return State{toneOK, "successful"}
	case result == "skipped":
		return State{toneOff, "skipped"}
	default:
		return State{toneBad, "failed"}
	}
}

// eventTone reads the tone of a timeline entry; unknown ones are quiet.
func eventTone(t string) string {
	switch t {
	case toneOK, toneBad, toneWait, toneLost, toneOff, toneWarn, toneRun:
		return t
	case "running":
		return toneRun
	}
	return toneOff
}
