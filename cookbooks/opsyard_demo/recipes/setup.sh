dir=${OPSYARD_INSTANCE_DIR:-${OPSYARD_ROOT:-/var/lib/opsyard-demo}}
echo "Setup of $(opsyard-agent attr opsworks.instance.hostname --default 'this instance')" \
  "in stack $(opsyard-agent attr opsworks.stack.name --default '(none)')"
opsyard-agent directory "$dir/etc"
opsyard-agent directory "$dir/var/log"
opsyard-agent file "$dir/etc/motd" --content "Welcome to $(opsyard-agent attr opsworks.instance.hostname --default 'this instance')."
