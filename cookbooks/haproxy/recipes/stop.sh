# Stops when the requests under way have been answered (see files/service.conf).
opsyard-agent service haproxy --stop
