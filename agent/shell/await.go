package shell

import (
	"errors"

	"golang.org/x/sys/unix"
)

// await returns when the process has ended, and leaves it to be waited for: its
// number is not anybody else's before.
func await(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
