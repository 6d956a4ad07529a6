# Deploys the programs of this command, each as a service. What runs is what the
# custom JSON says (deploy.APP.command), the Procfile's web process, or the file
# with the app's short name.
for app in $(opsyard-agent app list --type other); do
  opsyard-agent release create "$app"
  has_release=$(opsyard-agent release list "$app")
  if [ -n "$has_release" ]; then
    opsyard-agent release hook "$app" before_migrate
    opsyard-agent release hook "$app" before_symlink
    opsyard-agent release hook "$app" before_restart
  fi
  command=$(opsyard-agent attr "deploy.$app.command" --default '')
  opsyard-agent app serve "$app" --command "${command:-$(printf 'app=%s\n' "$app" && cat files/program-start.sh)}"
  if [ -n "$has_release" ]; then
    bash -euo pipefail files/site.sh app-site.conf.tmpl "$app"
    opsyard-agent release hook "$app" after_restart
  fi
  opsyard-agent release prune "$app"
done
