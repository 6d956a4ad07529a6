# Setup of the static web server layer.
case $OPSYARD_OS_FAMILY in
  debian) opsyard-agent package nginx-light --no-recommends ;;
  *) opsyard-agent package nginx ;;
esac
bash -euo pipefail ../opsyard_initial_setup/files/selinux.sh httpd_can_network_connect
opsyard-agent file /etc/systemd/system/nginx.service.d/opsyard.conf --source service.conf
opsyard-agent directory /etc/nginx/sites-enabled
opsyard-agent file /etc/nginx/sites-enabled/default --state absent
opsyard-agent file /run/opsyard/draining --state absent
reload='nginx -t -q && opsyard-agent service nginx --reload'
opsyard-agent template health.conf.tmpl /etc/nginx/opsyard-health.conf --notify "$reload"
opsyard-agent template default-site.conf.tmpl /etc/nginx/opsyard-default-site.conf --notify "$reload"
opsyard-agent template nginx.conf.tmpl /etc/nginx/nginx.conf --verify 'nginx -t -q -c {}' --notify "$reload"
opsyard-agent service nginx --enable --start
