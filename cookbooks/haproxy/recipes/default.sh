# Setup of the HAProxy layer.
opsyard-agent package haproxy --no-recommends
bash -euo pipefail ../opsyard_initial_setup/files/selinux.sh haproxy_connect_any
opsyard-agent file /etc/systemd/system/haproxy.service.d/opsyard.conf --source service.conf
bash -euo pipefail recipes/configure.sh
opsyard-agent service haproxy --enable --start
