# Setup of the monitoring layer: Prometheus, which asks all instances of the
# stack how they are, behind Nginx, which asks people who they are.
data=/var/lib/prometheus/opsyard
if mountpoint -q /vol/ganglia; then
  data=/vol/ganglia/prometheus
fi
opsyard-agent package prometheus --no-recommends
opsyard-agent directory "$data" --owner prometheus --group prometheus --mode 0750
bash -euo pipefail recipes/configure.sh
opsyard-agent template prometheus.yml.tmpl /etc/prometheus/prometheus.yml \
  --verify 'promtool check config {}' --notify 'opsyard-agent service prometheus --reload'
opsyard-agent template prometheus.service.tmpl /etc/systemd/system/prometheus.service.d/opsyard.conf \
  --set "data=$data" --notify 'systemctl daemon-reload; opsyard-agent service prometheus --restart'
opsyard-agent service prometheus --enable --start
web=nginx
if [ "$OPSYARD_OS_FAMILY" = debian ]; then
  web=www-data
fi
opsyard-agent template users.tmpl /etc/nginx/opsyard-monitoring.users --sensitive --owner root --group "$web" --mode 0640
opsyard-agent template site.conf.tmpl /etc/nginx/sites-enabled/opsyard-monitoring.conf \
  --notify 'nginx -t -q && opsyard-agent service nginx --reload'
