# Takes the static apps of this command off the host.
for app in $(opsyard-agent app list --type static); do
  opsyard-agent file "/etc/nginx/sites-enabled/$app.conf" --state absent \
    --notify 'nginx -t -q && opsyard-agent service nginx --reload'
  opsyard-agent file "/etc/nginx/ssl/$app.pem" --state absent
  opsyard-agent file "/etc/nginx/ssl/$app.key" --state absent
  opsyard-agent release undeploy "$app"
done
