# Tells the Rails apps where the memcached servers are now.
for service in "${OPSYARD_ROOT-}"/etc/opsyard-apps/*.json; do
  app=$(basename "$service" .json)
  file=$(opsyard-agent attr "deploy.$app.deploy_to" --default "/srv/www/$app")/shared/config/memcached.yml
  there=${OPSYARD_ROOT-}$file
  if [ -f "$there" ] && [ ! -L "$there" ]; then
    opsyard-agent template ../../deploy/templates/memcached.yml.tmpl "$file" --set "env=$(sed -n 's/^\([A-Za-z0-9_]*\):$/\1/p' "$there")"
  fi
done
