opsyard-agent file /run/opsyard/draining --state absent
opsyard-agent service nginx --start
