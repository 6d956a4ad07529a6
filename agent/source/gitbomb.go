package source

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strconv"

	"opsyard/agent/archive"
	"opsyard/agent/proc"
	"opsyard/agent/protocol"
)

// measure refuses a commit that holds too much before Git makes files of it:
// ten small objects can name ten million files, and Git holds the list of them
// in memory before it writes the first.
func (g *git) measure(commit string) error {
	m := &listed{limits: g.limits.Limits}
	cmd := exec.Command("git", "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.tree, g.env, m, &stderr
	err := proc.Run(g.ctx, cmd, protocol.KillDelay)
	if m.over != nil {
		return fmt.Errorf("Git repository %s cannot be used: %w", g.show, m.over)
	}
	if err != nil {
		return g.unreadable(explain(stderr.String(), err))
	}
	return nil
}

// listed adds up what ls-tree lists: "MODE TYPE ID SIZE\tPATH" and a NUL each.
type listed struct {
	limits archive.Limits
	part   []byte // of a line that has not ended
	files  int
	bytes  int64
	over   error
}

var errOver = errors.New("over the limit")

func (l *listed) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte{0})
		if !ok {
			return len(p), nil
		}
		if l.over = l.add(line); l.over != nil {
			return 0, errOver // Git ends at the closed pipe
		}
		l.part = rest
	}
}

func (l *listed) add(line []byte) error {
	if l.files++; l.files > l.limits.Files {
		return l.limits.TooManyFiles()
	}
	meta, path, _ := bytes.Cut(line, []byte{'\t'})
	fields := bytes.Fields(meta)
	if len(fields) != 4 {
		return nil
	}
	size, _ := strconv.ParseInt(string(fields[3]), 10, 64) // "-" for a submodule
	if size > l.limits.FileBytes {
		return l.limits.TooBigFile(string(path))
	}
	if l.bytes += size; l.bytes > l.limits.Bytes {
		return l.limits.TooManyBytes()
	}
	return nil
}
