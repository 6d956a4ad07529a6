#!/bin/sh
# Makes this host an instance of an Opsyard stack.
#
#   curl -fsS https://SERVER/agent/install.sh | sudo OPSYARD_SERVER=https://SERVER OPSYARD_TOKEN=oye_… sh
#
# The token comes from: opsyard token create --stack STACK --layer LAYER
# It is passed by the environment, so that it shows up in no process list.
#
# OPSYARD_HOSTNAME, OPSYARD_PRIVATE_IP and OPSYARD_PUBLIC_IP are told instead of
# what the host says of itself; OPSYARD_CLASS is ec2 for a machine of that
# cloud. With OPSYARD_ROOT everything is laid below that directory and nothing
# is started: for images, and to see what this script does.
set -eu

fail() { echo "opsyard: $*" >&2; exit 1; }

root=${OPSYARD_ROOT:-}
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run this as root"
[ -n "${OPSYARD_SERVER:-}" ] || fail "OPSYARD_SERVER is not set"
[ -n "${OPSYARD_TOKEN:-}" ] || fail "OPSYARD_TOKEN is not set"
[ -n "$root" ] || command -v systemctl >/dev/null || fail "this host has no systemd"
case "$(uname -m)" in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) fail "there is no agent for $(uname -m)" ;;
esac

# The values go into JSON as they are.
member() {
  case "$2" in
    *[!A-Za-z0-9._:/@%\[\]-]*) fail "$1 has characters that it cannot have: $2" ;;
    '') ;;
    *) printf ',"%s":"%s"' "$1" "$2" ;;
  esac
}
config=$(
  member server "$OPSYARD_SERVER"
  member token "$OPSYARD_TOKEN"
  member data "$root/var/lib/opsyard"
  member hostname "${OPSYARD_HOSTNAME:-}"
  member private_ip "${OPSYARD_PRIVATE_IP:-}"
  member public_ip "${OPSYARD_PUBLIC_IP:-}"
  member infrastructure_class "${OPSYARD_CLASS:-}"
) || exit 1

program=$root/usr/local/bin/opsyard-agent
mkdir -p "$root/usr/local/bin" "$root/etc/systemd/system"
curl -fsS -o "$program.new" "$OPSYARD_SERVER/agent/download/linux/$arch" || fail "the agent could not be downloaded"
chmod 0755 "$program.new"
"$program.new" version >/dev/null || fail "the downloaded agent does not run here"
mv "$program.new" "$program"

install -d -m 0700 "$root/etc/opsyard" "$root/var/lib/opsyard"
umask 077
printf '{%s}\n' "${config#,}" >"$root/etc/opsyard/agent.json"
umask 022
# The agent ends with 64 when the host has been deregistered.
cat >"$root/etc/systemd/system/opsyard-agent.service" <<'UNIT'
[Unit]
Description=Opsyard agent
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/local/bin/opsyard-agent --config /etc/opsyard/agent.json
Restart=always
RestartSec=2
RestartPreventExitStatus=64
# a recipe goes on when the agent is restarted
KillMode=process

[Install]
WantedBy=multi-user.target
UNIT
if [ -n "$root" ]; then
  echo "opsyard: the agent is laid out in $root"
  exit 0
fi
systemctl daemon-reload
systemctl enable opsyard-agent.service
systemctl restart opsyard-agent.service
echo "opsyard: the agent runs; watch the instance in the console"
