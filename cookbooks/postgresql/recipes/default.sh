# Setup of a database layer whose engine is PostgreSQL: the distribution's server
# with its data on the layer's volume.
case $OPSYARD_OS_FAMILY in
  debian)
    opsyard-agent package postgresql-common --no-recommends
    opsyard-agent line /etc/postgresql-common/createcluster.conf 'create_main_cluster = false' --match '^#? *create_main_cluster'
    opsyard-agent package postgresql --no-recommends
    . files/paths.sh
    opsyard-agent file '/etc/systemd/system/postgresql@.service.d/opsyard.conf' --source service.conf
    opsyard-agent exec --creates "$conf/postgresql.conf" -- bash -euo pipefail files/init.sh "$data" "$version"
    ;;
  *)
    opsyard-agent package postgresql-server
    . files/paths.sh
    opsyard-agent file /etc/systemd/system/postgresql.service.d/opsyard.conf --source service.conf
    opsyard-agent file /etc/systemd/system/postgresql.service.d/data.conf --content "[Service]
Environment=PGDATA=$data"
    opsyard-agent exec --creates "$data/PG_VERSION" -- bash -euo pipefail files/init.sh "$data"
    ;;
esac
if [ -n "$volume" ]; then
  opsyard-agent file "$settings" --content "$volume"
fi
bash -euo pipefail recipes/configure.sh
