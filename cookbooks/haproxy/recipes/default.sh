# Setup of the HAProxy layer.
opsyard-agent package haproxy --no-recommends
opsyard-agent file /etc/systemd/system/haproxy.service.d/opsyard.conf --source service.conf
bash -euo pipefail recipes/configure.sh
opsyard-agent service haproxy --enable --start
