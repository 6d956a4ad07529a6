# Goes back to the release before the current one. Nginx follows the link
# "current" at each request, it need not be told.
for app in $(opsyard-agent app list --type static); do
  opsyard-agent release rollback "$app"
done
