# Deploys the Node.js apps of this command. What the new version needs is put
# in place before it starts; the old one serves until the new one answers.
for app in $(opsyard-agent app list --type nodejs); do
  opsyard-agent release create "$app"
  release=$(opsyard-agent release list "$app" | tail -n 1 | cut -c 3- | cut -d ' ' -f 1)
  dir=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")/releases/$release
  if [ -n "$release" ]; then
    bash -euo pipefail files/nodejs-prepare.sh "$app" "$dir"
    opsyard-agent release hook "$app" before_migrate
    opsyard-agent release hook "$app" before_symlink
    opsyard-agent release hook "$app" before_restart
  fi
  opsyard-agent app serve "$app" --command "$(cat files/nodejs-start.sh)"
  if [ -n "$release" ]; then
    bash -euo pipefail files/site.sh app-site.conf.tmpl "$app"
    opsyard-agent release hook "$app" after_restart
  fi
  opsyard-agent release prune "$app"
done
