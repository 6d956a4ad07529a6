# Takes the apps of this command off the host, whatever their type: of an app
# that has been deleted only its name is known.
for app in $(opsyard-agent app list); do
  bash -euo pipefail files/site-remove.sh "$app"
  if [ -e "/etc/systemd/system/opsyard-java-$app.service" ]; then
    opsyard-agent service "opsyard-java-$app" --disable --stop
    opsyard-agent file "/etc/systemd/system/opsyard-java-$app.service" --state absent --notify 'systemctl daemon-reload'
  fi
  opsyard-agent directory "/var/lib/opsyard-tomcat/$app" --state absent
  opsyard-agent release undeploy "$app"
done
