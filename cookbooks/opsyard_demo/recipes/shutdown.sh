dir=${OPSYARD_INSTANCE_DIR:-${OPSYARD_ROOT:-/var/lib/opsyard-demo}}
echo "Goodbye from $(opsyard-agent attr opsworks.instance.hostname --default 'this instance')"
opsyard-agent file "$dir/etc/members" --state absent
