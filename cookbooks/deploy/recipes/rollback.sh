# Goes back to the release before the current one, whatever kind of app it is.
for app in $(opsyard-agent app list); do
  opsyard-agent release rollback "$app"
done
