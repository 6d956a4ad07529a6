# Where the server keeps what. The layer's volume takes the data when there is
# one; what lies there must never be begun anew because the volume is missing.
case $OPSYARD_OS_FAMILY in
  debian) conf=/etc/mysql/mariadb.conf.d/99-opsyard.cnf ;;
  *) conf=/etc/my.cnf.d/zz-opsyard.cnf ;;
esac
if mountpoint -q /vol/mysql; then
  data=/vol/mysql/data accounts=/vol/mysql/accounts.sql backups=/vol/mysql/backups
elif grep -qs '^datadir = /vol/mysql/' "$conf"; then
  echo "The data of this server lie on the volume /vol/mysql, which is not mounted." >&2
  exit 1
else
  data=/var/lib/mysql accounts=/etc/opsyard/mysql-accounts.sql backups=/var/backups/opsyard/mysql
fi
address=$(opsyard-agent attr opsworks.instance.private_ip --default '')
if [ -z "$address" ]; then
  address=$(hostname -I | cut -d ' ' -f 1)
fi
