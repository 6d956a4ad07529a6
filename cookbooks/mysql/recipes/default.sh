# Setup of a database layer: the MySQL-compatible server of the distribution,
# MariaDB, with its data on the layer's volume.
. files/paths.sh
opsyard-agent package mariadb-server --no-recommends
opsyard-agent file /etc/systemd/system/mariadb.service.d/opsyard.conf --source service.conf
if [ "$data" != /var/lib/mysql ]; then
  opsyard-agent exec --creates "$data" -- bash -euo pipefail files/init.sh "$data"
fi
bash -euo pipefail recipes/configure.sh
