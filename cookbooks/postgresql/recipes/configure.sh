# The settings, who may connect from where, and for each app whose data source
# this layer is a database and a user. Users may come from the server's own
# network and from the app servers that are online now.
. files/paths.sh
memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024 / 4))
opsyard-agent template postgresql.conf.tmpl "$conf/conf.d/opsyard.conf" --owner postgres --group postgres --mode 0644 \
  --set "address=$address" --set "buffers=$((memory > 128 ? memory : 128))MB" \
  --notify "opsyard-agent service $service --restart"
opsyard-agent template pg_hba.conf.tmpl "$conf/pg_hba.conf" --private --owner postgres --group postgres --mode 0640 \
  --notify "opsyard-agent service $service --reload"
opsyard-agent service postgresql --enable
opsyard-agent service "$service" --start
opsyard-agent template accounts.sql.tmpl "$accounts" --private --owner root --group root --mode 0600 \
  --notify "cd / && runuser -u postgres -- psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres <'$accounts' >/dev/null"
