# Redis writes its data to the disk before it ends.
case $OPSYARD_OS_FAMILY in
  debian) opsyard-agent service redis-server --stop ;;
  *) opsyard-agent service redis --stop ;;
esac
