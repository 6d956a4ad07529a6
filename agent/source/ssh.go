package source

import (
	"os"
	"path/filepath"
	"strings"
)

// knownHosts is the agent's own list of SSH host keys: the first key that a
// host shows is noted there, and no other is taken from it later.
func (f Fetcher) knownHosts() string {
	if f.Data == "" {
		return ""
	}
	return filepath.Join(f.Data, "known_hosts")
}

// sshCommand is how Git and Subversion call SSH. The key is a private file that
// goes away with the job.
func (j *job) sshCommand() (string, error) {
	ssh := "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o StrictHostKeyChecking=accept-new"
	if j.hosts != "" {
		ssh += " -o " + quoteShell(`UserKnownHostsFile="`+j.hosts+`" ~/.ssh/known_hosts`)
	}
	if j.src.SSHKey == "" {
		return ssh, nil
	}
	file := filepath.Join(j.private, "key")
	key := strings.ReplaceAll(strings.TrimSpace(j.src.SSHKey), "\r\n", "\n") + "\n"
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		return "", err
	}
	// No agent and no key of the machine's own may stand in for a wrong one.
	return ssh + " -o IdentitiesOnly=yes -o IdentityAgent=none -o ControlPath=none -i " + quoteShell(file), nil
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
