package resource

import (
	"errors"
	"os"
	"path/filepath"

	"opsyard/agent/spool"
)

// rebootCmd asks for a reboot. The agent tells the server, which has it done:
// an instance that is known to reboot is not taken for lost.
type rebootCmd struct{}

func (c *rebootCmd) step() string { return "reboot" }

// Run notes the wish; the server grants it to update_dependencies with allow_reboot.
func (c *rebootCmd) Run(h *host) error {
	if err := h.ownMachine(); err != nil {
		return err
	}
	data, command := os.Getenv("OPSYARD_DATA"), os.Getenv("OPSYARD_COMMAND_ID")
	if data == "" || command == "" {
		return errors.New("only a command of the server can ask for a reboot")
	}
	return h.change("the host", "to be rebooted after this command", func() error {
		return os.WriteFile(filepath.Join(data, "commands", filepath.Base(command), spool.RebootFile), nil, 0o600)
	})
}
