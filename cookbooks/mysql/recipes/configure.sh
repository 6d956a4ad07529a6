# The settings, the root password, and for each app whose data source this layer
# is a database and a user. Users may come from the server's own network and from
# the app servers that are online now.
. files/paths.sh
memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024 / 4))
opsyard-agent template my.cnf.tmpl "$conf" --set "data=$data" --set "address=$address" --set "pool=$((memory > 128 ? memory : 128))M" \
  --verify 'mariadbd --defaults-file={} --verbose --help >/dev/null' \
  --notify 'opsyard-agent service mariadb --restart'
opsyard-agent service mariadb --enable --start
opsyard-agent template accounts.sql.tmpl "$accounts" --private --owner root --group root --mode 0600 \
  --set "network=$(bash -euo pipefail files/network.sh "$address")" \
  --notify "mariadb --batch <'$accounts'"
