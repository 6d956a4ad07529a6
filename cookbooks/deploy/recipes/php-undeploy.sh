# Takes the apps of this command off the host, whatever their type: of an app
# that has been deleted only its name is known.
. ../apache/files/paths.sh
for app in $(opsyard-agent app list); do
  opsyard-agent file "$apache_sites/$site_prefix$app.conf" --state absent --notify "$apache_reload"
  opsyard-agent file "$apache_etc/opsyard/$app.env" --state absent
  opsyard-agent file "$apache_etc/opsyard/$app.pem" --state absent
  opsyard-agent file "$apache_etc/opsyard/$app.key" --state absent
  opsyard-agent file "$fpm_pools/opsyard-app-$app.conf" --state absent --notify "$fpm_reload"
  opsyard-agent file "/etc/logrotate.d/opsyard-app-$app" --state absent
  opsyard-agent release undeploy "$app"
done
