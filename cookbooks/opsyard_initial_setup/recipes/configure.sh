# Keeps the names of all online instances in /etc/hosts, and in a stack with a
# monitoring layer has each instance answer it.
opsyard-agent template hosts.tmpl /etc/hosts --block 'Opsyard: the online instances of this stack'
if [ -n "$(opsyard-agent attr opsworks.layers.monitoring-master --default '')" ]; then
  (cd ../monitoring && bash -euo pipefail recipes/client.sh)
fi
