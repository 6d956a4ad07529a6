#!/bin/sh
# Makes this host an instance of an Opsyard stack.
#
#   curl -fsS https://SERVER/agent/install.sh | sudo OPSYARD_SERVER=https://SERVER OPSYARD_TOKEN=oye_… sh
#
# The token comes from: opsyard token create --stack STACK --layer LAYER
# It is passed by the environment, so that it shows up in no process list.
set -eu

fail() { echo "opsyard: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "run this as root"
[ -n "${OPSYARD_SERVER:-}" ] || fail "OPSYARD_SERVER is not set"
[ -n "${OPSYARD_TOKEN:-}" ] || fail "OPSYARD_TOKEN is not set"
command -v systemctl >/dev/null || fail "this host has no systemd"
case "$(uname -m)" in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) fail "there is no agent for $(uname -m)" ;;
esac

program=/usr/local/bin/opsyard-agent
curl -fsS -o "$program.new" "$OPSYARD_SERVER/agent/download/linux/$arch" || fail "the agent could not be downloaded"
chmod 0755 "$program.new"
"$program.new" version >/dev/null || fail "the downloaded agent does not run here"
mv "$program.new" "$program"

install -d -m 0700 /etc/opsyard /var/lib/opsyard
umask 077
printf '{"server":"%s","token":"%s","data":"/var/lib/opsyard"}\n' "$OPSYARD_SERVER" "$OPSYARD_TOKEN" >/etc/opsyard/agent.json
umask 022
cat >/etc/systemd/system/opsyard-agent.service <<'UNIT'
[Unit]
Description=Opsyard agent
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/local/bin/opsyard-agent --config /etc/opsyard/agent.json
Restart=always
RestartSec=2
# a recipe goes on when the agent is restarted
KillMode=process

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now opsyard-agent.service
echo "opsyard: the agent runs; watch the instance in the console"
