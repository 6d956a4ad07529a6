opsyard-agent service memcached --stop
