# Deploys one Java app. If the new version does not start, the old one goes on.
app=$1
before=$(bash files/release.sh "$app" current)
opsyard-agent release create "$app"
opsyard-agent release hook "$app" before_migrate
opsyard-agent release hook "$app" before_symlink
opsyard-agent release activate "$app"
opsyard-agent release hook "$app" before_restart
if ! bash -euo pipefail files/serve.sh "$app" "$(bash files/release.sh "$app" current)"; then
  [ -z "$before" ] || opsyard-agent release activate "$app" "$before"
  exit 1
fi
opsyard-agent release hook "$app" after_restart
opsyard-agent release prune "$app"
