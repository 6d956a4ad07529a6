opsyard-agent service haproxy --restart
