# php-prepare.sh APP puts in place what the newest release of a PHP app needs:
# database modules, opsworks.php, environment and processes.
app=$1
. ../apache/files/paths.sh
case $OPSYARD_OS_FAMILY:$(opsyard-agent attr --private "apps.$app.database.adapter" --default none) in
  debian:mysql*) opsyard-agent package php-mysql --no-recommends ;;
  debian:postgres*) opsyard-agent package php-pgsql --no-recommends ;;
  *:mysql*) opsyard-agent package php-mysqlnd ;;
  *:postgres*) opsyard-agent package php-pgsql ;;
  *) ;;
esac
release=$(opsyard-agent release list "$app" | tail -n 1 | cut -c 3- | cut -d ' ' -f 1)
if [ -z "$release" ]; then
  exit 0
fi
user=$(opsyard-agent release user "$app")
place=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")
opsyard-agent template opsworks.php.tmpl "$place/shared/config/opsworks.php" --private --set "app=$app" --owner "$user" --mode 0640
# The link is the user's own doing: a release is of unknown origin.
opsyard-agent exec --unless "[ '$place/releases/$release/opsworks.php' -ef '$place/shared/config/opsworks.php' ]" --user "$user" --cwd "$place/releases/$release" -- \
  ln -sfn ../../shared/config/opsworks.php opsworks.php
opsyard-agent template app-logrotate.tmpl "/etc/logrotate.d/opsyard-app-$app" --set "app=$app"
opsyard-agent template php-pool.conf.tmpl "$fpm_pools/opsyard-app-$app.conf" --set "app=$app" --notify "$fpm_reload"
