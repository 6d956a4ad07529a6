package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// visibleRoots are the directories of the host's root that a machine made from
// it sees. Everything else there, known or not, is hidden: homes, data, sources.
var visibleRoots = map[string]bool{"bin": true, "etc": true, "lib": true, "lib32": true, "lib64": true, "libx32": true,
	"sbin": true, "usr": true, "var": true}

// freshDirs are there in a machine, but empty, with these modes.
var freshDirs = map[string]fs.FileMode{"root": 0o700, "home": 0o755, "opt": 0o755, "srv": 0o755, "mnt": 0o755, "media": 0o755,
	"tmp": 0o777 | fs.ModeSticky, "run": 0o755, "proc": 0o555, "sys": 0o555, "dev": 0o755}

// secretPatterns are what holds secrets, identity, or orders to start something,
// below the visible directories.
var secretPatterns = strings.Fields(`
 var/tmp var/log var/backups var/mail var/spool/cron var/spool/mail var/spool/at var/spool/postfix var/www var/crash
 var/cache/opsyard var/cache/debconf/passwords.dat
 var/lib/opsyard var/lib/docker var/lib/containerd var/lib/containers var/lib/kubelet var/lib/rancher var/lib/etcd
 var/lib/postgresql var/lib/mysql var/lib/mongodb var/lib/redis var/lib/ldap var/lib/influxdb var/lib/grafana
 var/lib/prometheus var/lib/vault var/lib/consul var/lib/nomad var/lib/jenkins var/lib/gitea var/lib/lxc var/lib/lxd
 var/lib/incus var/lib/libvirt var/lib/machines var/lib/cloud var/lib/amazon var/lib/waagent var/lib/google
 var/lib/NetworkManager var/lib/bluetooth var/lib/sss var/lib/snapd var/lib/private var/lib/systemd
 var/lib/dhcp var/lib/dhcpcd var/lib/wireguard var/lib/tailscale var/lib/letsencrypt var/lib/samba
 etc/systemd/system etc/systemd/network etc/rc?.d etc/cron.* etc/crontab etc/sudoers.d etc/ssh/ssh_host_*
 etc/ssl/private etc/pki/tls/private etc/letsencrypt etc/wireguard etc/openvpn etc/ipsec.* etc/strongswan* etc/ppp
 etc/netplan etc/NetworkManager/system-connections etc/wpa_supplicant etc/iwd etc/krb5.keytab etc/samba
 etc/kubernetes etc/rancher etc/docker etc/containers/auth.json etc/vault* etc/consul* etc/nomad* etc/opsyard etc/apt/auth.conf
 etc/apt/auth.conf.d etc/environment etc/profile.d etc/shadow- etc/gshadow- etc/passwd- etc/group- etc/security/opasswd
 etc/cloud etc/mysql/debian.cnf etc/ldap etc/exim4/passwd* etc/postfix/sasl* etc/msmtprc etc/fstab etc/crypttab
 etc/machine-id etc/hostname etc/hosts etc/resolv.conf usr/local/etc`)

// hideHost makes the host's own root file system fit for a machine: its secrets
// and its services are not there.
func (d *disk) hideHost(cfg Config) {
	roots, err := os.ReadDir("/")
	if err != nil && d.err == nil {
		d.err = err
	}
	for _, e := range roots {
		if _, fresh := freshDirs[e.Name()]; !visibleRoots[e.Name()] && !fresh {
			d.whiteout(e.Name())
		}
	}
	for name, mode := range freshDirs {
		d.opaque(name, mode)
	}
	for _, pattern := range append(secretPatterns, cfg.Dir, cfg.ImageDir) {
		found, _ := filepath.Glob("/" + strings.TrimPrefix(pattern, "/"))
		for _, path := range found {
			name := strings.TrimPrefix(path, "/")
			if top, _, _ := strings.Cut(name, "/"); visibleRoots[top] {
				d.hide(name)
			}
		}
	}
	d.opaque("var/tmp", 0o777|fs.ModeSticky)
	d.file("etc/shadow", lockedPasswords("/etc/shadow"), 0o600)
	d.file("etc/gshadow", lockedPasswords("/etc/gshadow"), 0o600)
}

// hide makes a directory empty and anything else absent.
func (d *disk) hide(name string) {
	fi, err := os.Lstat("/" + name)
	if err != nil {
		return
	}
	if fi.IsDir() {
		d.opaque(name, fi.Mode().Perm()|fi.Mode()&fs.ModeSticky)
		return
	}
	if _, err := d.root.Lstat(name); err != nil {
		d.whiteout(name)
	}
}

// lockedPasswords keeps the accounts and drops their password hashes.
func lockedPasswords(file string) string {
	b, _ := os.ReadFile(file)
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) > 1 {
			f[1] = "*"
			out.WriteString(strings.Join(f, ":") + "\n")
		}
	}
	return out.String()
}
