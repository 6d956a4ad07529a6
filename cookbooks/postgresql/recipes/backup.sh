# Dumps all databases. At Shutdown it may take half of the time that the layer
# gives its recipes.
. files/paths.sh
keep=$(opsyard-agent attr postgresql.backups --default 5)
limit=$(opsyard-agent attr postgresql.backup_timeout --default "$((${OPSYARD_TIMEOUT:-120} / 2))")
if [ "$keep" -gt 0 ]; then
  opsyard-agent exec -- bash -euo pipefail files/backup.sh "$backups" "$keep" "$limit"
fi
