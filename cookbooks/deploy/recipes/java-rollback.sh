# Goes back to the release before the current one, which leaves when the old one
# serves again.
cd ../java
for app in $(opsyard-agent app list --type java); do
  previous=$(bash files/release.sh "$app" previous)
  if [ -n "$previous" ]; then
    bash -euo pipefail files/serve.sh "$app" "$previous"
  fi
  opsyard-agent release rollback "$app"
done
