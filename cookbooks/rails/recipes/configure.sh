# Tells the Rails apps where the memcached servers are now.
for file in /srv/www/*/shared/config/memcached.yml; do
  if [ -f "$file" ] && [ ! -L "$file" ]; then
    opsyard-agent template ../../deploy/templates/memcached.yml.tmpl "$file" --set "env=$(sed -n 's/^\([A-Za-z0-9_]*\):$/\1/p' "$file")"
  fi
done
