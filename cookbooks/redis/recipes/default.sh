# Setup of a memcached layer whose engine is Redis. Apps come over the private
# address, with the password of the layer.
case $OPSYARD_OS_FAMILY in
  debian) service=redis-server ;;
  *) service=redis ;;
esac
opsyard-agent package "$service" --no-recommends
main=/etc/redis/redis.conf
if [ ! -e "$main" ] && [ -e /etc/redis.conf ]; then
  main=/etc/redis.conf # older ones of the Red Hat family
fi
opsyard-agent file "/etc/systemd/system/$service.service.d/opsyard.conf" --source service.conf
address=$(opsyard-agent attr opsworks.instance.private_ip --default '')
if [ -z "$address" ]; then
  address=$(hostname -I | cut -d ' ' -f 1)
fi
opsyard-agent template opsyard.conf.tmpl /etc/redis/opsyard.conf --private --owner root --group redis --mode 0640 \
  --set "address=$address" --notify "if systemctl is-active --quiet $service; then opsyard-agent service $service --restart; fi"
# The last word counts: what is included at the end goes over the distribution's.
opsyard-agent line "$main" 'include /etc/redis/opsyard.conf' --notify "opsyard-agent service $service --restart"
opsyard-agent service "$service" --enable --start
