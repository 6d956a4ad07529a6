# rails-libraries.sh GEMFILE.LOCK installs what building its gems needs. A file
# without gems of a server needs nothing.
gems=$(sed -n '/^GEM$/,/^$/ s/^    \([^ ][^ ]*\) .*/\1/p' "$1" 2>/dev/null || true)
[ -n "$gems" ] || exit 0
case $OPSYARD_OS_FAMILY in
  debian)
    packages='build-essential ruby-dev libyaml-dev pkg-config git'
    mysql=default-libmysqlclient-dev postgresql=libpq-dev sqlite=libsqlite3-dev
    ;;
  *)
    packages='gcc gcc-c++ make ruby-devel libyaml-devel git'
    mysql=mariadb-connector-c-devel postgresql=libpq-devel sqlite=sqlite-devel
    ;;
esac
needs() { ! grep -qx "$1" <<<"$gems" || packages+=" $2"; }
needs mysql2 $mysql
needs pg $postgresql
needs sqlite3 $sqlite
needs execjs nodejs
opsyard-agent package $packages --no-recommends
