for app in $(opsyard-agent app list); do
  opsyard-agent release undeploy "$app"
done
