# Takes the apps of this command off the host, whatever their type: of an app
# that has been deleted only its name is known.
for app in $(opsyard-agent app list); do
  opsyard-agent file "/etc/nginx/sites-enabled/$app.conf" --state absent \
    --notify 'nginx -t -q && opsyard-agent service nginx --reload'
  opsyard-agent file "/etc/nginx/ssl/$app.pem" --state absent
  opsyard-agent file "/etc/nginx/ssl/$app.key" --state absent
  if [ -e "/etc/systemd/system/opsyard-java-$app.service" ]; then
    opsyard-agent service "opsyard-java-$app" --disable --stop
    opsyard-agent file "/etc/systemd/system/opsyard-java-$app.service" --state absent --notify 'systemctl daemon-reload'
  fi
  opsyard-agent directory "/var/lib/opsyard-tomcat/$app" --state absent
  opsyard-agent release undeploy "$app"
done
