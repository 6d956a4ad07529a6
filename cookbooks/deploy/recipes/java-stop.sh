# Stops when the requests under way have been answered.
for app in $(opsyard-agent app list --type java); do
  opsyard-agent service "opsyard-java-$app" --stop
done
