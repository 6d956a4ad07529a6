# Makes the server's cluster in the data directory $1, or takes over the one that
# lies there. $2 is its version where several can be installed.
data=$1 version=${2:-}
if [ -n "$version" ]; then
  for other in "$(dirname "$(dirname "$data")")"/*/main/PG_VERSION; do
    if [ -e "$other" ] && [ ! -e "$data/PG_VERSION" ]; then
      echo "The volume holds data of PostgreSQL $(cat "$other"), and PostgreSQL $version is installed: upgrade them first." >&2
      exit 1
    fi
  done
  exec pg_createcluster "$version" main --datadir "$data" --encoding UTF8 --locale C.UTF-8 -- --auth-local=peer --auth-host=scram-sha-256
fi
rm -rf "$data.new"
install -d -o postgres -g postgres -m 0700 "$data.new"
if command -v chcon >/dev/null && [ -e /sys/fs/selinux ]; then
  chcon --reference=/var/lib/pgsql "$data.new"
fi
cd /
runuser -u postgres -- initdb --pgdata="$data.new" --encoding=UTF8 --locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256 >/dev/null
mkdir "$data.new/conf.d"
echo "include_dir = 'conf.d'" >>"$data.new/postgresql.conf"
if [ -d "$data" ]; then
  rmdir "$data" # the package's, empty
fi
mv "$data.new" "$data"
