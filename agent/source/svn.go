package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"opsyard/agent/proc"
	"opsyard/agent/protocol"
)

var exported = regexp.MustCompile(`(?m)^Exported revision (\d+)\.`)

func fetchSvn(ctx context.Context, src protocol.Source, w workspace, out io.Writer) (string, error) {
	address, user, password := split(src)
	show := Show(address)
	if strings.HasPrefix(address, "-") || strings.HasPrefix(src.Revision, "-") {
		return "", fmt.Errorf("Subversion repository %s could not be read: the address or revision is not valid", show)
	}
	fmt.Fprintf(out, "Exporting %s\n", show)
	args := []string{"export", "--force", "--non-interactive", "--no-auth-cache"}
	if user != "" {
		args = append(args, "--username", user)
	}
	if password != "" {
		args = append(args, "--password-from-stdin")
	}
	if src.Revision != "" {
		args = append(args, "--revision", src.Revision)
	}
	cmd := exec.Command("svn", append(args, address, w.tree)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(password)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := proc.Run(ctx, cmd, protocol.KillDelay)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("Subversion repository %s could not be read: the program svn is not installed on this machine", show)
	case err != nil:
		return "", fmt.Errorf("Subversion repository %s could not be read: %w", show, lastWords(stderr.String(), err))
	}
	match := exported.FindSubmatch(stdout.Bytes())
	if match == nil {
		return "", fmt.Errorf("Subversion repository %s could not be read: svn did not say what it exported", show)
	}
	fmt.Fprintf(out, "Exported revision %s\n", match[1])
	return string(match[1]), nil
}
