# site.sh TEMPLATE APP [--set NAME=VALUE]… gives an app its site in Nginx, with
# its certificate.
template=$1 app=$2
shift 2
certificate() { cat "${OPSYARD_ROOT-}/etc/nginx/ssl/$app".{pem,key} 2>/dev/null | cksum || true; }
before=$(certificate)
if [ "$(opsyard-agent attr "deploy.$app.ssl_support" --default false)" = true ]; then
  opsyard-agent template certificate.pem.tmpl "/etc/nginx/ssl/$app.pem" --private --set "app=$app" --mode 0600
  opsyard-agent file "/etc/nginx/ssl/$app.key" --private "apps.$app.private_key" --mode 0600
fi
# Nginx reads its files only together; a site that it refuses is taken back.
opsyard-agent template "$template" "/etc/nginx/sites-enabled/$app.conf" --set "app=$app" "$@" \
  --notify 'nginx -t -q && opsyard-agent service nginx --reload'
# A new certificate changes nothing in the site, and Nginx reads it only now.
if [ "$(certificate)" != "$before" ]; then
  nginx -t -q && opsyard-agent service nginx --reload
fi
