# site-remove.sh APP takes an app's site out of Nginx.
app=$1
opsyard-agent file "/etc/nginx/sites-enabled/$app.conf" --state absent \
  --notify 'nginx -t -q && opsyard-agent service nginx --reload'
opsyard-agent file "/etc/nginx/ssl/$app.pem" --state absent
opsyard-agent file "/etc/nginx/ssl/$app.key" --state absent
