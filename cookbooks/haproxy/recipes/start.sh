opsyard-agent service haproxy --start
