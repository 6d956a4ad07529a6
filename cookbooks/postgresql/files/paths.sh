# Where the server keeps what. The layer's volume takes the data when there is
# one; what lies there must never be begun anew because the volume is missing.
settings=/etc/opsyard/postgresql-volume
volume=
for directory in /vol/postgresql /vol/mysql; do # the volume that layers get by default is /vol/mysql
  if [ -z "$volume" ] && mountpoint -q "$directory"; then
    volume=$directory
  fi
done
if [ -z "$volume" ] && [ -e "$settings" ]; then
  echo "The data of this server lie on the volume $(cat "$settings"), which is not mounted." >&2
  exit 1
fi
base=${volume:-/var/lib/postgresql}
accounts=${volume:-/etc/opsyard}/postgresql-accounts.sql
backups=${volume:-/var/backups/opsyard}/postgresql-backups
case $OPSYARD_OS_FAMILY in
  debian)
    version=$(find /etc/postgresql /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -V | tail -n 1 || true)
    version=${version:-0} # before there is any, in a dry run
    data=$base/$version/main conf=/etc/postgresql/$version/main service=postgresql@$version-main
    ;;
  *)
    data=${volume:-/var/lib/pgsql}/data conf=$data service=postgresql
    ;;
esac
address=$(opsyard-agent attr opsworks.instance.private_ip --default '')
if [ -z "$address" ]; then
  address=$(hostname -I | cut -d ' ' -f 1)
fi
