package local

import (
	"fmt"
	"strings"
)

// Where the agent's things are in a machine.
const (
	agentConfigPath = "/etc/opsyard/agent.json"
	agentDataPath   = "/var/lib/opsyard"
	agentUnitName   = "opsyard-agent.service"
	shutdownNote    = "var/lib/opsyard-shutdown"
)

// maskedUnits would fail in a machine that has no devices and shares its
// kernel, or do work there that belongs to the host.
var maskedUnits = strings.Fields(`console-getty.service getty@.service getty-static.service getty.target serial-getty@.service
 systemd-remount-fs.service dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount
 sys-kernel-debug.mount sys-kernel-tracing.mount systemd-sysctl.service systemd-binfmt.service
 proc-sys-fs-binfmt_misc.automount e2scrub_reap.service e2scrub_all.timer fstrim.timer systemd-udevd.service
 systemd-udev-trigger.service systemd-udev-settle.service systemd-udevd-control.socket systemd-udevd-kernel.socket
 systemd-modules-load.service systemd-machine-id-commit.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
 systemd-firstboot.service systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-tmpfiles-setup-dev.service
 systemd-tmpfiles-setup-dev-early.service apt-daily.timer apt-daily-upgrade.timer systemd-networkd.service
 systemd-networkd.socket systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service
 systemd-random-seed.service NetworkManager.service NetworkManager-wait-online.service apparmor.service snapd.service
 snapd.socket multipathd.service lvm2-monitor.service keyboard-setup.service console-setup.service`)

// agentUnit starts the agent. KillMode=process lets a running recipe outlive a
// restart of the agent, and OOMPolicy=continue one recipe that ate all memory.
// OPSYARD_CPUS is how much of the processors the machine may use, which its own
// control group does not show.
func agentUnit(argv []string, cpus float64) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = quoteUnitWord(a)
	}
	return fmt.Sprintf(`[Unit]
Description=Opsyard agent
After=basic.target network.target
StartLimitIntervalSec=0

[Service]
ExecStart=%s
Environment=HOME=/root LANG=C.UTF-8 OPSYARD_CPUS=%g
Restart=always
RestartSec=1
KillMode=process
TimeoutStopSec=10
OOMPolicy=continue
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`, strings.Join(words, " "), cpus)
}

func quoteUnitWord(w string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(w) + `"`
}

// managerConfig keeps one stubborn process from holding up every shutdown.
const managerConfig = `[Manager]
DefaultTimeoutStopSec=20s
%s`

const journalConfig = `[Journal]
Storage=persistent
SystemMaxUse=64M
RateLimitBurst=0
`

// shutdownHook notes how the machine shuts down, for a server that is not its
// parent and so is not told by the kernel.
const shutdownHook = `#!/bin/sh
echo "$1" > /` + shutdownNote + `
`
