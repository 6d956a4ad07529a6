# Setup of the Apache web server.
for layer in $(opsyard-agent attr opsworks.instance.layers --default ''); do
  case $(opsyard-agent attr "opsworks.layers.$layer.type" --default '') in
    web | rails-app | nodejs-app | java-app)
      if [ "$(opsyard-agent attr apache.port --default 80)" = "$(opsyard-agent attr nginx.port --default 80)" ]; then
        echo "Layer $layer has Nginx on the port of Apache. Give one of them another: apache.port and apache.ssl_port in the custom JSON."
        exit 1
      fi
      ;;
    *) ;;
  esac
done
case $OPSYARD_OS_FAMILY in
  debian) opsyard-agent package apache2 logrotate --no-recommends ;;
  *) opsyard-agent package httpd mod_ssl logrotate ;;
esac
. files/paths.sh
opsyard-agent file "/etc/systemd/system/$apache.service.d/opsyard.conf" --source service.conf
opsyard-agent file /run/opsyard/draining --state absent
if [ "$OPSYARD_OS_FAMILY" = debian ]; then
  opsyard-agent template ports.conf.tmpl /etc/apache2/ports.conf
  opsyard-agent file /etc/apache2/sites-enabled/000-default.conf --state absent
  for module in headers proxy proxy_fcgi rewrite setenvif socache_shmcb ssl; do
    opsyard-agent exec --creates "/etc/apache2/mods-enabled/$module.load" -- a2enmod -q "$module"
  done
else
  opsyard-agent line /etc/httpd/conf/httpd.conf "Listen $(opsyard-agent attr apache.port --default 80)" --match '^Listen '
  # mod_ssl listens too, on 443 whatever else there is.
  opsyard-agent line /etc/httpd/conf.d/ssl.conf "Listen $(opsyard-agent attr apache.ssl_port --default 443) https" --match '^Listen '
  bash -euo pipefail ../opsyard_initial_setup/files/selinux.sh httpd_can_network_connect
  opsyard-agent file /etc/httpd/conf.d/welcome.conf --content '# Opsyard has a page of its own.'
fi
opsyard-agent directory "$apache_etc/opsyard" --mode 0700
opsyard-agent file /var/www/opsyard/ready.txt \
  --content "$(opsyard-agent attr opsworks.instance.hostname --default "$(hostname)") is ready. No app is deployed here yet."
opsyard-agent template logrotate.tmpl "/etc/logrotate.d/$apache" --set "service=$apache"
# Apache reads its files only together; one that it refuses is taken back.
opsyard-agent template opsyard.conf.tmpl "$apache_conf/opsyard.conf" --notify "$apache_reload"
opsyard-agent template default-site.conf.tmpl "$apache_sites/~opsyard.conf" --notify "$apache_reload"
opsyard-agent service "$apache" --enable --start
