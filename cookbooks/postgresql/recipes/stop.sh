# Dumps all databases and stops the server. A server without a dump is stopped
# all the same, and then the event fails to say so.
. files/paths.sh
failed=
if systemctl is-active --quiet "$service"; then
  bash -euo pipefail recipes/backup.sh || failed=yes
fi
opsyard-agent service "$service" --stop
test -z "$failed"
