# Deploys the PHP apps of this command: each has processes of its own, which run
# as the app's user, and a site in Apache.
for app in $(opsyard-agent app list --type php); do
  opsyard-agent release create "$app"
  bash -euo pipefail files/php-prepare.sh "$app"
  opsyard-agent release hook "$app" before_migrate
  opsyard-agent release hook "$app" before_symlink
  opsyard-agent release hook "$app" before_restart
  opsyard-agent release activate "$app" --notify "bash -euo pipefail files/php-site.sh $app"
  bash -euo pipefail files/php-site.sh "$app"
  opsyard-agent release hook "$app" after_restart
  opsyard-agent release prune "$app"
done
