package workspace

import (
	"bufio"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"opsyard/agent/recipe"
	"opsyard/agent/recipe/steps"
)

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// passedOn are the variables of the agent that its recipes see as well: the way
// to the network, and where an instance lives that has no machine of its own.
var passedOn = []string{
	"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "OPSYARD_ROOT", "OPSYARD_INSTANCE_DIR",
}

// path is the search path that the job gives or the system's, and the rest of
// the job's variables.
func (w *Workspace) path() (path string, env []string) {
	path, env = systemPath, slices.Clone(w.Env)
	env = slices.DeleteFunc(env, func(v string) bool {
		value, ok := strings.CutPrefix(v, "PATH=")
		if ok {
			path = value
		}
		return ok
	})
	return path, env
}

// environ is a recipe's whole environment. Variables of the job come last and win.
func (w *Workspace) environ(item recipe.Item, socket string) []string {
	path, env := w.path()
	job := w.Job
	home, name := owner()
	dryRun := ""
	if job.DryRun {
		dryRun = "1"
	}
	all := []string{
		"PATH=" + shimDir(job) + ":" + path,
		"HOME=" + home, "USER=" + name, "LOGNAME=" + name, "SHELL=/bin/bash",
		"LANG=C.UTF-8", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive",
		"OPSYARD_ATTRIBUTES=" + job.Attributes,
		"OPSYARD_PRIVATE=" + job.Private,
		"OPSYARD_EVENT=" + job.Type,
		"OPSYARD_COMMAND_ID=" + job.CommandID,
		"OPSYARD_COOKBOOK=" + item.Recipe.Cookbook,
		"OPSYARD_RECIPE=" + item.Recipe.Recipe,
		"OPSYARD_LAYER=" + item.Layer,
		"OPSYARD_DRY_RUN=" + dryRun,
		"OPSYARD_OS_FAMILY=" + osFamily("/etc/os-release"),
		steps.EnvSocket + "=" + socket,
	}
	for _, key := range passedOn {
		if value, ok := os.LookupEnv(key); ok {
			all = append(all, key+"="+value)
		}
	}
	return append(all, env...)
}

func owner() (home, name string) {
	if u, err := user.Current(); err == nil {
		return u.HomeDir, u.Username
	}
	return "/", "root"
}

// osFamily reads the family from an os-release file: "debian", "redhat" or the
// distribution's own id.
func osFamily(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	fields := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		fields[key] = strings.Trim(value, `"'`)
	}
	for _, id := range strings.Fields(fields["ID"] + " " + fields["ID_LIKE"]) {
		switch id {
		case "debian", "ubuntu":
			return "debian"
		case "rhel", "fedora", "centos", "amzn":
			return "redhat"
		}
	}
	if fields["ID"] == "" {
		return "unknown"
	}
	return fields["ID"]
}

func shimDir(job recipe.Job) string { return filepath.Join(job.Dir, "bin") }

// writeShim puts a program "opsyard-agent" in front of the PATH, whichever
// program the agent is: the big one has the same helpers behind "agent".
func writeShim(job recipe.Job) error {
	if err := os.MkdirAll(shimDir(job), 0o755); err != nil {
		return err
	}
	shim := filepath.Join(shimDir(job), "opsyard-agent")
	if err := os.RemoveAll(shim); err != nil {
		return err
	}
	if strings.HasPrefix(filepath.Base(job.Agent), "opsyard-agent") {
		return os.Symlink(job.Agent, shim)
	}
	quoted := "'" + strings.ReplaceAll(job.Agent, "'", `'\''`) + "'"
	return os.WriteFile(shim, fmt.Appendf(nil, "#!/bin/sh\nexec %s agent \"$@\"\n", quoted), 0o755)
}
