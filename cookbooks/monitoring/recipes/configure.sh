# Whom Prometheus asks: the instances that are online. It reads the file by
# itself when it has changed.
opsyard-agent template targets.json.tmpl /etc/prometheus/opsyard-targets.json
