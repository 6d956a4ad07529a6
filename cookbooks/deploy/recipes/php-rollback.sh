for app in $(opsyard-agent app list --type php); do
  opsyard-agent release rollback "$app" --notify "bash -euo pipefail files/php-site.sh $app"
done
