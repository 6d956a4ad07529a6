# Takes the apps of this command off the host, whatever their type: of an app
# that has been deleted only its name is known.
for app in $(opsyard-agent app list); do
  bash -euo pipefail files/site-remove.sh "$app"
  opsyard-agent app serve "$app" --absent
  opsyard-agent release undeploy "$app"
done
