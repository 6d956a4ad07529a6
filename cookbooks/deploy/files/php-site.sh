# php-site.sh APP points Apache at the current release of a PHP app. The site
# names the release itself and not "current": each request sees one release as a
# whole, and none a file that PHP remembers from another.
app=$1
. ../apache/files/paths.sh
place=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")
if [ ! -L "$place/current" ]; then
  exit 0
fi
site=$apache_sites/$site_prefix$app.conf
certificate() { cat "${OPSYARD_ROOT-}$apache_etc/opsyard/$app".{pem,key} 2>/dev/null | cksum || true; }
before=$(certificate)
if [ "$(opsyard-agent attr "deploy.$app.ssl_support" --default false)" = true ]; then
  opsyard-agent template certificate.pem.tmpl "$apache_etc/opsyard/$app.pem" --private --set "app=$app" --mode 0600
  opsyard-agent file "$apache_etc/opsyard/$app.key" --private "apps.$app.private_key" --mode 0600
fi
reload=$apache_reload
if [ ! -e "$site" ]; then
  reload=true # the site itself comes next
fi
opsyard-agent app environment "$app" "$apache_etc/opsyard/$app.env" --format apache --notify "$reload"
opsyard-agent template php-site.conf.tmpl "$site" --set "app=$app" --set "etc=$apache_etc" --set "log=/var/log/$apache" \
  --set "release=$(readlink "$place/current")" --notify "$apache_reload"
# A new certificate changes nothing in the site, and Apache reads it only now.
if [ "$(certificate)" != "$before" ]; then
  eval "$apache_reload"
fi
