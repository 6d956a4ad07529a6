# Makes an empty data directory on the volume, whole or not at all.
data=$1
systemctl stop mariadb
rm -rf "$data.new"
install -d -o mysql -g mysql -m 0750 "$data.new"
if command -v chcon >/dev/null && [ -e /sys/fs/selinux ]; then
  chcon --reference=/var/lib/mysql "$data.new"
fi
mariadb-install-db --user=mysql --datadir="$data.new" --auth-root-authentication-method=socket --skip-test-db >/dev/null
mv "$data.new" "$data"
