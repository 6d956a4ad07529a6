opsyard-agent service prometheus --stop
