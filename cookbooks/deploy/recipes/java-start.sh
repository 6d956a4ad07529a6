cd ../java
for app in $(opsyard-agent app list --type java); do
  opsyard-agent service "opsyard-java-$app" --start
  opsyard-agent exec -- bash files/wait.sh "$app"
done
