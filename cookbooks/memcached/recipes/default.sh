# Setup of the Memcached layer. Memcached asks nobody who they are: it listens on
# the private address alone.
opsyard-agent package memcached --no-recommends
opsyard-agent file /etc/systemd/system/memcached.service.d/opsyard.conf --source service.conf
case $OPSYARD_OS_FAMILY in
  debian) template=memcached.conf.tmpl conf=/etc/memcached.conf ;;
  *) template=sysconfig.tmpl conf=/etc/sysconfig/memcached ;;
esac
address=$(opsyard-agent attr opsworks.instance.private_ip --default '')
if [ -z "$address" ]; then
  address=$(hostname -I | cut -d ' ' -f 1)
fi
opsyard-agent template "$template" "$conf" --set "address=$address" --notify 'opsyard-agent service memcached --restart'
opsyard-agent service memcached --enable --start
