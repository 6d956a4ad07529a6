for app in $(opsyard-agent app list); do
  echo "Deploying $app"
  opsyard-agent release create "$app"
  opsyard-agent release activate "$app"
  opsyard-agent release prune "$app"
  opsyard-agent release list "$app"
done
