# Deploys the static apps of this command and gives each its site.
for app in $(opsyard-agent app list --type static); do
  opsyard-agent release create "$app"
  opsyard-agent release activate "$app"
  if [ "$(opsyard-agent attr "deploy.$app.ssl_support" --default false)" = true ]; then
    opsyard-agent template certificate.pem.tmpl "/etc/nginx/ssl/$app.pem" --private --set "app=$app" --mode 0600
    opsyard-agent file "/etc/nginx/ssl/$app.key" --private "apps.$app.private_key" --mode 0600
  fi
  # Nginx reads its files only together; a site that it refuses is taken back.
  opsyard-agent template web-site.conf.tmpl "/etc/nginx/sites-enabled/$app.conf" --set "app=$app" \
    --notify 'nginx -t -q && opsyard-agent service nginx --reload'
  opsyard-agent release prune "$app"
done
