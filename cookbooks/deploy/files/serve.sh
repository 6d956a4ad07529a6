# serve.sh TYPE FLAG… does something with the services of this command's apps
# of a type: --start, --stop, --restart or --rollback.
type=$1
shift
for app in $(opsyard-agent app list --type "$type"); do
  opsyard-agent app serve "$app" "$@"
done
