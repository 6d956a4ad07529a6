# Balances over the app servers that are online now. A reload starts new
# processes on the same sockets; the old ones finish their requests.
opsyard-agent template haproxy.cfg.tmpl /etc/haproxy/haproxy.cfg --owner root --group haproxy --mode 0640 \
  --verify 'haproxy -c -f {}' \
  --notify 'opsyard-agent service haproxy --reload'
