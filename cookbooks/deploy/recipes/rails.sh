# Deploys the Rails apps of this command. What the new version needs is put in
# place before it starts; the old one serves until the new one answers.
for app in $(opsyard-agent app list --type rails); do
  opsyard-agent release create "$app"
  release=$(opsyard-agent release list "$app" | tail -n 1 | cut -c 3- | cut -d ' ' -f 1)
  dir=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")/releases/$release
  rails_env=$(opsyard-agent attr --private "apps.$app.attributes.RailsEnv" --default '')
  rails_env=${rails_env:-production}
  if [[ ! $rails_env =~ ^[A-Za-z0-9_]+$ ]]; then
    echo "$rails_env cannot be the name of a Rails environment." >&2
    exit 1
  fi
  setting="rails_env=$rails_env
$(cat files/rails-env.sh)"
  if [ -n "$release" ]; then
    bash -euo pipefail files/rails-prepare.sh "$app" "$dir" "$rails_env"
    opsyard-agent release hook "$app" before_migrate
    opsyard-agent release migrate "$app" -- bash -euo pipefail -c "$setting
$(opsyard-agent attr "deploy.$app.migrate_command" --default "$(cat files/rails-migrate.sh)")"
    opsyard-agent release hook "$app" before_symlink
    opsyard-agent release hook "$app" before_restart
  fi
  opsyard-agent app serve "$app" --command "$setting
$(cat files/rails-start.sh)"
  bash -euo pipefail files/site.sh app-site.conf.tmpl "$app" --set public=public
  if [ -n "$release" ]; then
    opsyard-agent release hook "$app" after_restart
  fi
  opsyard-agent release prune "$app"
done
