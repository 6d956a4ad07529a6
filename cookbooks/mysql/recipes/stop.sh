# Dumps all databases and stops the server. A server without a dump is stopped
# all the same, and then the event fails to say so.
failed=
if systemctl is-active --quiet mariadb; then
  bash -euo pipefail recipes/backup.sh || failed=yes
fi
opsyard-agent service mariadb --stop
test -z "$failed"
