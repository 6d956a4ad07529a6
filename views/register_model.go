package views

import (
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// RegisterPage tells how a host becomes an instance of a stack.
type RegisterPage struct {
	Frame   StackFrame
	Layers  []models.Layer
	Layer   models.LayerID // chosen
	Token   string         // shown once; empty before it is made
	Expires time.Time
	Server  string // how the host reaches this server
	Region  string
}

func (p RegisterPage) layerOptions() []ui.Option {
	out := []ui.Option{{Label: "None yet: assign it later"}}
	for _, l := range p.Layers {
		out = append(out, ui.Option{Value: string(l.ID), Label: l.Name, Selected: l.ID == p.Layer})
	}
	return out
}

// command installs the agent; the token travels by the environment, so that
// no list of processes shows it.
func (p RegisterPage) command() string {
	return "curl -fsS " + p.Server + "/agent/install.sh | sudo OPSYARD_SERVER=" + p.Server + " OPSYARD_TOKEN=" + p.Token + " sh"
}

// cliCommand is the registration that the AWS command line brings along.
func (p RegisterPage) cliCommand() string {
	return "aws opsworks register --endpoint-url " + p.Server + " --region " + p.Region + " --stack-id " + string(p.Frame.ID) +
		" --infrastructure-class ec2 --use-instance-profile --local"
}
