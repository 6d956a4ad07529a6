package agentapi

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
)

//go:embed install.sh
var installScript []byte

//go:embed installer/boot-registration
var bootRegistration []byte

// installer is a script that makes a host an instance: it downloads the agent,
// checks that it runs, and starts it as a service.
func (a *API) installer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
	_, _ = w.Write(installScript)
}

// archive is the same for "aws opsworks register", which asks for a directory
// with a boot-registration to run (OpsWorks: AgentInstallerUrl).
func (a *API) archive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/gzip")
	_, _ = w.Write(installerArchive())
}

var installerArchive = sync.OnceValue(func() []byte {
	var buf bytes.Buffer
	packed := gzip.NewWriter(&buf)
	if err := errors.Join(writeInstaller(packed), packed.Close()); err != nil {
		panic(err) // memory takes it all
	}
	return buf.Bytes()
})

func writeInstaller(w io.Writer) error {
	const dir = "opsworks-agent-installer/"
	t := tar.NewWriter(w)
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"boot-registration": bootRegistration, "install.sh": installScript} {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dir + name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := t.Write(content); err != nil {
			return err
		}
	}
	return t.Close()
}

// native is the name of the agent built for this server's own system.
func native(system, arch string) string {
	if system == runtime.GOOS && arch == runtime.GOARCH {
		return "opsyard-agent"
	}
	return ""
}
