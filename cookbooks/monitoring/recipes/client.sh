# On every instance of a stack with a monitoring layer: what answers Prometheus,
# on the private address alone.
case $OPSYARD_OS_FAMILY in
  debian) package=prometheus-node-exporter service=prometheus-node-exporter program=/usr/bin/prometheus-node-exporter ;;
  *) package=golang-github-prometheus-node-exporter service=node_exporter program=/usr/bin/node_exporter ;;
esac
opsyard-agent package "$package" --no-recommends
address=$(opsyard-agent attr opsworks.instance.private_ip --default '')
if [ -z "$address" ]; then
  address=$(hostname -I | cut -d ' ' -f 1)
fi
opsyard-agent template exporter.service.tmpl "/etc/systemd/system/$service.service.d/opsyard.conf" --set "address=$address" --set "program=$program" \
  --notify "systemctl daemon-reload; opsyard-agent service $service --restart"
opsyard-agent service "$service" --enable --start
