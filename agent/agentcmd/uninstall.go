package agentcmd

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
)

// exitDeregistered tells the service manager not to start the agent again; the
// unit that the installer writes names it.
const exitDeregistered = 64

// service is where the installer puts the agent.
type service struct {
	name, unit, program string
	systemctl           func(args ...string) error
}

var installed = service{
	name: "opsyard-agent.service", unit: "/etc/systemd/system/opsyard-agent.service", program: "/usr/local/bin/opsyard-agent",
	systemctl: func(args ...string) error { return exec.Command("systemctl", args...).Run() },
}

// remove takes an installed agent off a host that was deregistered. Its
// configuration and the logs of its commands stay, as OpsWorks left them. An
// agent that runs from elsewhere is nobody's to remove.
func (s service) remove(log *slog.Logger) {
	if self, err := os.Executable(); err == nil {
		s.removeOf(self, log)
	}
}

func (s service) removeOf(self string, log *slog.Logger) {
	if self != s.program {
		return
	}
	err := s.systemctl("disable", s.name) // first: it needs the unit
	for _, path := range []string{s.unit, s.program} {
		if gone := os.Remove(path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	if err = errors.Join(err, s.systemctl("daemon-reload")); err != nil {
		log.Error("remove the agent", slog.Any("error", err))
		return
	}
	log.Info("the agent was removed from this host")
}
