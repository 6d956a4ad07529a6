package agentapi

import (
	_ "embed"
	"net/http"
	"runtime"
)

//go:embed install.sh
var installScript []byte

// installer is a script that makes a host an instance: it downloads the agent,
// checks that it runs, and starts it as a service.
func (a *API) installer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	_, _ = w.Write(installScript)
}

// native is the name of the agent built for this server's own system.
func native(system, arch string) string {
	if system == runtime.GOOS && arch == runtime.GOARCH {
		return "opsyard-agent"
	}
	return ""
}
