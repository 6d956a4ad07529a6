# Deploys the static apps of this command and gives each its site.
for app in $(opsyard-agent app list --type static); do
  opsyard-agent release create "$app"
  opsyard-agent release activate "$app"
  bash -euo pipefail files/site.sh web-site.conf.tmpl "$app"
  opsyard-agent release prune "$app"
done
