. files/paths.sh
opsyard-agent file /run/opsyard/draining --state absent
opsyard-agent service "$apache" --start
